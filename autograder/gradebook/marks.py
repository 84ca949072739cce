"""From grades to marks: what counts after lateness, excuses and extra credit, with every step in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo

from autograder.errors import UsageError
from autograder.gradebook.decided import NOTHING_DECIDED, Decided, Scored, scored
from autograder.grading import Lateness, late, why_not_graded
from autograder.records import Attempts, Course, Extension, Grade, LatePolicy, Outcome, Term

OUT_OF = 100
"""Points of an assignment that nothing was handed in for; those of every assignment's checks add up to it."""


class State(StrEnum):
    """What an assignment is for a student: the first three count."""

    GRADED = "graded"
    MISSING = "missing"
    """Due, and nothing was handed in: no points."""
    NOT_GRADED = "not graded"
    """Handed in, and it could not be read: no points until a person has looked, and no zero that anybody is told."""
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
    """Points may still be added: a check could not be graded through our own fault, or nothing could."""
    comments: tuple[tuple[str, str], ...] = ()
    """Check, or "" for the whole, and what a person says about it, answers to requests among it."""
    attention: tuple[str, ...] = ()
    """Decisions by hand that somebody should look at again."""
    raw: Decimal = Decimal()
    """Before lateness."""

    @property
    def counts(self) -> bool:
        """Whether it is part of the total."""
        return self.state in {State.GRADED, State.MISSING, State.NOT_GRADED}


@dataclass(frozen=True, slots=True)
class Sources:
    """What one student's marks are made of, each by assignment."""

    grades: Mapping[str, Grade]
    granted: Mapping[str, Extension] = field(default_factory=dict)
    by_hand: Mapping[str, Decided] = field(default_factory=dict)
    attempts: Mapping[str, tuple[Grade, ...]] = field(default_factory=dict)
    """Every attempt that is kept, `grades` among them; none: there is just that."""


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


def standing(course: Course, student: str, sources: Sources, now: datetime) -> Standing:
    """The standing of `student` at `now`, aware.

    Late days are used up in the order in which assignments are due for this student.
    """
    used, marks = 0, dict[str, Mark]()
    for term in sorted(course.terms, key=lambda term: _due(term, sources.granted.get(term.id))):
        mark = _mark(course, term, student, sources, used, now)
        used += mark.lateness.late_days if mark.lateness else 0
        marks[term.id] = mark
    in_order = tuple(marks[term.id] for term in course.terms)
    return Standing(student, in_order, *_total(course.terms, in_order))


def _due(term: Term, granted: Extension | None) -> datetime:
    return (granted and granted.until) or term.due


def _mark(course: Course, term: Term, student: str, sources: Sources, used: int, now: datetime) -> Mark:
    grade, granted = sources.grades.get(term.id), sources.granted.get(term.id)
    by_hand = sources.by_hand.get(term.id, NOTHING_DECIDED)
    comments = by_hand.said
    due, zone = _due(term, granted), ZoneInfo(course.timezone)
    why = f" ({granted.why})" if granted and granted.why else ""
    if granted is not None and granted.excused:
        words = (f"excused{why}: does not count",)
        return Mark(student, term.id, State.EXCUSED, Decimal(), OUT_OF, None, words, comments=comments)
    said = (f"due {_spoken(due, zone)} instead of {_spoken(term.due, zone)}{why}",) if granted else ()
    if grade is None and not (by_hand.gives_points or by_hand.points):
        state = State.OPEN if now < due else State.MISSING
        words = (*said, f"nothing handed in, due {_spoken(due, zone)}{': 0 points' if now >= due else ''}")
        return Mark(student, term.id, state, Decimal(), OUT_OF, None, words, comments=comments)
    tries = sources.attempts.get(term.id, ()) if course.attempts is Attempts.BEST else ()
    marks = [_of(course, Try(term, student, each, by_hand, said, comments, due), used) for each in tries or (grade,)]
    return max(marks, key=lambda mark: (mark.points, mark.state is State.GRADED))  # of equal ones the earliest


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt, and what is known around it."""

    term: Term
    student: str
    grade: Grade | None
    by_hand: Decided
    said: tuple[str, ...]
    comments: tuple[tuple[str, str], ...]
    due: datetime
    """For this student."""


def _of(course: Course, attempt: Try, used: int) -> Mark:
    """The mark that an attempt gives, with `used` late days gone."""
    grade, by_hand = attempt.grade, attempt.by_hand
    which = (f"attempt {grade.attempt} of {grade.attempts} counts",) if grade and grade.attempts > 1 else ()
    if grade and (problem := why_not_graded(grade)) and not (by_hand.gives_points or by_hand.points):
        words = (*which, *attempt.said, f"not graded: {problem}", "no points until a person has looked at it")
        nothing = (attempt.student, attempt.term.id, State.NOT_GRADED, Decimal(), grade.out_of, None, words)
        return Mark(*nothing, provisional=True, comments=attempt.comments)
    score = scored(grade, by_hand)
    lateness, how = _lateness(course.late_policy, attempt.due, grade, used, ZoneInfo(course.timezone))
    points = rounded(Fraction(score.points) * _part_left(lateness))
    out_of, provisional = grade.out_of if grade else OUT_OF, _is_provisional(grade, by_hand)
    waits = "; provisional, since checks could not be graded yet" if provisional else ""
    steps = (
        *which,
        *score.steps,
        *attempt.said,
        *how,
        f"mark: {_sum(score, lateness)}{plain(points)} of {out_of}{waits}",
    )
    return Mark(
        attempt.student,
        attempt.term.id,
        State.GRADED,
        points,
        out_of,
        lateness,
        steps,
        provisional,
        attempt.comments,
        score.attention,
        score.points,
    )


def _is_provisional(grade: Grade | None, by_hand: Decided) -> bool:
    """Whether a check could not be graded, and nobody set its points by hand."""
    if grade is None or "" in by_hand.points:
        return False
    return any(each.outcome is Outcome.GRADER_ERROR and each.id not in by_hand.points for each in grade.results)


def _lateness(
    policy: LatePolicy, due: datetime, grade: Grade | None, used: int, zone: ZoneInfo
) -> tuple[Lateness | None, tuple[str, ...]]:
    """What lateness costs, and the sentences about it."""
    if grade is None:
        return None, ()
    if grade.handed_in is None:
        return None, ("nothing says when it was handed in: counted as in time",)
    lateness = late(policy, due.astimezone(zone), grade.handed_in.at.astimezone(zone), used)
    return lateness, (f"{lateness.calculation} (time: {grade.handed_in.source})",)


def _part_left(lateness: Lateness | None) -> Fraction:
    return 1 - Fraction(str(lateness.percent if lateness else 0)) / 100


def _sum(score: Scored, lateness: Lateness | None) -> str:
    return f"{plain(score.points)} - {lateness.percent:g} % = " if lateness and lateness.percent else ""


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


def provisional_in_words(marks: Iterable[Mark]) -> str:
    """How many of them may still rise; empty: none."""
    count = sum(mark.provisional for mark in marks)
    waits = "1 mark is provisional" if count == 1 else f"{count} marks are provisional"
    return f"{waits}: checks, or whole hand-ins, could not be graded yet" if count else ""


def plain(points: Decimal) -> str:
    """`90`, `77.4`: without zeros that say nothing."""
    return f"{points.normalize():f}" if points else "0"


def _spoken(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %z}"
