"""What a student sees in the terminal. Words carry everything; colour only repeats it, and 80 columns are enough."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.status import Status
from rich.table import Table
from rich.text import Text

from autograder.home.report import Gpu, Line, Problem, Report
from autograder.home.submit import Packed
from autograder.records import Outcome
from autograder.sandbox.faults import printable

WORDS = {
    Outcome.PASSED: ("passed", "green"),
    Outcome.FAILED: ("failed", "red"),
    Outcome.CRASHED: ("crashed", "red"),
    Outcome.TIMED_OUT: ("too slow", "red"),
    Outcome.OUT_OF_MEMORY: ("memory", "red"),
    Outcome.SKIPPED: ("not run", "yellow"),
    Outcome.GRADER_ERROR: ("kit error", "bold magenta"),
}
UNWRITTEN = ("to write", "cyan")
WAITS = ("waits", "cyan")
_UNBROKEN = "\N{NO-BREAK SPACE}"
PRINTED_LINES, DETAIL_LINES, WIDEST = 12, 6, 100


class Page:
    """Prints reports; progress goes to stderr, and only to a terminal."""

    def __init__(self) -> None:
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

    def report(self, report: Report) -> None:
        """Print one assignment's report."""
        self._console.print(Text.assemble((report.id, "bold"), "  ", plain(report.title)))
        self._console.print()
        for problem in report.problems:
            self._problem(problem)
        for part in report.earlier:
            self.say(f"uses {part.words}", "dim")
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
        if report.gpu is not None:
            self._gpu(report.gpu)
        self._console.print()
        self._next(report.next_step)

    def _next(self, words: str) -> None:
        """Print the next step; a command in it stays on one line, for whoever copies it."""
        whole = re.sub("`[^`]+`", lambda command: command[0].replace(" ", _UNBROKEN), f"Next: {printable(words)}")
        lines = textwrap.wrap(whole, self._console.width, break_long_words=False, break_on_hyphens=False)
        for line in lines:
            text = Text(line.replace(_UNBROKEN, " "))
            text.highlight_regex("^Next: ", "bold")
            self._console.print(text, soft_wrap=True)

    def packed(self, packed: Packed, report: Report | None, remarks: Sequence[str]) -> None:
        """Print where the zip lies and what is in it."""
        if report is not None and report.lines:
            passed = sum(line.result.outcome is Outcome.PASSED for line in report.lines)
            self.say(
                f"{passed} of {len(report.lines)} public checks pass, {report.earned} of {report.points} points.",
                "green" if report.passed else "yellow",
            )
        problems = report.problems if report is not None else ()
        for remark in remarks or [f"{problem.where} {problem.message}" for problem in problems]:
            self._console.print(Text.assemble(("as it is: ", "bold yellow"), plain(remark)))
        self.say(f"Packed {', '.join(packed.files)}{', in place of the zip from before' if packed.replaced else ''}.")
        self._console.print()
        self._console.print(Text.assemble(("Upload ", "bold"), plain("this file where your course collects work:")))
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
        quiet = UNWRITTEN if line.unwritten else WAITS if line.waits_for else None
        word, style = quiet or WORDS[line.result.outcome]
        points = f"{line.result.earned}/{line.result.points}"
        table.add_row(Text(word, style), plain(line.title), "" if quiet else points)
        for text in details(line):
            table.add_row("", text, "")

    def _problem(self, problem: Problem) -> None:
        self._console.print(Text.assemble((f"{problem.where}: ", "bold red"), plain(problem.message)))
        if problem.detail.strip():
            self._console.print(Padding(plain(problem.detail.rstrip()), (0, 0, 0, 4)))

    def _sums(self, report: Report) -> None:
        if not report.lines:
            return
        which = f"Checks with {' or '.join(report.chosen)}" if report.chosen else "Public checks"
        self._console.print()
        self._console.print(plain(f"{which}: {report.earned} of {report.points} points."))
        unwritten = [gap.name for gap in report.gaps if not gap.bonus]
        bonus = [gap.name for gap in report.gaps if gap.bonus]
        if unwritten and not report.chosen:
            self._console.print(plain(f"Not written yet: {', '.join(unwritten)}."))
        if bonus and not unwritten and not report.chosen:
            self._console.print(plain(f"Bonus, may stay empty: {', '.join(bonus)}."))

    def _gpu(self, gpu: Gpu) -> None:
        for finding in gpu.findings:
            self._console.print(Text.assemble(("GPU: ", "bold yellow"), plain(f"{finding.where}: {finding.message}")))
        if gpu.advice:
            self._console.print(plain(gpu.advice))
        if not gpu.findings and gpu.ready:
            rest = f"; {len(gpu.untested)} could not be tried without a GPU" if gpu.untested else ""
            words = f"On a GPU (no points): no obstacle found in {len(gpu.ready)} of the checks tried{rest}."
            self._console.print(plain(words), style="dim")


class Waiting:
    """A line that says what happens now."""

    def __init__(self, status: Status | None) -> None:
        self._status = status

    def __call__(self, words: str) -> None:
        """Show other words."""
        if self._status is not None:
            self._status.update(plain(words))


def plain(text: str) -> Text:
    """Text as it is: nothing in it is markup, and nothing moves the cursor."""
    return Text(printable(text))


def details(line: Line) -> Iterator[Text]:
    """Yield what stands below a check: what was seen, where, the hint, what it printed."""
    result, finding = line.result, line.result.finding
    if line.waits_for:
        yield Text(f"for {line.waits_for} to be written", "dim")
    elif result.outcome is Outcome.PASSED:
        yield from _remarks(line)
    elif finding is not None and not line.unwritten:
        yield plain(finding.message)
        if result.outcome is Outcome.SKIPPED:
            return
        yield from (plain(text) for text in finding.detail.splitlines()[:DETAIL_LINES])
        if finding.where:
            yield plain(f"at {finding.where}")
        yield from _remarks(line)
        if finding.hint:
            yield Text.assemble(("hint: ", "bold"), plain(finding.hint))
        yield from _printed(result.evidence.stdout)


def _remarks(line: Line) -> Iterator[Text]:
    if line.result.stand_ins:
        yield Text(f"with a right {' and '.join(line.result.stand_ins)} in place of yours", "dim")
    if line.result.precision == "float32":
        yield Text("in float32; in float64 it does not", "dim")


def _printed(text: str) -> Iterator[Text]:
    lines = text.strip().splitlines()
    if lines:
        left_out = [f"({len(lines) - PRINTED_LINES} lines before)"] if len(lines) > PRINTED_LINES else []
        yield Text("it printed:", "dim")
        yield from (plain(f"  {text}") for text in [*left_out, *lines[-PRINTED_LINES:]])
