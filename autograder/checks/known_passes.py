"""What passed before: whoever answers, byte for byte, what somebody answered who passed has passed, too.

What a check asks and whether it is content follow from the course secret and from the answers alone. So while a worker
answers as one did before it, the next question is known without running the check, and so is the end: nothing is drawn,
packed, unpacked or compared again. A class has few ways to be right, to the last bit, and many who take each.

Only passes are kept, and an answer that is new by a single bit sends the check to its own lines; they need not ask
again what was answered on the way.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from autograder.errors import WireError
from autograder.records import CheckResult
from autograder.sandbox.faults import ChildEnded
from autograder.sandbox.remote import Exchange, Session, Transport

LARGEST = 32 * 2**20
"""Bytes of questions and answers that one process keeps."""
PER_CHECK = 2**20
"""Of them for one check: where no two submissions answer alike, as where they draw random numbers, little is kept."""


@dataclass
class _Step:
    """What is asked next, or the result where nothing more is."""

    question: bytes = b""
    result: CheckResult | None = None
    after: dict[bytes, _Step] = field(default_factory=dict)
    """Answer -> the step after it."""


@dataclass
class _Ways:
    """All ways through one check that passed."""

    first: _Step = field(default_factory=_Step)
    held: int = 0


@dataclass
class KnownPasses:
    """The memory of one process, for one assignment."""

    largest: int = LARGEST
    per_check: int = PER_CHECK
    _ways: OrderedDict[Hashable, _Ways] = field(default_factory=OrderedDict)
    """By secret and check, whatever else distinguishes what is asked; those that were used last come last."""
    _held: int = 0

    def follow(self, key: Hashable, session: Session) -> CheckResult | None:
        """Ask a new session what those were asked who passed; return their result where all its answers are theirs.

        Else the session goes on from what was answered: its first questions, if they are these, are not asked again.
        """
        if (ways := self._ways.get(key)) is None:
            return None
        self._ways.move_to_end(key)
        step, asked = ways.first, list[Exchange]()
        while step.result is None:
            try:
                answer = session.transport.exchange(step.question)
            except (ChildEnded, WireError):  # the check itself says so, of a worker that is lost by then
                break
            asked.append(Exchange(step.question, answer))
            if (following := step.after.get(answer)) is None:
                break
            step = following
        if step.result is None:
            session.transport = _Asked(session.transport, asked)
        return step.result

    def keep(self, key: Hashable, transcript: Sequence[Exchange], result: CheckResult) -> None:
        """Keep what was asked and answered in a check that passed."""
        ways = self._ways.setdefault(key, _Ways())
        if not transcript or ways.held >= self.per_check:
            return
        step, before = ways.first, ways.held
        for exchange in transcript:
            if step.result is not None or step.question not in (b"", exchange.question):
                return  # after the same answers it asked something else: who goes which way is not for this to say
            if exchange.answer not in step.after:
                ways.held += len(exchange.answer) + (0 if step.question else len(exchange.question))
            step.question = exchange.question
            step = step.after.setdefault(exchange.answer, _Step())
        step.result = result
        self._held += ways.held - before
        while self._held > self.largest:
            self._held -= self._ways.popitem(last=False)[1].held


class _Asked:
    """A transport for a worker that has answered some questions already."""

    def __init__(self, worker: Transport, asked: Sequence[Exchange]) -> None:
        self._worker = worker
        self._asked = list(asked)

    def exchange(self, frame: bytes) -> bytes:
        """Return the answer to a frame. Raises WireError where a check asks otherwise than it did before."""
        if not self._asked:
            return self._worker.exchange(frame)
        known = self._asked.pop(0)
        if known.question != frame:
            raise WireError("a check asked something else after the same answers: it depends on more than its draws")
        return known.answer
