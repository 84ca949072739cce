"""`kill -9` at random moments of a run on a Dask cluster: nobody is lost, and no score is another one.

    .venv/bin/python tests/killing_cluster.py [--submissions 200] [--kills 12] [--write docs/measured/cluster.md]

A class of tiny submissions is graded on this machine, then on a cluster of two workers on it, each a process with a
nanny that starts another where it dies. At random moments a judge or a worker is killed, by turns; where none grades
just then, since all of them start anew, at the next grade. Each submission must
have one grade, the same as before but for its timings; the ledger that is written here must give all of them without a
worker; and no judge may be left. Last, one submission is poisoned: all judges are killed as long as one has it. It must
be a fault for a human, and its neighbours be graded.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))
import one_check

from autograder import fleet
from autograder.before import Before
from autograder.cluster import Cluster, Keys, connected
from autograder.intake import read_submissions
from autograder.pipeline import Job, Settings
from autograder.records import Confinement, Grade, Outcome

SLOW_STARTS = {"distributed.comm.timeouts.connect": "120s", "distributed.deploy.lost-worker-timeout": "120s"}
"""A nanny gives up a worker that starts slowly, and a LocalCluster both where none is back in 15 s: for ever."""


def without_timings(grade: Grade) -> Grade:
    """A grade in which nothing depends on how fast the machine was."""
    return replace(grade, results=tuple(replace(result, cpu_s=0.0, wall_s=0.0) for result in grade.results))


class Killer:
    """Kills at random moments: a worker, or what judges on it."""

    def __init__(self, cluster: Cluster, count: int, kills: int, chance: random.Random) -> None:
        self.cluster, self.chance = cluster, chance
        self.moments = sorted(chance.sample(range(1, count - 1), kills))
        self.killed: list[str] = []
        self.grades: dict[str, Grade] = {}
        self.twice: list[str] = []

    def done(self, job: Job, grade: Grade) -> None:
        """Hear of a grade, and perhaps kill."""
        if grade.student in self.grades:
            self.twice.append(grade.student)
        self.grades[grade.student] = grade
        if self.moments and len(self.grades) >= self.moments[0] and self.kill():
            self.moments.pop(0)

    def kill(self) -> bool:
        """Kill one process of the cluster that does grade, a worker or a judge; return whether there was one."""
        judges, workers = judging()
        kinds = [("a judge", judges), ("a worker", workers)]
        name, processes = kinds[len(self.killed) % 2]
        if processes:
            self.chance.choice(processes).send_signal(signal.SIGKILL)
            self.killed.append(name)
        return bool(processes)


def judging() -> tuple[list[psutil.Process], list[psutil.Process]]:
    """Judges that this process's cluster runs, and the workers that hold them."""
    judges, workers = [], []
    for each in psutil.Process().children(recursive=True):
        try:
            if "autograder.cluster.judge" in each.cmdline():
                judges.append(each)
                workers.append(each.parent())
        except psutil.Error:
            continue
    return judges, [each for each in workers if each is not None]


def class_of(folder: Path, course: Path) -> list[Job]:
    """The jobs of a folder of hand-ins."""
    from autograder.course import load_assignment

    secret = (course / ".autograder" / "secret").read_bytes()
    assignment = load_assignment(course / "solutions" / one_check.ID)
    return [Job(each, secret) for each in read_submissions(folder, assignment)]


def differences(there: dict[str, Grade], here: dict[str, Grade]) -> list[str]:
    """Whose grades are not those of one machine."""
    names = sorted(here.keys() | there.keys())
    return [
        name
        for name in names
        if name not in there or name not in here or without_timings(there[name]) != without_timings(here[name])
    ]


