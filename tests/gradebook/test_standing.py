"""Marks are worked out in the open: lateness, late days, extensions, excuses, weights and extra credit."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.errors import UsageError
from autograder.gradebook import Sources, Standing, State, standing
from autograder.gradebook.decided import Decided
from autograder.gradebook.marks import plain, rounded
from autograder.grading import late
from autograder.records import (
    CheckResult,
    Confinement,
    Course,
    EntryKind,
    Extension,
    Grade,
    JournalEntry,
    LatePolicy,
    Moment,
    Outcome,
    RunInfo,
    Term,
)

SEOUL = ZoneInfo("Asia/Seoul")
DUE = datetime(2027, 3, 1, 23, 59, tzinfo=SEOUL)
NOW = datetime(2027, 6, 1, tzinfo=SEOUL)
TEN_A_DAY = LatePolicy(grace_minutes=10, penalty_percent_per_day=10, cap_percent=50)
RUN = RunInfo(Confinement.REQUIRED, (), (), "cpu", "2.9", "1", "0" * 64)


def course(
    policy: LatePolicy = TEN_A_DAY, *, weights: tuple[float, ...] = (1, 1, 1), extra: int | None = None
) -> Course:
    """A course whose assignments t1, t2, ... are due a week after each other; the one numbered `extra` is a bonus."""
    terms = (
        Term(f"t{number}", DUE + timedelta(weeks=number - 1), weight, extra_credit=number == extra)
        for number, weight in enumerate(weights, 1)
    )
    return Course("Networks", "Asia/Seoul", Path(), policy, tuple(terms))


def graded(assignment: str, score: int, hours: float | None = 0.0, outcome: Outcome = Outcome.PASSED) -> Grade:
    """A grade of kim's work, handed in so many hours after it was due; None: nobody knows when."""
    due = DUE + timedelta(weeks=int(assignment[1:]) - 1)
    when = None if hours is None else Moment(due + timedelta(hours=hours), "Moodle")
    results = (CheckResult("test_a", outcome, score, 100),)
    return Grade("kim", assignment, score, 100, results, (), (), RUN, "0", handed_in=when)


def stands(course_: Course, *grades: Grade, granted: tuple[Extension, ...] = (), now: datetime = NOW) -> Standing:
    """How kim stands."""
    own = {each.assignment: each for each in granted if each.student == "kim"}
    return standing(course_, "kim", Sources({grade.assignment: grade for grade in grades}, own), now)


def test_a_term_is_weighted_and_lateness_is_shown() -> None:
    """Every number of the total stands in its calculation."""
    found = stands(course(weights=(1, 2, 1)), graded("t1", 90), graded("t2", 81, 22), graded("t3", 70, 0.1))
    assert [mark.points for mark in found.marks] == [90, Decimal("72.9"), 70]
    assert found.calculation == "(1 x 90/100 + 2 x 72.9/100 + 1 x 70/100) / (1 + 2 + 1) = 76.45 %"
    assert found.total == Decimal("76.45")
    second = found.mark("t2")
    assert second.lateness is not None
    assert second.lateness.short == "22 h late: -10 %"
    assert second.calculation[0] == "checks: 81 of 100"
    assert second.calculation[1].startswith("handed in 2027-03-09 21:59 +0900, due 2027-03-08 23:59 +0900: 22 h late")
    assert second.calculation[1].endswith("1 day begun x 10 % = 10 % (time: Moodle)")
    assert second.calculation[2] == "mark: 81 - 10 % = 72.9 of 100"


def test_what_could_not_be_read_is_no_zero_that_anybody_is_told() -> None:
    """Its state says so, with the reason; it gives no points meanwhile, and points by hand settle it."""
    unread = replace(graded("t1", 0), needs_human=("not graded: there are two",))
    found = stands(course(weights=(1, 1)), unread, graded("t2", 80))
    mark = found.mark("t1")
    assert (mark.state, mark.provisional) == (State.NOT_GRADED, True)
    assert mark.calculation == ("not graded: there are two", "no points until a person has looked at it")
    assert found.total == 40
    by_hand = Decided({"": JournalEntry(1, NOW, "lee", EntryKind.POINTS, "t1", "kim", "", "70", None, None, "")})
    settled = standing(course(weights=(1,)), "kim", Sources({"t1": unread}, {}, {"t1": by_hand}), NOW).mark("t1")
    assert (settled.state, settled.points) == (State.GRADED, 70)


