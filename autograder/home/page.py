"""What a student sees in the terminal. Words carry everything; colour only repeats it, and 80 columns are enough."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.padding import Padding
from rich.status import Status
from rich.table import Table
from rich.text import Text

from autograder.home.report import Gpu, Line, Problem, Report
from autograder.home.submit import Packed
from autograder.records import EarlierPart, Outcome
from autograder.sandbox.faults import printable
from autograder.wording import SOURCE, Wording, wording_in
from autograder.wording.kinds import N_

WORDS = {
    Outcome.PASSED: (N_("passed"), "green"),
    Outcome.FAILED: (N_("failed"), "red"),
    Outcome.CRASHED: (N_("crashed"), "red"),
    Outcome.TIMED_OUT: (N_("too slow"), "red"),
    Outcome.OUT_OF_MEMORY: (N_("memory"), "red"),
    Outcome.SKIPPED: (N_("not run"), "yellow"),
    Outcome.GRADER_ERROR: (N_("kit error"), "bold magenta"),
}
UNWRITTEN = (N_("to write"), "cyan")
WAITS = (N_("waits"), "cyan")
_UNBROKEN = "\N{NO-BREAK SPACE}"
PRINTED_LINES, DETAIL_LINES, WIDEST = 12, 6, 100


class Page:
    """Prints reports; progress goes to stderr, and only to a terminal.

    `wording` are the words of the assignment at hand: whoever goes on to another one sets its own.
    """

    def __init__(self) -> None:
        self.wording: Wording = wording_in(SOURCE)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(
                    errors="replace"
                )  # a Windows console in another code page shows `?`, not a traceback
        self._console = Console(highlight=False, soft_wrap=False)
        self._errors = Console(stderr=True, highlight=False)

    @contextmanager
    def waiting(self) -> Iterator[Waiting]:
        """Show what happens now, for the length of a block."""
        if not self._errors.is_terminal:
            yield Waiting(None)
            return
        with self._errors.status("") as status:
            yield Waiting(status)

    def clear(self) -> None:
        """Start on an empty screen, where there is one."""
        if self._console.is_terminal:
            self._console.clear()

    def say(self, words: str, style: str = "") -> None:
        """Print a sentence."""
        self._console.print(plain(words), style=style)

    def results(self, report: Report) -> None:
        """Print one assignment's report as far as it is known before a GPU is rehearsed; `rest` goes on with it."""
        self._console.print(Text.assemble((report.id, "bold"), "  ", plain(self.wording.written(report.title))))
        self._console.print()
        for problem in report.problems:
            self._problem(problem)
        for part in _together(report.earlier):
            self.say(self.wording.said(f"uses {part.words}"), "dim")
        if report.earlier:
            self._console.print()
        table = Table.grid(padding=(0, 1))
        table.width = min(self._console.width, WIDEST)
        table.add_column(width=9, no_wrap=True)
        table.add_column(ratio=1)
        table.add_column(justify="right", no_wrap=True)
        for line in report.lines:
            self._line(table, line)
        self._print_table(table)
        self._sums(report)

    def standing(self, report: Report) -> None:
        """Print how many of the results are of the last round, before their checks run again."""
        _ = self.wording
        if count := sum(line.stands for line in report.lines):
            words = _("%(count)s of these are from before, as their code is the same; they run again now.")
            self.say(words % {"count": count}, "dim")

    def stood(self, report: Report) -> None:
        """Print, below what `standing` printed, that they came out the same."""
        _ = self.wording
        if any(line.stands for line in report.lines):
            self.say(_("They have run again, with the same results."), "dim")

    def rest(self, report: Report) -> None:
        """Print what a GPU would say, and the next step."""
        if report.gpu is not None:
            self._gpu(report.gpu)
        self._console.print()
        self._next(report.next_step)

    def _next(self, words: str) -> None:
        """Print the next step; a command in it stays on one line, for whoever copies it."""
        _ = self.wording
        start = _("Next: ")
        said = printable(self.wording.said(words))
        whole = re.sub("`[^`]+`", lambda command: command[0].replace(" ", _UNBROKEN), start + said)
        lines = textwrap.wrap(whole, self._console.width, break_long_words=False, break_on_hyphens=False)
        for line in lines:
            text = Text(line.replace(_UNBROKEN, " "))
            text.highlight_regex(f"^{re.escape(start)}", "bold")
            self._console.print(text, soft_wrap=True)

    def packed(self, packed: Packed, report: Report | None, remarks: Sequence[str]) -> None:
        """Print where the zip lies and what is in it."""
        _ = self.wording
        if report is not None and report.lines:
            passed = sum(line.result.outcome is Outcome.PASSED for line in report.lines)
            told = _("%(passed)s of %(checks)s public checks pass, %(earned)s of %(points)s points.") % {
                "passed": passed, "checks": len(report.lines), "earned": report.earned, "points": report.points,
            }  # fmt: skip
            self.say(told, "green" if report.passed else "yellow")
        problems = report.problems if report is not None else ()
        for remark in remarks or [f"{problem.where} {problem.message}" for problem in problems]:
            self._console.print(Text.assemble((_("as it is: "), "bold yellow"), plain(self.wording.said(remark))))
        names = {"files": ", ".join(packed.files)}
        self.say(
            _("Packed %(files)s, in place of the zip from before.") % names
            if packed.replaced
            else _("Packed %(files)s.") % names
        )
        self._console.print()
        self._console.print(Text(_("Upload this file where your course collects work:"), "bold"))
        self._console.print(Text(printable(str(packed.zip))), soft_wrap=True)

    def _print_table(self, table: Table) -> None:
        """Print it, in a file or a pipe without the blanks that fill up its lines."""
        if self._console.is_terminal:
            self._console.print(table)
            return
        with self._console.capture() as captured:
            self._console.print(table)
        for text in captured.get().splitlines():
            self._console.print(Text(text.rstrip()), soft_wrap=True)

    def _line(self, table: Table, line: Line) -> None:
        _ = self.wording
        quiet = UNWRITTEN if line.unwritten else WAITS if line.waits_for else None
        word, style = quiet or WORDS[line.result.outcome]
        points = f"{line.result.earned}/{line.result.points}"
        table.add_row(Text(_(word), style), plain(self.wording.written(line.title)), "" if quiet else points)
        for text in details(line, self.wording):
            table.add_row("", text, "")

    def _problem(self, problem: Problem) -> None:
        where, message = map(self.wording.said, (problem.where, problem.message))
        self._console.print(Text.assemble((f"{printable(where)}: ", "bold red"), plain(message)))
        if problem.detail.strip():
            self._console.print(Padding(plain(problem.detail.rstrip()), (0, 0, 0, 4)))

    def _sums(self, report: Report) -> None:
        if not report.lines:
            return
        _ = self.wording
        points = {"earned": report.earned, "points": report.points, "words": _(" or ").join(report.chosen)}
        told = (
            _("Checks with %(words)s: %(earned)s of %(points)s points.")
            if report.chosen
            else _("Public checks: %(earned)s of %(points)s points.")
        )
        self._console.print()
        self._console.print(plain(told % points))
        unwritten = [gap.name for gap in report.gaps if not gap.bonus]
        bonus = [gap.name for gap in report.gaps if gap.bonus]
        if unwritten and not report.chosen:
            self._console.print(plain(_("Not written yet: %(names)s.") % {"names": ", ".join(unwritten)}))
        if bonus and not unwritten and not report.chosen:
            self._console.print(plain(_("Bonus, may stay empty: %(names)s.") % {"names": ", ".join(bonus)}))

    def _gpu(self, gpu: Gpu) -> None:
        _ = self.wording
        for finding in gpu.findings:
            where, message = map(self.wording.said, (finding.where, finding.message))
            self._console.print(Text.assemble(("GPU: ", "bold yellow"), plain(f"{where}: {message}")))
        if gpu.advice:
            self._console.print(plain(self.wording.said(gpu.advice)))
        if not gpu.findings and gpu.ready:
            counts = {"ready": len(gpu.ready), "rest": len(gpu.untested)}
            words = (
                _(
                    "On a GPU (no points): no obstacle found in %(ready)s of the checks tried; "
                    "%(rest)s could not be tried without a GPU."
                )
                if gpu.untested
                else _("On a GPU (no points): no obstacle found in %(ready)s of the checks tried.")
            )
            self._console.print(plain(words % counts), style="dim")


