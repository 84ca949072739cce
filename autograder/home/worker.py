"""The process that runs checks at home: `python -m autograder.home.worker`, orders on stdin, events on stdout.

It imports torch before an order comes, so a spare one can wait, warm, for the next save. It limits itself as `grade`
would (CPU seconds for each check), and can then say at which line the student's code was.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import queue
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from autograder.errors import UsageError
from autograder.home import events
from autograder.home.events import Order
from autograder.home.guard import Outside, Watchdog
from autograder.home.report import Problem
from autograder.home.standing import Round
from autograder.records import Check, CheckResult, Outcome
from autograder.sandbox import surroundings
from autograder.sandbox.uncompiled import keep_compiler_out

if TYPE_CHECKING:
    from autograder.checks.bench import Bench, Wish
    from autograder.checks.home import AtHome
    from autograder.checks.judge import CheckFiles, KeptFiles
    from autograder.sandbox.remote import LocalTransport

SLOW_IMPORT_S = 2.0
IMPORT_S, REHEARSAL_S = 30.0, 20.0
"""CPU seconds after which an import (with the checks of earlier work that it uses), and a rehearsal, is stopped."""
SLACK_S = 1.0
"""CPU seconds of a check that are not the student's: its own work, looking up bans."""
CRASH_FILE = "crash.txt"
"""In the folder that the process starts in: where Python was when it crashed."""


@dataclass
class Desk:
    """Carries out orders."""

    outside: Outside
    watchdog: Watchdog
    kept: KeptFiles

    def carry_out(self, order: Order) -> None:
        """Run the wanted checks and rehearse their calls; everything is told as it happens."""
        try:
            self._carry_out(order)
        finally:
            self.watchdog.rest()

    def _carry_out(self, order: Order) -> None:
        import torch

        from autograder.checks.home import home_bench
        from autograder.checks.precision import default_dtype

        bench = home_bench(order.folder, self.kept)
        earlier_too = bench.assignment.builds_on
        self.watchdog.folder = str(order.folder.parent if earlier_too else order.folder)
        self.watchdog.allow(IMPORT_S)
        self.outside.tell(events.Started("", IMPORT_S))
        if problem := import_problem(bench):
            self.outside.tell(events.Unusable(replace(problem, detail=self.outside.take_printed())))
            return
        self.watchdog.rest()
        self.outside.tell(events.Imported(bench.earlier()))
        work = Work(self.outside, self.watchdog, bench, order)
        work.run(self.kept.of(bench.assignment))
        results, opened = work.results, work.opened
        if missing := set(order.wanted) - set(results):
            raise RuntimeError(f"no result of {', '.join(sorted(missing))}\n{self.outside.take_printed()}")
        passed = [(r.id, opened[r.id, r.precision]) for r in results.values() if may_rehearse(r, bench, opened)]
        if passed:
            from autograder.home.gpu import rehearse

            self.watchdog.allow(REHEARSAL_S)
            transcripts = [(id_, desk.session.transcript) for id_, desk in passed]
            with default_dtype(torch.float64):
                gpu = rehearse(partial(desk_without_bans, bench), transcripts)
            self.outside.tell(events.Rehearsed(gpu))


class Work:
    """An order's checks: those that something was changed for, then those whose results stood so far."""

    def __init__(self, outside: Outside, watchdog: Watchdog, bench: Bench, order: Order) -> None:
        self.results = {result.id: result for result in order.known}
        self.opened: dict[tuple[str, str], AtHome] = {}
        """By check and precision, the submission as it was imported last."""
        self._outside = outside
        self._watchdog = watchdog
        self._round = Round(bench.assignment, {each.result.id: each for each in order.standing})
        self._stood: frozenset[str] = frozenset()
        self._open = bench.open_student
        self._limits = bench.assignment.limits
        known, wanted = dict(self.results), frozenset(order.wanted)
        self._bench = replace(bench, open_student=self._open_student, report=self._report, known=known, wanted=wanted)

    def run(self, files: CheckFiles) -> None:
        """Run all that are wanted. Results that stand are told first, and what they really are behind them."""
        files.run(replace(self._bench, recall=self._round.recall))
        if self._round.stood:
            self._stood = frozenset(self._round.stood)
            self._round.stood.clear()
            files.run(replace(self._bench, recall=self._ran_now))

    def _ran_now(self, check: Check, stand_ins: tuple[str, ...]) -> CheckResult | None:
        """The result of a check that ran in this round as it would again."""
        result = self.results.get(check.id)
        if result is None or result.outcome is Outcome.SKIPPED or check.id in self._stood:
            return None
        return result if result.stand_ins == stand_ins else None

    def _open_student(self, wish: Wish) -> AtHome:
        from autograder.checks.home import AtHome

        cpu_s = wish.check.trains_cpu_s or self._limits.cpu_s
        self._outside.tell(events.Started(wish.check.id, cpu_s))
        self._watchdog.allow(cpu_s, SLACK_S)
        desk = self._open(wish)
        assert isinstance(desk, AtHome)
        self.opened[wish.check.id, wish.dtype] = desk
        return desk

    def _report(self, result: CheckResult) -> None:
        self._watchdog.rest()
        if self.results.get(result.id) is result:
            return
        self.results[result.id] = result
        result = replace(result, evidence=replace(result.evidence, stdout=self._outside.take_printed()))
        desks = [desk for (id_, _), desk in self.opened.items() if id_ == result.id]
        asked = tuple(sorted({name for desk in desks for name in desk.names}.union(result.stand_ins)))
        stands = result.id in self._round.stood
        rests_on = self._round.rests_on(result, asked) if desks and not stands else ""
        self._outside.tell(events.Settled(result, stands, asked, rests_on))


