"""The verbs `extend` and `excuse`: what is granted becomes entries of extensions.yml."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from autograder.course import add_extensions, find_course, load_course, load_roster
from autograder.course.moments import in_zone
from autograder.course.problems import nearest
from autograder.errors import UsageError
from autograder.records import Course, Extension, Term


def extended(
    start: Path, assignment: str, students: Sequence[str], until: str | None, days: int | None, why: str
) -> tuple[Path, datetime]:
    """Grant an extension to each student; return the file and when the assignment is due for them. UsageError."""
    course = load_course(find_course(start))
    due = _due(course, term_of(course, assignment), until, days)
    _on_the_roster(course, students)
    return add_extensions(course, [Extension(student, assignment, due, why) for student in students]), due


def excused(start: Path, assignment: str, students: Sequence[str], why: str) -> Path:
    """Excuse each student from an assignment; return the file. UsageError."""
    course = load_course(find_course(start))
    term_of(course, assignment)
    _on_the_roster(course, students)
    return add_extensions(course, [Extension(student, assignment, None, why) for student in students])


def _on_the_roster(course: Course, students: Sequence[str]) -> None:
    """UsageError for a student whom the roster does not know: what is granted to a slip of the pen helps nobody."""
    known = [person.student for person in load_roster(course.root)]
    for student in students:
        if known and student not in known:
            raise UsageError(f"there is no student `{student}` in roster.csv{nearest(student, known)}")


def term_of(course: Course, assignment: str) -> Term:
    """The assignment's entry in course.yml; UsageError with the nearest name where there is none."""
    for term in course.terms:
        if term.id == assignment:
            return term
    known = nearest(assignment, (term.id for term in course.terms))
    raise UsageError(f"course.yml has no assignment `{assignment}`{known}")


def _due(course: Course, term: Term, until: str | None, days: int | None) -> datetime:
    zone = ZoneInfo(course.timezone)
    if (until is None) == (days is None):
        raise UsageError("how much later? Give either --until 2027-03-25T23:59 or --days 3")
    if days is not None:  # the same time of day, whatever clocks do in between
        return term.due.astimezone(zone) + timedelta(days=days)
    try:
        written = datetime.fromisoformat(until or "")
    except ValueError:
        raise UsageError(f"--until {until} is no date with a time; such as 2027-03-25T23:59 is expected") from None
    if ":" not in (until or ""):
        raise UsageError(f"--until {until} has no time; such as {until}T23:59 is expected")
    due, odd = in_zone(written, zone)
    if odd:
        raise UsageError(odd)
    return due
