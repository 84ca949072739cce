"""How long `autograder sync` takes for a class: nbgrader's database, notebooks and pages of 40 students x a1_rnn.

    .venv/bin/python benchmarks/nbgrader_sync.py [--students 40]

The results are made up, two checks of each student wrong, the files real. CPU seconds, the helpers' included. What
starting nbgrader costs (importing it, asking `alembic` for its version) stands apart: a class of any size pays it once.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
ASSIGNMENT = "a1_rnn"


def main() -> None:
    """Make a class, sync it twice, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=40)
    count = parser.parse_args().students
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder)
        make_course(course, count)
        measured("nbgrader: start", start(course))
        from autograder.gradebook.deciding import Author
        from autograder.nbcourse.desk import sync

        author = Author("benchmark", datetime.now(UTC))
        measured(f"sync, {count} students, a new database", lambda: sync(course, ASSIGNMENT, author))
        measured(f"sync, {count} students, once more", lambda: sync(course, ASSIGNMENT, author))
        rows = len(list((course / "autograded").glob("*/*/*.ipynb")))
        assert rows == count, rows


def make_course(course: Path, count: int) -> None:
    """A course of the one assignment, with results of `count` students."""
    from autograder.course import load_assignment
    from autograder.intake import files_digest
    from autograder.ledger import handed_in_file, write_files, write_grade
    from autograder.nbcourse import prepare
    from autograder.records import CheckResult, Confinement, Finding, Grade, Outcome, RunInfo

    shutil.copytree(ROOT / "solutions" / ASSIGNMENT, course / "solutions" / ASSIGNMENT)
    term = f"{{id: {ASSIGNMENT}, due: 2027-03-22T23:59, weight: 1}}"
    (course / "course.yml").write_text(f"title: A course\ntimezone: Asia/Seoul\nassignments: [{term}]\n")
    prepare(course, [ASSIGNMENT])
    assignment = load_assignment(course / "solutions" / ASSIGNMENT)
    text = (assignment.folder / "rnn.py").read_bytes()
    results = course / "results" / ASSIGNMENT
    info = RunInfo(Confinement.REQUIRED, ("landlock", "seccomp"), (), "cpu", "2.9", "0.1", "0" * 64)
    finding = Finding("values", "wrong values in 3 of 12 places", "rnn.py, line 60, in rnn_cell", "A hint.", "got 1")
    for number in range(count):
        student, files = f"s{number:03}", {"rnn.py": text + f"\n# {number}\n".encode()}
        wrong = {assignment.checks[(number + step) % len(assignment.checks)].id for step in (0, 5)}
        checks = tuple(
            CheckResult(each.id, Outcome.FAILED, 0, each.points, finding)
            if each.id in wrong
            else CheckResult(each.id, Outcome.PASSED, each.points, each.points)
            for each in assignment.checks
        )
        score = sum(each.earned for each in checks)
        grade = Grade(student, ASSIGNMENT, score, 100, checks, (), (), info, files_digest(files))
        write_files(handed_in_file(results, student), files)
        write_grade(results / f"{student}.json", grade)


def start(course: Path) -> Callable[[], object]:
    """Import nbgrader and make the empty database."""

    def run() -> None:
        from autograder.nbcourse.places import Places

        with Places.of(course).open():
            pass

    return run


def measured(what: str, run: Callable[[], object]) -> None:
    """Run and print one line."""
    before, wall = _cpu_s(), time.monotonic()
    run()
    print(f"{what:<45} {_cpu_s() - before:6.2f} s CPU {time.monotonic() - wall:7.2f} s wall")


def _cpu_s() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()
