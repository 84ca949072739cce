"""What the two bottlenecks of a cluster can do: the one writer here, and orders through Dask's scheduler.

    .venv/bin/python benchmarks/cluster.py [--submissions 300] [--orders 500] [--core-s 4.4]

1. **The writer.** One submission of a1_rnn is graded for real. What a worker would answer about it is written for as
   many students as asked for, under keys of their own: a look at what is kept, 38 measurements, grade and files.
2. **The scheduler.** Orders go to workers that answer at once with the real answer, by the code of a real run
   (`crew.py`, `post.py`), over a scheduler and two workers on this machine. The answer travels both ways.

Figures are CPU seconds of the process that is the bottleneck, so they hold for a machine with nothing else to do; the
clock's stand beside them. The last lines work out a large class, at --core-s core-seconds a submission.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import warm
from figures import Figure, write

from autograder.before import Before
from autograder.cluster import Keys, connected, seat
from autograder.cluster.crew import Crew
from autograder.cluster.order import Answer, Sealed
from autograder.cluster.parcel import pack
from autograder.cluster.post import DaskPost
from autograder.cluster.run import Writer
from autograder.desk import LEDGER, Desk
from autograder.gradebook.filing import Filing
from autograder.ledger import Ledger, grade_to_bytes
from autograder.pipeline import Job, Pipeline, Settings
from autograder.records import Attempts, Confinement, Grade

CLASS = 100_000
HOUR_S = 3600
PORT = "28786"
SCHEDULER = f"tcp://127.0.0.1:{PORT}"


@dataclass(frozen=True, slots=True)
class Rate:
    """What so many cost."""

    count: int
    cpu_s: float
    wall_s: float

    @property
    def each_s(self) -> float:
        """CPU seconds of one."""
        return self.cpu_s / self.count

    def __str__(self) -> str:
        """Return it in words."""
        clock = self.count / self.wall_s
        return f"{1e3 * self.each_s:.1f} ms CPU each: {1 / self.each_s:.0f}/s ({clock:.0f}/s by the clock)"


def main() -> None:
    """Measure both and work out a class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=300)
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--core-s", type=float, default=4.4, help="of a submission, as benchmarks/overhead.py says it")
    parser.add_argument("--figures", type=Path, help="write the figures there, for benchmarks/all.py")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as place:
        course = warm.made_course(Path(place), "a1_rnn")
        desk = Desk.at(course, "a1_rnn", Confinement.BEST_EFFORT, 1)
        secret = (course / ".autograder" / "secret").read_bytes()
        jobs = [Job(each, secret) for each in warm.handed_in(course, "a1_rnn", options.submissions)]
        answer = measured(desk.settings(Path("worker")), jobs[0])
        size = len(answer.grade) + sum(map(len, answer.entries.values()))
        print(f"an answer: {len(answer.entries)} measurements and a grade, {size / 1024:.0f} kB", flush=True)
        writer = written(desk, jobs, answer)
        print(f"1. the writer: {writer}", flush=True)
        scheduler, asking = ordered(course, desk.settings(LEDGER), jobs[0], answer, options.orders)
        print(f"2. the scheduler: {scheduler}\n   the one who asks, in the same run: {asking}")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    if options.figures:
        here_s = writer.each_s + asking.each_s
        rates = {"asking and writing, in one process": here_s, "Dask's scheduler": scheduler.each_s}
        write(options.figures, [Figure(f"{what}: saturates at", 1 / each_s, "/s") for what, each_s in rates.items()])
    work_out(options.core_s, writer.each_s + asking.each_s, scheduler.each_s)


def measured(settings: Settings, job: Job) -> Answer:
    """What a worker answers about a submission."""
    pipeline = Pipeline(settings)
    grade = pipeline.grade(job)
    pipeline.close()
    files = [path for path in settings.ledger.rglob("*.json") if path.is_file()]
    return Answer(
        grade_to_bytes(grade), {path.relative_to(settings.ledger).as_posix(): path.read_bytes() for path in files}
    )


