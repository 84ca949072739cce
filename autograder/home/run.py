"""Runs an assignment's checks in another process and takes in what that says, until every check has a result.

Whatever the student's code does to the process costs one check: a new process goes on with the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autograder.errors import AutograderError
from autograder.home import events
from autograder.home.events import Event
from autograder.home.process import Process
from autograder.home.report import Gpu, Problem
from autograder.home.standing import Standing
from autograder.records import Assignment, CheckResult, EarlierPart, Finding, Outcome

SILENCE_S = 900.0
"""How long the process may say nothing: it watches the time itself, so that this ends only one that is lost."""

Tell = Callable[[str], None]
"""Takes words about what happens now, for whoever waits."""


class HomeError(AutograderError):
    """The kit failed on the student's machine; not their fault."""


class Interrupted(Exception):
    """Nobody wants this run's report any more."""


@dataclass
class Hands:
    """The process at work, and a new one when that is lost."""

    process: Process = field(default_factory=Process)
    ahead: Path | None = None
    """The folder that a new process gets ready for, before it is asked."""
    used: bool = False
    spare: Process | None = None
    """The one that comes after this."""

    def send(self, order: events.Order) -> None:
        """Give an order."""
        self.used = True
        self.process.send(order)

    def prepare(self) -> None:
        """Let the one that comes after this start, while this one is at work."""
        if self.spare is None:
            self.spare = Process(self.ahead)

    def renew(self) -> None:
        """Replace a process that has been used."""
        if self.used:
            self.process.close()
            self.process, self.spare, self.used = self.spare or Process(self.ahead), None, False

    def close(self) -> None:
        """End the processes."""
        self.process.close()
        if self.spare is not None:
            self.spare.close()


