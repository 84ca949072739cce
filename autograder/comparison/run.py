"""Runs the measurements, two at a time, each in a process of its own."""

from __future__ import annotations

import importlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

from autograder.comparison.records import Claim, Measured, Plot, Verdict
from autograder.comparison.works import NotThere, Works


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement: where it is computed, and what it is called while one waits."""

    title: str
    module: str
    function: str
    alone: bool = False
    """Whether it takes time, which neighbours would spoil."""


MEASUREMENTS = (
    Measurement("how far a gradient reaches", "recurrence", "gradients"),
    Measurement("the adding problem", "recurrence", "adding"),
    Measurement("languages of surnames", "recurrence", "names"),
    Measurement("what a vector holds", "translation", "vector"),
    Measurement("dates with and without attention", "translation", "attention"),
    Measurement("a Transformer and the amount of data", "translation", "data"),
    Measurement("pre-training", "language", "pretraining"),
    Measurement("few pictures and many", "images", "pictures"),
    Measurement("operations and time", "cost", "cost", alone=True),
)
"""In the order of the page."""
MODELS = ("RNN", "LSTM/GRU", "Seq2Seq", "Transformer", "BERT", "ViT")
"""In the order of the note's table."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that was found."""

    whose: str
    claims: tuple[Claim, ...]
    plots: tuple[Plot, ...]
    missing: tuple[str, ...]
    """A sentence on each measurement that could not be made."""
    seconds: float


Found = tuple[tuple[Claim, ...], tuple[Plot, ...], tuple[str, ...]]
"""Claims, plots, and a sentence on each measurement that could not be made."""


def measure(works: Works, chosen: Sequence[Measurement], processes: int, done: Callable[[Measurement], None]) -> Found:
    """Make the measurements, claims in the order of the note's table; `done` hears of every one that is made."""
    found: dict[Measurement, Measured | str] = {}
    for together, count in (([m for m in chosen if not m.alone], processes), ([m for m in chosen if m.alone], 1)):
        for measurement, outcome in _run(works, together, count):
            found[measurement] = outcome
            done(measurement)
    made = [outcome for outcome in map(found.get, chosen) if isinstance(outcome, Measured)]
    missing = tuple(
        f"{measurement.title}: {outcome}"
        for measurement, outcome in ((each, found[each]) for each in chosen)
        if isinstance(outcome, str)
    )
    claims = sorted((claim for each in made for claim in each.claims), key=_place)
    return tuple(claims), tuple(plot for each in made for plot in each.plots), missing


def _place(claim: Claim) -> tuple[int, bool]:
    return MODELS.index(claim.model), not claim.is_strength


def _run(
    works: Works, measurements: Sequence[Measurement], processes: int
) -> Iterator[tuple[Measurement, Measured | str]]:
    if not measurements:
        return
    start = partial(ProcessPoolExecutor, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1)
    with start(max_workers=processes) as pool:
        waiting = {pool.submit(_measured, works, each.module, each.function): each for each in measurements}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except KeyboardInterrupt:
            for process in multiprocessing.active_children():
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _measured(works: Works, module: str, function: str) -> Measured | str:
    """Make one measurement, in a process of its own; a sentence where a student's file does not let it."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    works.open()
    try:
        found: Measured = getattr(importlib.import_module(f"autograder.comparison.{module}"), function)(works)
    except NotThere as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - it calls a student's models, which may raise anything
        return f"{type(error).__name__}: {error}"
    return found


def counted(claims: Sequence[Claim]) -> dict[Verdict, int]:
    """How many claims have each verdict."""
    return {verdict: sum(claim.verdict is verdict for claim in claims) for verdict in Verdict}
