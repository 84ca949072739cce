"""From measurements to a grade: pure arithmetic; the clock, the files and the policy are arguments."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from autograder.errors import UsageError
from autograder.records import (
    Assignment,
    Check,
    CheckResult,
    EarlierPart,
    Finding,
    Grade,
    LatePolicy,
    Outcome,
    RunInfo,
    Submission,
)

_DAY = timedelta(days=1)
_NOT_GRADED = "not graded: "
"""Before the reason for a human why nothing of a hand-in was graded."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """What handing in late costs, and how that was worked out."""

    days: int
    """Days that had begun since the due date; 0 within the grace."""
    percent: float
    """To take off the score."""
    calculation: str
    """The sentence that a student can check."""
    late_days: int = 0
    """Of `days`, those that the student's late days pay for."""
    short: str = ""
    """`22 h late: -10 %, 1 of 4 late days used`."""


def grade(assignment: Assignment, submission: Submission, results: Iterable[CheckResult], run: RunInfo) -> Grade:
    """The grade of one submission, each check in the assignment's order.

    A submission with a problem fails every check for that reason. A check without exactly one believable result,
    and a result without a check, are `grader_error`: no points, listed for a human, and the notes call the score
    provisional.
    """
    final = _unreadable(assignment, submission) if submission.problem else _accounted(assignment, tuple(results))
    errors = tuple(result.id for result in final if result.outcome is Outcome.GRADER_ERROR)
    return Grade(
        student=submission.student,
        assignment=assignment.id,
        score=sum(result.earned for result in final),
        out_of=sum(check.points for check in assignment.checks),
        results=final,
        needs_human=(*errors, f"{_NOT_GRADED}{submission.problem}") if submission.problem else errors,
        notes=(*submission.notes, *_provisional_note(final)),
        run=run,
        submission_digest=submission.digest,
        handed_in=submission.handed_in,
        attempt=submission.attempt,
        attempts=submission.attempts,
    )


def with_earlier(graded: Grade, parts: tuple[EarlierPart, ...], ours: tuple[str, ...]) -> Grade:
    """The grade with whose work of earlier assignments was in use; `ours` are checks of it that the grader failed."""
    return replace(
        graded,
        earlier=parts,
        notes=(*graded.notes, *(part.words for part in parts)),
        needs_human=(*graded.needs_human, *(f"not measured, so that a stand-in is in use: {id_}" for id_ in ours)),
    )


def own_notes(graded: Grade) -> tuple[str, ...]:
    """The notes of the submission itself, without those that grading added."""
    added = {*(part.words for part in graded.earlier), *_provisional_note(graded.results)}
    return tuple(note for note in graded.notes if note not in added)


def is_provisional(graded: Grade) -> bool:
    """Whether a check could not be graded through our own fault, so that the score may still rise."""
    return any(result.outcome is Outcome.GRADER_ERROR for result in graded.results)


def why_not_graded(graded: Grade) -> str:
    """Why nothing of the hand-in was graded: it could not be read, or not be told from another; empty: it was."""
    said = (words for words in graded.needs_human if words.startswith(_NOT_GRADED))
    return next((words.removeprefix(_NOT_GRADED) for words in said), "")