@dataclass
class Run:
    """What has become known so far."""

    assignment: Assignment
    wanted: tuple[str, ...]
    memory: dict[str, Standing] | None = None
    """What may stand, by check: of the last round before this one, and then of this one. None: nothing may."""
    results: dict[str, CheckResult] = field(default_factory=dict)
    standing: dict[str, CheckResult] = field(default_factory=dict)
    """Results of the last round, until their checks have run again."""
    running: str | None = None
    """The check that the process is busy with; empty: the import before all checks."""
    problem: Problem | None = None
    """Why no check can run."""
    gpu: Gpu | None = None
    earlier: tuple[EarlierPart, ...] = ()
    ended: bool = True
    """The process has nothing to do."""
    lost: bool = False
    """The process is gone before its end."""

    @property
    def known(self) -> dict[str, CheckResult]:
        """All results, those of the last round among them that stand."""
        return self.standing | self.results

    @property
    def missing(self) -> tuple[str, ...]:
        """The wanted checks without a result; none where none can have one."""
        return () if self.problem else tuple(id_ for id_ in self.wanted if id_ not in self.known)

    @property
    def unsettled(self) -> tuple[str, ...]:
        """The wanted checks that have not run in this round, those of `missing` among them."""
        return () if self.problem else tuple(id_ for id_ in self.wanted if id_ not in self.results)

    def complete(self, folder: Path, hands: Hands, tell: Tell, stop: Callable[[], bool]) -> None:
        """Go on until every check has a result, one that stands from the last round maybe.

        Raises HomeError, and Interrupted as soon as `stop` says so.
        """
        self._go_on(folder, hands, tell, stop, lambda: self.missing)

    def confirm(self, folder: Path, hands: Hands, tell: Tell, stop: Callable[[], bool]) -> None:
        """Go on until every check has run in this round. Raises what `complete` does."""
        self._go_on(folder, hands, tell, stop, lambda: self.unsettled)

    def _go_on(
        self, folder: Path, hands: Hands, tell: Tell, stop: Callable[[], bool], left: Callable[[], tuple[str, ...]]
    ) -> None:
        """Every process settles at least a check, so it comes to an end; HomeError for one that settles none."""
        while left():
            known = len(self.results), len(self.standing)
            if self.ended or self.lost:
                if self.lost:
                    hands.renew()
                tell("starting Python and torch")
                standing = () if self.standing or self.memory is None else tuple(self.memory.values())
                hands.send(events.order(folder, self.wanted, tuple(self.results.values()), standing))
                self.ended = self.lost = False
            self._listen(hands, tell, stop, lambda: not left())
            if (missing := left()) and (len(self.results), len(self.standing)) == known:
                raise HomeError(f"the process that runs the checks said nothing of {missing[0]} that can be read.")

    def rehearse(self, hands: Hands, tell: Tell, stop: Callable[[], bool]) -> None:
        """Go on to the end of the order, which is the rehearsal's. Raises Interrupted as soon as `stop` says so."""
        self._listen(hands, tell, stop, lambda: False)

    def _listen(self, hands: Hands, tell: Tell, stop: Callable[[], bool], enough: Callable[[], bool]) -> None:
        try:
            self._take_in(hands, tell, stop, enough)
        finally:
            if not self.ended and not enough():  # lost, or busy with what nobody wants any more
                hands.renew()

    def _take_in(self, hands: Hands, tell: Tell, stop: Callable[[], bool], enough: Callable[[], bool]) -> None:
        heard = time.monotonic()
        while not self.ended and not self.lost and not enough():
            if stop():
                raise Interrupted
            event = hands.process.next_event(0.1)
            if event is not None:
                heard = time.monotonic()
                self._take(event, tell)
            elif time.monotonic() - heard > SILENCE_S:
                self._lose(Outcome.TIMED_OUT, "it does not come back, and cannot be asked where it is", "")

    def _take(self, event: Event, tell: Tell) -> None:
        match event:
            case events.Started():
                self.running = event.check
                tell(self._title(event.check))
            case events.Imported():
                self.earlier = event.earlier
            case events.Settled():
                self._settle(event)
                tell("" if self.unsettled else "rehearsing on a make-believe GPU")
            case events.Unusable():
                self.problem = event.problem
            case events.Rehearsed():
                self.gpu = event.gpu
            case events.Stopped() | events.Ended():
                late = isinstance(event, events.Stopped) or event.timed_out
                self._lose(Outcome.TIMED_OUT if late else Outcome.CRASHED, event.words, event.where)
            case events.Failed():
                raise HomeError(f"the checks could not be run: {event.detail}")
            case events.Done():
                self.ended = True

    def _settle(self, event: events.Settled) -> None:
        result, self.running = event.result, None
        if event.stands:
            self.standing[result.id] = result
            return
        self.standing.pop(result.id, None)
        self.results[result.id] = result
        if self.memory is not None:
            self.memory.pop(result.id, None)
            if event.rests_on:
                self.memory[result.id] = Standing(result, event.asked, event.rests_on)

    def _title(self, id_: str) -> str:
        titles = {check.id: check.title for check in self.assignment.checks}
        return titles.get(id_, f"importing {self.assignment.files[0]}")

    def _lose(self, outcome: Outcome, words: str, where: str) -> None:
        """The process is gone: that settles what it was busy with."""
        self.lost = True
        if self.running is None and self.unsettled:
            raise HomeError(f"the process that runs the checks is gone: {words}. Please report it.")
        if self.running is None:  # all is known: a rehearsal that ends Python says nothing
            return
        if not self.running:
            file, line = _place(where) or (self.assignment.files[0], 0)
            self.problem = Problem(file, line, f"cannot be imported: {words}")
            return
        check = next(check for check in self.assignment.checks if check.id == self.running)
        finding = Finding("limit", f"Your code did not answer: {words}.", where, check.hint)
        self._settle(events.Settled(CheckResult(check.id, outcome, 0, check.points, finding)))


def _place(where: str) -> tuple[str, int] | None:
    """File and line of `rnn.py, line 31, in rnn_cell`."""
    file, _, rest = where.partition(", line ")
    line = rest.partition(",")[0]
    return (file, int(line)) if line.isdecimal() else None
