"""What a student waits for, with the solution and with the stub of every assignment: the table in docs/performance.md.

    python benchmarks/home.py [ASSIGNMENT ...]

`first` is `autograder check` as a command, from an empty prompt to the next one; `again` is a run in watch mode, from
the save to the report. CPU seconds are those of all processes, since a busy machine makes everything else longer: on
two cores at rest a first run takes less than its CPU seconds (two processes start at once), and a run in watch mode
takes them and the 0.12 s in which an editor may write more than once. The best of three.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from autograder.course import load_assignment
from autograder.home.check import check
from autograder.home.process import Process
from autograder.home.run import Hands
from autograder.home.watch import SETTLE_MS

ROOT = Path(__file__).parents[1]
TIMES = 3


def first(folder: Path) -> tuple[float, float]:
    """CPU and wall seconds of the command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "autograder.cli", "check"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return used, time.monotonic() - started


def again(folder: Path) -> tuple[float, float]:
    """CPU and wall seconds of a run whose process was waiting."""
    hands = Hands(Process(folder))
    try:
        while (event := hands.process.next_event(600)) is not None and event.kind != "ready":
            assert event.kind != "ended", event
        before, own, started = cpu_s(hands.process.pid), time.process_time(), time.monotonic()
        check(folder, (), hands, lambda _: None)
        wall = time.monotonic() - started + SETTLE_MS / 1000
        return cpu_s(hands.process.pid) - before + time.process_time() - own, wall
    finally:
        hands.close()


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def best(measure: Callable[[Path], tuple[float, float]], folder: Path) -> str:
    """Its figures as two columns."""
    runs = [measure(folder) for _ in range(TIMES)]
    return f"{min(cpu for cpu, _ in runs):.1f} s | {min(wall for _, wall in runs):.1f} s"


def main() -> None:
    """Measure a kit's folder for each assignment."""
    wanted = sys.argv[1:] or sorted(file.parent.name for file in (ROOT / "solutions").glob("*/assignment.yml"))
    print("| | first: CPU | wall | again: CPU | wall |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for name, source in (("solution", ROOT / "solutions"), ("stub", ROOT / "assignments")):
            desk = Path(place) / name
            shutil.copytree(ROOT / "assignments", desk)
            for folder in sorted(desk.iterdir()):
                for file in load_assignment(folder, complete=False).files:
                    shutil.copy(source / folder.name / file, folder / file)
            for id_ in wanted:
                print(f"| {id_}, {name} | {best(first, desk / id_)} | {best(again, desk / id_)} |", flush=True)


if __name__ == "__main__":
    main()
