"""How long a class takes of which everything is measured already: `autograder grade` once more.

    .venv/bin/python benchmarks/warm.py [--submissions 200] [--assignment a1_rnn]

One right submission is graded for real. Its measurements are then kept under the keys of as many copies as asked for,
which differ in a comment; so the ledger is that of a graded class, without the hour of training. What is timed is the
command itself, a new process that reads hand-ins and ledger and writes a result for each: three times, CPU and wall.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Figure, write

from autograder.course import load_assignment
from autograder.desk import LEDGER, Desk
from autograder.intake import files_digest
from autograder.pipeline import Job, Pipeline
from autograder.records import Confinement, Submission
from autograder.secret import make_secret

ROOT = Path(__file__).resolve().parent.parent
GOAL_S = 5.0


def main() -> None:
    """Make a class, measure one submission, keep it for all, time the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--assignment", default="a1_rnn")
    parser.add_argument("--figures", type=Path, help="write the figures there, for benchmarks/all.py")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        course = made_course(Path(folder), options.assignment)
        keep_for_all(course, options.assignment, options.submissions)
        command = [sys.executable, "-m", "autograder.cli", "grade", options.assignment, str(course / "class")]
        command += ["--course", str(course), "--sandbox", "best-effort", "--quiet"]
        runs = [timed(command) for _ in range(3)]
    for cpu_s, wall_s in runs:
        print(f"{options.submissions} submissions, all kept: {cpu_s:.2f} s CPU, {wall_s:.2f} s wall")
    cpu_s, load = statistics.median(cpu for cpu, _ in runs), os.getloadavg()[0]
    print(f"median {cpu_s:.2f} s CPU (goal {GOAL_S:g} s); load average {load:.1f} on {os.cpu_count()} cores")
    if options.figures:
        words = f"{options.submissions} submissions of {options.assignment}, all kept, graded again"
        write(options.figures, [Figure(words, cpu_s, "CPU s", at_most=GOAL_S)])


def made_course(root: Path, assignment: str) -> Path:
    """A course of that assignment and those that it builds on, in `root`."""
    needed = [assignment, *(used.id for used in load_assignment(ROOT / "solutions" / assignment).builds_on)]
    for id_ in needed:
        shutil.copytree(ROOT / "solutions" / id_, root / "solutions" / id_)
    terms = "".join(f"\n  - {{id: {id_}, due: 2027-03-22T23:59, weight: 1}}" for id_ in needed)
    (root / "course.yml").write_text(f"title: Warm\ntimezone: UTC\nassignments:{terms}\n")
    make_secret(root)
    return root


def keep_for_all(course: Path, assignment: str, count: int) -> None:
    """Hand in `count` copies, grade the first, and keep what was measured for each."""
    desk = Desk.at(course, assignment, Confinement.BEST_EFFORT, 1)
    secret = (course / ".autograder" / "secret").read_bytes()
    pipeline = Pipeline(desk.settings(LEDGER))
    jobs = [Job(each, secret) for each in handed_in(course, assignment, count)]
    grade = pipeline.grade(jobs[0])
    print(f"graded one: {grade.score} of {grade.out_of}, {len(grade.results)} checks", flush=True)
    checks = {check.id: check for check in desk.assignment.checks}
    for job in jobs[1:]:
        kept = pipeline._kept(job, pipeline._earlier_work(job))
        for result in grade.results:
            kept.keep(checks[result.id], result)
    pipeline.close()


def handed_in(course: Path, assignment: str, count: int) -> list[Submission]:
    """Write the class, and return its submissions."""
    loaded = load_assignment(course / "solutions" / assignment)
    made = []
    for number in range(count):
        files = {name: (loaded.folder / name).read_bytes() + f"\n# {number}\n".encode() for name in loaded.files}
        for name, content in files.items():
            path = course / "class" / f"s{number:04}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        made.append(Submission(f"s{number:04}", assignment, files, digest=files_digest(files)))
    return made


def timed(command: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of a command and all that it starts."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu_s, time.monotonic() - start


if __name__ == "__main__":
    main()