def may_rehearse(result: CheckResult, bench: Bench, opened: Mapping[tuple[str, str], AtHome]) -> bool:
    """Whether the calls of a check can be tried again: it passed here, alone, and is no training."""
    check = next(check for check in bench.assignment.checks if check.id == result.id)
    runs = result.outcome is Outcome.PASSED and not result.stand_ins and check.trains_cpu_s is None
    return runs and (result.id, result.precision) in opened


def desk_without_bans(bench: Bench) -> LocalTransport:
    """Return the submission, imported once more with nothing banned."""
    from autograder.checks.bench import Wish
    from autograder.sandbox.remote import LocalTransport

    transport = bench.open_student(Wish(replace(bench.assignment.checks[0], bans=()), "float64", 0)).session.transport
    assert isinstance(transport, LocalTransport)
    return transport


def import_problem(bench: Bench) -> Problem | None:
    """Return why no check can run: the submission cannot be imported, or takes too long."""
    import torch

    from autograder.checks.bench import Wish
    from autograder.checks.precision import default_dtype
    from autograder.sandbox.faults import StudentError, StudentFault

    any_check = replace(bench.assignment.checks[0], bans=None)  # under the assignment's own bans
    file = bench.assignment.files[0]
    took = 0.0
    for _ in range(2):  # what the first import alone costs is that of torch's own modules
        started = time.process_time()
        try:
            with default_dtype(torch.float64):
                bench.open_student(Wish(any_check, "float64", 0))
        except StudentFault as error:
            frame = error.frames[-1] if isinstance(error, StudentError) and error.frames else (file, 0, "")
            return Problem(frame[0], frame[1], f"cannot be imported: {error}")
        took = time.process_time() - started
        if took <= SLOW_IMPORT_S:
            return None
    words = f"takes {took:.1f} seconds to import, and at most {SLOW_IMPORT_S:g} are fine: every check imports it anew"
    return Problem(file, 0, f"{words}. Put what is not a definition under `if __name__ == '__main__':`.")


def main() -> None:
    """Serve orders until the terminal's process closes its end or is gone."""
    with tempfile.TemporaryFile() as printed, Path(CRASH_FILE).open("w", encoding="utf-8") as crash:
        faulthandler.enable(crash)
        serve(Outside(os.fdopen(os.dup(1), "wb"), printed), crash)


def serve(outside: Outside, crash: IO[str]) -> None:
    """Carry out orders for ever; whoever listens to them ends this process."""
    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(os.fdopen(os.dup(0), "rb"), orders), daemon=True).start()
    _close_in(outside.printed)
    kept = _prepare()
    for name in sys.argv[1:]:
        importlib.import_module("autograder.checks.home").look_ahead(events.folder_of(name), kept)
        outside.take_printed()
    sys.dont_write_bytecode = True  # what is saved twice within a second would be taken for the same
    outside.tell(events.Ready())
    watchdog = Watchdog(outside, crash=crash)
    watchdog.start()
    desk = Desk(outside, watchdog, kept)
    while True:
        order = events.order_of(orders.get())
        try:
            desk.carry_out(order)
            outside.tell(events.Done())
        except UsageError as error:
            outside.tell(events.Failed(str(error)))
        except Exception:  # noqa: BLE001 - whatever else is a fault of ours, and the terminal's process says so
            outside.tell(events.Failed(traceback.format_exc()))


def _listen(stream: BinaryIO, orders: queue.SimpleQueue[bytes]) -> None:
    """Pass orders on; where there can be no more, nobody waits for this process either."""
    here = Path.cwd()
    for line in stream:
        orders.put(line)
    with contextlib.suppress(OSError):  # the terminal's process may have been killed: its folder is empty but for this
        (here / CRASH_FILE).unlink()
        here.rmdir()
    os._exit(0)


def _close_in(printed: BinaryIO) -> None:
    """The student's code reads nothing, and what it prints, from C too, goes where it can be read again."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(printed.fileno(), 1)
    os.dup2(printed.fileno(), 2)


def _prepare() -> KeptFiles:
    """Import what any check needs, before anybody asks, and return where check files are kept."""
    import torch

    from autograder.checks.judge import KeptFiles

    for module in ("autograder.checks.home", "autograder.home.gpu"):
        importlib.import_module(module)
    torch.set_num_threads(1)
    surroundings.accommodate()
    keep_compiler_out()
    return KeptFiles()


if __name__ == "__main__":
    main()
