"""One worker for many checks: what passes in it has passed, and what does not is tried again in a worker of its own.

A process of its own costs a check several times what the check itself does. So checks take turns in one, each with
objects, random numbers and torch's settings as new. What a submission keeps beyond that (a cache of its module's, a
setting of a library) can make a check fail here that would pass alone, which is why no failure counts and none leaves a
transcript; and whatever a submission learns here is what it was asked before, never an answer.

Not shared are checks that train for long (their limits are their own), and those with a stand-in: a right part that
lies in the process must not be there while the submission's own part is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from autograder.checks.bench import Opened, Used, Wish
from autograder.checks.precision import FLOAT64
from autograder.errors import SandboxError, WireError
from autograder.sandbox.faults import StudentFault
from autograder.sandbox.remote import Session

SHORT_CPU_S = 30.0
"""What a check that trains a few steps uses at most; shared, it is given the seconds of one that does not train."""
Kind = tuple[tuple[str, ...] | None, str]
"""The bans of a worker, and its device."""


class Lender(Protocol):
    """A worker that has loaded a submission and serves one check after the other."""

    def session(self, seed: int, dtype: str) -> Session:
        """Return a session that finds the worker as if it had just been opened."""

    def used(self) -> Used:
        """What it used and printed since this was last asked."""

    @property
    def lives(self) -> bool:
        """Whether it can serve another check."""

    def close(self) -> Used:
        """End it."""


@dataclass
class Lent:
    """A shared worker for the length of one check."""

    session: Session
    _lender: Lender
    _settle: Callable[[], None]

    def close(self) -> Used:
        """Give it back and say what the check used."""
        used = self._lender.used()
        self._settle()
        return used


@dataclass
class Shared:
    """The shared workers of one submission, by what distinguishes them."""

    opener: Callable[[Wish], Lender]
    """Raises StudentFault where the submission cannot be imported."""
    _workers: dict[Kind, Lender] = field(default_factory=dict)
    _apart: bool = False
    """One was lost, or told of a banned operator: what does that in one check does it in others."""

    def serves(self, wish: Wish) -> bool:
        """Whether a check with this wish may share a worker."""
        alone = wish.stand_ins or (wish.check.trains_cpu_s or 0.0) > SHORT_CPU_S or wish.dtype != FLOAT64.name
        return not (self._apart or alone)

    def start(self, wish: Wish) -> None:
        """Have a worker for this wish. Raises what opening raises."""
        if (kind := _kind(wish)) not in self._workers:
            self._workers[kind] = self.opener(replace(wish, check=replace(wish.check, trains_cpu_s=None)))

    def lend(self, wish: Wish) -> Opened | None:
        """Return a shared worker, or None where the check is to have one of its own."""
        if not self.serves(wish):
            return None
        try:
            self.start(wish)
        except (StudentFault, WireError, SandboxError):  # a worker of its own will say so
            self._apart = True
            return None
        lender = self._workers[_kind(wish)]
        session = lender.session(wish.seed, wish.dtype)
        return Lent(session, lender, lambda: self._settle(_kind(wish), session))

    def _settle(self, kind: Kind, session: Session) -> None:
        """Part with a worker that ended, or in which a banned operator was called: it names it in each later answer."""
        if session.refused or not self._workers[kind].lives:
            self._apart = True
            self._workers.pop(kind).close()

    def close(self) -> None:
        """End the workers."""
        while self._workers:
            self._workers.popitem()[1].close()


def _kind(wish: Wish) -> Kind:
    return wish.check.bans, wish.device