def test_nothing_handed_in_is_nothing_once_it_is_due() -> None:
    """Before the due date it does not count; and before anything counts there is no total."""
    early = stands(course(), now=DUE - timedelta(minutes=1))
    assert (early.total, early.calculation) == (None, "nothing counts yet")
    assert {mark.state for mark in early.marks} == {State.OPEN}
    later = stands(course(), graded("t1", 80), now=DUE + timedelta(weeks=1, minutes=1))
    assert [mark.state for mark in later.marks] == [State.GRADED, State.MISSING, State.OPEN]
    assert later.total == 40
    assert later.mark("t2").calculation == ("nothing handed in, due 2027-03-08 23:59 +0900: 0 points",)


def test_late_days_pay_first_and_run_out() -> None:
    """Of four late days the first assignment takes one and the second three; its fourth day costs, then all do."""
    policy = LatePolicy(penalty_percent_per_day=10, cap_percent=50, late_days=4)
    found = stands(course(policy), graded("t1", 100, 22), graded("t2", 100, 75), graded("t3", 100, 1))
    assert [mark.points for mark in found.marks] == [100, 90, 90]
    assert [mark.lateness.short for mark in found.marks if mark.lateness] == [
        "22 h late: -0 %, 1 of 4 late days used",
        "3 d 3 h late: -10 %, 4 of 4 late days used",
        "1 h late: -10 %, 4 of 4 late days used",
    ]
    assert (
        "4 days begun, 3 late days x 0 % (4 of 4 late days used) + 1 day x 10 % = 10 %" in found.marks[1].calculation[1]
    )


def test_late_days_may_cost_something_too() -> None:
    """A policy may charge a little for a late day and everything once they are gone."""
    policy = LatePolicy(penalty_percent_per_day=100, late_days=4, percent_per_late_day=10)
    found = stands(course(policy), graded("t1", 100, 22), graded("t2", 100, 24 * 4))
    assert found.marks[0].lateness is not None
    assert found.marks[0].lateness.short == "22 h late: -10 %, 1 of 4 late days used"
    assert [mark.points for mark in found.marks] == [90, 0, 0]
    assert "= 130 %, at most 100 %" in found.marks[1].calculation[1]


def test_late_days_go_by_who_is_due_first() -> None:
    """An extension can move an assignment behind the next one; late days follow."""
    policy = LatePolicy(penalty_percent_per_day=10, late_days=1)
    granted = Extension("kim", "t1", DUE + timedelta(weeks=1, days=2), "ill")
    found = stands(course(policy), graded("t1", 100, 24 * 9 + 1), graded("t2", 100, 1), granted=(granted,))
    assert [mark.lateness.late_days for mark in found.marks if mark.lateness] == [0, 1]
    assert [mark.points for mark in found.marks[:2]] == [90, 100]


def test_an_extension_is_the_due_date_of_one_student() -> None:
    """Lateness counts from it, the calculation says so, and others have nothing of it."""
    mine = Extension("kim", "t1", DUE + timedelta(days=3), "ill")
    theirs = Extension("lee", "t2", DUE + timedelta(weeks=9), "abroad")
    found = stands(course(), graded("t1", 100, 73), graded("t2", 100, 25), granted=(mine, theirs))
    assert [mark.points for mark in found.marks[:2]] == [90, 80]
    assert found.mark("t1").calculation[1] == "due 2027-03-04 23:59 +0900 instead of 2027-03-01 23:59 +0900 (ill)"
    waiting = stands(course(), granted=(mine,), now=DUE + timedelta(days=2))
    assert waiting.mark("t1").state is State.OPEN


