"""One run on a cluster: who grades what where, and what becomes of what is lost.

Dask brings orders to workers, knows who is there and encrypts; which submission is on which worker is decided here, one
at a time on each of its places. So a worker that dies or hangs takes along only what it was grading. That is tried
once more elsewhere, then alone on the whole cluster, and if it is lost there, too, a human has to look.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from autograder.cluster.offer import Offer
from autograder.cluster.order import Answer, Place
from autograder.errors import SandboxError
from autograder.jobs import Job

TRIES = 3
"""How often a submission may be lost before it is a fault for a human; the last time nothing else runs."""
POOR = 5
"""A worker that loses so many submissions in a row gets no more."""
WAIT_S = 300.0
"""How long a run waits without any worker."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A worker that can grade."""

    address: str
    offer: Offer
    places: tuple[Place, ...]


class Post(Protocol):
    """The cluster as a crew sees it."""

    def news(self, timeout_s: float) -> Iterator[Joined | tuple[str, Answer]]:
        """Workers that joined, and answers with the ticket that was given for the order."""

    def present(self) -> frozenset[str]:
        """Addresses of the workers that are there and were heard of lately."""

    def send(self, worker: Joined, place: Place, job: Job) -> str:
        """Hand over an order; return its ticket."""

    def forget(self, ticket: str) -> None:
        """Nobody waits for this any more."""


@dataclass
class _Try:
    """A submission on its way."""

    job: Job
    lost: list[str] = field(default_factory=list)
    """Where and why it was lost."""
    at: str = ""
    """The worker that has it, or had it last."""


@dataclass
class _Hand:
    """A worker of this run."""

    joined: Joined
    free: list[Place]
    lost_in_a_row: int = 0


@dataclass
class Crew:
    """Grades jobs; `settled` hears what came of each, `say` what people should know meanwhile."""

    post: Post
    settled: Callable[[Job, Answer, tuple[str, ...]], bool]
    """Takes a job, its answer and where it was lost before; returns whether it has to be done again, alone."""
    say: Callable[[str], None]
    running: Callable[[Sequence[str]], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    wait_s: float = WAIT_S
    _hands: dict[str, _Hand] = field(default_factory=dict)
    _at_work: dict[str, tuple[_Try, _Hand, Place]] = field(default_factory=dict)
    _again: deque[_Try] = field(default_factory=deque)
    _alone: deque[_Try] = field(default_factory=deque)

    def work(self, jobs: Iterator[Job]) -> None:
        """Return when all jobs are settled. After an interrupt, only what is being graded is waited for."""
        try:
            self._all(jobs)
        except KeyboardInterrupt:
            self.say("finishing what is being graded; ctrl-C once more leaves that, too")
            while self._at_work:
                self._listen()
            raise

    def _all(self, jobs: Iterator[Job]) -> None:
        more, heard = True, self.clock()
        while more or self._again or self._alone or self._at_work:
            while more and self._seat() and not self._again:
                job = next(jobs, None)
                more = job is not None
                if job is not None:
                    self._begin(_Try(job))
            while self._again and self._seat():
                self._begin(self._again.popleft())
            if not more and not self._again and not self._at_work and self._alone and self._seat():
                self._begin(self._alone.popleft())
            self._listen()
            heard = self.clock() if self._hands else heard
            if self.clock() - heard > self.wait_s:
                raise SandboxError(
                    f"the cluster has had no worker that can grade for {self.wait_s:g} s; what was measured is kept: "
                    "run the same command again once there are some"
                )

    def _seat(self) -> bool:
        return any(hand.free for hand in self._hands.values())

    def _begin(self, attempt: _Try) -> None:
        """Hand a submission to a worker with a free place: to the emptiest, and not to the one that lost it."""
        hand = max(
            (hand for hand in self._hands.values() if hand.free),
            key=lambda hand: (hand.joined.address != attempt.at, -hand.lost_in_a_row, len(hand.free)),
        )
        place = hand.free.pop()
        attempt.at = hand.joined.address
        self._at_work[self.post.send(hand.joined, place, attempt.job)] = attempt, hand, place
        self._tell()

    def _listen(self) -> None:
        """Take in what comes within a moment, and notice who is gone."""
        for item in self.post.news(0.5):
            if isinstance(item, Joined):
                self._hands[item.address] = _Hand(item, list(item.places))
            elif item[0] in self._at_work:
                self._over(*item)
        gone = self._hands.keys() - self.post.present()
        for address in gone:
            del self._hands[address]
        for ticket in [ticket for ticket, (attempt, _, _) in self._at_work.items() if attempt.at in gone]:
            self.post.forget(ticket)
            self._over(ticket, Answer(lost="the worker is gone"))

    def _over(self, ticket: str, answer: Answer) -> None:
        attempt, hand, place = self._at_work.pop(ticket)
        hand.free.append(place)
        if not answer.lost:
            hand.lost_in_a_row = 0
            self._settle(attempt, answer)
        else:
            hand.lost_in_a_row += 1
            attempt.lost.append(f"{hand.joined.offer.node}: {answer.lost}")
            self._lost(attempt, answer)
            if hand.lost_in_a_row == POOR and attempt.at in self._hands:
                del self._hands[attempt.at]
                self.say(f"{attempt.at} lost {POOR} submissions in a row and gets no more: {answer.lost}")
        self._tell()

    def _lost(self, attempt: _Try, answer: Answer) -> None:
        if len(attempt.lost) >= TRIES:
            self._settle(attempt, answer)
        elif len(attempt.lost) == TRIES - 1:
            self._alone.append(attempt)
        else:
            self._again.append(attempt)

    def _settle(self, attempt: _Try, answer: Answer) -> None:
        if self.settled(attempt.job, answer, tuple(attempt.lost)):
            alone = Job(attempt.job.submission, attempt.job.secret, alone=True, untried=attempt.job.untried)
            self._alone.append(_Try(alone, attempt.lost))

    def _tell(self) -> None:
        self.running([attempt.job.submission.student for attempt, _, _ in self._at_work.values()])
