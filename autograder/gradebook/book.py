"""The gradebook of a course: everything on disk that marks depend on, read at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from autograder.course import load_course, load_extensions
from autograder.gradebook.marks import Standing, standing
from autograder.ledger import read_results
from autograder.records import Course, Extension, Grade


@dataclass(frozen=True, slots=True)
class Book:
    """What marks are made of."""

    course: Course
    grades: Mapping[str, Mapping[str, Grade]]
    """Assignment -> student -> grade."""
    granted: tuple[Extension, ...]
    broken: tuple[str, ...]
    """A sentence on every result that cannot be read."""

    @property
    def students(self) -> tuple[str, ...]:
        """Everyone who is known, by name."""
        graded = {student for grades in self.grades.values() for student in grades}
        return tuple(sorted(graded | {each.student for each in self.granted}))

    def standing(self, student: str, now: datetime) -> Standing:
        """Return how `student` stands at `now`, aware."""
        own = {id_: grades[student] for id_, grades in self.grades.items() if student in grades}
        return standing(self.course, student, own, self.granted, now)


def open_book(root: Path) -> Book:
    """The gradebook of the course in `root`; ConfigurationError where course.yml or extensions.yml is wrong."""
    course = load_course(root)
    grades: dict[str, dict[str, Grade]] = {}
    broken: list[str] = []
    for term in course.terms:
        found, problems = read_results(results_folder(root, term.id))
        grades[term.id] = {grade.student: grade for grade in found}
        broken.extend(problems)
    return Book(course, grades, load_extensions(course), tuple(broken))


def results_folder(root: Path, assignment: str) -> Path:
    """Where an assignment's results lie."""
    return root / "results" / assignment