def test_an_excuse_takes_an_assignment_out() -> None:
    """What was handed in anyway does not count either; the others make up the total."""
    found = stands(course(), graded("t1", 10), graded("t2", 80), graded("t3", 60), granted=(Extension("kim", "t1"),))
    assert found.total == 70
    assert found.mark("t1").calculation == ("excused: does not count",)


def test_extra_credit_adds_and_never_takes_away() -> None:
    """Its weight stands above the line only, so that a total may exceed 100 %."""
    with_it = stands(course(weights=(1, 1, 0.5), extra=3), graded("t1", 100), graded("t2", 90), graded("t3", 40))
    assert with_it.total == 105
    assert with_it.calculation == "(1 x 100/100 + 1 x 90/100 + extra 0.5 x 40/100) / (1 + 1) = 105 %"
    without = stands(course(weights=(1, 1, 0.5), extra=3), graded("t1", 100), graded("t2", 90))
    assert without.total == 95


def test_an_unknown_time_is_no_lateness_and_is_said() -> None:
    """Results of before times were kept, and submissions that could not be read."""
    found = stands(course(), graded("t1", 90, None)).mark("t1")
    assert (found.points, found.lateness) == (90, None)
    assert "nothing says when it was handed in: counted as in time" in found.calculation


def test_our_own_fault_makes_a_mark_provisional() -> None:
    """Points that could not be measured yet are announced where the mark stands."""
    found = stands(course(), graded("t1", 0, 0, Outcome.GRADER_ERROR)).mark("t1")
    assert found.provisional
    assert "provisional" in found.calculation[-1]


def test_an_unknown_assignment_is_told() -> None:
    """With those that there are."""
    with pytest.raises(UsageError, match="no assignment 't9'; it has t1, t2, t3"):
        stands(course()).mark("t9")


@pytest.mark.parametrize(
    ("value", "expected"), [("1/3", "0.33"), ("2/3", "0.67"), ("0.005", "0.01"), ("72.945", "72.95"), ("0", "0")]
)
def test_points_are_rounded_as_a_spreadsheet_does(value: str, expected: str) -> None:
    """Halves go up, two decimals, and a float is never in between."""
    assert plain(rounded(Fraction(value))) == expected


POLICIES = st.builds(
    LatePolicy, st.integers(0, 5000), st.floats(0, 100), st.floats(0, 100), st.integers(0, 9), st.floats(0, 100)
)


@settings(deadline=None)
@given(POLICIES, st.integers(-10_000, 3_000_000), st.integers(0, 1_000_000), st.integers(0, 12))
def test_later_never_costs_less_whatever_the_late_days(policy: LatePolicy, seconds: int, more: int, used: int) -> None:
    """Late days only ever help, never pay for more than there are, and the penalty grows with the delay."""
    first = late(policy, DUE, DUE + timedelta(seconds=seconds), used)
    second = late(policy, DUE, DUE + timedelta(seconds=seconds + more), used)
    assert 0 <= first.percent <= second.percent <= policy.cap_percent
    assert first.late_days <= min(first.days, max(0, policy.late_days - used))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(-100, 400)), min_size=3, max_size=3), st.integers(0, 6))
def test_no_mark_leaves_its_bounds(work: list[tuple[int, int]], late_days: int) -> None:
    """Between 0 and what the checks gave; the total between the smallest and the largest mark; late days suffice."""
    policy = LatePolicy(penalty_percent_per_day=7.5, cap_percent=60, late_days=late_days)
    found = stands(course(policy), *(graded(f"t{n}", score, hours) for n, (score, hours) in enumerate(work, 1)))
    assert all(0 <= mark.points <= score for mark, (score, _) in zip(found.marks, work, strict=True))
    assert sum(mark.lateness.late_days for mark in found.marks if mark.lateness) <= late_days
    points = [mark.points for mark in found.marks]
    assert found.total is not None
    assert min(points) - 1 <= found.total <= max(points) + 1