def run(course: Path, jobs: Sequence[Job], kills: int, seed: int, say: Callable[[str], None]) -> tuple[list[str], str]:
    """Grade here and there; return what is not as it should be, and the table of what was seen."""
    import dask
    from distributed import LocalCluster

    folder, found = course / "solutions" / one_check.ID, list[str]()
    with (
        dask.config.set(SLOW_STARTS),
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as local,
        connected(local.scheduler_address, Keys(), Confinement.BEST_EFFORT, "cpu", say) as cluster,
    ):
        layers, missing = cluster.terms.layers, cluster.terms.missing
        settings = Settings(folder, Confinement.BEST_EFFORT, layers, missing, course / "one", "0" * 64)
        here: dict[str, Grade] = {}
        fleet.grade_all(settings, jobs, 1, lambda job, grade: here.update({grade.student: grade}))
        say(f"graded {len(here)} on this machine")
        settings = replace(settings, ledger=course / "two")
        killer = Killer(cluster, len(jobs), kills, random.Random(seed))
        start = time.monotonic()
        cluster.grade_all(settings, course, jobs, killer.done)
        took = time.monotonic() - start
        say(f"graded {len(killer.grades)} on the cluster: killed {', '.join(killer.killed)}")
        if apart := differences(killer.grades, here):
            found.append(f"{len(apart)} grades are lost or differ: {apart[:5]}")
        if killer.twice:
            found.append(f"{len(killer.twice)} were handed out twice")
        if len(killer.killed) < kills:
            found.append(f"only {len(killer.killed)} of {kills} kills found somebody")
        before = Before(settings)
        again = [before.known(job) for job in jobs]
        before.close()
        if unkept := sum(not isinstance(each, Grade) for each in again):
            found.append(f"{unkept} have to be measured again, though they were graded")
        poisoned = poison(cluster, replace(settings, ledger=course / "three"), course, jobs[:6], say)
        found += poisoned
    if left := judging()[0]:
        found.append(f"{len(left)} judges are left")
    rows = (
        ("processes killed", ", ".join(f"{killer.killed.count(kind)} x {kind}" for kind in sorted(set(killer.killed)))),
        ("submissions without a grade, or with two", 0),
        ("grades other than those of one machine, timings left out", 0),
        ("graded submissions whose measurements are not in the ledger", 0),
        ("tries of a submission that ends its judge each time, then a line for a human and no zero", 3),
        ("neighbours of that submission that have their grades", 5),
        ("seconds on the cluster, restarts included", f"{took:.0f}"),
    )
    return found, "\n".join(f"| {what} | {figure} |" for what, figure in rows)


def poison(
    cluster: Cluster, settings: Settings, course: Path, jobs: Sequence[Job], say: Callable[[str], None]
) -> list[str]:
    """Grade six of which one ends its judge whenever it is graded; return what is not as it should be."""
    victim = jobs[2].submission.student
    grades: dict[str, Grade] = {}
    killed, at_work, over = set[int](), list[str](), threading.Event()

    def running(students: Sequence[str]) -> None:
        at_work[:] = students

    def kill() -> None:
        """Whoever may have it is killed, neighbours too: those are tried again as well."""
        while not over.wait(0.2):
            for each in judging()[0] if victim in at_work else ():
                with suppress(psutil.Error):
                    if victim in at_work:  # still: looking for judges takes a moment
                        each.send_signal(signal.SIGKILL)
                        killed.add(each.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        cluster.grade_all(settings, course, jobs, lambda _, grade: grades.update({grade.student: grade}), running)
    finally:
        over.set()
        killer.join()
    say(f"poisoned: killed {len(killed)} judges")
    found = []
    bad = grades.pop(victim, None)
    if bad is None or {result.outcome for result in bad.results} != {Outcome.GRADER_ERROR} or not bad.needs_human:
        found.append(f"a submission that ended {len(killed)} judges is no fault for a human")
    if len(grades) != len(jobs) - 1 or any(grade.needs_human for grade in grades.values()):
        found.append("neighbours of a poisoned submission were not graded")
    return found


def main() -> None:
    """Make a class, grade it twice, say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, default=None, help="Write the figures there.")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="autograder-cluster-") as place:
        course = one_check.write_course(Path(place))
        jobs = class_of(one_check.write_class(course / "class", options.submissions), course)

        def say(words: str) -> None:
            sys.stderr.write(f"  {words}\n")

        found, table = run(course, jobs, options.kills, options.seed, say)
    for fault in found:
        sys.stdout.write(f"FAULT: {fault}\n")
    head = (
        f"`make prove` wrote this: {options.submissions} submissions of two tiny checks on a Dask cluster of two\n"
        "workers on one machine, of which a judge or a worker is killed (`kill -9`) by turns at random moments."
    )
    words = f"# A cluster whose workers are killed\n\n{head}\n\n| | |\n|---|---|\n{table}\n"
    sys.stdout.write(words)
    if options.write and not found:
        options.write.write_text(words, encoding="utf-8")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
