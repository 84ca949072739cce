"""Marks on their way into an LMS' own CSV, and what is to be said about it: pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from autograder.course.problems import nearest
from autograder.errors import UsageError
from autograder.export.sheet import Sheet
from autograder.gradebook.marks import Mark, State, plain, provisional_in_words, rounded
from autograder.intake.people import Claim, owner_of
from autograder.names import shown
from autograder.records import Person

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Filled:
    """A table to give back to the LMS."""

    sheet: Sheet
    count: int
    """Marks that were written."""
    remarks: tuple[str, ...]
    """Who stands in one place and not in the other, and what was left as it is, or was replaced."""


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


class Filling:
    """One file that is being filled in."""

    def __init__(self, marks: Marks, possible: Fraction | None, *, comma: bool = False) -> None:
        self._marks, self._possible, self._comma = marks, possible, comma
        self._people = marks.people()
        self._seen: set[str] = set()
        self._scaled: set[str] = set()
        self._replaced: list[str] = []
        self._count = 0
        self.remarks: list[str] = []

    def mark_of(self, claim: Claim) -> Mark | None:
        """The mark of the student in a row; None with a remark where nobody knows who that is."""
        owner = owner_of(claim, self._people)
        mark = None if owner.remark else self._marks.marks.get(owner.student)
        if mark is None:
            why = owner.remark if "could be" in owner.remark else f"{shown(claim.name)} has no mark here"
            self.remarks.append(f"{why}: the file's line was left as it is")
            return None
        if owner.student in self._seen:
            self.remarks.append(f"{shown(claim.name)} stands in the file twice: {owner.student}")
        self._seen.add(owner.student)
        return mark

    def keeps(self, mark: Mark, name: str) -> bool:
        """Keep a row as it is where nothing is to be written yet: not due, or not graded, which is remarked."""
        if mark.state is State.NOT_GRADED:
            why = next((step for step in mark.calculation if step.startswith(State.NOT_GRADED)), State.NOT_GRADED)
            self.leave(name, f"{shown(why, 400)}; `autograder mark --points` settles it")
        return mark.state in {State.OPEN, State.NOT_GRADED}

    def leave(self, name: str, why: str) -> None:
        """Say that a row stays as it is."""
        self.remarks.append(f"{shown(name)}: {why}: left as it is")

    def points(self, mark: Mark, name: str, before: str, possible: Fraction | None = None) -> str:
        """The points as the LMS counts them, which may not be out of 100; `before` is what stood in the cell."""
        most = possible or self._possible
        self._count += 1
        points = mark.points
        if most is not None and most != mark.out_of:
            self._scaled.add(f"{mark.out_of} points here are {plain(rounded(most))} there: marks were scaled")
            points = rounded(Fraction(mark.points) * most / (mark.out_of or 1))
        text = plain(points)
        if before.strip() not in {"", "-"} and number(before, zero=True) != Fraction(points):
            self._replaced.append(f"{shown(name)} {shown(before.strip())} -> {text}")
        return text.replace(".", ",") if self._comma else text

    def done(self, sheet: Sheet) -> Filled:
        """The result, with everyone who has a mark and no row."""
        lost = [student for student, mark in self._marks.marks.items() if student not in self._seen and _matters(mark)]
        more = [f"{shown(student)} has a mark and does not stand in the file" for student in lost]
        if self._replaced:
            others = f" and {len(self._replaced) - _MOST_NAMED} more" if len(self._replaced) > _MOST_NAMED else ""
            named = ", ".join(self._replaced[:_MOST_NAMED])
            more.append(f"other marks stood in the file and were replaced: {named}{others}")
        if waiting := provisional_in_words(self._marks.marks.values()):
            more.append(waiting)
        return Filled(sheet, self._count, (*sorted(self._scaled), *self.remarks, *more))


def _matters(mark: Mark) -> bool:
    return mark.counts


def column_of(headings: Sequence[str], titles: Sequence[str], name: Callable[[str], str]) -> int:
    """The one column of an assignment, by its whole heading or by the `name` in it. UsageError: none, or several."""
    wanted = {same_words(title) for title in titles if title}
    names = [same_words(name(heading)) for heading in headings]
    found = [n for n, each in enumerate(names) if each and {each, same_words(headings[n])} & wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"several columns could be it: {', '.join(headings[n] for n in found)}; choose with --column")
    known = nearest(next(iter(titles), ""), [each for each in map(name, headings) if each.strip()])
    raise UsageError(f"the file has no column for it{known.replace('known here', 'columns')}; name it with --column")


def same_words(text: str) -> str:
    """A text as headings are compared: without case, and whatever a spreadsheet did to its spaces and accents."""
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()


def number(cell: str, *, zero: bool = False) -> Fraction | None:
    """What stands in a cell, with a decimal point or comma; None where it is no number, or nothing and not `zero`."""
    try:
        value = Fraction(Decimal(cell.strip().replace(",", ".")))
    except (ArithmeticError, ValueError):
        return None
    return value if value > 0 or (zero and value == 0) else None
