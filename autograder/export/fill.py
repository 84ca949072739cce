"""The LMS' own CSV with our marks in it: pure. Its rows and their order stay; nothing is added that was not there."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from autograder.course.problems import nearest
from autograder.errors import UsageError
from autograder.export.sheet import Sheet, harmless
from autograder.gradebook.marks import Mark, State, plain, rounded
from autograder.intake.people import Claim, owner_of
from autograder.names import shown
from autograder.records import Person

_CANVAS_IDS = ("ID", "SIS User ID", "SIS Login ID", "Integration ID")
_CANVAS_KEPT = ("Student", *_CANVAS_IDS, "Root Account", "Section")
_MOODLE_IDS = ("Identifier", "ID number", "Username", "Email address")
_MOODLE_NAMES = ("Full name", "First name", "Last name", "Surname")
_LOCKED = {"no", "nein", "non", "아니오", "아니요"}


@dataclass(frozen=True, slots=True)
class Filled:
    """A table to give back to the LMS."""

    sheet: Sheet
    count: int
    """Marks that were written."""
    remarks: tuple[str, ...]
    """Who stands in one place and not in the other, and what was left as it is."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one assignment."""

    titles: tuple[str, ...]
    """What the LMS may call it: a column's name that was given, its id, its title."""
    marks: Mapping[str, Mark]
    """By student."""
    roster: tuple[Person, ...]

    def people(self) -> tuple[Person, ...]:
        """The roster; where there is none, everyone by their id, which may be a name."""
        return self.roster or tuple(Person(student, name=student) for student in self.marks)


def canvas(sheet: Sheet, marks: Marks) -> Filled:
    """Canvas' gradebook with the one column of this assignment. UsageError where it has none: it would make a new one.

    Students' columns stay, other assignments' do not: what is not sent cannot be overwritten.
    """
    headings = sheet.headings
    if "Student" not in headings or "ID" not in headings:
        raise UsageError(f"this is no gradebook of Canvas: it has {', '.join(headings[:6])}; export it from Grades")
    column = _column(headings, marks.titles, lambda heading: re.sub(r"\s*\(\d+\)$", "", heading))
    first = _first_student(sheet)
    possible = next((row[column] for row in sheet.rows[1:first] if row[0].strip().startswith("Points Possible")), "")
    kept = [n for n, heading in enumerate(headings) if heading in _CANVAS_KEPT]
    rows = [list(row) for row in sheet.rows]
    filling = _Filling(marks, _number(possible))
    for row in rows[first:]:
        cells = dict(zip(headings, row, strict=False))
        if cells["Student"].strip() in {"Student, Test", "Test Student"}:
            continue
        ids = tuple(cells.get(name, "") for name in _CANVAS_IDS)
        mark = filling.mark_of(Claim(ids, cells["Student"], ""), cells["Student"])
        if mark is not None and mark.state is not State.OPEN:
            row[column] = "EX" if mark.state is State.EXCUSED else filling.points(mark)
        row[0] = harmless(row[0])
    chosen = tuple(tuple(row[n] for n in (*kept, column) if n < len(row)) for row in rows)
    return filling.done(replace(sheet, rows=chosen))


def _first_student(sheet: Sheet) -> int:
    """The row after `Points Possible` and what stands above it."""
    above = [n for n, row in enumerate(sheet.rows[:4]) if n and row and row[0].strip().startswith("Points Possible")]
    return above[0] + 1 if above else 1


def moodle(sheet: Sheet, marks: Marks) -> Filled:
    """Moodle's grading worksheet or gradebook export with grade and feedback. UsageError where it has no grade column.

    Both columns are written together: feedback that is imported without its grade would wipe it.
    """
    headings = sheet.headings
    grade, feedback, most = _moodle_columns(headings, marks.titles)
    rows = [list(row) for row in sheet.rows]
    numbers = [row[n] for row in rows[1:] for n in (grade, most) if n is not None and n < len(row)]
    filling = _Filling(marks, None, comma=any(re.fullmatch(r"\d+,\d+", each) for each in numbers))
    if feedback is None:
        filling.remarks.append("there is no feedback column: switch on `Feedback comments` and export again to send it")
    for row in rows[1:]:
        cells = dict(zip(headings, row, strict=False))
        ids = tuple(cells.get(name, "").removeprefix("Participant ") for name in _MOODLE_IDS)
        name = cells.get("Full name") or " ".join(filter(None, (cells.get(each, "") for each in _MOODLE_NAMES[1:])))
        mark = filling.mark_of(Claim(ids, name, f"{name} {ids[0]}"), name)
        if cells.get("Grade can be changed", "").strip().casefold() in _LOCKED:
            filling.remarks.append(f"{shown(name)}: the grade is locked in Moodle and was left as it is")
        elif mark is not None and mark.state is not State.OPEN:
            possible = _number(row[most]) if most is not None else None
            row[grade] = "" if mark.state is State.EXCUSED else filling.points(mark, possible)
            if feedback is not None:
                row[feedback] = harmless(feedback_of(mark))
        for n, heading in enumerate(headings):
            if heading in _MOODLE_NAMES and n < len(row):
                row[n] = harmless(row[n])
    return filling.done(replace(sheet, rows=tuple(map(tuple, rows))))


