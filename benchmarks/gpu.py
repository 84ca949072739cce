"""Grading on a CUDA device, measured: right work has 100 there, device mistakes are named, and what a submission costs.

    python benchmarks/gpu.py                      # where there is a CUDA device; one process at a time
    python benchmarks/gpu.py --jobs 8 --styles 4  # several processes share the card, which `grade` never does

For each open assignment: the solution, right programs in other styles, and the planted device mistakes of
tests/home/device_mistakes.yml, all confined as `grade` confines. Exit code 1 where right work lost a point or a mistake
was not named at its line.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import course_data
import torch
import yaml

from autograder.course import load_assignment
from autograder.pipeline import Job, Pipeline, Settings
from autograder.records import Assignment, Confinement, Grade
from autograder.sandbox import cards
from autograder.sandbox.means import survey
from autograder.variants import as_submission, fair_play, solution

ROOT = Path(__file__).resolve().parent.parent
MISTAKES = ROOT / "tests" / "home" / "device_mistakes.yml"
SECRET = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Program:
    """One program to grade."""

    assignment: str
    kind: str
    id: str
    files: Mapping[str, bytes]
    line: str = ""
    """Of a mistake: a part of the line that is to be named."""


@dataclass(frozen=True, slots=True)
class Graded:
    """What came of it."""

    program: Program
    grade: Grade
    seconds: float

    @property
    def named(self) -> bool:
        """Whether some finding names the line."""
        source = next(iter(self.program.files.values())).decode().split("\n")
        number = next(n for n, text in enumerate(source, start=1) if self.program.line in text)
        found = [result.finding for result in self.grade.results if result.finding]
        return any(f", line {number}," in finding.where and "GPU" in finding.message for finding in found)


def programs(assignments: list[str], styles: int) -> Iterator[Program]:
    """What is graded, the solutions first."""
    loaded = [load_assignment(ROOT / "solutions" / name) for name in assignments]
    for each in loaded:
        yield Program(each.id, "solution", "solution", solution(each).files)
    for each in loaded:
        for variant in fair_play(each)[:styles]:
            yield Program(each.id, "style", variant.id, variant.files)
    for each in loaded:
        yield from mistakes(each)


def mistakes(assignment: Assignment) -> Iterator[Program]:
    """The solution with each planted device mistake in it."""
    (name, text) = next(iter(solution(assignment).files.items()))
    for entry in yaml.safe_load(MISTAKES.read_text(encoding="utf-8")):
        if entry["assignment"] == assignment.id:
            source = edited(text.decode(), entry)
            files = {**solution(assignment).files, name: source.encode()}
            yield Program(assignment.id, "mistake", entry["id"], files, entry["line"])


def edited(source: str, entry: Mapping[str, Any]) -> str:
    """Return the source with a mistake's edits."""
    for before, after in {entry["replace"]: entry["with"], **entry.get("also", {})}.items():
        source = source.replace(before, after)
    return source


def settings(assignment: str, device: str, ledger: Path) -> Settings:
    """How `grade` would grade it here: confined as far as the machine allows."""
    means = survey()
    found = cards.survey(os.environ) if device == "cuda" else ()
    layers = cards.usable_layers(means.layers, os.geteuid()) if found else means.layers
    confinement = Confinement.BEST_EFFORT if means.missing else Confinement.REQUIRED
    folder = ROOT / "solutions" / assignment
    digest = course_data.digest(load_assignment(folder).datasets)
    return Settings(folder, confinement, layers, means.missing, ledger, digest, device, found)


def grade(program: Program, used: Settings) -> Graded:
    """Grade one program with a zygote that is warm, in an empty ledger."""
    assignment = load_assignment(used.folder)
    with tempfile.TemporaryDirectory() as ledger, closing(Pipeline(with_ledger(used, Path(ledger)))) as pipeline:
        pipeline._workshop.zygote(used.device)
        started = time.perf_counter()
        graded = pipeline.grade(Job(as_submission(assignment, "ada", program.files), SECRET))
        return Graded(program, graded, time.perf_counter() - started)


def with_ledger(used: Settings, ledger: Path) -> Settings:
    """The settings with another ledger."""
    return Settings(
        used.folder, used.confinement, used.layers, used.missing, ledger, used.datasets_digest, used.device, used.cards
    )


def report(each: Graded) -> bool:
    """Print a line about one program; whether it is as it should be."""
    program, results = each.program, each.grade.results
    places = Counter(result.device for result in results if result.outcome == "passed")
    lost = [result for result in results if result.outcome not in ("passed", "skipped")]
    fine = each.grade.score == 100 if program.kind != "mistake" else each.named
    cpu_s = sum(result.cpu_s for result in results)
    on = ", ".join(f"{count} on {place}" for place, count in sorted(places.items()))
    print(
        f"{'ok ' if fine else 'BAD'} {program.kind:8} {program.assignment:15} {program.id:24} "
        f"score {each.grade.score:3}  passed: {on or 'none'}; {cpu_s:6.1f} CPU s, {each.seconds:6.1f} s"
    )
    for result in lost if program.kind == "mistake" or not fine else ():
        finding = result.finding
        words = f"{finding.message} [{finding.where}] {finding.detail[:300]!r}" if finding else ""
        print(f"      {result.id} {result.outcome}: {words}")
    return fine


def main() -> int:
    """Grade everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assignments", nargs="*", default=["a1_rnn", "a2_lstm_gru", "a3_seq2seq", "a5_transformer"])
    parser.add_argument("--styles", type=int, default=4, help="right programs in other styles, of each assignment")
    parser.add_argument("--kinds", nargs="*", default=["solution", "style", "mistake"])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    options = parser.parse_args()
    used = {name: settings(name, options.device, Path()) for name in options.assignments}
    first = next(iter(used.values()))
    where = cards.named(first.device, first.cards)
    print(f"torch {torch.__version__} on {where}; {first.confinement}: {', '.join(first.layers)}")
    chosen = [each for each in programs(options.assignments, options.styles) if each.kind in options.kinds]
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        graded = pool.map(grade, chosen, [used[program.assignment] for program in chosen])
        verdicts = [report(each) for each in graded]  # as they come, in order
    print(f"{sum(verdicts)} of {len(verdicts)} as they should be")
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
