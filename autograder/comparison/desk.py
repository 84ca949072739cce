"""The verb `compare`: measures, prints the table of claims, and writes the page."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from autograder.comparison.records import Claim, Verdict
from autograder.comparison.run import MEASUREMENTS, Comparison, Found, Measurement, counted, measure
from autograder.comparison.works import Works
from autograder.errors import AutograderError, UsageError
from autograder.sandbox.faults import printable

COLOURS = {Verdict.HELD: "green", Verdict.NOT_HELD: "red", Verdict.DEPENDS: "yellow", Verdict.NOT_MEASURED: "magenta"}
NEEDED = ("jinja2", "matplotlib")
"""What only the page needs; a student's kit comes without."""


def compare_here(here: Path, words: Sequence[str], out: Path, jobs: int | None, *, as_json: bool) -> None:
    """Measure and report.

    Raises UsageError where there is nothing to measure, AutograderError where the page cannot be written.
    """
    works, chosen = Works.around(here), _chosen(words)
    absent = [name for name in NEEDED if find_spec(name) is None]
    if not absent:
        _touch(out)
    start = time.monotonic()
    found = _watched(works, chosen, jobs or min(2, os.cpu_count() or 1))
    comparison = Comparison(works.whose, *found, time.monotonic() - start)
    if as_json:
        print_json(comparison)
    else:
        print_table(comparison)
    console = Console(stderr=True, highlight=False)
    if absent:
        console.print(f"For the page with the plots: pip install {' '.join(absent)}, and once more.")
        return
    from autograder.comparison.page import page_html

    environment = f"torch {version('torch')}, Python {platform.python_version()}, {platform.machine()}, one thread"
    out.write_text(page_html(comparison, "From RNN to ViT", environment), encoding="utf-8")
    console.print(f"The page with the plots: {out}", soft_wrap=True)


def _chosen(words: Sequence[str]) -> tuple[Measurement, ...]:
    chosen = tuple(m for m in MEASUREMENTS if not words or any(word.lower() in m.title.lower() for word in words))
    if not chosen:
        titles = "; ".join(measurement.title for measurement in MEASUREMENTS)
        raise UsageError(f"no measurement has {' or '.join(map(repr, words))} in its title; there are: {titles}")
    return chosen


def _touch(out: Path) -> None:
    """Find out before minutes of measuring whether the page can be written."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a"):
            pass
    except OSError as error:
        words = f"the page cannot be written to {out} ({error.strerror}); name another file: --out"
        raise AutograderError(words) from error


def _watched(works: Works, chosen: Sequence[Measurement], processes: int) -> Found:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("measuring", total=len(chosen))

        def done(measurement: Measurement) -> None:
            progress.update(task, advance=1, description=f"measured {measurement.title}")

        return measure(works, chosen, processes, done)


def print_json(comparison: Comparison) -> None:
    """Claims, plots and what is missing, as JSON."""
    Console(highlight=False, soft_wrap=True).print(Text(json.dumps(asdict(comparison))))


def print_table(comparison: Comparison) -> None:
    """The table of claims, readable at 80 columns and without colour."""
    console = Console(highlight=False)
    table = Table(title=f"The course note's claims, measured with {comparison.whose}", title_justify="left")
    table.add_column("model", max_width=11)
    table.add_column("claim", ratio=3)
    table.add_column("verdict")
    table.add_column("figure", ratio=5)
    before = ""
    for claim in comparison.claims:
        model = claim.model if claim.model != before else ""
        table.add_row(model, _sentence(claim), _verdict(claim), _safe(claim.figure))
        before = claim.model
    console.print(table)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in counted(comparison.claims).items() if count)
    console.print(f"{counts or 'nothing could be measured'}; {comparison.seconds / 60:.1f} minutes")
    for words in comparison.missing:
        console.print(Text("not measured: ", "magenta") + _safe(words))


def _sentence(claim: Claim) -> Text:
    return Text(("+ " if claim.is_strength else "- ") + claim.text)


def _verdict(claim: Claim) -> Text:
    return Text(claim.verdict, COLOURS[claim.verdict])


def _safe(words: str) -> Text:
    """Words that may quote a student's error: nothing in them moves the cursor."""
    return Text(printable(words))
