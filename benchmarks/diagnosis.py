"""What diagnosis costs beside grading the checks that it explains.

    .venv/bin/python benchmarks/diagnosis.py [--every 5] [--no-unlisted] [a2_lstm_gru a5_transformer a6_bert]

A class in which everybody made another mistake: each nth of an assignment's known ones, graded on the checks that
are to catch it. CPU seconds of one run, meant as ratios:

* grading: what the failed checks took of the judge (reference, comparisons, ledger), the zygote and their children;
* diagnosis: transcripts kept and read, mistakes asked the same questions; pairs apart;
* modules: the mistakes as modules that run, made once a class when they are first asked;
* once more: the same mistakes made by other students of the class: modules and answers are at hand;
* unlisted: each submission's own mistake is struck off the list, so that nothing explains it and pairs are tried.

A first submission, which starts everything, is not counted.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from milliseconds import ticks

from autograder.audit import audit_secret
from autograder.checks.case import CheckRun
from autograder.checks.earlier import decisive
from autograder.desk import Desk
from autograder.diagnosis.catalogue import Catalogue
from autograder.diagnosis.diagnose import Diagnostician
from autograder.diagnosis.rounds import Rounds
from autograder.ledger import Kind as Beside
from autograder.ledger import Ledger
from autograder.pipeline import Job, Pipeline
from autograder.records import Confinement, Outcome
from autograder.variants import Variant, as_submission, mistakes

ROOT = Path(__file__).resolve().parent.parent
ASSIGNMENTS = ("a2_lstm_gru", "a5_transformer", "a6_bert")


def main() -> None:
    """Grade, diagnose and print a table for each assignment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assignments", nargs="*", default=ASSIGNMENTS)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--no-unlisted", action="store_true", help="leave out what takes seconds a submission")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1, requires_grad=True)]).step()  # half of torch is imported for the first one
    print(f"CPU seconds a submission; load {os.getloadavg()[0]:.1f}")
    meter = metered()
    for id_ in options.assignments:
        Measurement(id_, options.every, meter).run(unlisted=not options.no_unlisted)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one submission."""

    id: str
    grading: float
    """Of the checks that failed: judge and children."""
    diagnosis: float
    pairs: float
    modules: float
    checks: int
    failed: int


class Meter:
    """CPU seconds of this process by what they are for; what runs within another thing counts for itself alone."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = defaultdict(float)
        self._inside = ["else"]
        self._since = time.process_time()

    def counts(self, owner: type, function: str, name: Callable[..., str]) -> None:
        """Let a method of a class count for what `name` makes of its arguments."""
        counted = getattr(owner, function)

        @wraps(counted)
        def counting(*args: Any, **kwargs: Any) -> Any:
            self._turn()
            self._inside.append(name(*args))
            try:
                return counted(*args, **kwargs)
            finally:
                self._turn()
                self._inside.pop()

        setattr(owner, function, counting)

    def _turn(self) -> None:
        now = time.process_time()
        self._spent[self._inside[-1]] += now - self._since
        self._since = now

    def taken(self) -> Mapping[str, float]:
        """What was spent since this was last asked."""
        self._turn()
        spent, self._spent = self._spent, defaultdict(float)
        return spent


class Forgetful(Ledger):
    """A ledger that has each diagnosis made anew."""

    def kept(self, kind: Beside, key: str) -> bytes | None:
        """What was kept, but no diagnosis."""
        return None if kind == "diagnoses" else super().kept(kind, key)


class Metered(Pipeline):
    """A pipeline whose ledger forgets diagnoses."""

    def _ledger_at(self, root: Path) -> Ledger:
        return Forgetful(root)


