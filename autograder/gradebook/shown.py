"""Marks as people and programs read them: a table, a calculation, data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.course.problems import nearest
from autograder.errors import UsageError
from autograder.gradebook.book import Book
from autograder.gradebook.marks import Mark, Standing, State, plain
from autograder.intake import shown


def known_students(book: Book, wanted: Sequence[str]) -> tuple[str, ...]:
    """The wanted students, or all; UsageError with the nearest name for one whom nobody knows."""
    for student in wanted:
        if student not in book.students:
            raise UsageError(f"nothing is known of a student `{student}`{nearest(student, book.students)}")
    return tuple(wanted) or book.students


def table(standings: Sequence[Standing]) -> None:
    """Print one line a student: every mark, what lateness cost, the total."""
    columns = [mark.assignment for mark in standings[0].marks] if standings else []
    shown_table = Table("student", *columns, "total")
    for each in standings:
        shown_table.add_row(
            escape(shown(each.student)),
            *(escape(_cell(mark)) for mark in each.marks),
            "-" if each.total is None else f"{plain(each.total)} %",
        )
    console = Console(highlight=False)
    console.print(shown_table)
    waiting = sum(mark.provisional for each in standings for mark in each.marks)
    if waiting:
        console.print(
            f"* {waiting} marks are provisional: checks could not be graded yet; `autograder status` has more"
        )
    console.print("`autograder marks --student NAME` shows how a mark comes about.")


def _cell(mark: Mark) -> str:
    if mark.state is not State.GRADED:
        return mark.state.value
    late = f" ({mark.lateness.short})" if mark.lateness and mark.lateness.days else ""
    return f"{plain(mark.points)}{'*' if mark.provisional else ''}{late}"


def calculation(standing: Standing) -> str:
    """Every step for one student, a line each."""
    lines = [shown(standing.student)]
    for mark in standing.marks:
        lines += [f"  {mark.assignment}", *(f"    {shown(step, 400)}" for step in mark.calculation)]
    return "\n".join([*lines, f"  total: {standing.calculation}"])


def as_data(standing: Standing) -> dict[str, Any]:
    """The standing in JSON's own types; points are numbers with at most two decimals."""
    return {
        "student": standing.student,
        "total": None if standing.total is None else float(standing.total),
        "calculation": standing.calculation,
        "marks": [_mark_as_data(mark) for mark in standing.marks],
    }


def _mark_as_data(mark: Mark) -> dict[str, Any]:
    late = mark.lateness
    return {
        "assignment": mark.assignment,
        "state": mark.state.value,
        "points": float(mark.points),
        "out_of": mark.out_of,
        "late": late and {"days": late.days, "percent": late.percent, "late_days": late.late_days, "words": late.short},
        "provisional": mark.provisional,
        "calculation": list(mark.calculation),
    }