def written(desk: Desk, jobs: list[Job], answer: Answer) -> Rate:
    """Write the answer for everyone, under keys of their own."""
    settings, filing = desk.settings(LEDGER), Filing(desk.root / "results", Attempts.LATEST)
    before = Before(settings)

    def done(job: Job, grade: Grade) -> None:
        filing.keep(job.submission, grade)

    writer, answers = Writer(before, Ledger(settings.ledger), done), list(_renamed(before, jobs, answer))
    cpu, wall = time.process_time(), time.monotonic()
    for job, each in zip(writer.unsettled(jobs), answers, strict=True):
        writer.settled(job, each, ())
    rate = Rate(len(jobs), time.process_time() - cpu, time.monotonic() - wall)
    before.close()
    return rate


def _renamed(before: Before, jobs: list[Job], answer: Answer) -> Iterator[Answer]:
    """The answer as it would be about each."""
    checks = {check.id: check for check in before.assignment.checks}
    for job in jobs:
        kept, entries = before._kept(job), {}
        for content in answer.entries.values():
            stored = json.loads(content)
            key = kept.key(checks[stored["result"]["id"]], tuple(stored["result"]["stand_ins"]))
            entries[f"measurements/{key[:2]}/{key}.json"] = content.replace(stored["key"].encode(), key.encode())
        student = job.submission.student.encode()
        yield Answer(answer.grade.replace(jobs[0].submission.student.encode(), student), entries)


def at_once(answer: bytes, *_: Any) -> Sealed:
    """A worker's answer to any order."""
    return Sealed(answer)


@contextmanager
def dask() -> Iterator[psutil.Process]:
    """A scheduler and two workers, all in processes of their own; the scheduler's."""
    run = [sys.executable, "-m"]
    scheduler = [
        *run,
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        SCHEDULER.rsplit(":", maxsplit=1)[-1],
    ]
    worker = [*run, "distributed.cli.dask_worker", SCHEDULER, "--nthreads", "4", "--no-nanny"]
    started = [
        subprocess.Popen([*command, "--no-dashboard"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in (scheduler, worker, worker)
    ]
    try:
        yield psutil.Process(started[0].pid)
    finally:
        for each in started:
            each.terminate()
            each.wait()


def ordered(course: Path, settings: Settings, job: Job, answer: Answer, count: int) -> tuple[Rate, Rate]:
    """Send so many orders; return the rates of the scheduler and of the one who asks."""
    seat.grade = partial(at_once, pickle.dumps(answer))  # it is sent as it is here
    with dask() as scheduler, connected(SCHEDULER, Keys(), Confinement.BEST_EFFORT, "cpu", print) as cluster:
        before = Before(settings)
        post = DaskPost(cluster, pack(course, before.assignment), settings, before.assignment.limits, lambda _: {})
        crew = Crew(post, lambda *_: False, lambda _: None)
        crew.work(iter([job] * 50))
        used, own, wall = sum(scheduler.cpu_times()[:2]), time.process_time(), time.monotonic()
        crew.work(iter([job] * count))
        used, own = sum(scheduler.cpu_times()[:2]) - used, time.process_time() - own
        took = time.monotonic() - wall
        before.close()
    return Rate(count, used, took), Rate(count, own, took)


def work_out(core_s: float, here_s: float, scheduler_s: float) -> None:
    """Print what a class of CLASS in an hour takes."""
    rate = CLASS / HOUR_S
    print(f"{CLASS:,} submissions of a1_rnn in an hour: {rate:.1f}/s, {math.ceil(rate * core_s)} cores of workers")
    print(f"asking and writing ({1e3 * here_s:.1f} ms) saturates at {1 / here_s:.0f}/s: {rate * here_s:.0%} used")
    used = f"{1 / scheduler_s:.0f}/s: {rate * scheduler_s:.0%} used"
    print(f"the scheduler ({1e3 * scheduler_s:.1f} ms) saturates at {used}")


if __name__ == "__main__":
    main()