class Measurement:
    """One assignment."""

    def __init__(self, id_: str, every: int, meter: Meter) -> None:
        self._desk = Desk.at(ROOT, id_, Confinement.REQUIRED, 1)
        self._assignment = self._desk.assignment
        self._meter = meter
        known = [each for each in mistakes(self._assignment) if each.files and each.caught_by]
        self._first, self._others = known[1], known[::every]

    def run(self, *, unlisted: bool) -> None:
        """Grade everybody, diagnose them again, and print what it took."""
        with tempfile.TemporaryDirectory() as folder:
            settings = self._desk.settings(Path(folder))
            with closing(Metered(settings)) as pipeline:
                self._graded(pipeline, self._first)
                zygote = pipeline._workshop.zygote()._process.pid
                forking = ticks(zygote)
                graded = self._class(pipeline)
                forked = (ticks(zygote) - forking) / sum(each.checks for each in graded)  # of each check
                again = self._class(pipeline)
            graded = [replace(each, grading=each.grading + forked * each.failed) for each in graded]
            print(f"\n{self._assignment.id}: {len(graded)} submissions, {sum(c.failed for c in graded)} failed checks")
            show("grading the failed checks", [each.grading for each in graded])
            show("diagnosis without pairs", [each.diagnosis for each in graded], graded)
            show("modules, once a class", [each.modules for each in graded], graded)
            show("pairs", [each.pairs for each in graded], graded)
            show("once more, without pairs", [each.diagnosis for each in again], graded)
            if unlisted:
                with closing(Metered(settings)) as pipeline:
                    found = self._class(pipeline, unlisted=True)
                show("unlisted, without pairs", [each.diagnosis for each in found], graded)
                show("unlisted, pairs", [each.pairs for each in found], graded)

    def _class(self, pipeline: Metered, *, unlisted: bool = False) -> list[Cost]:
        costs = [self._graded(pipeline, each, unlisted=unlisted) for each in self._others]
        return [each for each in costs if each.failed]

    def _graded(self, pipeline: Metered, mistake: Variant, *, unlisted: bool = False) -> Cost:
        told = {*mistake.caught_by, *decisive(self._assignment, mistake.caught_by)}
        untried = frozenset(check.id for check in self._assignment.checks) - told
        submission = as_submission(self._assignment, mistake.id, mistake.files)
        known = pipeline._rounds._diagnostician.catalogue.mistakes
        self._meter.taken()
        if unlisted:
            pipeline._rounds._diagnostician.catalogue.mistakes = {i: m for i, m in known.items() if i != mistake.id}
        try:
            results = pipeline.grade(Job(submission, audit_secret(0), untried=untried)).results
        finally:
            pipeline._rounds._diagnostician.catalogue.mistakes = known
        spent = self._meter.taken()
        failed = [result for result in results if result.outcome is Outcome.FAILED]
        judge = sum(spent.get(f"check {result.id}", 0.0) for result in failed)
        grading = judge + sum(result.cpu_s for result in failed)
        tried = sum(result.outcome is not Outcome.SKIPPED for result in results)
        diagnosis, pairs, modules = (spent.get(name, 0.0) for name in ("diagnosis", "pairs", "modules"))
        return Cost(mistake.id, grading, diagnosis, pairs, modules, tried, len(failed))


def metered() -> Meter:
    """Return what counts this process's checks and diagnoses."""
    meter = Meter()
    meter.counts(CheckRun, "case", lambda run, *_: f"check {run.check.id}")
    meter.counts(CheckRun, "finish", lambda run, *_: f"check {run.check.id}")
    meter.counts(Ledger, "put", lambda _, __, result: f"check {result.id}")
    meter.counts(Rounds, "keep", lambda *_: "diagnosis")
    meter.counts(Rounds, "diagnosed", lambda *_: "diagnosis")
    meter.counts(Catalogue, "_module", lambda *_: "modules")
    meter.counts(Diagnostician, "_timed", lambda _, kind, __: "pairs" if kind == "pairs" else "diagnosis")
    return meter


def show(what: str, seconds: Sequence[float], beside: Sequence[Cost] = ()) -> None:
    """One line: mean, the largest, and both as a part of grading the failed checks."""
    ratio = worst = ""
    if beside:
        whole = sum(each.grading for each in beside)
        ratio = f"{sum(seconds) / whole:6.2f} of grading"
        each, times = max(zip(beside, seconds, strict=True), key=lambda pair: pair[1] / pair[0].grading)
        worst = f", at most {times / each.grading:.1f} ({each.id})"
    print(f"  {what:26s} {sum(seconds) / len(seconds):7.4f} at most {max(seconds):7.3f}  {ratio}{worst}")


if __name__ == "__main__":
    main()