class Waiting:
    """A line that says what happens now."""

    def __init__(self, status: Status | None) -> None:
        self._status = status

    def __call__(self, words: str) -> None:
        """Show other words."""
        if self._status is not None:
            self._status.update(plain(words))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Out of the way inside, where something else is printed."""
        if self._status is None:
            yield
            return
        self._status.stop()
        try:
            yield
        finally:
            self._status.start()


def _together(parts: Sequence[EarlierPart]) -> list[EarlierPart]:
    """Parts that are in use for one reason as one part, of all their names."""
    names: dict[tuple[str, str], list[str]] = {}
    for part in parts:
        names.setdefault((part.file, part.why_stand_in), []).append(part.name)
    firsts = {(part.file, part.why_stand_in): part for part in reversed(parts)}
    return [replace(firsts[key], name=", ".join(found)) for key, found in names.items()]


def plain(text: str) -> Text:
    """Text as it is: nothing in it is markup, and nothing moves the cursor."""
    return Text(printable(text))


def details(line: Line, _: Wording) -> Iterator[Text]:
    """Yield what stands below a check: what was seen, where, the hint, what it printed."""
    result, finding = line.result, line.result.finding
    if line.waits_for:
        yield Text(printable(_("for %(name)s to be written") % {"name": line.waits_for}), "dim")
    elif result.outcome is Outcome.PASSED:
        yield from _remarks(line, _)
    elif finding is not None and not line.unwritten:
        yield plain(_.said(finding.message))
        if result.outcome is Outcome.SKIPPED:
            return
        yield from (plain(text) for text in finding.detail.splitlines()[:DETAIL_LINES])
        if finding.where:
            yield plain(_("at %(place)s") % {"place": _.said(finding.where)})
        yield from _remarks(line, _)
        if finding.hint:
            yield Text.assemble((_("hint: "), "bold"), plain(_.said(finding.hint)))
        yield from _printed(result.evidence.stdout, _)


def _remarks(line: Line, _: Wording) -> Iterator[Text]:
    if line.result.stand_ins:
        names = {"names": _(" and ").join(line.result.stand_ins)}
        yield Text(printable(_("with a right %(names)s in place of yours") % names), "dim")
    if line.result.precision == "float32":
        yield Text(_("in float32; in float64 it does not"), "dim")
    yield from (plain(_.said(words)) for words in line.result.evidence.remarks)


def _printed(text: str, _: Wording) -> Iterator[Text]:
    lines = text.strip().splitlines()
    if lines:
        before = _("(%(count)s lines before)") % {"count": len(lines) - PRINTED_LINES}
        left_out = [before] if len(lines) > PRINTED_LINES else []
        yield Text(_("it printed:"), "dim")
        yield from (plain(f"  {text}") for text in [*left_out, *lines[-PRINTED_LINES:]])