def late(policy: LatePolicy, due: datetime, submitted: datetime, used: int = 0) -> Lateness:
    """What handing in at `submitted` costs; both must be aware, else UsageError.

    Within the grace nothing; after it every day that has begun since `due` (not since the end of the grace). Days are
    paid with the student's late days first, of which `used` are gone.
    """
    for name, moment in (("due", due), ("submitted", submitted)):
        if moment.utcoffset() is None:
            raise UsageError(f"the time `{name}`, {moment}, has no time zone; give it one")
    delay = submitted.astimezone(UTC) - due.astimezone(UTC)  # across a clock change only UTC counts right
    grace = timedelta(minutes=policy.grace_minutes)
    if delay <= timedelta(0):
        in_time = f"handed in {submitted:%Y-%m-%d %H:%M %z}, due {due:%Y-%m-%d %H:%M %z}: in time"
        return Lateness(0, 0.0, in_time, short="in time")
    after = f"handed in {submitted:%Y-%m-%d %H:%M %z}, due {due:%Y-%m-%d %H:%M %z}: {_spoken(delay)} late"
    if delay <= grace:
        within = f"within the grace of {policy.grace_minutes} min"
        return Lateness(0, 0.0, f"{after}, {within}", short=f"{_spoken(delay)} late, {within}")
    days = -(-delay // _DAY)
    paid = min(days, max(0, policy.late_days - used))
    full = paid * policy.percent_per_late_day + (days - paid) * policy.penalty_percent_per_day
    percent = min(full, policy.cap_percent)
    over = f", more than the grace of {policy.grace_minutes} min" if policy.grace_minutes else ""
    capped = f", at most {policy.cap_percent:g} %" if full > percent else ""
    bank = f"{used + paid} of {policy.late_days} late days used" if policy.late_days else ""
    short = ", ".join(filter(None, (f"{_spoken(delay)} late: -{percent:g} %", bank)))
    return Lateness(
        days, percent, f"{after}{over}; {_cost(policy, days, paid, bank)} = {full:g} %{capped}", paid, short
    )


def _cost(policy: LatePolicy, days: int, paid: int, bank: str) -> str:
    """`3 days begun, 2 late days x 0 % (4 of 4 late days used) + 1 day x 10 %`."""
    begun = f"{_days(days)} begun"
    rest = f"x {policy.penalty_percent_per_day:g} %"
    if not bank:
        return f"{begun} {rest}"
    if not paid:
        return f"{begun} {rest} ({bank})"
    pays = f"{begun}, {_days(paid, 'late day')} x {policy.percent_per_late_day:g} % ({bank})"
    return pays if paid == days else f"{pays} + {_days(days - paid)} {rest}"


def _days(count: int, unit: str = "day") -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _spoken(delay: timedelta) -> str:
    """A delay in days, hours and minutes that have begun."""
    minutes = math.ceil(delay / timedelta(minutes=1))
    parts = ((minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def _unreadable(assignment: Assignment, submission: Submission) -> tuple[CheckResult, ...]:
    finding = Finding(kind="loading", message=submission.problem)
    return tuple(
        CheckResult(check.id, Outcome.FAILED, earned=0, points=check.points, finding=finding)
        for check in assignment.checks
    )


def _accounted(assignment: Assignment, results: tuple[CheckResult, ...]) -> tuple[CheckResult, ...]:
    """One result for each check, then one for each id that the assignment does not know."""
    known = {check.id for check in assignment.checks}
    strangers = {result.id: result for result in results if result.id not in known}
    return (
        *(_one(check, [result for result in results if result.id == check.id]) for check in assignment.checks),
        *(_grader_error(result, 0, "the assignment has no such check") for result in strangers.values()),
    )


def _one(check: Check, results: list[CheckResult]) -> CheckResult:
    """The result of `check`, or a grader error that says why there is none to believe."""
    if not results:
        missing = CheckResult(check.id, Outcome.GRADER_ERROR, earned=0, points=check.points)
        return _grader_error(missing, check.points, "the run did not report this check")
    if len(results) > 1:
        return _grader_error(results[0], check.points, f"the run reported this check {len(results)} times")
    return _believable(check, results[0])


def _believable(check: Check, result: CheckResult) -> CheckResult:
    """`result`, unless its points are not those of its outcome: all for passed, none for everything else."""
    expected = check.points if result.outcome is Outcome.PASSED else 0
    if result.points != check.points or result.earned != expected:
        seen = f"{result.outcome} with {result.earned} of {result.points} points"
        return _grader_error(result, check.points, f"the run reported {seen}; {expected} of {check.points} expected")
    return result


def _grader_error(result: CheckResult, points: int, message: str) -> CheckResult:
    finding = Finding(kind="grader", message=f"could not be graded: {message}; a human will look at it")
    return replace(result, outcome=Outcome.GRADER_ERROR, earned=0, points=points, finding=finding)


def _provisional_note(results: tuple[CheckResult, ...]) -> tuple[str, ...]:
    open_points = [result.points for result in results if result.outcome is Outcome.GRADER_ERROR]
    if not open_points:
        return ()
    checks = f"{len(open_points)} check{'s' if len(open_points) > 1 else ''}"
    return (f"the score is provisional: {checks} worth {sum(open_points)} points could not be graded yet",)
