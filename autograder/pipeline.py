"""The heart: a submission becomes measurements, measurements become a grade.

intake -> sandbox -> checks -> ledger -> grade. What the ledger holds is not measured again, so a killed run goes on
where it stopped, and each check's result is in the ledger before the next check starts.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from autograder import ENGINE, __version__
from autograder.checks.bench import Bench, Wish
from autograder.checks.case import problem_of, waited
from autograder.checks.judge import run_checks
from autograder.course import load_assignment, solution_digest
from autograder.errors import SandboxError, WireError
from autograder.grading import grade
from autograder.ledger import KeyParts, Ledger, measurement_key
from autograder.records import Assignment, Check, CheckResult, Confinement, Finding, Grade, Outcome, RunInfo, Submission
from autograder.sandbox.faults import StudentFault
from autograder.secret import fingerprint
from autograder.workshop import Workshop, bans_of

Report = Callable[[CheckResult], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a process needs to grade submissions of one assignment."""

    folder: Path
    """The assignment's folder in solutions/."""
    confinement: Confinement
    layers: tuple[str, ...]
    missing: tuple[str, ...]
    ledger: Path
    datasets_digest: str
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Job:
    """One submission to grade."""

    submission: Submission
    secret: bytes = field(repr=False)
    alone: bool = False
    """Nothing else runs: a child that only waits is believed now."""


class Pipeline:
    """Grades submissions of one assignment, one after the other."""

    def __init__(self, settings: Settings) -> None:
        torch.set_num_threads(1)
        self.settings = settings
        self.assignment: Assignment = load_assignment(settings.folder)
        self._solution = solution_digest(self.assignment)
        self._needs = {check.id: needed_by(check, self.assignment) for check in self.assignment.checks}
        self._ledger = Ledger(settings.ledger)
        self._workshop = Workshop(self.assignment, settings.layers)
        gc.collect()
        gc.freeze()  # torch's half a million objects live as long as we do: no collection need look at them again

    def train_regardless(self, job: Job) -> tuple[CheckResult, ...]:
        """Return the results of the checks that train as if all others had passed, to calibrate; nothing is kept."""
        passed = {
            c.id: CheckResult(c.id, Outcome.PASSED, c.points, c.points)
            for c in self.assignment.checks
            if c.trains_cpu_s is None
        }
        found: list[CheckResult] = []
        self._measure(job, passed, found.append)
        return tuple(found)

    def grade(self, job: Job) -> Grade:
        """Return the grade of a submission. Measures what the ledger does not hold; never raises for its content.

        A child that only waited until the wall clock ended it is not believed until it has done so alone: neighbours
        on a busy machine can make it wait.
        """
        if job.submission.problem:
            return grade(self.assignment, job.submission, (), self._run_info(job))
        keys = self._keys(job)
        known = {id_: found for id_, key in keys.items() if (found := self._ledger.get(key)) is not None}
        results = dict(known)

        def report(result: CheckResult) -> None:
            results[result.id] = result
            if job.alone or not waited(result):
                self._ledger.put(keys[result.id], result)

        if len(known) < len(keys):
            self._measure(job, known, report)
        return grade(self.assignment, job.submission, results.values(), self._run_info(job))

    def _measure(self, job: Job, known: dict[str, CheckResult], report: Report) -> None:
        bench = replace(self._workshop.bench(job.submission, job.secret, known, report), alone=job.alone)
        any_check = replace(self.assignment.checks[0], bans=None)  # under the assignment's own bans
        try:
            bench.open_student(Wish(any_check, "float64", 0)).close()
        except (StudentFault, WireError, SandboxError) as error:  # it cannot be imported: each check would say the same
            for result in _all_fail(bench, error):
                report(result)
        else:
            run_checks(bench)

    def _run_info(self, job: Job) -> RunInfo:
        used = self.settings
        return RunInfo(
            used.confinement,
            used.layers,
            used.missing,
            used.device,
            torch.__version__,
            __version__,
            fingerprint(job.secret),
        )

    def _keys(self, job: Job) -> dict[str, str]:
        used, limits, secret_sha256 = self.settings, self.assignment.limits, fingerprint(job.secret)
        sandbox = {"confinement": used.confinement, "layers": " ".join(used.layers), "limits": repr(limits)}
        sandbox |= {"importable": " ".join(self.assignment.importable), "preload": " ".join(self.assignment.preload)}
        return {
            check.id: measurement_key(
                KeyParts(
                    submission=job.submission.digest,
                    check=check.digest,
                    needs=self._needs[check.id],
                    solution=self._solution,
                    datasets={"course_data": used.datasets_digest},
                    sandbox={**sandbox, "bans": " ".join(bans_of(self.assignment, check))},
                    device=used.device,
                    torch=torch.__version__,
                    engine=ENGINE,
                    secret_sha256=secret_sha256,
                )
            )
            for check in self.assignment.checks
        }

    def close(self) -> None:
        """End the sandbox."""
        self._workshop.close()


def needed_by(check: Check, assignment: Assignment) -> dict[str, str]:
    """Return the digests of all checks that decide whether `check` runs, and with which stand-ins."""
    found: dict[str, str] = {}
    waiting = [check]
    by_id = {each.id: each for each in assignment.checks}
    while waiting:
        for name in waiting.pop().needs:
            for id_ in assignment.parts.get(name, (name,)):
                if id_ not in found:
                    found[id_] = by_id[id_].digest
                    waiting.append(by_id[id_])
    return found


def _all_fail(bench: Bench, error: StudentFault | WireError | SandboxError) -> list[CheckResult]:
    """A result for every check that is not known yet."""
    problem, assignment = problem_of(error), bench.assignment
    ours = problem.outcome is Outcome.GRADER_ERROR
    words = problem.finding.message if ours else f"{assignment.files[0]} cannot be imported: {error}"
    unsettled = ours or (problem.finding.kind == "waited" and not bench.alone)
    finding = Finding(
        problem.finding.kind if unsettled else "loading", words, problem.finding.where, detail=problem.finding.detail
    )
    return [
        CheckResult(check.id, problem.outcome, 0, check.points, finding)
        for check in assignment.checks
        if check.id not in bench.known
    ]
