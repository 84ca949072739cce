"""Many submissions over the cores of one machine: a process each, one torch thread each."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from autograder import memory
from autograder.errors import AutograderError
from autograder.jobs import Job, Settings
from autograder.judging import Judge, NotKept
from autograder.records import Grade
from autograder.sandbox.cards import NO_DEVICE, assign
from autograder.sandbox.seed import TORCH, Seed

if TYPE_CHECKING:
    from autograder.pipeline import Pipeline

LOOK_S = 1.0
"""How long to wait for memory before looking again."""
Running = Callable[[Sequence[str]], None]
"""Hears whose submissions are being graded, whenever that changes."""


def grade_all(
    settings: Settings,
    jobs: Sequence[Job],
    workers: int,
    done: Callable[[Job, Grade], None],
    running: Running = lambda _: None,
) -> None:
    """Grade all jobs and hand each grade to `done` as soon as it stands.

    Submissions whose child only waited are graded again afterwards, alone, before they count. An interrupt lets
    grading processes finish the submission at hand; the ledger has every check that was measured. A process that has
    torch already grades itself where one is enough; any other one stays without it.
    """
    if not jobs:
        return
    again: list[Job] = []
    with closing(Here(settings) if workers == 1 and TORCH in sys.modules else Crew(settings, workers)) as graders:
        for job, grade in graders.grade(jobs, running):
            if any(result.waited for result in grade.results):
                again.append(Job(job.submission, job.secret, alone=True))
            else:
                done(job, grade)
        for job in again:
            for _, grade in graders.grade([job], running):
                done(job, grade)


class Here:
    """Grading in this process."""

    def __init__(self, settings: Settings) -> None:
        if settings.cards:
            assign(settings.cards, 0)
        self._pipeline = pipeline_for(settings)

    def grade(self, jobs: Sequence[Job], running: Running) -> Iterator[tuple[Job, Grade]]:
        """Grade one after the other."""
        for job in jobs:
            running((job.submission.student,))
            yield job, self._pipeline.grade(job)

    def close(self) -> None:
        """End the sandbox."""
        self._pipeline.close()


def pipeline_for(settings: Settings) -> Pipeline:
    """Return a pipeline of this process."""
    from autograder.pipeline import Pipeline

    return Pipeline(settings)


class Crew:
    """Grading processes, which come from one seed and start when there is work for them.

    As long as all that comes is kept, one of them says so, and nothing that only measuring needs is imported or
    started. On CUDA each is an interpreter of its own, since a process that has opened a device cannot be forked.
    """

    def __init__(self, settings: Settings, most: int) -> None:
        self._settings, self._most = settings, most
        self._only_looks = (settings.ledger / "measurements").is_dir()  # else nothing was ever measured
        self._judges: list[Judge] = []
        self._at_work: dict[Judge, Job] = {}
        self._seed = None if settings.cards else Seed.start(NO_DEVICE)
        if self._seed:
            self._seed.prepare()
        if not self._only_looks:
            self._prepare_to_measure()

    def grade(self, jobs: Sequence[Job], running: Running) -> Iterator[tuple[Job, Grade]]:
        """Grade them, as many at a time as there may be processes and there is memory for."""
        waiting = deque(jobs)
        while waiting or self._at_work:
            finished = []
            for job, answer in self._answers():
                if isinstance(answer, NotKept):
                    waiting.appendleft(job)
                    self._prepare_to_measure()
                else:
                    finished.append((job, answer))
            while waiting and (not self._at_work or _fits(self._settings)) and (judge := self._idle()):
                self._at_work[judge] = waiting.popleft()
                judge.give(self._at_work[judge], kept_only=self._only_looks)
            running([job.submission.student for job in self._at_work.values()])
            yield from finished  # only now: what is done with a grade keeps no process waiting

    def _answers(self) -> Iterator[tuple[Job, Grade | NotKept]]:
        by_connection = {judge.connection: judge for judge in self._at_work}
        for connection in wait(list(by_connection), LOOK_S) if by_connection else ():
            judge = next(each for own, each in by_connection.items() if own is connection)
            job = self._at_work.pop(judge)
            yield job, judge.answer()

    def _idle(self) -> Judge | None:
        """A process without work, a new one where there may be more; None: all are at work."""
        for judge in self._judges:
            if judge not in self._at_work:
                return judge
        if len(self._judges) >= (1 if self._only_looks else self._most):
            return None
        self._judges.append(Judge.start(self._settings, len(self._judges), self._seed))
        return self._judges[-1]

    def _prepare_to_measure(self) -> None:
        """From now on processes have what only measuring needs; one that had only looked would import it again."""
        self._only_looks = False
        if self._seed:
            self._seed.rehearse()

    def close(self) -> None:
        """Let each process finish what it is doing, then end all of them."""
        while self._at_work:
            with suppress(AutograderError):
                self._at_work.popitem()[0].answer()
        for judge in self._judges:
            judge.hang_up()
        for judge in self._judges:
            judge.close()
        if self._seed:
            self._seed.close()


def _fits(settings: Settings) -> bool:
    """Whether one more submission finds the memory that it may use, whatever else the machine does."""
    free = memory.available_mb()
    return free is None or free >= settings.memory_mb
