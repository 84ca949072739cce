"""What a student waits for: with the solution, half of it, and the stub of every assignment. See docs/performance.md.

    python benchmarks/home.py [ASSIGNMENT ...] [--times 3]

`first` is `autograder check` as a command, from an empty prompt to the next one. `again` is a round in watch mode, from
the save until the checks are shown: of a save after which every check has to run before it is shown (a new constant);
`all run` goes on until those have run that stood, and to the end of the rehearsal. `a function` is the worst of three
saves that each changed the inside of one more function or class: the first, the last, and one between.

CPU seconds are those of all processes, since a busy machine makes everything else longer: on two cores at rest a first
run takes less than its CPU seconds (two processes start at once), and a round in watch mode takes them and the 0.06 s
until a save is noticed. `in line` are those of the wall's seconds in which the process that runs
the checks waited for a core that others had: at rest there are none. The best of some runs.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from figures import Figure, write

from autograder.course import load_assignment
from autograder.home.check import check
from autograder.home.page import Page
from autograder.home.process import Process
from autograder.home.report import Report
from autograder.home.run import Hands
from autograder.home.standing import Standing
from autograder.home.watch import STEP_MS
from autograder.release.handout import section
from autograder.release.stubs import BEGIN, END, make_stub

ROOT = Path(__file__).resolve().parent.parent
GOALS = {"first": 5.0, "again": 1.0, "a function": 1.0}
"""Seconds."""
NOTICED_S = 2 * STEP_MS / 1000
"""Until a save is noticed: measured, 0.05 to 0.06."""
SAVES = 3


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of some work."""

    cpu: float
    wall: float
    in_line: float | None = None

    def __str__(self) -> str:
        return " | ".join(f"{each:.2f}" for each in (self.cpu, self.wall, self.in_line) if each is not None)


def main() -> None:
    """Measure a kit's folder for each assignment."""
    ids = sorted(file.parent.name for file in (ROOT / "solutions").glob("*/assignment.yml"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assignments", nargs="*", default=ids)
    parser.add_argument("--times", type=int, default=3, help="the best of so many runs")
    parser.add_argument("--figures", type=Path, help="write the figures there, for benchmarks/all.py")
    options = parser.parse_args()
    worst: dict[str, Took] = {}
    spent = "CPU s | wall | in line | all run: CPU s | wall | in line |"
    print(f"| | first: CPU s | wall | again: {spent} a function: {spent}")
    print(f"|{'---|' * 15}")
    with tempfile.TemporaryDirectory() as place:
        for state in ("solution", "half", "stub"):
            desk = made_desk(Path(place) / state, state)
            for id_ in options.assignments:
                runs = [(first(desk / id_), *again(desk / id_)) for _ in range(options.times)]
                best = [least(column) for column in zip(*runs, strict=True)]
                print(f"| {id_}, {state} | {' | '.join(map(str, best))} |", flush=True)
                for name, took in zip(GOALS, (best[0], best[1], best[3]), strict=True):
                    worst[name] = most([took, worst.get(name, took)])
    for name, took in worst.items():
        print(f"{name}: at most {took.cpu:.2f} s CPU, {took.wall:.2f} s wall (goal {GOALS[name]:g} s)")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if options.figures:
        words = dict(
            zip(
                GOALS,
                ("the first check of an assignment", "checks again in watch mode", "the same, for a function"),
                strict=True,
            )
        )
        found = [Figure(words[name], took.cpu, "CPU s", at_most=GOALS[name]) for name, took in worst.items()]
        write(options.figures, found)


def least(runs: Iterable[Took]) -> Took:
    """The run with the least CPU seconds."""
    return min(runs, key=lambda each: each.cpu)


def most(runs: Iterable[Took]) -> Took:
    """The worst of each figure."""
    return Took(*(max(figures) for figures in zip(*((each.cpu, each.wall) for each in runs), strict=True)))


def made_desk(desk: Path, state: str) -> Path:
    """A kit's assignments in which everything is written, one half of each, or nothing."""
    shutil.copytree(ROOT / "assignments", desk)
    for folder in sorted(desk.iterdir()) if state != "stub" else ():
        for file in load_assignment(folder, complete=False).files:
            text = (ROOT / "solutions" / folder.name / file).read_text(encoding="utf-8")
            if state == "half":
                text = half(file, text, (folder / "handout.md").read_text(encoding="utf-8"))
            (folder / file).write_text(text, encoding="utf-8")
    return desk


def half(file: str, solution: str, handout: str) -> str:
    """The first half of a solution's gaps, and the stub of the others."""
    written = solution.count(BEGIN) // 2
    for marker in (BEGIN, END):
        solution = solution.replace(marker, "#", written)
    return make_stub(file, solution, partial(section, handout))


def first(folder: Path) -> Took:
    """The command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "autograder.cli", "check"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Took(cpu_s, time.monotonic() - started)


def again(folder: Path) -> tuple[Took, Took, Took, Took]:
    """Rounds of one watch: for a new constant, then for functions; until checks are shown, and until all have run."""
    file = folder / load_assignment(folder, complete=False).files[0]
    before = file.read_text(encoding="utf-8")
    memory: dict[str, Standing] = {}
    hands = Hands(Process(folder), ahead=folder)
    try:
        round_of(folder, hands, memory)
        file.write_text(f"{before}\n_NEW = 1\n", encoding="utf-8")
        whole = round_of(folder, hands, memory)
        rounds = []
        for place in range(SAVES):
            file.write_text(changed(file.read_text(encoding="utf-8"), place / (SAVES - 1)), encoding="utf-8")
            rounds.append(round_of(folder, hands, memory))
        return *whole, *max(rounds, key=lambda each: each[0].cpu)
    finally:
        file.write_text(before, encoding="utf-8")
        hands.close()


def changed(text: str, place: float) -> str:
    """Another statement in a function of the file, or in a class's first: 0 is the first of them, 1 the last."""
    found: list[ast.FunctionDef] = []
    for node in ast.parse(text).body:
        methods = [node, *node.body] if isinstance(node, ast.ClassDef) else [node]
        found += [each for each in methods if isinstance(each, ast.FunctionDef)][:1]
    first = found[round(place * (len(found) - 1))].body[-1]
    lines = text.splitlines(keepends=True)
    return "".join([*lines[: first.lineno - 1], f"{' ' * first.col_offset}_ = 1\n", *lines[first.lineno - 1 :]])


def round_of(folder: Path, hands: Hands, memory: dict[str, Standing]) -> tuple[Took, Took]:
    """A run whose process was waiting: until its checks are shown, and to its end."""
    hands.renew()
    while (event := hands.process.next_event(600)) is not None and event.kind != "ready":
        assert event.kind != "ended", event
    pid = hands.process.pid
    before, own, started, in_line = cpu_s(pid), time.process_time(), time.monotonic(), in_line_s(pid)
    shown: list[Took] = []

    def took() -> Took:
        cpu = cpu_s(pid) - before + time.process_time() - own
        return Took(cpu, time.monotonic() - started + NOTICED_S, in_line_s(pid) - in_line)

    def show(report: Report) -> None:
        with redirect_stdout(io.StringIO()):
            Page().results(report)
        shown.append(took())

    check(folder, (), hands, lambda _: None, show=show, memory=memory)
    return shown[0], took()


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def in_line_s(pid: int) -> float:
    """Seconds that a process has waited for a core so far (Linux)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8").split()[1]) / 1e9


if __name__ == "__main__":
    main()
