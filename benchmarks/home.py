"""What a student waits for: CPU seconds of a first `check`, and of a run again after a save.

    python benchmarks/home.py [ASSIGNMENT]

Two columns: until the last check has its result, and until the rehearsal on a make-believe GPU is over, too. CPU
seconds of the process that runs the checks, since a busy machine makes everything else longer; the terminal's own
process takes some 0.4 s beside it, most of them at the same time.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from autograder.course import load_assignment
from autograder.home import events
from autograder.home.process import Process

ROOT = Path(__file__).parents[1]


def cpu_s(process: Process) -> float:
    """CPU seconds that a process has used so far (Linux)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def until(process: Process, *kinds: str) -> events.Event:
    """The first event of one of these kinds."""
    while True:
        event = process.next_event(600)
        if event is None or event.kind in {*kinds, "ended", "failed"}:
            assert event is not None
            assert event.kind in kinds, event
            return event


def measure(folder: Path, *, warm: bool) -> tuple[float, float]:
    """CPU seconds until all checks are settled, and until the end; of a warm process only what comes after the save."""
    wanted = tuple(check.id for check in load_assignment(folder, complete=False).checks)
    process = Process(warm=warm)
    try:
        until(process, "ready")
        before = cpu_s(process) if warm else 0.0
        process.send(events.order(folder, wanted))
        for _ in wanted:
            until(process, "settled")
        settled = cpu_s(process) - before
        until(process, "done")
        return settled, cpu_s(process) - before
    finally:
        process.close()


def main() -> None:
    """Measure the solution of an assignment in the place of its stub."""
    assignment = sys.argv[1] if len(sys.argv) > 1 else "a1_rnn"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "assignments" / assignment
        shutil.copytree(ROOT / "assignments", folder.parent)
        print(f"{assignment:16} {'checks':>8} {'and GPU':>8}   CPU seconds, the best of three")
        for name, source, warm in (
            ("first, stub", ROOT / "assignments", False),
            ("first, solution", ROOT / "solutions", False),
            ("again, stub", ROOT / "assignments", True),
            ("again, solution", ROOT / "solutions", True),
        ):
            for file in load_assignment(folder, complete=False).files:
                shutil.copy(source / assignment / file, folder / file)
            best = min(measure(folder, warm=warm) for _ in range(3))
            print(f"{name:16} {best[0]:8.2f} {best[1]:8.2f}")


if __name__ == "__main__":
    main()
