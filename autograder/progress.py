"""How far a class is: a bar with rate, remaining time, faults and who is being graded; or a line of JSON for each."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from autograder.grading import why_not_graded
from autograder.records import Grade, Outcome

MOST_NAMES = 4
"""Of those that are being graded; a cluster has hundreds."""


class _Rate(ProgressColumn):
    """Submissions a minute."""

    def render(self, task: Task) -> Text:
        """Return them, or nothing as long as there is no rate."""
        return Text(f"{task.speed * 60:.3g}/min" if task.speed else "")


def bar(console: Console, *, shown: bool) -> Progress:
    """Return a bar whose task has the fields `faults`, `now` and `last`, all markup."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("[magenta]{task.fields[faults]}[/]"),
        TextColumn("{task.fields[now]}"),
        TextColumn("[dim]{task.fields[last]}[/]"),
        console=console,
        disable=not shown,
    )


def now_in_words(students: Sequence[str]) -> str:
    """`now: kim, lee`; of very many the first ones and how many more."""
    more = len(students) - MOST_NAMES
    names = ", ".join(students[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    return f"now: {names}" if names else ""


def faults_in_words(count: int) -> str:
    """`2 for a person`; nothing where there are none."""
    return f"{count} for a person" if count else ""


def score_in_words(grade: Grade) -> str:
    """`87/100`; `not graded` where what was handed in could not be read."""
    return "not graded" if why_not_graded(grade) else f"{grade.score}/{grade.out_of}"


def line(grade: Grade) -> str:
    """Return a grade as one line of JSON: what a script that runs at night wants to know."""
    failed = (
        []
        if why_not_graded(grade)
        else [each.id for each in grade.results if each.outcome not in (Outcome.PASSED, Outcome.SKIPPED)]
    )
    said = {
        "student": grade.student,
        "assignment": grade.assignment,
        "score": None if why_not_graded(grade) else grade.score,
        "out_of": grade.out_of,
        "failed": failed,
        "skipped": [each.id for each in grade.results if each.outcome is Outcome.SKIPPED],
        "needs_human": list(grade.needs_human),
        "handed_in": grade.handed_in.at.isoformat() if grade.handed_in else None,
        "attempt": grade.attempt,
        "cpu_s": round(sum(each.cpu_s for each in grade.results), 3),
    }
    return json.dumps(said, ensure_ascii=False)