def _moodle_columns(headings: Sequence[str], titles: Sequence[str]) -> tuple[int, int | None, int | None]:
    """Where grade, feedback and the maximum stand: in a worksheet, or among the columns of a gradebook export."""
    lower = [heading.casefold() for heading in headings]
    if "identifier" in lower and "grade" in lower:
        feedback = lower.index("feedback comments") if "feedback comments" in lower else None
        return lower.index("grade"), feedback, lower.index("maximum grade") if "maximum grade" in lower else None
    if "email address" not in lower and "id number" not in lower:
        raise UsageError(f"this is no grade file of Moodle: it has {', '.join(headings[:6])}; export it again")

    def name(heading: str, end: str) -> str:
        found = re.fullmatch(rf"(?:[^:]+:\s*)?(.+?)\s*\({end}\)", heading)
        return found[1] if found else ""

    grade = _column(headings, titles, lambda heading: name(heading, "Real"))
    own = name(headings[grade], "Real")
    feedback = next((n for n, heading in enumerate(headings) if name(heading, "Feedback") == own), None)
    return grade, feedback, None


def feedback_of(mark: Mark) -> str:
    """What a student reads beside the grade: the comments of people, then how the mark comes about. As HTML."""
    comments = [f"{check}: {text}" if check else text for check, text in mark.comments]
    lines = [line for text in (*comments, *mark.calculation) for line in text.splitlines()]
    return "<br>".join(html.escape(shown(line, 2000), quote=False) for line in lines)


class _Filling:
    """Marks on their way into rows, and what is to be said about it."""

    def __init__(self, marks: Marks, possible: Fraction | None, *, comma: bool = False) -> None:
        self._marks, self._possible, self._comma = marks, possible, comma
        self._people = marks.people()
        self._seen: set[str] = set()
        self._scaled: set[str] = set()
        self._count = 0
        self.remarks: list[str] = []

    def mark_of(self, claim: Claim, name: str) -> Mark | None:
        """The mark of the student in a row; None with a remark where nobody knows who that is."""
        owner = owner_of(claim, self._people)
        mark = None if owner.remark else self._marks.marks.get(owner.student)
        if mark is None:
            self.remarks.append(f"{shown(name)} stands in the file and has no mark here: left as it is")
            return None
        if owner.student in self._seen:
            self.remarks.append(f"{shown(name)} stands in the file twice: {owner.student}")
        self._seen.add(owner.student)
        return mark

    def points(self, mark: Mark, possible: Fraction | None = None) -> str:
        """The points as the LMS counts them, which may not be out of 100."""
        most = possible or self._possible
        self._count += 1
        points = mark.points
        if most is not None and most != mark.out_of:
            self._scaled.add(f"{mark.out_of} points here are {plain(rounded(most))} there: marks were scaled")
            points = rounded(Fraction(mark.points) * most / (mark.out_of or 1))
        text = plain(points)
        return text.replace(".", ",") if self._comma else text

    def done(self, sheet: Sheet) -> Filled:
        """The result, with everyone who has a mark and no row."""
        lost = [student for student, mark in self._marks.marks.items() if student not in self._seen and _matters(mark)]
        more = [f"{shown(student)} has a mark and does not stand in the file" for student in lost]
        waiting = sum(mark.provisional for mark in self._marks.marks.values())
        if waiting:
            more.append(f"{waiting} marks are provisional: checks could not be graded yet")
        return Filled(sheet, self._count, (*sorted(self._scaled), *self.remarks, *more))


def _matters(mark: Mark) -> bool:
    return mark.state in {State.GRADED, State.MISSING}


def _column(headings: Sequence[str], titles: Sequence[str], name: Callable[[str], str]) -> int:
    """The one column of an assignment. UsageError where there is none, or several."""
    wanted = [title.casefold() for title in titles if title]
    names = [name(heading).strip() for heading in headings]
    found = [n for n, each in enumerate(names) if each and {each.casefold(), headings[n].casefold()} & {*wanted}]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"several columns could be it: {', '.join(headings[n] for n in found)}; choose with --column")
    known = nearest(next(iter(titles), ""), [each for each in names if each])
    raise UsageError(f"the file has no column for it{known.replace('known here', 'columns')}; name it with --column")


def _number(cell: str) -> Fraction | None:
    try:
        value = Fraction(Decimal(cell.strip().replace(",", ".")))
    except (ArithmeticError, ValueError):
        return None
    return value if value > 0 else None
