"""Runs one check, case by case, and decides whose fault a failure is.

A case runs in float64; if it does not pass it runs again in float32, and either passing is passing. What still fails is
tried with the reference in the student's place: if that fails, too, the check is at fault and not the student.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from autograder.checks import operations
from autograder.checks.answers import exchanges_of
from autograder.checks.bench import Bench, Opened, Transcript, Used, together, wish_for
from autograder.checks.draw import Draw, derive_key
from autograder.checks.exceptions import is_device_mistake
from autograder.checks.finding import CheckFailure
from autograder.checks.precision import FLOAT32, FLOAT64, Precision, default_dtype
from autograder.checks.problem import CUT_OFF, Problem, problem_of
from autograder.errors import SandboxError, WireError
from autograder.records import Check, CheckResult, Evidence, Finding, Outcome, Picture
from autograder.sandbox.devices import CPU
from autograder.sandbox.faults import ChildEnded, printable
from autograder.sandbox.remote import Call, Exchange, Remote
from autograder.sandbox.room import bounded
from autograder.sandbox.weights import Trained

Function = Callable[[Mapping[str, Any]], None]
"""A check's test function with its parametrised arguments filled in; takes the fixtures."""


@dataclass
class CheckRun:
    """One check of one submission, from its first case to its last."""

    bench: Bench
    check: Check
    stand_ins: tuple[str, ...] = ()
    problem: Problem | None = None
    precision: Precision = FLOAT64
    device: str = ""
    """Where it passed, or failed for good; the CPU as soon as one case did there."""
    figures: dict[str, float] = field(default_factory=dict)
    curve: tuple[float, ...] = ()
    pictures: tuple[Picture, ...] = ()
    trained: Trained | None = None
    """What the last training returned."""
    refused: tuple[str, ...] = ()
    _operators: tuple[dict[Call, int], dict[Call, int]] = field(default_factory=lambda: ({}, {}))
    """Of the student's calls and of the reference's."""
    _renamed: dict[str, str] = field(default_factory=dict)
    _opened: dict[tuple[str, str], Opened] = field(default_factory=dict)
    """Precision and device -> worker."""
    _used: list[Used] = field(default_factory=list)
    _sessions: list[tuple[Exchange, ...]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _declared: tuple[Picture, ...] = ()
    """What the case at hand showed of itself."""
    _last: tuple[Function, str] | None = None
    """The case at hand, or the last one, with its id."""
    _cut_off: bool = False
    """A case was begun and did not come to its end."""

    @property
    def over(self) -> bool:
        """Whether further cases would only repeat a limit that was hit."""
        return self.problem is not None and self.problem.outcome is Outcome.TIMED_OUT

    def case(self, function: Function, case_id: str) -> Problem | None:
        """Run one case; return why it did not pass, or None."""
        self._cut_off, self._last = True, (function, case_id)
        problem, device = self._tried(function, case_id, self.bench.device), self.bench.device
        if problem and device != CPU and not is_device_mistake(problem.cause):  # else a GPU's ways are nobody's mistake
            problem, device = self._tried(function, case_id, CPU), CPU
        self.device = CPU if CPU in (self.device, device) else device
        if problem and self._is_ours(problem, function, case_id):
            problem = replace(problem, outcome=Outcome.GRADER_ERROR)
        if self.problem is None:  # those of the first case that fails, else of the last one
            failure = problem.cause if problem and isinstance(problem.cause, CheckFailure) else None
            self.pictures = self._declared or (failure.pictures if failure else ()) or self.pictures
            self.figures |= failure.figures if failure else {}
        self.problem = self.problem or problem
        self._cut_off = False
        return problem

    def passes(self, function: Function, case_id: str) -> bool:
        """Run one case as it stands, where nothing but a pass counts: no other precision or place is tried."""
        self._cut_off, self._last = True, (function, case_id)
        self.problem = self._attempt(function, case_id, FLOAT64, self.bench.device)
        self.pictures = self._declared or self.pictures
        self.device = self.bench.device
        self._cut_off = False
        return self.problem is None and not self.refused

    def borrow(self, worker: Opened) -> None:
        """Use this worker for float64 instead of one of its own; it is closed with the others."""
        self._opened[FLOAT64.name, self.bench.device] = worker

    def abandon(self) -> None:
        """Close the workers without a result."""
        for opened in list(self._opened):
            self._close(*opened)

    def _tried(self, function: Function, case_id: str, device: str) -> Problem | None:
        """Run the case in both precisions; passing in either is passing."""
        problem = self._attempt(function, case_id, FLOAT64, device)
        if problem and not problem.final and self._attempt(function, case_id, FLOAT32, device) is None:
            problem, self.precision = None, FLOAT32
        return problem

    def finish(self) -> CheckResult:
        """Close the workers and return the result."""
        self.abandon()
        if self.problem and self.problem.outcome is Outcome.FAILED:
            sessions, seed = tuple(self._sessions), wish_for(self.bench, self.check, self.stand_ins).seed
            self.bench.transcribe(Transcript(self.check.id, FLOAT64.name, seed, self.stand_ins, sessions))
        check, problem, used = self.check, self.problem or (CUT_OFF if self._cut_off else None), together(self._used)
        renamed = operations.renamed(self._renamed)
        return CheckResult(
            id=check.id,
            outcome=problem.outcome if problem else Outcome.PASSED,
            earned=0 if problem else check.points,
            points=check.points,
            finding=self._finding(problem) if problem else None,
            precision=self.precision.name,
            device=self.device or self.bench.device,
            stand_ins=self.stand_ins,
            cpu_s=round(used.cpu_s, 4),
            wall_s=self._wall_s(),
            evidence=Evidence(
                banned_calls=self.refused,
                stdout=used.stdout,
                stderr=used.stderr,
                figures=dict(self.figures),
                curve=self.curve,
                remarks=(*renamed, *operations.remarks(*self._operators)),
                doubts=() if problem else (*renamed, *operations.doubts(*self._operators)),
                pictures=self.pictures + self._illustrated(),
            ),
        )

    def as_before(self, result: CheckResult) -> CheckResult:
        """Close the workers and return the result of another submission, whose answers were the same."""
        self.abandon()
        used = together(self._used)
        evidence = replace(result.evidence, stdout=used.stdout, stderr=used.stderr)
        return replace(result, cpu_s=round(used.cpu_s, 4), wall_s=self._wall_s(), evidence=evidence)

    def _wall_s(self) -> float:
        return round(time.monotonic() - self._started, 4)

    def _illustrated(self) -> tuple[Picture, ...]:
        """The picture that the assignment draws of this check, where the check came to an end."""
        bench, check = self.bench, self.check
        if bench.illustrations is None or check.id not in bench.illustrations:
            return ()
        if self._last is None or self._cut_off or (self.problem and self.problem.outcome is not Outcome.FAILED):
            return ()
        function, case_id = self._last
        key = self._key(case_id)
        shared = {
            "reference": lambda: fixture_of(self._reference()),
            "draw": lambda: Draw(key, torch.float64),
            "dataset": lambda: bench.dataset,
        }
        with default_dtype(torch.float64), self._room(), ExitStack() as open_:

            def student() -> Any:
                wish = replace(wish_for(bench, check, self.stand_ins, device=CPU), seed=0)  # nothing secret goes there
                opened = bench.open_student(wish)
                open_.callback(opened.close)
                return opened.session.root

            def trained() -> Trained | None:
                right = self._reference()
                if right is not None:
                    self._call(function, case_id, FLOAT64, right, self._reference())
                return right.session.trained if right else None

            yours = {**shared, "student": student, "trained": lambda: self.trained}
            right = {**shared, "student": shared["reference"], "trained": trained}
            return bench.illustrations.of(check.id, key, yours, right)

    def _finding(self, problem: Problem) -> Finding:
        finding = problem.finding
        words = {name: printable(getattr(finding, name)[:LONGEST]) for name in ("message", "where", "detail")}
        finding = replace(finding, **words)  # a name of the student's, of a parameter say, may stand in any of them
        if finding.kind == "waited" and self.bench.alone:
            finding = replace(finding, kind="limit")
        if self.refused and finding.kind == "exception":
            finding = replace(finding, kind="banned")
        return replace(finding, hint=finding.hint or self.check.hint)

    def _attempt(self, function: Function, case_id: str, precision: Precision, device: str) -> Problem | None:
        self._declared = ()
        with default_dtype(precision.dtype):
            try:
                student = self._student(precision, device)
                student.session.pictures = ()  # those of the case before
                reference = self._reference()
                self._call(function, case_id, precision, student, reference)
                if reference:
                    self._operators[1].update(reference.session.operators)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - what a check raises is a result (pytest's own outcomes, too)
                if isinstance(error, ChildEnded | WireError | SandboxError):
                    self._close(precision.name, device)
                return problem_of(error)
            finally:
                self._note(precision, device)
        return None

    def _call(
        self, function: Function, case_id: str, precision: Precision, student: Opened, reference: Opened | None
    ) -> None:
        fixtures = {
            "student": student.session.root,
            "reference": fixture_of(reference),
            "draw": Draw(self._key(case_id), precision.dtype, made_once=self.bench.made_once),
            "device": self.bench.device,
            "dataset": self.bench.dataset,
        }
        with self._room():
            function(fixtures)

    def _room(self) -> AbstractContextManager[None]:
        """The memory for what a check computes in the judge; at home it is the student's own."""
        return bounded(self.bench.assignment.limits.memory_mb) if self.bench.open_reference else nullcontext()

    def _key(self, case_id: str) -> bytes:
        """Of all that a case draws."""
        return derive_key(self.bench.secret, self.bench.assignment.id, self.check.id, case_id, "draw")

    def _reference(self) -> Opened | None:
        """The reference, in a session of its own for each case; it need not compute again what it has answered."""
        opened = self.bench.open_reference() if self.bench.open_reference else None
        if opened and self.bench.answers:
            self.bench.answers.serve(opened.session)
        return opened

    def _student(self, precision: Precision, device: str) -> Opened:
        """The worker of this precision and device: all cases share one, in order; a new one if the last one ended."""
        key = precision.name, device
        if key not in self._opened:
            wish = wish_for(self.bench, self.check, self.stand_ins, precision, device)
            self._opened[key] = self.bench.open_student(wish)
        return self._opened[key]

    def _note(self, precision: Precision, device: str) -> None:
        if opened := self._opened.get((precision.name, device)):
            self._note_refused(opened)
            self.figures.update(opened.session.figures)
            self._operators[0].update(opened.session.operators)
            self._renamed |= opened.session.renamed
            self.curve = opened.session.curve or self.curve
            self.trained = opened.session.trained or self.trained
            self._declared = opened.session.pictures

    def _close(self, precision: str, device: str) -> None:
        if opened := self._opened.pop((precision, device), None):
            self._note_refused(opened)
            if (precision, device) == (FLOAT64.name, CPU):  # what is diagnosed
                self._sessions.append(exchanges_of(opened.session))
            self._used.append(opened.close())

    def _note_refused(self, opened: Opened) -> None:
        self.refused += tuple(name for name in opened.session.refused if name not in self.refused)

    def _is_ours(self, problem: Problem, function: Function, case_id: str) -> bool:
        """Blame by re-run: whether the case fails with the reference in the student's place, now, on this machine."""
        if isinstance(problem.cause, SandboxError):
            return True
        training = self.check.trains_cpu_s is not None and isinstance(problem.cause, CheckFailure)
        if problem.ended or training or not self.bench.blame or self.bench.open_reference is None:
            return False
        with default_dtype(torch.float64):
            try:
                self._call(function, case_id, FLOAT64, self.bench.open_reference(), self.bench.open_reference())
            except KeyboardInterrupt:
                raise
            except BaseException:  # noqa: BLE001 - any failure of the reference is the check's
                return True
        return False


def fixture_of(opened: Opened | None) -> Remote | None:
    """The proxy of what is open."""
    return opened.session.root if opened else None


LONGEST = 20_000
"""Characters of a finding's text: an answer of megabytes of text must not fill the ledger."""
