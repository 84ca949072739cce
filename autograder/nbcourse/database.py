"""nbgrader's gradebook, through its own API: the rows of our checks, and what people wrote there. One writer."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from nbgrader.api import Comment, Gradebook, MissingEntry
from nbgrader.api import Grade as Row
from sqlalchemy.exc import SAWarning

from autograder.export.lists import names_of
from autograder.nbcourse.merging import Decisions, Place
from autograder.nbcourse.rubric import WRITTEN, Item
from autograder.records import EntryKind, Person, Term


@dataclass(frozen=True, slots=True)
class Scores:
    """What the database is told of one submission."""

    student: str
    points: Mapping[str, int | None]
    """Cell -> points; None: a person has to look, since the grader failed."""
    penalty: float
    """Points that lateness costs."""
    handed_in: datetime | None
    """Aware; None: nbgrader's exchange did not say."""
    extension: timedelta | None = None
    waits: bool = False
    """A written answer waits for a person's points."""
    by_hand: Mapping[Place, str | None] = field(default_factory=dict)
    """Decisions to write over those that are there; None: withdrawn. Others stay."""


def enrol(book: Gradebook, people: Iterable[Person]) -> None:
    """Make sure that the roster's people are in the database, with their names and addresses."""
    known = {student.id: student for student in book.students}
    for person in people:
        first, last = names_of(person.name)
        said = {"first_name": first or None, "last_name": last or None, "email": person.email or None}
        row = known.get(person.student)
        if row is None:
            book.add_student(person.student, **said)
        elif said != {name: getattr(row, name) for name in said}:
            book.update_or_create_student(person.student, **said)


def lay_out(book: Gradebook, term: Term, items: Iterable[Item]) -> None:
    """Make the assignment's rows what its rubric is now; cells that are gone stay, and are worth nothing."""
    name = term.id
    book.update_or_create_assignment(name, duedate=term.due.astimezone(UTC).replace(tzinfo=None).isoformat())
    notebook = book.update_or_create_notebook(name, name)
    wanted = {item.cell: float(item.points) for item in items}
    there = {cell.name: cell for cell in notebook.grade_cells}
    solutions = {cell.name for cell in notebook.solution_cells}
    for cell, points in wanted.items():
        if cell not in there or there[cell].max_score != points:
            book.update_or_create_grade_cell(cell, name, name, max_score=points, cell_type="code")
        if cell not in solutions:
            book.update_or_create_solution_cell(cell, name, name)
    for cell, row in there.items():
        if cell not in wanted:
            row.max_score = 0.0
    book.update_or_create_task_cell(WRITTEN, name, name, max_score=float(term.written), cell_type="markdown")
    book.db.commit()


def admit(book: Gradebook, assignment: str, students: Iterable[str]) -> None:
    """Make sure that each student has a submission of the assignment, with a row for each of its cells."""
    there = {row.student_id for row in _submissions(book, assignment)}
    known = {student.id for student in book.students}
    for student in students:
        if student not in known:
            book.add_student(student)
        if student not in there:
            with warnings.catch_warnings():  # of SQLAlchemy 2.1, about the order in which nbgrader makes its rows
                warnings.simplefilter("ignore", SAWarning)
                book.add_submission(assignment, student)


def write(book: Gradebook, term: Term, scores: Iterable[Scores]) -> None:
    """Write the points of submissions; nobody's manual score, extra credit or comment but those named is touched."""
    every = {each.student: each for each in scores}
    cells = _cells(book, term.id)
    for row in _submissions(book, term.id):
        if row.student_id in every:
            _fill(book, row, every[row.student_id], cells)
    book.db.commit()


def _submissions(book: Gradebook, assignment: str) -> list[Any]:
    try:
        return list(book.find_assignment(assignment).submissions)
    except MissingEntry:
        return []


@dataclass(frozen=True, slots=True)
class _Cells:
    """Names of cells by the ids of their rows."""

    scored: Mapping[str, str]
    said: Mapping[str, str]


def _cells(book: Gradebook, assignment: str) -> _Cells:
    notebook = book.find_notebook(assignment, assignment)
    tasks = {cell.id: cell.name for cell in notebook.task_cells}
    scored = {cell.id: cell.name for cell in notebook.grade_cells} | tasks
    return _Cells(scored, {cell.id: cell.name for cell in notebook.solution_cells} | tasks)


