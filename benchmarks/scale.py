"""One class by one job, by two, and by a Dask cluster of one worker and of two: throughput and memory, as ratios.

    .venv/bin/python benchmarks/scale.py [--submissions 10] [--assignment a1_rnn]

Right submissions that differ in a comment, each way with a ledger of its own, so that everything is measured every
time. Throughput counts from the moment when each job has its first grade, so that nothing of it is start-up, which
stands beside it; CPU seconds are those of all processes, start-up included. The grades of all four ways must be
the same but for their timings. Memory is that of all processes but this one, pages that they share counted once (PSS).
`--assignment tiny` has two checks of a cell: what is seen then is mostly what handing submissions over costs.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

import dask
import psutil
import warm
from distributed import LocalCluster
from figures import Figure, write

from autograder import fleet
from autograder.cluster import Keys, connected
from autograder.course import load_assignment
from autograder.desk import Desk
from autograder.intake import files_digest
from autograder.pipeline import Job, Settings
from autograder.records import Confinement, Grade
from autograder.variants import as_submission, solution

one_check: Any = importlib.import_module("one_check")
SLOW_STARTS = {"distributed.comm.timeouts.connect": "120s", "distributed.deploy.lost-worker-timeout": "120s"}
LOOPBACK = "127.0.0.1"
QUIET: dict[str, Any] = {"dashboard_address": f"{LOOPBACK}:0", "silence_logs": logging.CRITICAL}
Grading = Callable[[Settings, list[Job], Callable[[Job, Grade], None]], None]


@dataclass
class Seen:
    """What one way of grading showed."""

    jobs: int
    grades: dict[str, Grade] = field(default_factory=dict)
    moments: list[float] = field(default_factory=list)
    """Seconds from the start to each grade."""
    cpu_s: float = 0.0
    memory_mb: float = 0.0
    """Of all processes but this one, at its highest."""

    @property
    def rate(self) -> float:
        """Submissions a second, once all jobs run."""
        return (len(self.moments) - self.jobs) / (self.moments[-1] - self.moments[self.jobs - 1])


def main() -> None:
    """Grade the class in all ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=10, help="more than 3")
    parser.add_argument("--assignment", default="a1_rnn")
    parser.add_argument("--figures", type=Path, help="write the figures there, for benchmarks/all.py")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tiny = options.assignment == "tiny"
        assignment = one_check.ID if tiny else options.assignment
        course = one_check.write_course(Path(folder)) if tiny else warm.made_course(Path(folder), assignment)
        settings = Desk.at(course, assignment, Confinement.BEST_EFFORT, 2).settings(Path("ledger"))
        jobs = class_of(course, assignment, options.submissions)
        ways = {f"{count} {'job' if count == 1 else 'jobs'}": (count, here(count)) for count in (1, 2)}
        ways |= {f"cluster of {count}": (count, on_a_cluster(course, count)) for count in (1, 2)}
        seen = {
            name: watched(grading, replace(settings, ledger=course / name.replace(" ", "-")), jobs, count)
            for name, (count, grading) in ways.items()
        }
    told(options.assignment, seen)
    figures = compared(seen)
    if options.figures:
        write(options.figures, figures)


def class_of(course: Path, assignment: str, count: int) -> list[Job]:
    """Right submissions that differ in a comment."""
    loaded = load_assignment(course / "solutions" / assignment)
    secret = (course / ".autograder" / "secret").read_bytes()
    jobs = []
    for number in range(count):
        files = dict(solution(loaded).files)
        files[loaded.files[0]] += f"\n# {number}\n".encode()
        made = as_submission(loaded, f"s{number:03}", files)
        jobs.append(Job(replace(made, digest=files_digest(made.files)), secret))
    return jobs


def here(count: int) -> Grading:
    """On this machine, by so many processes."""
    return lambda settings, jobs, done: fleet.grade_all(settings, jobs, count, done)


def on_a_cluster(course: Path, workers: int) -> Grading:
    """On a Dask cluster of so many local workers with one thread each."""

    def grading(settings: Settings, jobs: list[Job], done: Callable[[Job, Grade], None]) -> None:
        with (
            dask.config.set(SLOW_STARTS),
            LocalCluster(n_workers=workers, threads_per_worker=1, host=LOOPBACK, **QUIET) as local,
            connected(local.scheduler_address, Keys(), Confinement.BEST_EFFORT, "cpu", print) as cluster,
        ):
            cluster.grade_all(settings, course, jobs, done)

    return grading


def watched(grading: Grading, settings: Settings, jobs: list[Job], count: int) -> Seen:
    """Grade, and look on."""
    seen, start, before = Seen(count), time.monotonic(), cpu_s()

    def done(_: Job, grade: Grade) -> None:
        seen.grades[grade.student] = replace(
            grade, results=tuple(replace(each, cpu_s=0.0, wall_s=0.0) for each in grade.results)
        )
        seen.moments.append(time.monotonic() - start)
        seen.cpu_s = cpu_s() - before

    with memory_of(seen):
        grading(settings, jobs, done)
    return seen


def cpu_s() -> float:
    """CPU seconds so far of this process and of all that it started, whether they still run or not."""
    total = 0.0
    for each in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            total += sum(each.cpu_times()[:4])
        except psutil.Error:
            continue
    return total


@contextmanager
def memory_of(seen: Seen) -> Iterator[None]:
    """Look every two seconds at the memory of all that this process has started."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(2.0):
            seen.memory_mb = max(seen.memory_mb, sum(map(pss_mb, psutil.Process().children(recursive=True))))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def pss_mb(process: psutil.Process) -> float:
    """Proportional share of a process; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def told(assignment: str, seen: dict[str, Seen]) -> None:
    """Print what was seen."""
    one, load = next(iter(seen.values())), os.getloadavg()[0]
    print(f"{len(one.grades)} submissions of {assignment}; load average {load:.1f} on {os.cpu_count()} cores")
    heads = ("first grade", "rate", "x 1 job", "CPU each", "x 1 job", "MB a job")
    print(f"{'':14s}" + "".join(f"{head:>14s}" for head in heads))
    for name, way in seen.items():
        each, rate = way.cpu_s / len(way.grades), way.rate / one.rate
        row = f"{way.moments[0]:12.1f} s{60 * way.rate:10.2f}/min{rate:14.2f}{each:12.2f} s"
        print(f"{name:14s}{row}{way.cpu_s / one.cpu_s:14.2f}{way.memory_mb / way.jobs:14.0f}")


def compared(seen: dict[str, Seen]) -> list[Figure]:
    """The ratios; ends where the grades of two ways differ."""
    ways = list(seen.values())
    for name, way in seen.items():
        if way.grades != ways[0].grades:
            raise SystemExit(f"the grades of {name} are not those of one job")
    print("the grades of all ways are the same but for their timings")
    one, two, cluster, clusters = ways
    return [
        Figure("2 jobs over 1 job, throughput", two.rate / one.rate, "x"),
        Figure("a cluster of 1 over 1 job, throughput", cluster.rate / one.rate, "x"),
        Figure("a cluster of 2 over 2 jobs, throughput", clusters.rate / two.rate, "x"),
        Figure("a cluster of 2 over 2 jobs, CPU of all processes", clusters.cpu_s / two.cpu_s, "x"),
        Figure("memory a job, of 2 jobs", two.memory_mb / 2, "MB"),
    ]


if __name__ == "__main__":
    main()
