"""Many submissions over the cores of one machine: a process each, one torch thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import lru_cache
from multiprocessing.connection import wait as wait_for
from multiprocessing.queues import SimpleQueue

from autograder import memory
from autograder.before import Before
from autograder.checks.case import waited
from autograder.errors import SandboxError
from autograder.pipeline import Job, Pipeline, Settings
from autograder.records import Grade
from autograder.sandbox.cards import Card, assign

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
    worker processes finish the submission at hand; the ledger has every check that was measured.
    """
    again: list[Job] = []
    for job, grade in _parallel(settings, jobs, workers, running) if workers > 1 else _serial(settings, jobs, running):
        if any(waited(result) for result in grade.results):
            again.append(Job(job.submission, job.secret, alone=True))
        else:
            done(job, grade)
    for job, grade in _serial(settings, again, running):
        done(job, grade)


def _serial(settings: Settings, jobs: Sequence[Job], running: Running) -> Iterator[tuple[Job, Grade]]:
    if jobs:
        if settings.cards:
            assign(settings.cards, 0)
        with closing(Pipeline(settings)) as pipeline:
            for job in jobs:
                running((job.submission.student,))
                yield job, pipeline.grade(job)


def _parallel(settings: Settings, jobs: Sequence[Job], workers: int, running: Running) -> Iterator[tuple[Job, Grade]]:
    context, count = multiprocessing.get_context("spawn"), min(workers, len(jobs)) or 1
    numbers = context.SimpleQueue()
    for number in range(count):
        numbers.put(number)
    before = Before(settings)  # a class that is all kept starts no process
    executor = ProcessPoolExecutor(count, context, _begin, (settings.cards, numbers))
    waiting, at_work = deque(jobs), dict[Future[Grade], Job]()
    try:
        while waiting or at_work:
            over = wait(at_work, LOOK_S, FIRST_COMPLETED).done
            finished = [(at_work.pop(future), future) for future in over]
            while waiting and len(at_work) < count and (not at_work or _fits(settings)):
                job = waiting.popleft()
                if isinstance(known := before.known(job), Grade):
                    yield job, known
                else:
                    at_work[executor.submit(_grade_here, settings, job)] = job
            running([job.submission.student for job in at_work.values()])
            for job, future in finished:  # only now: what is done with a grade keeps no process waiting
                yield job, future.result()
    except BrokenProcessPool as error:
        raise SandboxError(
            "a grading process was ended from outside, perhaps for want of memory; what was measured is kept: run the "
            "same command again, with fewer --jobs"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)
        before.close()


def _fits(settings: Settings) -> bool:
    """Whether one more submission finds the memory that it may use, whatever else the machine does."""
    free = memory.available_mb()
    return free is None or free >= settings.memory_mb


def _begin(cards: tuple[Card, ...], numbers: SimpleQueue[int]) -> None:
    """Leave interrupts to the parent, end with it, and take a card that no other process has."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"
    if cards:
        assign(cards, numbers.get())


def _end_with_parent() -> None:
    """Where the parent is killed nobody takes the grade: end, and the zygotes with it. What was measured is kept."""
    if parent := multiprocessing.parent_process():
        wait_for([parent.sentinel])
        os._exit(1)


@lru_cache(maxsize=1)
def _pipeline(settings: Settings) -> Pipeline:
    """This process's pipeline; it and its zygotes end with the process."""
    return Pipeline(settings)


def _grade_here(settings: Settings, job: Job) -> Grade:
    return _pipeline(settings).grade(job)
