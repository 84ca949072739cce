"""The verbs `mark`, `request` and `answer`: what somebody decided becomes lines of marks.jsonl."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from autograder.course.problems import nearest
from autograder.errors import UsageError
from autograder.gradebook.book import Book
from autograder.gradebook.decided import NOTHING_DECIDED, open_requests
from autograder.gradebook.granting import term_of
from autograder.gradebook.journal import add_entries, read_journal
from autograder.gradebook.marks import OUT_OF
from autograder.records import EntryKind, Grade, JournalEntry


@dataclass(frozen=True, slots=True)
class Decision:
    """What the command `mark` was given; None: nothing is said of it, "": it is withdrawn."""

    check: str
    points: str | None
    extra: str | None
    comment: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Author:
    """Who says something, and when."""

    who: str
    at: datetime
    """Aware."""


def decide(book: Book, assignment: str, student: str, decision: Decision, author: Author) -> tuple[JournalEntry, ...]:
    """Add the decision to marks.jsonl and return its lines. UsageError where it cannot be meant."""
    term_of(book.course, assignment)
    _known_student(book, student)
    grade = book.grades.get(assignment, {}).get(student)
    lines = tuple(_lines(book, grade, _Place(assignment, student, decision.check), decision, author))
    if not lines:
        raise UsageError("what is the decision? Give --points, --extra or --comment")
    add_entries(book.course.root, lines)
    return lines


@dataclass(frozen=True, slots=True)
class _Place:
    assignment: str
    student: str
    check: str


def _lines(
    book: Book, grade: Grade | None, place: _Place, decision: Decision, author: Author
) -> Iterator[JournalEntry]:
    given = ((EntryKind.POINTS, decision.points), (EntryKind.EXTRA, decision.extra))
    if any(value for _, value in given) and not decision.why:
        raise UsageError("points need a reason, which the student reads; give it with --why")
    force = book.decided.get((place.assignment, place.student), NOTHING_DECIDED)
    measured, most = _measured(grade, place.check)
    for kind, value in given:
        if value is None:
            continue
        if kind is EntryKind.EXTRA and place.check:
            raise UsageError("extra points belong to the assignment as a whole; leave --check out")
        before = force.points.get(place.check) if kind is EntryKind.POINTS else force.extra
        points = _points(value, most if kind is EntryKind.POINTS else None)
        old = before.value if before else measured if kind is EntryKind.POINTS else None
        seen = measured if kind is EntryKind.POINTS else None
        yield _entry(kind, place, author, value=points, old=old, measured=seen, why=decision.why)
    if decision.comment is not None:
        said = force.comments.get(place.check)
        old = said.value if said else None
        yield _entry(EntryKind.COMMENT, place, author, value=decision.comment or None, old=old, why=decision.why)


def _measured(grade: Grade | None, check: str) -> tuple[str | None, int]:
    """What the checks gave, and what they give at most. UsageError for a check that has no result."""
    if not check:
        return (str(grade.score), grade.out_of) if grade else (None, OUT_OF)
    results = {result.id: result for result in grade.results} if grade else {}
    if check not in results:
        where = nearest(check, results) if grade else "; nothing was graded: leave --check out to set all points"
        raise UsageError(f"there is no result of a check `{check}`{where}")
    return str(results[check].earned), results[check].points


def _points(value: str, most: int | None) -> str | None:
    """The points as they are written down; None: withdrawn. UsageError where they are none, or out of bounds."""
    if not value:
        return None
    try:
        points = Decimal(value)
    except InvalidOperation:
        raise UsageError(f"`{value}` is no number of points; such as 4.5 is expected") from None
    if not points.is_finite() or round(points, 2) != points or abs(points) > 1000:
        raise UsageError(f"`{value}` cannot be points; a number with at most two decimals is expected")
    if most is not None and not 0 <= points <= most:
        raise UsageError(f"{value} points are not between 0 and {most}; what goes beyond is --extra")
    return f"{points:f}"


def request(book: Book, assignment: str, student: str, check: str, text: str, author: Author) -> int:
    """Add a regrade request and return its number. UsageError where it cannot be meant."""
    term_of(book.course, assignment)
    _known_student(book, student)
    grade = book.grades.get(assignment, {}).get(student)
    if grade is None:
        raise UsageError(f"nothing of {student} was graded for {assignment}; there is nothing to look at again")
    if check:
        _measured(grade, check)
    place = _Place(assignment, student, check)
    add_entries(book.course.root, [_entry(EntryKind.REQUEST, place, author, value=text)])
    return read_journal(book.course.root)[-1].number


def look(book: Book, assignment: str, student: str, check: str, words: str, author: Author) -> None:
    """Write down that somebody looked at `words` and left it as it is. UsageError where it cannot be meant."""
    term_of(book.course, assignment)
    _known_student(book, student)
    place = _Place(assignment, student, check)
    add_entries(book.course.root, [_entry(EntryKind.LOOKED, place, author, value=words)])


def answer(book: Book, number: int, text: str, author: Author) -> JournalEntry:
    """Answer an open request and return it. UsageError where there is none of that number."""
    waiting = {each.number: each for each in open_requests(book.entries)}
    if number not in waiting:
        known = ", ".join(f"#{each}" for each in waiting) or "none"
        raise UsageError(f"no request #{number} waits for an answer; open: {known}")
    asked = waiting[number]
    place = _Place(asked.assignment, asked.student, asked.check)
    add_entries(book.course.root, [_entry(EntryKind.ANSWER, place, author, value=text, about=number)])
    return asked


def _known_student(book: Book, student: str) -> None:
    if student not in book.students:
        raise UsageError(f"nothing is known of a student `{student}`{nearest(student, book.students)}")


def _entry(
    kind: EntryKind,
    place: _Place,
    author: Author,
    *,
    value: str | None,
    old: str | None = None,
    measured: str | None = None,
    why: str = "",
    about: int = 0,
) -> JournalEntry:
    return JournalEntry(
        number=0,
        at=author.at,
        who=author.who,
        kind=kind,
        assignment=place.assignment,
        student=place.student,
        check=place.check,
        value=value,
        old=old,
        measured=measured,
        why=why,
        about=about,
    )


def author_of(who: str | None, now: datetime, root: Path) -> Author:
    """Whoever runs the command, unless `who` says otherwise. UsageError where nobody can tell."""
    import getpass

    try:
        name = who or getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        raise UsageError(f"who decides? Give --who NAME; it is kept in {root / 'marks.jsonl'}") from None
    return Author(name, now)
