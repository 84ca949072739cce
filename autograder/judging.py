"""Grading processes: each grades one submission after the other, in a process of its own that has torch from a seed.

`Judge` is the side of whoever hands out the work and needs no torch, `main` the process. What it is to know (a secret,
an environment, submissions) goes to it over its own connection, after the fork, so that the seed never has it.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Self

from autograder.errors import SandboxError
from autograder.jobs import Job, Settings
from autograder.records import Grade
from autograder.sandbox.cards import assign
from autograder.sandbox.seed import Process, Seed

if TYPE_CHECKING:
    from autograder.before import Before
    from autograder.pipeline import Pipeline

PROCESS = "autograder.judging:main"
ALONE = "import sys; from autograder.judging import main; main(lambda: None, [int(sys.argv[1])])"
NAME = "judge"
"""By which one finds it among the processes of a machine."""
ENDS_S = 30.0


@dataclass(frozen=True, slots=True)
class Start:
    """What a grading process must know before its first submission."""

    settings: Settings
    number: int
    """Which of them it is: each takes a card that no other one has."""
    environment: Mapping[str, str] = field(repr=False)
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One submission."""

    job: Job
    kept_only: bool
    """Measure nothing: answer `NotKept` where something would have to be measured."""


@dataclass(frozen=True, slots=True)
class NotKept:
    """Something would have to be measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """A grading process, as whoever gives it work sees it."""

    connection: Connection
    process: Process

    @classmethod
    def start(cls, settings: Settings, number: int, seed: Seed | None) -> Self:
        """Start one from `seed`; without one it imports torch itself, and sees the devices that we see."""
        ours, theirs = Pipe()
        with theirs:
            if seed is not None:
                process: Process = seed.fork(PROCESS, [theirs.fileno()], line=True)
            else:
                process = subprocess.Popen(
                    [sys.executable, "-c", ALONE, str(theirs.fileno())],
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                )
        judge = cls(ours, process)
        judge._send(Start(settings, number, {**os.environ, "OMP_NUM_THREADS": "1"}, tuple(sys.path)))
        return judge

    def give(self, job: Job, *, kept_only: bool = False) -> None:
        """Have it grade one submission. Raises SandboxError where the process has ended."""
        self._send(Order(job, kept_only))

    def answer(self) -> Grade | NotKept:
        """Wait for what came of the last submission. Raises what grading raised, and SandboxError where it ended."""
        try:
            found: Grade | NotKept | BaseException = self.connection.recv()
        except (EOFError, OSError) as error:
            raise _ended() from error
        if isinstance(found, BaseException):
            raise found
        return found

    def hang_up(self) -> None:
        """Have it end when it has done what it is doing; this does not wait for it."""
        self.connection.close()

    def close(self) -> None:
        """End it, and its sandbox with it."""
        self.hang_up()
        try:
            self.process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _send(self, what: Start | Order) -> None:
        try:
            self.connection.send(what)
        except OSError as error:
            raise _ended() from error


def _ended() -> SandboxError:
    return SandboxError(
        "a grading process was ended from outside, perhaps for want of memory; what was measured is kept: run the "
        "same command again, with fewer --jobs"
    )


# --- the process -----------------------------------------------------------------------------------------------------


def main(settle: Callable[[], None], descriptors: list[int]) -> None:
    """Grade what comes over the first descriptor until nobody is there; the second one is the line to the seed."""
    settle()
    Path("/proc/self/comm").write_text(NAME, encoding="ascii")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever gives the work decides
    orders = Connection(descriptors[0])
    with suppress(EOFError, ConnectionError):  # whoever gives the work is gone
        start: Start = orders.recv()
        _settle_in(start)
        bench = _Bench(start.settings, Seed.at(descriptors[1]) if len(descriptors) > 1 else None)
        try:
            while True:
                order: Order = orders.recv()
                orders.send(bench.answer(order))
        finally:
            bench.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # there is nothing to take down, and Python's own way takes a third of a second


def _settle_in(start: Start) -> None:
    """Be a process of whoever started it: their environment, their path, their own choice of temporary folder."""
    gc.freeze()  # what the seed imported lives as long as we do: no collection need look at it
    gc.enable()
    os.environ.clear()
    os.environ.update(start.environment)
    sys.path[:] = start.path
    tempfile.tempdir = None
    if start.settings.cards:
        assign(start.settings.cards, start.number)


class _Bench:
    """What a grading process has: a pipeline that measures, and one that only looks; each made when it is needed."""

    def __init__(self, settings: Settings, seed: Seed | None) -> None:
        self._settings, self._seed = settings, seed
        self._pipeline: Pipeline | None = None
        self._before: Before | None = None

    def answer(self, order: Order) -> Grade | NotKept | BaseException:
        """Return the grade, or what was raised instead, with its traceback."""
        try:
            return self._kept(order.job) if order.kept_only else self._graded(order.job)
        except BaseException as error:  # noqa: BLE001 - whoever gave the work raises it
            error.add_note("".join(["in a grading process:\n", *traceback.format_tb(error.__traceback__)]))
            return error

    def _graded(self, job: Job) -> Grade:
        from autograder.pipeline import Pipeline

        if self._pipeline is None:
            self._pipeline = Pipeline(self._settings, seed=self._seed)
        return self._pipeline.grade(job)

    def _kept(self, job: Job) -> Grade | NotKept:
        from autograder.before import Before

        if self._before is None:
            self._before = Before(self._settings)
        known = self._before.known(job)
        return known if isinstance(known, Grade) else NotKept()

    def close(self) -> None:
        """End the sandbox."""
        for pipeline in (self._pipeline, self._before):
            if pipeline is not None:
                pipeline.close()
