"""The next thing to do, in one sentence or two."""

from __future__ import annotations

from collections.abc import Iterable

from autograder.gaps import Gap
from autograder.home.report import Report
from autograder.records import CheckResult, Outcome


def next_step(report: Report, results: Iterable[CheckResult]) -> str:
    """Return what the student should do now: the first thing in the order of the assignment's text."""
    if report.problems:
        first = report.problems[0]
        return f"Mend {first.where}: no check can run before that."
    again = f"autograder check {report.id}"
    open_ = [line for line in report.lines if line.result.outcome not in (Outcome.PASSED, Outcome.SKIPPED)]
    wrong = next((line for line in open_ if not line.unwritten), None)
    gap = _first_gap(report, [line.subject for line in open_])
    if wrong is not None:
        where = wrong.result.finding.where if wrong.result.finding else ""
        word = wrong.id.removeprefix("test_")
        return f"Mend `{wrong.subject}`{f' ({where})' if where else ''}, then run `{again} -k {word}`."
    broken = [result for result in results if result.outcome not in (Outcome.PASSED, Outcome.SKIPPED)]
    if gap is not None and (open_ or broken or not report.chosen):
        return f"Write `{gap.name}` ({gap.file}, line {gap.line}): see {gap.section}."
    if report.chosen:
        return f"Run all checks: `{again}`." if report.passed else f"Mend what this builds on: `{again}` shows it."
    return f"All public checks pass. Hand in with `autograder submit {report.id}`; more checks run after that."


def _first_gap(report: Report, subjects: Iterable[str]) -> Gap | None:
    """Of what is not written the first, and where checks were chosen the first that they are about."""
    gaps = [gap for gap in report.gaps if not gap.bonus]
    names = {subject.partition(".")[0] for subject in subjects} if report.chosen else set()
    return next((gap for gap in gaps if gap.name.partition(".")[0] in names), next(iter(gaps), None))
