"""A grade as Gradescope's results.json: pure. What a student may see when is said by each test's visibility."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from autograder.feedback.audience import Audience, Sight
from autograder.gradescope.metadata import LIMITED
from autograder.grading import Lateness
from autograder.records import Assignment, Check, CheckResult, Grade, Outcome, Visibility

_VISIBLE: Mapping[Visibility, str] = {
    Visibility.ALWAYS: "visible",
    Visibility.AFTER_DUE: "after_due_date",
    Visibility.AFTER_PUBLISHED: "after_published",
    Visibility.NEVER: "hidden",
}
MOST_OUTPUT = 20_000
"""Characters of one test's output."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What results say beside the checks."""

    mode: str
    """What confined the submission: `landlock+seccomp+...`, or `uid+seccomp` where Landlock is missing."""
    lateness: Lateness | None
    notes: tuple[str, ...] = ()
    offline: frozenset[str] = frozenset()
    """Checks that are graded elsewhere."""
    unfinished: frozenset[str] = frozenset()
    """Checks that time did not reach."""
    seconds: float = 0.0


def results_of(assignment: Assignment, grade: Grade, around: Circumstances, now: datetime) -> dict[str, Any]:
    """What results.json holds of a graded submission.

    A check that could not be graded, or is graded elsewhere, has neither score nor maximum: it takes nothing away.
    """
    seen = _for_students(assignment, grade.results, now)
    tests = [
        _test(f"{number}", check, seen[check.id], around)
        for number, check in enumerate(assignment.checks, 1)
        if check.id in seen
    ]
    answer: dict[str, Any] = {
        "tests": tests,
        "output": "\n".join(_words(grade, around, now)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "execution_time": round(around.seconds, 2),
        "extra_data": _extra(grade, around),
    }
    earned = sum(float(test.get("score", 0)) for test in tests)
    if not any("score" in test for test in tests):  # Gradescope wants one somewhere
        answer["score"] = 0
    elif around.lateness is not None and around.lateness.percent:
        answer["score"] = round(earned * (100 - around.lateness.percent) / 100, 2)
    return answer


def _for_students(assignment: Assignment, results: Sequence[CheckResult], now: datetime) -> dict[str, CheckResult]:
    """Every result as a student may read it once it is shown; *when* that is, Gradescope decides by its visibility.

    What is shown at once names no check that is not.
    """
    checks = tuple(replace(check, visibility=Visibility.ALWAYS) for check in assignment.checks)
    later = Sight(Audience.STUDENT, now, now, published=True).through(replace(assignment, checks=checks), results)
    at_once = Sight(Audience.STUDENT, now, None, published=False).through(assignment, results)
    return {result.id: result for result in (*later, *at_once)}


def _test(number: str, check: Check, result: CheckResult, around: Circumstances) -> dict[str, Any]:
    test: dict[str, Any] = {
        "name": check.title,
        "number": number,
        "output": _output(result),
        "visibility": _VISIBLE[check.visibility],
        "tags": ["public" if check.public else "hidden"],
        "extra_data": {"id": check.id, "outcome": result.outcome.value},
    }
    if check.id in around.offline:
        return test | {"output": "This check is graded later, outside Gradescope.", "extra_data": {"id": check.id}}
    if check.id in around.unfinished:
        words = "Time ran out before this check: it is not graded here, and a person will look."
        return test | {"output": words, "extra_data": {"id": check.id}}
    if result.outcome is Outcome.GRADER_ERROR:
        return test
    passed = "passed" if result.outcome is Outcome.PASSED else "failed"
    if check.points:
        test |= {"score": result.earned, "max_score": check.points}
    return test | {"status": passed}


def _output(result: CheckResult) -> str:
    finding = result.finding
    if result.outcome is Outcome.GRADER_ERROR:
        return "This check could not be graded. That is a fault of the grader, not yours; a person will look at it."
    if finding is None:
        return ""
    lines = [finding.message, f"at {finding.where}" if finding.where else "", finding.detail]
    diagnosis = result.diagnosis
    if diagnosis is not None and diagnosis.certain and diagnosis.hints.get("en"):
        lines.append(f"A known mistake: {diagnosis.hints['en']}")
    lines.append(f"Hint: {finding.hint}" if finding.hint else "")
    return "\n".join(filter(None, lines))[:MOST_OUTPUT]


def _words(grade: Grade, around: Circumstances, now: datetime) -> list[str]:
    sight = Sight(Audience.STUDENT, now, None, published=False)
    lines = [*around.notes, *map(sight.note, grade.notes)]
    if around.lateness is not None and around.lateness.days:
        lines.append(around.lateness.calculation)
    if any(result.outcome is Outcome.GRADER_ERROR for result in grade.results) or around.unfinished:
        lines.append("This score is provisional: checks could not be graded yet, and a person will look at them.")
    return [*lines, f"Confined by {around.mode}."]


def _extra(grade: Grade, around: Circumstances) -> dict[str, Any]:
    run = grade.run
    return {
        "confinement": around.mode,
        "missing": list(run.missing),
        "engine": run.engine,
        "torch": run.torch,
        "submission_digest": grade.submission_digest,
        "offline": sorted(around.offline),
    }


def failure(words: str, detail: str) -> dict[str, Any]:
    """What results.json holds where the grader itself failed: a valid file, and no verdict on the work."""
    said = f"The grader failed, not your work: {words} Nothing is decided by this; a person will look at it."
    told = {
        "name": "For instructors: what failed",
        "output": detail[-MOST_OUTPUT:],
        "output_format": "text",
        "visibility": "hidden",
    }
    return {"score": 0, "output": said, "output_format": "text", "tests": [told], "extra_data": {"grader_error": True}}


def repeated(results: Mapping[str, Any] | None, until: str) -> dict[str, Any]:
    """The results of the submission before, where this one came too soon, and what to do."""
    words = f"This submission was not graded: too many came in a short time. The next one is graded from {until}."
    if results is None:
        return {"score": 0, "output": words, "output_format": "text", "tests": [], "extra_data": {LIMITED: True}}
    before = results.get("output")
    kept = before.partition("\n\n")[2] if _says_so(results) and isinstance(before, str) else before
    extra = results.get("extra_data")
    return {
        **results,
        "output": f"{words} Until then your last result stays.\n\n{kept or ''}",
        "extra_data": {**(extra if isinstance(extra, dict) else {}), LIMITED: True},
    }


def _says_so(results: Mapping[str, Any]) -> bool:
    extra = results.get("extra_data")
    return isinstance(extra, dict) and bool(extra.get(LIMITED))
