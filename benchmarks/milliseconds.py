"""Where the milliseconds of a submission go: judge, zygote and children, each by what it does.

    .venv/bin/python benchmarks/milliseconds.py [--submissions 10]

CPU milliseconds a right submission of a1_rnn, after a first one that is not counted. The student's own arithmetic is
what the recorded operations take in a plain process with one thread.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from functools import wraps
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from overhead import FOLDER, SECRET, Recorded, Recording, assignment, replay_s, settings, submissions

from autograder.checks import operations
from autograder.ledger import Ledger
from autograder.pipeline import Job
from autograder.sandbox import graphs, wire, worker
from autograder.sandbox.host import ZygoteProcess
from autograder.sandbox.transport import Child
from autograder.sandbox.worker import Executor

ROUNDS = 3
TICKS = os.sysconf("SC_CLK_TCK")
PARTS: tuple[tuple[str, Any, str], ...] = (
    ("judge: writes questions, reads answers", wire, "pack"),
    ("judge: writes questions, reads answers", wire, "unpack"),
    ("judge: the reference computes", Executor, "reply"),
    ("judge: asks for children and ends them", ZygoteProcess, "fork"),
    ("judge: asks for children and ends them", Child, "close"),
    ("judge: waits for answers and drains output", Child, "exchange"),
    ("judge: waits for answers and drains output", Child, "wait_loaded"),
    ("judge: ledger", Ledger, "put"),
    ("judge: ledger", Ledger, "get"),
    ("judge: compares counts of operators", operations, "remarks"),
    ("judge: compares counts of operators", operations, "doubts"),
)


def main() -> None:
    """Grade, count and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=10)
    count = parser.parse_args().submissions
    torch.set_num_threads(1)
    spent: dict[str, float] = defaultdict(float)
    first, *others = submissions(count + 1, "milliseconds")
    started = resource.getrusage(resource.RUSAGE_SELF)
    with tempfile.TemporaryDirectory() as folder, closing(Recording(settings(Path(folder)))) as pipeline:
        pipeline.grade(Job(first, SECRET))
        clock = Clock(spent)
        for name, owner, function in PARTS:
            setattr(owner, function, clock.counts(name, getattr(owner, function)))
        zygote = pipeline._workshop.zygote()._process.pid
        own, forking = time.process_time(), ticks(zygote)
        arithmetic = replays = 0.0
        for submission in others:
            for result in pipeline.grade(Job(submission, SECRET)).results:
                spent["children"] += result.cpu_s * 1e3
            before, start = clock.stopped(), time.process_time()
            arithmetic += sum(replay_s(pipeline.sessions).values()) * 1e3  # now: the machine is in the same mood
            replays += time.process_time() - start
            spent.clear()
            spent.update(before)
        judge = (time.process_time() - own - replays) * 1e3
        spent["zygote: forks and reaps"] = (ticks(zygote) - forking) * 1e3
        sessions = pipeline.sessions
    spent = clock.stopped()
    spent["judge: all else (checks, comparisons, drawing)"] = judge - sum(
        value for name, value in spent.items() if name.startswith("judge")
    )
    counting = counting_ms(sessions)
    arithmetic = arithmetic / count - counting
    spent["children: count operators"] = counting * count
    spent["children: beyond the student's own arithmetic"] = spent.pop("children") - (arithmetic + counting) * count
    children = len(assignment().checks)
    print(f"{FOLDER.name}: {children} checks; {count} submissions; load {os.getloadavg()[0]:.1f}")
    print(f"{'CPU ms':>10s} {'a check':>9s}")
    for name, value in sorted(spent.items()):
        print(f"{value / count:10.1f} {value / count / children:9.2f}  {name}")
    total = sum(spent.values()) / count
    print(f"{total:10.1f} {total / children:9.2f}  together, beyond the student's own arithmetic of {arithmetic:.0f}")
    print(f"the judge had started in {started.ru_utime + started.ru_stime:.1f} s of CPU")


def counting_ms(sessions: list[Recorded]) -> float:
    """CPU milliseconds in which the operators behind a submission's answers are counted, as its children do."""
    spent: dict[str, float] = defaultdict(float)
    clock, count = Clock(spent), graphs.operators_in
    setattr(worker, "operators_in", clock.counts("operators", count))  # noqa: B010 - a module's function is replaced
    try:
        for _ in range(ROUNDS):
            replay_s(sessions)
    finally:
        setattr(worker, "operators_in", count)  # noqa: B010
    return clock.stopped()["operators"] / ROUNDS


class Clock:
    """Gives CPU milliseconds to the innermost function that is counted."""

    def __init__(self, spent: dict[str, float]) -> None:
        self._spent = spent
        self._inside: list[str] = []
        self._since = 0.0

    def _turn(self) -> None:
        now = time.thread_time()
        if self._inside:
            self._spent[self._inside[-1]] += (now - self._since) * 1e3
        self._since = now

    def stopped(self) -> dict[str, float]:
        """What was counted until now; what comes after it is not."""
        return dict(self._spent)

    def counts(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, counted under a name."""

        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._turn()
            self._inside.append(name)
            try:
                return function(*args, **kwargs)
            finally:
                self._turn()
                self._inside.pop()

        return counted


def ticks(pid: int) -> float:
    """CPU seconds of the zygote's processes: what it began as, the one that listens, the one that is forked."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(fields[11]) + int(fields[12])) / TICKS + sum(ticks(int(child)) for child in started)


if __name__ == "__main__":
    main()
