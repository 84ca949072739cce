"""How much of a class answers as somebody before it did, and what that saves the judge.

    .venv/bin/python benchmarks/alike.py [a1_rnn ...]

The right programs in other styles that each assignment keeps (fair_play: whole files and edits of the solution) are a
class: one is graded after the other, with what passed before remembered and without. Counted are the checks that take
turns in a shared process, since only they are remembered (autograder/checks/known_passes.py); the judge's CPU seconds
are those of this process alone: what it draws, packs, compares and lets the reference compute. Long trainings are left
out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Hashable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import course_data
import torch

from autograder.checks.known_passes import KnownPasses
from autograder.checks.shared import SHORT_CPU_S
from autograder.course import load_assignment
from autograder.pipeline import Job, Pipeline, Settings
from autograder.records import Assignment, CheckResult, Confinement
from autograder.sandbox.means import choose_layers, survey
from autograder.sandbox.remote import Session
from autograder.variants import as_submission, fair_play, solution

SOLUTIONS = Path(__file__).resolve().parent.parent / "solutions"
SECRET = b"a secret of the benchmark alone, 32"


@dataclass
class Counting(KnownPasses):
    """A memory that counts who asks it and whom it knew."""

    asked: int = 0
    known: int = 0

    def follow(self, key: Hashable, session: Session) -> CheckResult | None:
        """Count."""
        result = super().follow(key, session)
        self.asked += 1
        self.known += result is not None
        return result


def main() -> None:
    """Grade each assignment's styles twice and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assignments", nargs="*", default=["a1_rnn"])
    torch.set_num_threads(1)
    for name in parser.parse_args().assignments:
        assignment = load_assignment(SOLUTIONS / name)
        memory, without = Counting(), judge_s(assignment, None)
        spent = judge_s(assignment, memory)
        part = memory.known / (memory.asked - memory.asked / len(spent))
        print(f"{name}: {len(spent)} right programs; after the first {part:.0%} of the checks were answered as before")
        print(f"  judge, CPU s a program after the first: {mean(spent):.3f}, without memory {mean(without):.3f}")


def mean(spent: list[float]) -> float:
    """Of all but the first, which starts the processes."""
    return sum(spent[1:]) / len(spent[1:])


def judge_s(assignment: Assignment, memory: KnownPasses | None) -> list[float]:
    """CPU seconds of this process for each right program."""
    short = frozenset(check.id for check in assignment.checks if (check.trains_cpu_s or 0) <= SHORT_CPU_S)
    means, spent = survey(), []
    layers = choose_layers(Confinement.REQUIRED, means)
    data = course_data.digest(assignment.datasets)
    with tempfile.TemporaryDirectory() as ledger:
        used = Settings(assignment.folder, Confinement.REQUIRED, layers, means.missing, Path(ledger), data)
        with closing(Pipeline(used)) as pipeline:
            made = pipeline._workshop.bench

            def bench(*args: Any) -> Any:
                return replace(made(*args), passes=memory, wanted=short)

            pipeline._workshop.bench = bench  # type: ignore[method-assign, assignment]
            for right in (solution(assignment), *fair_play(assignment)):
                start = time.process_time()
                pipeline.grade(Job(as_submission(assignment, right.id, right.files), SECRET))
                spent.append(time.process_time() - start)
    return spent


if __name__ == "__main__":
    main()
