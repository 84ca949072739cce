"""One process's tools for measuring submissions of one assignment: a zygote, the reference, a bench for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Self

from autograder.checks.bench import Bench, Used, Wish
from autograder.checks.draw import MadeOnce
from autograder.checks.earlier import NOTHING_EARLIER, EarlierWork
from autograder.checks.home import AtHome, load_dataset
from autograder.checks.illustrations import Illustrations
from autograder.checks.known_answers import KnownAnswers
from autograder.checks.known_passes import KnownPasses
from autograder.checks.shared import Shared
from autograder.errors import SandboxError
from autograder.records import Assignment, Check, CheckResult, Submission
from autograder.sandbox import loading
from autograder.sandbox.devices import CPU, CUDA
from autograder.sandbox.host import ZygoteProcess
from autograder.sandbox.order import EarlierModule, Order
from autograder.sandbox.pace import slowness
from autograder.sandbox.patience import Patience
from autograder.sandbox.remote import LocalTransport, Session
from autograder.sandbox.seed import Seed
from autograder.sandbox.transport import Child
from autograder.sandbox.worker import Executor

SLOWER, OPENING_S = {CUDA: 3}, {CUDA: 20}
"""On a GPU small calls take longer, and CUDA's own start counts as the child's: factor and CPU seconds on top."""


@dataclass
class Sandboxed:
    """A submission that is loaded in a locked child."""

    child: Child
    session: Session = field(init=False)

    def __post_init__(self) -> None:
        self.session = Session(self.child)

    def close(self) -> Used:
        """End the child; it is reaped when this returns."""
        usage = self.child.close()
        return Used(usage.cpu_s, usage.stdout, usage.stderr)


@dataclass
class Lending:
    """The same, for one check after the other. What the submission printed when it was loaded stands with each."""

    child: Child
    _loading: Used = field(init=False)
    _due: float = field(init=False)
    """CPU seconds of loading, until a check has them on its account."""

    def __post_init__(self) -> None:
        self._loading = self._since()
        self._due = self._loading.cpu_s

    def session(self, seed: int, dtype: str) -> Session:
        """Return a session that finds the submission as if it had just been loaded."""
        return Session(self.child, begin=(seed, dtype))

    def used(self) -> Used:
        """What it used and printed since this was last asked."""
        since, before = self._since(), self._loading
        due, self._due = self._due, 0.0
        return Used(due + since.cpu_s, before.stdout + since.stdout, before.stderr + since.stderr)

    def _since(self) -> Used:
        usage = self.child.so_far()
        return Used(usage.cpu_s, usage.stdout, usage.stderr)

    @property
    def lives(self) -> bool:
        """Whether its process has not ended, as far as is known."""
        return self.child.usage is None

    def close(self) -> Used:
        """End the child; it is reaped when this returns."""
        self.child.close()
        return self.used()


@dataclass
class Workshop:
    """The zygote starts when it is first needed and lives until `close`."""

    assignment: Assignment
    layers: tuple[str, ...]
    served: tuple[Assignment, ...] = ()
    """All assignments whose children its zygote forks, the bans of the first in force in it; empty: its own alone."""
    stubs: Mapping[str, bytes] = field(default_factory=dict)
    """Files of earlier assignments as students get them, for those that are missing: stand-ins are set in them."""
    device: str = CPU
    """Where submissions compute."""
    seed: Seed | None = None
    """What its zygote is forked from."""
    _zygotes: dict[str, ZygoteProcess] = field(default_factory=dict)
    """Device -> its zygote, once it has started; one for all workshops that share it."""
    _reference: ModuleType | None = None
    _pace: float = 0.0
    """How much slower than usual this machine is, once that was measured: limits of CPU time are longer there."""
    _answers: KnownAnswers = field(default_factory=KnownAnswers)
    _passes: KnownPasses = field(default_factory=KnownPasses)
    _made_once: MadeOnce = field(default_factory=MadeOnce)
    _illustrations: Illustrations = field(init=False)
    _code: dict[tuple[str, tuple[EarlierModule, ...]], bytes] = field(default_factory=dict)
    """The submission at hand, by digest and what it builds on -> its compiled modules, for its next child."""

    def __post_init__(self) -> None:
        self._illustrations = Illustrations(self.assignment.folder)

    def bench(
        self,
        submission: Submission,
        secret: bytes,
        known: Mapping[str, CheckResult],
        report: Callable[[CheckResult], None],
        work: EarlierWork = NOTHING_EARLIER,
    ) -> Bench:
        """Return what the checks of one submission run against, and what it finds of earlier assignments."""
        patience = Patience()
        return Bench(
            assignment=self.assignment,
            secret=secret,
            open_student=lambda wish: self.open(submission, wish, work, patience),
            open_reference=self.open_reference,
            report=report,
            known=known,
            earlier=lambda: work.parts,
            answers=self._answers,
            passes=self._passes,
            made_once=self._made_once,
            dataset=load_dataset,
            illustrations=self._illustrations,
            shared=Shared(lambda wish: Lending(self.open(submission, wish, work, patience).child)),
            device=self.device,
        )

    def open(
        self,
        submission: Submission,
        wish: Wish,
        work: EarlierWork = NOTHING_EARLIER,
        patience: Patience | None = None,
    ) -> Sandboxed:
        """Return a locked child with the submission loaded. Raises StudentFault where it cannot be imported.

        `patience` is that of all children of the submission.
        """
        patience = patience or Patience()
        try:
            return self._open(submission, wish, work, patience)
        except SandboxError:  # a zygote can be lost to the machine: once more with a new one, then it is our fault
            self.close()
            return self._open(submission, wish, work, patience)

    def _open(self, submission: Submission, wish: Wish, work: EarlierWork, patience: Patience) -> Sandboxed:
        limits = self.assignment.limits
        self._pace = self._pace or slowness()
        cpu_s = (wish.check.trains_cpu_s or limits.cpu_s) * self._pace
        cpu_s = cpu_s * SLOWER.get(wish.device, 1) + OPENING_S.get(wish.device, 0)
        child = self.zygote(wish.device).fork(self._order(submission, wish, work), limits, cpu_s)
        child.be_awaited(patience)
        try:
            child.wait_loaded()
        except BaseException:
            child.close()
            raise
        if child.code and submission.digest:
            self._code = {(submission.digest, work.modules): child.code}
        return Sandboxed(child)

    def _order(self, submission: Submission, wish: Wish, work: EarlierWork) -> Order:
        stubs = {name: self.stubs[name] for name in work.replaced_files(self.assignment)}
        return Order(
            files={name: content.decode() for name, content in {**submission.files, **stubs}.items()},
            module=self.assignment.module,
            dtype=wish.dtype,
            seed=wish.seed,
            bans=bans_of(self.assignment, wish.check),
            stand_ins=wish.stand_ins,
            importable=self.assignment.importable,
            code=self._code.get((submission.digest, work.modules), b""),
            earlier=tuple(replace(each, written=True) for each in work.modules),
        )

    def open_reference(self) -> AtHome:
        """Return a new session with the reference solution, in this process."""
        if self._reference is None:
            folder = self.assignment.folder
            earlier = [folder.parent / used.id for used in self.assignment.builds_on]
            self._reference = loading.import_apart([folder, *earlier], self.assignment.module)
        return AtHome(Session(LocalTransport(Executor(self._reference, self.assignment.folder))))

    def beside(self, assignment: Assignment) -> Workshop:
        """Return a workshop for another assignment that our zygote serves; `close` of one closes both."""
        return Workshop(
            assignment, self.layers, self.served, device=self.device, seed=self.seed, _zygotes=self._zygotes
        )

    def zygote(self, device: str = CPU) -> ZygoteProcess:
        """Return the zygote of a device, ready to fork."""
        if device not in self._zygotes:
            served = self.served or (self.assignment,)
            bans = dict.fromkeys(names for each in served for names in _bans_in(each))
            preload = dict.fromkeys(module for each in served for module in each.preload)
            memory_mb = max(each.limits.memory_mb + each.limits.scratch_mb for each in served)
            settings: dict[str, Any] = {"preload": preload, "bans": bans, "device": device}
            settings["memory_mb"] = memory_mb
            self._zygotes[device] = ZygoteProcess(self.layers, seed=self.seed, **settings)
        self._zygotes[device].wait_ready()
        return self._zygotes[device]

    def close(self) -> None:
        """End the zygote and what runs in it."""
        while self._zygotes:
            self._zygotes.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _bans_in(assignment: Assignment) -> tuple[tuple[str, ...], ...]:
    return (assignment.bans, *(bans_of(assignment, check) for check in assignment.checks))


def bans_of(assignment: Assignment, check: Check) -> tuple[str, ...]:
    """The bans in force in a check."""
    return assignment.bans if check.bans is None else check.bans
