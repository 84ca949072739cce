"""What an instructor sees in the terminal: progress while it runs, tables afterwards; or JSON."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from rich.console import Console
from rich.markup import escape as escape_markup
from rich.progress import Progress, TaskID
from rich.table import Table

from autograder.grading import is_provisional, why_not_graded
from autograder.names import json_on_a_terminal
from autograder.progress import bar, faults_in_words, line, now_in_words, score_in_words
from autograder.records import Assignment, Diagnosis, Grade, Outcome
from autograder.sandbox.faults import printable
from autograder.wording import SOURCE, Wording, wording_in

if TYPE_CHECKING:
    from autograder.audit import Verdict
    from autograder.feedback import Written
    from autograder.naming import Naming
    from autograder.proof import Calibration

LETTERS = {
    Outcome.PASSED: "[green]passed[/]",
    Outcome.FAILED: "[red]failed[/]",
    Outcome.CRASHED: "[red]crashed[/]",
    Outcome.TIMED_OUT: "[red]timed out[/]",
    Outcome.OUT_OF_MEMORY: "[red]out of memory[/]",
    Outcome.SKIPPED: "[yellow]not run[/]",
    Outcome.GRADER_ERROR: "[bold magenta]grader error[/]",
}


MOST_SHOWN = 4_000
"""Characters of one text: a reason or a name of a megabyte would bury all others."""


def escape(text: str) -> str:
    """Text as it is: nothing in it is markup, nothing moves the cursor, and it comes to an end."""
    cut = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}... (cut: {len(text):,} characters)"
    return escape_markup(printable(cut))


class Screen:
    """Prints for people, or JSON for machines; progress goes to stderr.

    Quiet, each grade is one line of JSON as soon as it stands, and there is nothing else but what is wrong.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, wording: Wording | None = None) -> None:
        self._json = as_json
        self._quiet = quiet
        self._faults = 0
        self._wording = wording or wording_in(SOURCE)
        self._console = Console(highlight=False)
        self._errors = Console(stderr=True, highlight=False)
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def say(self, words: str) -> None:
        """Print one line, beside the data."""
        self._errors.print(escape(words))

    @contextmanager
    def progress(self, assignment: Assignment, total: int, missing: Sequence[str]) -> Iterator[None]:
        """Show how far a run is, for the length of a block."""
        if missing:
            self._errors.print(
                f"[bold yellow]best effort:[/] not confined as it should be; missing {escape('; '.join(missing))}"
            )
        self._faults = 0
        with bar(self._errors, shown=self._errors.is_terminal and not self._quiet) as self._progress:
            self._task = self._progress.add_task(assignment.id, total=total, faults="", now="", last="")
            yield
        self._progress = None

    def advance(self, grade: Grade) -> None:
        """One submission is graded."""
        if self._quiet:
            click_echo(line(grade))
        self._faults += bool(grade.needs_human)
        self._step(f"{grade.student} {score_in_words(grade)}")

    def running(self, students: Sequence[str]) -> None:
        """These are being graded now."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, now=escape(now_in_words(students)))

    def advance_page(self, name: str) -> None:
        """One page is written."""
        self._step(name)

    def pages(self, written: Written) -> None:
        """Print where pages are, which results could not be read, and what is kept from students."""
        if self._json:
            pages = [str(path) for path in written.pages]
            click_echo(json.dumps({"pages": pages, "problems": written.problems, "remarks": written.remarks}))
            return
        for problem in written.problems:
            self._errors.print(f"[magenta]no page:[/] {escape(problem)}")
        count, first = len(written.pages), written.pages[0]
        where = str(first) if count == 1 else f"{count} pages in {first.parent}"
        self._console.print(f"written: {escape(where)}", soft_wrap=True)
        for remark in written.remarks:
            self.say(remark)

    def advance_audit(self, verdict: Verdict) -> None:
        """One trial of an audit is over."""
        self._step(f"{verdict.trial.kind} {verdict.trial.variant.id} {verdict.grade.score}")

    def advance_calibration(self, name: str) -> None:
        """One training run of a calibration is over."""
        self.say(f"calibrated with {name}")

    def _step(self, words: str) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=1, last=escape(words), faults=faults_in_words(self._faults))

    def grades(self, assignment: Assignment, grades: Sequence[Grade], folder: Path) -> None:
        """Print one line a submission: score, what went wrong, what a human must look at."""
        if self._json:
            self._dump(grades)
        if self._json or self._quiet or not grades:
            return
        table = Table(title=escape(f"{assignment.title} ({assignment.id})"))
        for name, style in (
            ("student", ""),
            ("score", "bold"),
            ("checks", ""),
            ("first thing to mend", ""),
            ("s", "dim"),
        ):
            table.add_column(name, style=style, justify="right" if name in ("score", "s") else "left", overflow="fold")
        for grade in grades:
            table.add_row(*_row(grade))
        self._console.print(table)
        self._console.print(f"{len(grades)} results in {escape(str(folder))}, one JSON file a student")
        for grade in grades:
            own = {part.words for part in grade.earlier if not part.why_stand_in}
            for note in [note for note in grade.notes if note not in own]:
                self._console.print(f"[dim]{escape(grade.student)}: {escape(note)}[/]")
        for grade in grades:
            if grade.needs_human:
                self._console.print(
                    f"[magenta]a human must look at {escape(grade.student)}:[/] {escape('; '.join(grade.needs_human))}"
                )

    def grader_failed(self, grades: Sequence[Grade]) -> bool:
        """Whether any check ended in a fault of ours."""
        return any(is_provisional(grade) for grade in grades)

    def status(self, grades: Sequence[Grade], folder: Path) -> None:
        """Print how a graded class stands."""
        if self._json:
            self._dump(grades)
            return
        _, where = self._wording, {"folder": escape(str(folder))}
        if not grades:
            told = _("nothing is graded yet in %(folder)s; `autograder grade ASSIGNMENT FOLDER` does it")
            self._console.print(told % where)
            return
        graded = [grade for grade in grades if not why_not_graded(grade)]
        if scores := sorted(grade.score for grade in graded):
            told = _("%(count)s graded in %(folder)s: from %(low)s to %(high)s, median %(median)s")
            counts = {"count": len(scores), "low": scores[0], "high": scores[-1], "median": f"{median(scores):g}"}
            self._console.print(told % {**where, **counts})
        if left := len(grades) - len(graded):
            self._console.print(
                _("not graded, since what was handed in could not be read: %(count)s") % {"count": left}
            )
        waiting = [grade for grade in grades if grade.needs_human]
        for grade in waiting:
            reasons = "; ".join(map(_.said, grade.needs_human))
            head = _("waits for a human:")
            self._console.print(f"[magenta]{head}[/] {escape(grade.student)}: {escape(reasons)}")
        weak = {grade.run.missing for grade in grades if grade.run.missing}
        for missing in weak:
            head = _("graded without full confinement:")
            self._console.print(f"[yellow]{head}[/] {escape('; '.join(missing))}")
        self._console.print(_per_check(graded, _))
        if (mistakes := _per_mistake(grades, _)).row_count:
            self._console.print(mistakes)

    def audit(self, assignment: Assignment, verdicts: Sequence[Verdict]) -> None:
        """Print what an audit showed, each fault in full."""
        if self._json:
            rows = [
                {
                    "kind": v.trial.kind,
                    "id": v.trial.variant.id,
                    "round": v.trial.round,
                    "score": v.grade.score,
                    "caught_by": v.caught_by,
                    "fault": v.fault,
                }
                for v in verdicts
            ]
            click_echo(json.dumps(rows))
            return
        table = Table(title=escape(f"audit of {assignment.id}"))
        for name in ("program", "secret", "score", "did not pass"):
            table.add_column(name, overflow="fold", justify="right" if name in ("secret", "score") else "left")
        for v in sorted(verdicts, key=lambda v: (v.trial.kind, v.trial.variant.id, v.trial.round)):
            caught = ", ".join(v.caught_by) if len(v.caught_by) < 9 else f"{len(v.caught_by)} checks"
            mark = "[red]✗[/]" if v.fault else "[green]✓[/]"
            name = f"{mark} {v.trial.kind}: {escape(v.trial.variant.id)}"
            score = "" if v.trial.kind == "mistake" else str(v.grade.score)  # tried on few checks
            table.add_row(name, str(v.trial.round), score, escape(caught))
        self._console.print(table)
        for v in verdicts:
            if v.fault:
                self._console.print(f"[red]{v.trial.kind} {escape(v.trial.variant.id)}:[/] {escape(v.fault)}")
        faults = sum(bool(v.fault) for v in verdicts)
        self._console.print(f"{len(verdicts)} programs, {faults} faults")

    def calibration(self, figures: Sequence[Calibration]) -> None:
        """Print where each training bound lies between right work and the mistakes that training shows."""
        for each in figures:
            self._console.print(f"{'[red]✗[/]' if each.fault else '[green]✓[/]'} {escape(each.in_words())}")

    def naming(self, assignment: Assignment, found: Naming) -> None:
        """Print how known mistakes were named, and each that was not named first."""
        if self._json:
            click_echo(TypeAdapter(Any).dump_json(found).decode())
            return
        self._console.print(f"{assignment.id}: {found.in_words()}")
        for id_, row in found.behind.items():
            others = ", ".join(f"{name} ({count})" for name, count in row["instead"].items())
            self._console.print(escape(f"  {id_}: {row['how']}" + (f"; named was {others}" if others else "")))
        for id_, named in found.missed.items():
            self._console.print(escape(f"  pair {id_}: named {', '.join(named) or 'nothing'}"))

    def _dump(self, grades: Sequence[Grade]) -> None:
        click_echo(TypeAdapter(list[Any]).dump_json(list(grades)).decode())


def click_echo(text: str) -> None:
    """Write data to stdout: JSON."""
    sys.stdout.write(json_on_a_terminal(text) + "\n")
    sys.stdout.flush()  # whoever follows a night's run through a pipe sees each line


def _row(grade: Grade) -> tuple[str, ...]:
    """A bonus may stay empty: it is counted apart, and nothing that anybody has to mend."""
    if why := why_not_graded(grade):
        return escape(grade.student), "not graded", "", escape(why), ""
    settled = (Outcome.PASSED, Outcome.SKIPPED)
    left = [r for r in grade.results if not r.points and r.outcome not in (Outcome.PASSED, Outcome.GRADER_ERROR)]
    counts = Counter(r.outcome for r in grade.results if r not in left)
    words = [f"{counts[outcome]} {LETTERS[outcome]}" for outcome in Outcome if counts[outcome]]
    words += [f"{len(left)} bonus not passed"] if left else []
    first = next((r for r in grade.results if r.outcome not in settled and r not in left), None)
    mend = ""
    if first and first.finding:
        whole = first.finding.kind == "loading"  # then it is no check's own affair
        mend = ("" if whole else f"{first.id}: ") + first.finding.message.partition("\n")[0]
    if first and first.diagnosis and first.diagnosis.distance == 0:
        mend += f" [{_named(first.diagnosis)}]"
    used = sum(result.cpu_s for result in grade.results)
    return escape(grade.student), score_in_words(grade), ", ".join(words), escape(mend), f"{used:.1f}"


def _named(diagnosis: Diagnosis) -> str:
    """`rnn.no_bhh`, `rnn.no_bhh and rnn.wh_T`, `rnn.no_bhh or rnn.wh_T`."""
    return " or ".join([" and ".join(diagnosis.mistakes), *diagnosis.also])


def _certain(grade: Grade) -> set[str]:
    found = [result.diagnosis for result in grade.results if result.diagnosis and result.diagnosis.certain]
    return {name for diagnosis in found for name in diagnosis.mistakes}


def _per_mistake(grades: Sequence[Grade], _: Wording) -> Table:
    """The mistakes that were named for certain, those of most students first."""
    made = Counter(name for grade in grades for name in _certain(grade))
    table = Table(_("mistake"), _("students"))
    for name, count in sorted(made.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(escape(name), str(count))
    return table


def _per_check(grades: Sequence[Grade], _: Wording) -> Table:
    table = Table(_("check"), _("passed"), _("failed"), _("not run"), _("grader error"))
    for id_ in dict.fromkeys(result.id for grade in grades for result in grade.results):
        results = [result for grade in grades for result in grade.results if result.id == id_]
        passed, skipped, ours = (
            sum(r.outcome is o for r in results) for o in (Outcome.PASSED, Outcome.SKIPPED, Outcome.GRADER_ERROR)
        )
        table.add_row(escape(id_), str(passed), str(len(results) - passed - skipped - ours), str(skipped), str(ours))
    return table
