"""From grades to marks: what counts after lateness, excuses and extra credit, with every step in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo

from autograder.errors import UsageError
from autograder.grading import Lateness, is_provisional, late
from autograder.records import Course, Extension, Grade, LatePolicy, Term

OUT_OF = 100
"""Points of an assignment that nothing was handed in for; those of every assignment's checks add up to it."""


class State(StrEnum):
    """What an assignment is for a student: the first two count."""

    GRADED = "graded"
    MISSING = "missing"
    """Due, and nothing was handed in: no points."""
    EXCUSED = "excused"
    OPEN = "open"
    """Not due yet."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What one assignment gives one student."""

    student: str
    assignment: str
    state: State
    points: Decimal
    """After lateness, two decimals."""
    out_of: int
    lateness: Lateness | None
    calculation: tuple[str, ...]
    """Sentences that a student can check, in order."""
    provisional: bool = False
    """Points may still be added: a check could not be graded through our own fault."""

    @property
    def counts(self) -> bool:
        """Whether it is part of the total."""
        return self.state in {State.GRADED, State.MISSING}


@dataclass(frozen=True, slots=True)
class Standing:
    """One student's term so far."""

    student: str
    marks: tuple[Mark, ...]
    """In the order of course.yml."""
    total: Decimal | None
    """Percent, two decimals, above 100 where extra credit leads there; None: nothing counts yet."""
    calculation: str

    def mark(self, assignment: str) -> Mark:
        """Return the mark of an assignment; UsageError where the course has none of that name."""
        for mark in self.marks:
            if mark.assignment == assignment:
                return mark
        raise UsageError(f"course.yml has no assignment {assignment!r}; it has {self._known()}")

    def _known(self) -> str:
        return ", ".join(mark.assignment for mark in self.marks) or "none"


def standing(
    course: Course, student: str, grades: Mapping[str, Grade], granted: Iterable[Extension], now: datetime
) -> Standing:
    """The standing of `student` at `now`, aware: `grades` by assignment, `granted` to this or any student.

    Late days are used up in the order in which assignments are due for this student.
    """
    own = {each.assignment: each for each in granted if each.student == student}
    used, marks = 0, dict[str, Mark]()
    for term in sorted(course.terms, key=lambda term: _due(term, own.get(term.id))):
        mark = _mark(course, term, student, grades.get(term.id), own.get(term.id), used, now)
        used += mark.lateness.late_days if mark.lateness else 0
        marks[term.id] = mark
    in_order = tuple(marks[term.id] for term in course.terms)
    return Standing(student, in_order, *_total(course.terms, in_order))


def _due(term: Term, granted: Extension | None) -> datetime:
    return (granted and granted.until) or term.due


def _mark(
    course: Course,
    term: Term,
    student: str,
    grade: Grade | None,
    granted: Extension | None,
    used: int,
    now: datetime,
) -> Mark:
    due, zone = _due(term, granted), ZoneInfo(course.timezone)
    why = f" ({granted.why})" if granted and granted.why else ""
    if granted is not None and granted.excused:
        return Mark(student, term.id, State.EXCUSED, Decimal(), OUT_OF, None, (f"excused{why}: does not count",))
    said = (f"due {_spoken(due, zone)} instead of {_spoken(term.due, zone)}{why}",) if granted else ()
    if grade is None:
        state = State.OPEN if now < due else State.MISSING
        words = "nothing handed in, due " + _spoken(due, zone) + (": 0 points" if state is State.MISSING else "")
        return Mark(student, term.id, state, Decimal(), OUT_OF, None, (*said, words))
    lateness, how = _lateness(course.late_policy, due, grade, used, zone)
    points = rounded(Fraction(grade.score) * _part_left(lateness))
    steps = (f"checks: {grade.score} of {grade.out_of}", *said, *how, _sum(grade, lateness, points))
    return Mark(student, term.id, State.GRADED, points, grade.out_of, lateness, steps, is_provisional(grade))


def _lateness(
    policy: LatePolicy, due: datetime, grade: Grade, used: int, zone: ZoneInfo
) -> tuple[Lateness | None, tuple[str, ...]]:
    """What lateness costs, and the sentences about it."""
    if grade.handed_in is None:
        return None, ("nothing says when it was handed in: counted as in time",)
    lateness = late(policy, due.astimezone(zone), grade.handed_in.at.astimezone(zone), used)
    return lateness, (f"{lateness.calculation} (time: {grade.handed_in.source})",)


def _part_left(lateness: Lateness | None) -> Fraction:
    return 1 - Fraction(str(lateness.percent if lateness else 0)) / 100


def _sum(grade: Grade, lateness: Lateness | None, points: Decimal) -> str:
    waits = "; provisional, since checks could not be graded yet" if is_provisional(grade) else ""
    if lateness is None or not lateness.percent:
        return f"mark: {plain(points)} of {grade.out_of}{waits}"
    return f"mark: {grade.score} - {lateness.percent:g} % = {plain(points)} of {grade.out_of}{waits}"


def _total(terms: tuple[Term, ...], marks: tuple[Mark, ...]) -> tuple[Decimal | None, str]:
    """The total in percent, and its calculation: weighted, extra credit above the line only."""
    counted = [(term, mark) for term, mark in zip(terms, marks, strict=True) if mark.counts]
    weights = [Fraction(str(term.weight)) for term, _ in counted if not term.extra_credit]
    if not weights:
        return None, "nothing counts yet"
    above = sum(
        (Fraction(str(term.weight)) * Fraction(mark.points) / (mark.out_of or 1) for term, mark in counted), Fraction()
    )
    total = rounded(100 * above / sum(weights))
    top = " + ".join(
        f"{'extra ' if term.extra_credit else ''}{term.weight:g} x {plain(mark.points)}/{mark.out_of}"
        for term, mark in counted
    )
    below = " + ".join(f"{term.weight:g}" for term, _ in counted if not term.extra_credit)
    return total, f"({top}) / ({below}) = {plain(total)} %"


def rounded(value: Fraction) -> Decimal:
    """`value` with two decimals, halves up, as a spreadsheet's ROUND does for what is not negative."""
    hundredths = (Decimal(value.numerator * 100) / Decimal(value.denominator)).quantize(Decimal(1), ROUND_HALF_UP)
    return hundredths / 100


def plain(points: Decimal) -> str:
    """`90`, `77.4`: without zeros that say nothing."""
    return f"{points.normalize():f}" if points else "0"


def _spoken(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %z}"