def _fill(book: Gradebook, row: Any, scores: Scores, cells: _Cells) -> None:
    row.timestamp = scores.handed_in and scores.handed_in.astimezone(UTC).replace(tzinfo=None)
    row.extension = scores.extension
    notebook = row.notebooks[0]
    notebook.late_submission_penalty = scores.penalty
    rows = {each.cell_id: each for each in notebook.grades}
    for id_, cell in cells.scored.items():
        if id_ not in rows:  # a check that is younger than the submission
            rows[id_] = Row(cell_id=id_, notebook=notebook)
            book.db.add(rows[id_])
        _score(rows[id_], cell, scores)
    comments = {each.cell_id: each for each in notebook.comments}
    for id_, cell in cells.said.items():
        if id_ not in comments:
            comments[id_] = Comment(cell_id=id_, notebook=notebook)
            book.db.add(comments[id_])
        place = Place(scores.student, EntryKind.COMMENT, "" if cell == WRITTEN else cell)
        if place in scores.by_hand:
            comments[id_].manual_comment = scores.by_hand[place]


def _score(row: Any, cell: str, scores: Scores) -> None:
    """The points of one cell. A person looks again where the checks now give something else than when they scored."""
    points = 0 if cell == WRITTEN else scores.points.get(cell)
    changed = row.auto_score is not None and row.auto_score != points
    place = Place(scores.student, EntryKind.POINTS, cell)
    if place in scores.by_hand:
        value = scores.by_hand[place]
        row.manual_score = None if value is None else float(value)
        changed = False
    extra = Place(scores.student, EntryKind.EXTRA, "")
    if cell == WRITTEN and extra in scores.by_hand:
        value = scores.by_hand[extra]
        row.extra_credit = None if value is None else float(value)
    needs = points is None and cell in scores.points if cell != WRITTEN else scores.waits
    still = bool(row.needs_manual_grade) and row.auto_score is not None  # nobody has looked since it changed
    row.auto_score = None if points is None else float(points)
    row.needs_manual_grade = needs if row.manual_score is None else changed or still


@dataclass(frozen=True, slots=True)
class Seen:
    """What people wrote in formgrader, by cell."""

    decisions: Decisions
    """Places name cells, the task cell as "" where it is the whole."""
    rows: Mapping[str, str]
    """Student -> the id of their row: another one means that the database was made anew."""
    elsewhere: Mapping[str, Decimal]
    """Student -> extra points that stand on other cells than the task's extra credit."""


def read(book: Gradebook, assignment: str) -> Seen:
    """What stands in the database for an assignment; nothing where it is not there yet."""
    decisions: dict[Place, str] = {}
    rows: dict[str, str] = {}
    elsewhere: dict[str, Decimal] = {}
    submissions = _submissions(book, assignment)
    cells = _cells(book, assignment) if submissions else _Cells({}, {})
    for row in submissions:
        student = row.student_id
        rows[student] = row.id
        beside: list[float] = []  # extra points on other cells than the task's extra credit
        extra: float | None = None
        for grade in row.notebooks[0].grades:
            cell = cells.scored.get(grade.cell_id, "")
            if cell == WRITTEN:
                extra = grade.extra_credit
            elif cell and grade.manual_score is not None:
                decisions[Place(student, EntryKind.POINTS, cell)] = _digits(grade.manual_score)
            aside = grade.manual_score if cell == WRITTEN else grade.extra_credit
            beside += [] if aside is None else [aside]
        elsewhere[student] = Decimal(_digits(sum(beside)))
        if beside or extra is not None:
            decisions[Place(student, EntryKind.EXTRA, "")] = _digits(sum(beside) + (extra or 0))
        decisions.update(_said(student, row.notebooks[0].comments, cells.said))
    return Seen(decisions, rows, elsewhere)


def _said(student: str, comments: Iterable[Any], cells: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    for comment in comments:
        cell = cells.get(comment.cell_id, "")
        if cell and (comment.manual_comment or "").strip():
            yield Place(student, EntryKind.COMMENT, "" if cell == WRITTEN else cell), comment.manual_comment


def _digits(score: float) -> str:
    """`4.5` for 4.5: as people write points, two decimals at most."""
    return f"{Decimal(repr(float(score))).quantize(Decimal('0.01')).normalize():f}"
