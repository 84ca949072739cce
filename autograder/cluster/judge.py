"""A judge on a worker: a process that grades one submission after the other, in the very sandbox of `fleet.py`.

    python -m autograder.cluster.judge FD COURSE

It has a ledger of its own, for the length of one submission: what the one who asked knows is put there before, and what
was measured is taken out afterwards. Its stdin is its lifeline: when whoever started it is gone, so is it.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from autograder.cluster.order import Answer, Order, opened
from autograder.errors import AutograderError
from autograder.ledger import grade_to_bytes
from autograder.pipeline import Pipeline, Settings

IDLE_S = 600.0
"""A judge without work for so long leaves; the next order starts another."""


def main() -> None:
    """Grade what comes, until nothing does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked decides
    threading.Thread(target=_leave_with_the_worker, daemon=True).start()
    orders, course = Connection(int(sys.argv[1])), Path(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="judge-", dir=course.parent) as folder:
        bench = _Bench(course, Path(folder))
        try:
            while orders.poll(IDLE_S):
                orders.send_bytes(pickle.dumps(_answer(bench, opened(orders.recv_bytes()))))
        except (EOFError, BrokenPipeError):
            pass
        finally:
            bench.close()


def _answer(bench: _Bench, order: Order) -> Answer:
    try:
        return bench.grade(order)
    except AutograderError as error:  # anything else is a bug: the process ends, its words are in the worker's log
        return Answer(lost=str(error))


class _Bench:
    """One pipeline, for one assignment with one kind of confinement."""

    def __init__(self, course: Path, ledger: Path) -> None:
        self._course = course
        self._ledger = ledger
        self._pipeline: Pipeline | None = None
        self._settings: Settings | None = None

    def grade(self, order: Order) -> Answer:
        """Return the grade, and what the ledger of the one who asked lacks."""
        settings = replace(order.settings, folder=self._course / "solutions" / order.assignment, ledger=self._ledger)
        if self._pipeline is None or settings != self._settings:
            self.close()
            self._pipeline, self._settings = Pipeline(settings), settings
        try:
            _write(self._ledger, order)
            graded = self._pipeline.grade(order.job)
            made = {name: content for name, content in _read(self._ledger).items() if name not in order.entries}
            return Answer(grade_to_bytes(graded), made)
        finally:
            for path in self._ledger.iterdir():
                shutil.rmtree(path)

    def close(self) -> None:
        """End the sandbox."""
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None


def _write(ledger: Path, order: Order) -> None:
    for name, content in order.entries.items():
        path = ledger / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _read(ledger: Path) -> dict[str, bytes]:
    files = [path for path in ledger.rglob("*") if path.suffix in {".json", ".kept"}]
    return {path.relative_to(ledger).as_posix(): path.read_bytes() for path in files}


def _leave_with_the_worker() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)  # the zygote ends with its parent, and its children with it


if __name__ == "__main__":
    main()
