"""Lists of marks for people and programs: nbgrader's CSV, and one line a student for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from autograder.export.sheet import Sheet, harmless, written
from autograder.gradebook import Book, Mark, Standing, State
from autograder.gradebook.marks import plain
from autograder.records import Person

_NBGRADER = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
    "raw_score", "late_submission_penalty", "score", "max_score",
)  # fmt: skip


def nbgrader_csv(book: Book, standings: Sequence[Standing]) -> bytes:
    """What `nbgrader export` writes, a line for each assignment and student: with quotes where they are needed.

    Times are UTC without saying so, as nbgrader has them. Who is excused, or may still hand in, has no score.
    """
    rows: list[tuple[str, ...]] = [_NBGRADER]
    for number, term in enumerate(book.course.terms):
        for standing in standings:
            mark, grade = standing.marks[number], book.grades[term.id].get(standing.student)
            person = _person(book, standing.student)
            first, last = names_of(person.name)
            when = _naive_utc(grade.handed_in.at) if grade and grade.handed_in else ""
            scores = _scores(mark)
            known = (term.id, _naive_utc(term.due), when, standing.student, last, first, person.email)
            rows.append((*map(harmless, known), *scores, str(float(mark.out_of))))
    return written(Sheet(tuple(rows), newline="\n"))


def _scores(mark: Mark) -> tuple[str, str, str]:
    """Raw score, penalty, score."""
    if not mark.counts:
        return "", "", ""
    return str(float(mark.raw)), str(float(mark.raw - mark.points)), str(float(mark.points))


def plain_csv(book: Book, standings: Sequence[Standing]) -> bytes:
    """One line a student: mark, lateness and state of each assignment, the total. With the mark that Excel wants."""
    ids = [term.id for term in book.course.terms]
    headings = ["student", "name", "email", *(f"{id_}{end}" for id_ in ids for end in ("", " late", " state")), "total"]
    rows = [tuple(headings), *(tuple(_line(book, standing)) for standing in standings)]
    return written(Sheet(tuple(rows), bom=True))


def _line(book: Book, standing: Standing) -> Iterator[str]:
    person = _person(book, standing.student)
    yield from map(harmless, (standing.student, person.name, person.email))
    for mark in standing.marks:
        yield plain(mark.points) if mark.counts else ""
        yield harmless(mark.lateness.short) if mark.lateness and mark.lateness.days else ""
        yield f"{mark.state}{', provisional' if mark.provisional else ''}" if mark.state is State.GRADED else mark.state
    yield "" if standing.total is None else plain(standing.total)


def _person(book: Book, student: str) -> Person:
    return next((person for person in book.roster if person.student == student), Person(student))


def names_of(name: str) -> tuple[str, str]:
    """First and last name of `Ada King`, `King, Ada`; a name in one word is a last name."""
    last, comma, first = name.partition(",")
    if comma:
        return first.strip(), last.strip()
    first, _, last = name.rpartition(" ")
    return first.strip(), last.strip()


def _naive_utc(moment: datetime) -> str:
    return str(moment.astimezone(UTC).replace(tzinfo=None))
