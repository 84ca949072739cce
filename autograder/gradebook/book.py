"""The gradebook of a course: everything on disk that marks depend on, read at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from autograder.course import load_course, load_extensions, load_roster
from autograder.gradebook.decided import Decided, decided
from autograder.gradebook.filing import ATTEMPTS, by_attempt
from autograder.gradebook.journal import read_journal
from autograder.gradebook.marks import Sources, Standing, standing
from autograder.ledger import read_results
from autograder.records import Course, Extension, Grade, JournalEntry, Person


@dataclass(frozen=True, slots=True)
class Book:
    """What marks are made of."""

    course: Course
    grades: Mapping[str, Mapping[str, Grade]]
    """Assignment -> student -> grade."""
    attempts: Mapping[str, Mapping[str, tuple[Grade, ...]]]
    """Assignment -> student -> every attempt that is kept."""
    roster: tuple[Person, ...]
    granted: tuple[Extension, ...]
    entries: tuple[JournalEntry, ...]
    """marks.jsonl."""
    broken: tuple[str, ...]
    """A sentence on every result that cannot be read."""

    @property
    def students(self) -> tuple[str, ...]:
        """Everyone who is known, by name."""
        graded = {student for grades in self.grades.values() for student in grades}
        others = {each.student for each in self.granted} | {each.student for each in self.entries}
        return tuple(sorted(graded | others | {person.student for person in self.roster}))

    @property
    def strangers(self) -> tuple[str, ...]:
        """Those of them who are not on the roster; none where there is no roster."""
        known = {person.student for person in self.roster}
        return tuple(student for student in self.students if known and student not in known)

    @property
    def decided(self) -> dict[tuple[str, str], Decided]:
        """What people decided, by assignment and student."""
        return decided(self.entries)

    def standing(self, student: str, now: datetime) -> Standing:
        """Return how `student` stands at `now`, aware."""
        own = {id_: grades[student] for id_, grades in self.grades.items() if student in grades}
        granted = {each.assignment: each for each in self.granted if each.student == student}
        by_hand = {id_: each for (id_, whose), each in self.decided.items() if whose == student}
        attempts = {id_: tries[student] for id_, tries in self.attempts.items() if student in tries}
        return standing(self.course, student, Sources(own, granted, by_hand, attempts), now)


def open_book(root: Path) -> Book:
    """The gradebook of the course in `root`; ConfigurationError or LedgerError where one of its files is wrong."""
    course = load_course(root)
    grades: dict[str, dict[str, Grade]] = {}
    attempts: dict[str, dict[str, tuple[Grade, ...]]] = {}
    broken: list[str] = []
    for term in course.terms:
        found, problems = read_results(results_folder(root, term.id))
        grades[term.id] = {grade.student: grade for grade in found}
        tries, more = read_results(results_folder(root, term.id) / ATTEMPTS)
        attempts[term.id] = by_attempt(grades[term.id], tries)
        broken.extend((*problems, *more))
    return Book(course, grades, attempts, load_roster(root), load_extensions(course), read_journal(root), tuple(broken))


def results_folder(root: Path, assignment: str) -> Path:
    """Where an assignment's results lie."""
    return root / "results" / assignment
