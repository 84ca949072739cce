"""`kill -9` at random moments of a class run: nothing that was written is lost, and none of it is measured again.

    .venv/bin/python tests/killing.py [--moments 20] [--students 6] [--seed 1] [--write docs/measured/killed.md]

A class is graded by `autograder grade` itself, which is killed once a random number of measurements is written and a
random moment more has passed: by turns with all its processes, as where a machine goes down, and the parent alone, as
by the kernel where memory ends. The same command is run again and killed again, until the class is graded; then a new
class begins. Grades must be those of a run that nobody killed, and no process may be left.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SANDBOX = ("--sandbox", "best-effort")
LEFT_S = 60.0
"""How long what a killed run had started may take to end."""
TOLD = """'''Says what is measured: a line for each measurement that is about to be written.'''

import os

from autograder.ledger import Ledger

put = Ledger.put


def told(self, key, result):
    line = os.open(os.environ["MEASURED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(line, key.encode() + b"\\n")
    os.close(line)
    put(self, key, result)


Ledger.put = told
"""
GRADER = """'''`autograder` whose grading processes do.'''

from pathlib import Path

from autograder.cli import main
from autograder.sandbox import seed

seed.START = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import told; {seed.START}"
main()
"""


@dataclass(frozen=True)
class Class:
    """A class that is graded: a course, an assignment of it, a folder of hand-ins."""

    course: Path
    assignment: str
    folder: Path

    @property
    def ledger(self) -> Path:
        """Where measurements are written."""
        return self.course / ".autograder" / "ledger" / "measurements"

    @property
    def results(self) -> Path:
        """Where grades are written."""
        return self.course / "results" / self.assignment

    def forget(self) -> None:
        """Take away what was graded."""
        shutil.rmtree(self.course / ".autograder" / "ledger", ignore_errors=True)
        shutil.rmtree(self.course / "results", ignore_errors=True)


@dataclass
class Account:
    """What the kills did."""

    moments: int = 0
    classes: int = 0
    measurements: int = 0
    """Of one class."""
    written: list[int] = field(default_factory=list)
    """Measurements that were written when it was killed."""
    halves: int = 0
    """Files that a kill left half written, under names that nobody reads."""
    faults: list[str] = field(default_factory=list)


def run(of: Class, moments: int, seed: int, done: Callable[[str], None] = lambda _: None) -> Account:
    """Kill a class run at so many random moments and account for what was written. Must have no other children."""
    _adopt()
    chance, account = random.Random(seed), Account()
    with tempfile.TemporaryDirectory(prefix="autograder-killing-") as place:
        of.forget()
        _finished(_started(of, Path(place), jobs=1))
        expected = grades(of)
        account.measurements = len(written(of))
        while account.moments < moments:
            of.forget()
            account.classes += 1
            _one_class(of, Path(place), moments, chance, account, done)
            if grades(of) != expected:
                account.faults.append(f"class {account.classes}: other grades than those of a run that nobody killed")
    return account


def _one_class(
    of: Class, place: Path, moments: int, chance: random.Random, account: Account, done: Callable[[str], None]
) -> None:
    """Kill the class's run again and again, then let it end."""
    while (left := account.measurements - len(written(of))) > 0 and account.moments < moments:
        before, kept = written(of), contents(of)
        alone = account.moments % 2 == 1
        process = _started(of, place, jobs=1 + account.moments % 3 % 2)
        if not _kill(process, of, len(before) + chance.randrange(left), chance.random() * 0.05, alone=alone):
            break  # it had ended before
        account.moments += 1
        _account_for(of, place, before, kept, account, "the run after a kill")
        account.written.append(len(written(of)))
        done(f"{account.moments}: killed {'alone' if alone else 'with all'}, {account.written[-1]} written")
    before, kept = written(of), contents(of)
    _finished(_started(of, place, jobs=1))
    _account_for(of, place, before, kept, account, "the last run")


def _account_for(of: Class, place: Path, before: set[str], kept: dict[str, bytes], account: Account, what: str) -> None:
    again = before & set((place / "measured").read_text().split()) if (place / "measured").exists() else set()
    if again:
        account.faults.append(f"{what} measured {len(again)} again that were written")
    after = contents(of)
    if lost := [name for name in kept if after.get(name) != kept[name]]:
        account.faults.append(f"{what}: {len(lost)} files are gone or changed: {lost[:3]}")
    if left := _left_processes():
        account.faults.append(f"{what}: {left} processes were left")
    from autograder.ledger import Ledger, read_grade

    readable = [Ledger(of.ledger.parent).get(key) for key in written(of)]
    if None in readable:
        account.faults.append(f"{what}: {readable.count(None)} measurements cannot be read")
    for path in of.results.glob("*.json"):
        read_grade(path)
    account.halves = max(account.halves, len([*of.course.rglob(".*.tmp")]))


def written(of: Class) -> set[str]:
    """The keys of the measurements that stand on the disk."""
    return {path.stem for path in of.ledger.glob("*/*.json")}


def contents(of: Class) -> dict[str, bytes]:
    """Measurements that stand on the disk: they never change."""
    return {str(path.relative_to(of.course)): path.read_bytes() for path in of.ledger.glob("*/*.json")}


def grades(of: Class) -> dict[str, Any]:
    """Student -> what the grade says, without what depends on the clock."""
    found = {}
    for path in sorted(of.results.glob("*.json")):
        grade = json.loads(path.read_text(encoding="utf-8"))
        checks = [(each["id"], each["outcome"], each["earned"], each["finding"]) for each in grade["results"]]
        found[path.stem] = (grade["score"], grade["notes"], checks)
    return found


def _started(of: Class, place: Path, jobs: int) -> subprocess.Popen[bytes]:
    (place / "grader.py").write_text(GRADER)
    (place / "told.py").write_text(TOLD)
    (place / "measured").unlink(missing_ok=True)
    command = [sys.executable, str(place / "grader.py"), "grade", of.assignment, str(of.folder), *SANDBOX]
    return subprocess.Popen(
        [*command, "--jobs", str(jobs), "--json", "--course", str(of.course)],
        env={**os.environ, "MEASURED": str(place / "measured"), "AUTOGRADER_SECRET": "x" * 40, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=(place / "stderr").open("wb"),
        start_new_session=True,
    )


def _finished(process: subprocess.Popen[bytes]) -> None:
    if process.wait(timeout=1800):
        raise SystemExit(f"the grader ended with {process.returncode}: a run that nobody killed must not")


def _kill(process: subprocess.Popen[bytes], of: Class, count: int, more_s: float, *, alone: bool) -> bool:
    """Kill it once more than `count` measurements are written and `more_s` have passed; False: it ended before."""
    while len(written(of)) <= count:
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    time.sleep(more_s)
    if process.poll() is not None:
        return False
    if not alone:
        for each in _descendants(os.getpid()):
            os.kill(each, signal.SIGKILL)
    process.kill()
    process.wait()
    return True


def _adopt() -> None:
    """Become the parent of whatever our children leave behind, so that nothing is left unseen."""
    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _left_processes() -> int:
    """How many processes of a run are left when they have had their time; all are ended."""
    end = time.monotonic() + LEFT_S
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if time.monotonic() > end:
            break
        if not ended:
            time.sleep(0.02)
    left = [*_descendants(os.getpid())]
    for each in left:
        os.kill(each, signal.SIGKILL)
    return len(left)


def _descendants(parent: int) -> Iterator[int]:
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        try:
            yield from _descendants(int(child))
        except OSError:
            continue  # it has just ended
        yield int(child)


def made_class(place: Path, students: int) -> Class:
    """The first assignment in a course of its own, with its solution and programs that make known mistakes."""
    from autograder.course import load_assignment
    from autograder.variants import mistakes

    shutil.copytree(ROOT / "solutions" / "a1_rnn", place / "solutions" / "a1_rnn")
    term = "assignments: [{id: a1_rnn, due: 2027-03-22T23:59, weight: 1}]"
    (place / "course.yml").write_text(f"title: Killed\ntimezone: UTC\nattempts: latest\n{term}\n")
    assignment = load_assignment(place / "solutions" / "a1_rnn")
    programs = [{name: (assignment.folder / name).read_bytes() for name in assignment.files}]
    programs += [dict(each.files) for each in mistakes(assignment)[: students - 1]]
    for number, files in enumerate(programs):
        for name, content in files.items():
            path = place / "class" / f"s{number}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content + f"\n# {number}\n".encode())
    return Class(place, "a1_rnn", place / "class")


def in_words(account: Account, of: Class, students: int, seconds: float) -> str:
    """What stands in docs/measured."""
    head = (
        f"`make prove` wrote this: `kill -9` at {account.moments} random moments of `autograder grade {of.assignment}` "
        f"on {students} submissions, in {account.classes} classes of {account.measurements} measurements, by turns "
        "with all processes of the run and the parent alone, with one worker and two. After each kill the same command "
        f"went on. {seconds:.0f} s of CPU."
    )
    rows = (
        ("measurements written when it was killed", ", ".join(map(str, account.written))),
        ("measurements lost, changed or unreadable afterwards", 0),
        ("measurements made again that had been written", 0),
        (f"processes left {LEFT_S:.0f} s later", 0),
        ("grades other than those of a run that nobody killed", 0),
        ("files left half written, under names that nobody reads", account.halves),
    )
    table = "\n".join(f"| {what} | {figure} |" for what, figure in rows)
    return f"# A class run that is killed\n\n{head}\n\n| | |\n|---|---|\n{table}\n"


def main() -> None:
    """Make a class, kill its run, print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--students", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, default=None, help="Write the figures there.")
    parser.add_argument("--class", dest="given", nargs=3, metavar=("COURSE", "ASSIGNMENT", "FOLDER"), default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autograder-class-") as place:
        if options.given:
            course, assignment, folder = options.given
            of = Class(Path(course), assignment, Path(folder))
        else:
            of = made_class(Path(place), options.students)
        account = run(of, options.moments, options.seed, lambda words: sys.stderr.write(f"  {words}\n"))
        students = len([*of.folder.iterdir()])
    used = os.times()
    seconds = used.user + used.system + used.children_user + used.children_system
    for fault in account.faults:
        sys.stdout.write(f"FAULT: {fault}\n")
    if options.write and not account.faults:
        options.write.write_text(in_words(account, of, students, seconds), encoding="utf-8")
    sys.stdout.write(
        f"killed at {account.moments} moments of {account.classes} classes of {account.measurements} measurements: "
        f"{len(account.faults)} faults; {seconds:.0f} s of CPU\n"
    )
    sys.exit(1 if account.faults or account.moments < options.moments else 0)


if __name__ == "__main__":
    main()
