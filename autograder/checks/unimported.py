"""What becomes of a submission that cannot be imported: no check of it can run."""

from __future__ import annotations

from autograder.checks.bench import Bench
from autograder.checks.exceptions import why_not_imported
from autograder.checks.problem import problem_of
from autograder.errors import SandboxError, WireError
from autograder.records import CheckResult, Finding, Outcome
from autograder.sandbox.faults import StudentFault


def all_fail(bench: Bench, error: StudentFault | WireError | SandboxError) -> list[CheckResult]:
    """A result for every check that is to be run."""
    problem, assignment = problem_of(error), bench.assignment
    ours = problem.outcome is Outcome.GRADER_ERROR
    words = problem.finding.message if ours else why_not_imported(assignment.files[0], error)
    unsettled = ours or (problem.finding.kind == "waited" and not bench.alone)
    finding = Finding(
        problem.finding.kind if unsettled else "loading", words, problem.finding.where, detail=problem.finding.detail
    )
    return [
        CheckResult(check.id, problem.outcome, 0, check.points, finding)
        for check in assignment.checks
        if bench.runs(check.id)
    ]
