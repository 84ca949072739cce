"""Grades are arithmetic over measurements: nothing is lost, nothing is guessed, our faults are nobody's zero."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.errors import UsageError
from autograder.grading import grade, is_provisional, late
from autograder.records import (
    Assignment,
    Check,
    CheckResult,
    Confinement,
    Finding,
    LatePolicy,
    Limits,
    Outcome,
    RunInfo,
    Submission,
    Visibility,
)

POINTS = {"test_a": 30, "test_b": 70, "test_bonus": 0}
RUN = RunInfo(Confinement.REQUIRED, ("seccomp",), (), "cpu", "2.9", "1", "0" * 64)
DUE = datetime(2027, 3, 22, 23, 59, tzinfo=ZoneInfo("Asia/Seoul"))
POLICY = LatePolicy(grace_minutes=10, penalty_percent_per_day=10, cap_percent=50)


def check(name: str) -> Check:
    """A check of POINTS."""
    none: tuple[str, ...] = ()
    return Check(name, "Title.", POINTS[name], True, Visibility.ALWAYS, none, None, None, "", Path(), 1, "0")


NONE: tuple[str, ...] = ()
ASSIGNMENT = Assignment(
    "a1_rnn",
    "RNN",
    Path(),
    ("rnn.py",),
    NONE,
    NONE,
    NONE,
    NONE,
    Limits(),
    MappingProxyType({}),
    tuple(map(check, POINTS)),
)
SUBMISSION = Submission("kim", "a1_rnn", {"rnn.py": b"x"}, notes=("a note",), digest="d")


def result(name: str, outcome: Outcome = Outcome.PASSED) -> CheckResult:
    """What a run reports about a check."""
    points = POINTS.get(name, 5)
    return CheckResult(name, outcome, points if outcome is Outcome.PASSED else 0, points)


ALL_PASSED = [result(name) for name in POINTS]


def test_a_grade_is_the_sum_of_what_was_earned() -> None:
    """Results come in the assignment's order, with the run and the submission's notes."""
    graded = grade(ASSIGNMENT, SUBMISSION, [*reversed(ALL_PASSED[1:]), result("test_a", Outcome.FAILED)], RUN)
    assert (graded.score, graded.out_of, graded.needs_human, graded.notes) == (70, 100, (), ("a note",))
    assert [one.id for one in graded.results] == list(POINTS)
    assert (graded.run, graded.submission_digest, is_provisional(graded)) == (RUN, "d", False)


def test_a_check_that_was_not_reported_is_our_fault() -> None:
    """A missing result is never a silent zero: it is listed, and the score is called provisional."""
    graded = grade(ASSIGNMENT, SUBMISSION, ALL_PASSED[:1], RUN)
    assert (graded.score, graded.needs_human) == (30, ("test_b", "test_bonus"))
    assert graded.notes[-1] == "the score is provisional: 2 checks worth 70 points could not be graded yet"
    assert is_provisional(graded)


def test_a_grader_error_keeps_its_finding() -> None:
    """What the run says about its own fault stays for the human."""
    error = replace(result("test_b", Outcome.GRADER_ERROR), finding=Finding("malformed", "the judge fell over"))
    graded = grade(ASSIGNMENT, SUBMISSION, [ALL_PASSED[0], error, ALL_PASSED[2]], RUN)
    assert graded.results[1] == error
    assert graded.needs_human == ("test_b",)


def test_a_result_without_a_check_is_our_fault() -> None:
    """An id that the assignment does not know earns nothing and is listed."""
    graded = grade(ASSIGNMENT, SUBMISSION, [*ALL_PASSED, result("test_stranger")], RUN)
    assert (graded.score, graded.out_of, graded.needs_human) == (100, 100, ("test_stranger",))


@pytest.mark.parametrize(
    "odd",
    [
        [result("test_a"), result("test_a")],
        [replace(result("test_a"), earned=31)],
        [replace(result("test_a"), earned=-1)],
        [replace(result("test_a"), earned=15)],
        [replace(result("test_a"), points=31, earned=31)],
        [replace(result("test_a", Outcome.FAILED), earned=30)],
        [replace(result("test_a", Outcome.GRADER_ERROR), earned=30)],
    ],
)
def test_a_result_that_cannot_be_is_our_fault(odd: list[CheckResult]) -> None:
    """Twice the same check, or points that do not fit the outcome, are not believed."""
    graded = grade(ASSIGNMENT, SUBMISSION, [*odd, *ALL_PASSED[1:]], RUN)
    assert (graded.score, graded.needs_human) == (70, ("test_a",))
    assert graded.results[0].points == 30


def test_a_submission_with_a_problem_fails_for_that_reason() -> None:
    """Every check says why nothing could be graded, and a human is told."""
    graded = grade(ASSIGNMENT, replace(SUBMISSION, problem="rnn.py is missing"), [], RUN)
    assert (graded.score, graded.needs_human) == (0, ("not graded: rnn.py is missing",))
    assert {one.finding.message for one in graded.results if one.finding} == {"rnn.py is missing"}
    assert {one.outcome for one in graded.results} == {Outcome.FAILED}


REPORTS = st.lists(
    st.builds(
        CheckResult,
        id=st.sampled_from([*POINTS, "test_other"]),
        outcome=st.sampled_from(Outcome),
        earned=st.integers(-100, 200),
        points=st.integers(-100, 200),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(REPORTS)
def test_no_report_beats_the_points(reports: list[CheckResult]) -> None:
    """Whatever a run reports, a score lies between 0 and 100, each check within its points, each fault listed."""
    graded = grade(ASSIGNMENT, SUBMISSION, reports, RUN)
    assert 0 <= graded.score <= graded.out_of == 100
    assert graded.score == sum(one.earned for one in graded.results)
    assert all(one.earned in {0, one.points} for one in graded.results)
    assert {one.id for one in graded.results if one.outcome is Outcome.GRADER_ERROR} == set(graded.needs_human)
    assert is_provisional(graded) == bool(graded.needs_human) == ("provisional" in graded.notes[-1])
    assert [one.id for one in graded.results][: len(POINTS)] == list(POINTS)


@pytest.mark.parametrize(
    ("minutes", "days", "percent", "said"),
    [
        (-1, 0, 0, "in time"),
        (0, 0, 0, "in time"),
        (10, 0, 0, "10 min late, within the grace of 10 min"),
        (11, 1, 10, "11 min late, more than the grace of 10 min; 1 day begun x 10 % = 10 %"),
        (1440, 1, 10, "1 d late, more than the grace of 10 min; 1 day begun x 10 % = 10 %"),
        (1441, 2, 20, "1 d 1 min late, more than the grace of 10 min; 2 days begun x 10 % = 20 %"),
        (20 * 1440, 20, 50, "20 days begun x 10 % = 200 %, at most 50 %"),
    ],
)
def test_lateness_is_worked_out_in_the_open(minutes: int, days: int, percent: float, said: str) -> None:
    """Grace, days that have begun, the cap, and a sentence with every number in it."""
    found = late(POLICY, DUE, DUE + timedelta(minutes=minutes))
    assert (found.days, found.percent) == (days, percent)
    assert found.calculation.endswith(said)
    assert "due 2027-03-22 23:59 +0900" in found.calculation


def test_a_second_late_is_late() -> None:
    """Without a grace the first moment after the due date begins a day."""
    found = late(LatePolicy(penalty_percent_per_day=5), DUE, DUE + timedelta(seconds=1))
    assert (found.days, found.percent) == (1, 5)
    assert "grace" not in found.calculation


def test_a_day_is_24_hours_across_a_clock_change() -> None:
    """Two local times of one zone differ by what passed, not by what the clocks show."""
    berlin = ZoneInfo("Europe/Berlin")
    due = datetime(2027, 10, 30, 12, tzinfo=berlin)
    assert late(POLICY, due, datetime(2027, 10, 31, 12, tzinfo=berlin)).days == 2  # 25 hours


@pytest.mark.parametrize(("due", "submitted"), [(DUE.replace(tzinfo=None), DUE), (DUE, DUE.replace(tzinfo=None))])
def test_a_time_without_a_zone_is_refused(due: datetime, submitted: datetime) -> None:
    """Nobody guesses whose midnight was meant."""
    with pytest.raises(UsageError, match="has no time zone"):
        late(POLICY, due, submitted)


POLICIES = st.builds(LatePolicy, st.integers(0, 5000), st.floats(0, 100), st.floats(0, 100))


@settings(deadline=None)
@given(POLICIES, st.integers(-10_000, 100_000), st.integers(0, 10_000))
def test_handing_in_later_never_costs_less(policy: LatePolicy, seconds: int, more: int) -> None:
    """The penalty grows with the delay, from nothing to the cap, whatever zone the times are written in."""
    submitted = DUE + timedelta(seconds=seconds)
    first = late(policy, DUE, submitted)
    second = late(policy, DUE.astimezone(UTC), (submitted + timedelta(seconds=more)).astimezone(UTC))
    assert 0 <= first.percent <= second.percent <= policy.cap_percent
    assert first.percent == 0 or seconds > policy.grace_minutes * 60
