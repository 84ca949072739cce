"""What checks run against: a student, a reference, a source of random numbers. At home and in `grade` alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from autograder.checks.draw import MadeOnce, derive_key
from autograder.checks.illustrations import Illustrations
from autograder.checks.known_answers import KnownAnswers
from autograder.checks.known_passes import KnownPasses
from autograder.checks.precision import FLOAT64, Precision
from autograder.records import Assignment, Check, CheckResult, EarlierPart
from autograder.sandbox.remote import Exchange, Session


@dataclass(frozen=True, slots=True)
class Used:
    """What one worker used, and what it printed."""

    cpu_s: float = 0.0
    stdout: str = ""
    stderr: str = ""


def together(parts: Sequence[Used]) -> Used:
    """Return what several workers used, and what they printed, in their order."""
    texts = ("".join(used.stdout for used in parts), "".join(used.stderr for used in parts))
    return Used(sum(used.cpu_s for used in parts), *texts)


@dataclass(frozen=True, slots=True)
class Wish:
    """The worker that a check asks for."""

    check: Check
    dtype: str
    """float64 or float32: the worker's default dtype."""
    seed: int
    stand_ins: tuple[str, ...] = ()
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Transcript:
    """All that a failed check asked the student and was answered, in float64."""

    check: str
    dtype: str
    seed: int
    """Of the worker's default generator."""
    stand_ins: tuple[str, ...]
    sessions: tuple[tuple[Exchange, ...], ...]
    """One a worker, in order; more than one where a worker ended before the check did."""


class Opened(Protocol):
    """A worker that has loaded a submission."""

    session: Session

    def close(self) -> Used:
        """End it and say what it used."""


class Sharing(Protocol):
    """Workers of one submission in which checks take turns."""

    def serves(self, wish: Wish) -> bool:
        """Whether a check with this wish may share a worker."""

    def start(self, wish: Wish) -> None:
        """Have a worker for this wish. Raises what opening raises."""

    def lend(self, wish: Wish) -> Opened | None:
        """Return a worker that is as if just opened, or None where the check is to have one of its own."""

    def close(self) -> None:
        """End them."""


@dataclass(frozen=True)
class Bench:
    """Everything that a run of one submission's checks needs."""

    assignment: Assignment
    secret: bytes = field(repr=False)
    open_student: Callable[[Wish], Opened]
    """Raises StudentFault where the submission cannot be imported."""
    open_reference: Callable[[], Opened] | None
    """None at home: public checks do without a reference solution."""
    report: Callable[[CheckResult], None]
    """Called with each result as soon as it stands."""
    known: Mapping[str, CheckResult] = field(default_factory=dict)
    """Results that are there already: those checks are not run again."""
    recall: Callable[[Check, tuple[str, ...]], CheckResult | None] = lambda _check, _stand_ins: None
    """What was measured of a check with these stand-ins, asked when its needs are settled: it is not run again."""
    earlier: Callable[[], tuple[EarlierPart, ...]] = tuple
    """Parts of earlier assignments that are in use, the student's own or stand-ins."""
    answers: KnownAnswers | None = field(default=None, repr=False)
    """What the reference answered for other submissions; None: it computes every time."""
    passes: KnownPasses | None = field(default=None, repr=False)
    """What other submissions answered that passed; None: every check compares by itself."""
    made_once: MadeOnce = field(default_factory=MadeOnce, repr=False)
    """What checks made of their draws for other submissions."""
    dataset: Callable[[str], Any] | None = None
    illustrations: Illustrations | None = field(default=None, repr=False)
    """What is drawn of a submission beside the checks; None: nothing."""
    shared: Sharing | None = field(default=None, repr=False)
    """Workers in which checks take turns; None: each has its own. Whoever runs the checks closes it."""
    device: str = "cpu"
    """Where the student's code computes: cpu or cuda. Judge and reference are on the CPU."""
    transcribe: Callable[[Transcript], None] = lambda _: None
    """Called with the transcript of each check that failed, before its result is reported."""
    blame: bool = True
    """Whether a failure is tried on the reference before it counts."""
    alone: bool = False
    """Nothing else runs on this machine: a child that only waits is believed now."""
    wanted: frozenset[str] | None = None
    """Ids of the checks to run; None: all. What others need must be among them, else it stands in nobody's way."""

    def runs(self, check: str) -> bool:
        """Whether the check of this id is to be run."""
        return check not in self.known and (self.wanted is None or check in self.wanted)


def wish_for(
    bench: Bench, check: Check, stand_ins: tuple[str, ...], precision: Precision = FLOAT64, device: str | None = None
) -> Wish:
    """Return the worker that a check asks for, by default where the bench computes; its seed is the course's secret."""
    key = derive_key(bench.secret, bench.assignment.id, check.id, "worker")
    return Wish(check, precision.name, int.from_bytes(key[:7], "big"), stand_ins, device or bench.device)
