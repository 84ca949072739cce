"""Marks as people and programs read them: a table, a calculation, data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import compress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.course.problems import nearest
from autograder.errors import UsageError
from autograder.gradebook.book import Book
from autograder.gradebook.marks import Mark, Standing, State, plain, provisional_in_words
from autograder.gradebook.regrading import Preview
from autograder.intake import shown
from autograder.ledger import read_results
from autograder.records import Grade, JournalEntry


def known_students(book: Book, wanted: Sequence[str]) -> tuple[str, ...]:
    """The wanted students, or all; UsageError with the nearest name for one whom nobody knows."""
    for student in wanted:
        if student not in book.students:
            raise UsageError(f"nothing is known of a student `{student}`{nearest(student, book.students)}")
    return tuple(wanted) or book.students


def known_results(folder: Path, wanted: Sequence[str]) -> dict[str, Grade]:
    """The grades of the wanted students, or all, by student; UsageError for a student who has none."""
    found, broken = read_results(folder)
    grades = {grade.student: grade for grade in found}
    for student in wanted:
        if student not in grades:
            raise UsageError(f"{folder} holds no result of `{student}`{nearest(student, grades)}")
    if broken or not grades:
        advice = "`autograder grade` makes results"
        raise UsageError("\n".join(broken) or f"{folder} holds no result yet; {advice}")
    return {student: grade for student, grade in grades.items() if not wanted or student in wanted}


def preview_in_words(assignment: str, found: Preview, left: Mapping[str, str]) -> str:
    """What a regrade changes: how many gain and lose, at which checks, and for each student why."""
    lines = [f"regrade of {assignment}: {found.up} up, {found.down} down, {found.same} the same"]
    lines += [f"  {check}: {up} up, {down} down" for check, (up, down) in found.by_check().items()]
    for each in found.differences:
        under = f" ({'; '.join(each.under)})" if each.under else ""
        lines.append(f"{shown(each.student)}: {each.before} -> {each.after}{under}")
        lines += [f"  {shown(change.words, 400)}" for change in each.changes]
    lines += [f"not graded again: {shown(student)}: {shown(why, 400)}" for student, why in left.items()]
    return "\n".join(lines)


def preview_as_data(found: Preview, left: Mapping[str, str]) -> dict[str, Any]:
    """The same in JSON's own types."""
    return {
        "up": found.up,
        "down": found.down,
        "same": found.same,
        "differences": [asdict(each) for each in found.differences],
        "not_graded_again": dict(left),
    }


def decision_in_words(entry: JournalEntry) -> str:
    """`kim, a1_rnn, test_run: points 12.5 instead of 0`."""
    place = ", ".join(filter(None, (shown(entry.student), entry.assignment, entry.check)))
    return f"{place}: {entry.kind} {_quoted(entry.value)} instead of {_quoted(entry.old)}"


def _quoted(value: str | None) -> str:
    return "nothing" if value is None else shown(value, 400)


def request_in_words(entry: JournalEntry) -> str:
    """`#3 kim, a1_rnn (2027-03-25, by lee): look at test_run again`."""
    place = ", ".join(filter(None, (shown(entry.student), entry.assignment, entry.check)))
    return f"#{entry.number} {place} ({entry.at:%Y-%m-%d}, by {shown(entry.who)}): {shown(entry.value or '', 2000)}"


def request_as_data(entry: JournalEntry) -> dict[str, Any]:
    """The same in JSON's own types."""
    names = ("number", "student", "assignment", "check", "who")
    return {name: getattr(entry, name) for name in names} | {"at": entry.at.isoformat(), "text": entry.value}


def table(standings: Sequence[Standing]) -> None:
    """Print one line a student: every mark, what lateness cost, the total; no column of what is open for everyone."""
    columns = [mark.assignment for mark in standings[0].marks] if standings else []
    wanted = [any(each.marks[n].state is not State.OPEN for each in standings) for n in range(len(columns))]
    shown_table = Table("student", *compress(columns, wanted), "total")
    for each in standings:
        shown_table.add_row(
            escape(shown(each.student)),
            *(escape(_cell(mark)) for mark in compress(each.marks, wanted)),
            "-" if each.total is None else f"{plain(each.total)} %",
        )
    console = Console(highlight=False)
    console.print(shown_table)
    if rest := [name for name, shows in zip(columns, wanted, strict=True) if not shows]:
        console.print(f"not due yet, and nothing graded: {', '.join(rest)}")
    if waiting := provisional_in_words(mark for each in standings for mark in each.marks):
        console.print(f"* {waiting}; `autograder status` has more")
    for mark in (mark for each in standings for mark in each.marks):
        for words in mark.attention:
            console.print(f"look again: {escape(shown(f'{mark.student}, {mark.assignment}: {words}', 400))}")
    console.print("`autograder marks --student NAME` shows how a mark comes about.")


def _cell(mark: Mark) -> str:
    if mark.state is not State.GRADED:
        return f"{mark.state}{'*' if mark.provisional else ''}"
    late = f" ({mark.lateness.short})" if mark.lateness and mark.lateness.days else ""
    return f"{plain(mark.points)}{'*' if mark.provisional else ''}{late}"


def calculation(standing: Standing) -> str:
    """Every step for one student, a line each."""
    lines = [shown(standing.student)]
    for mark in standing.marks:
        lines += [f"  {mark.assignment}", *(f"    {shown(step, 400)}" for step in mark.calculation)]
        lines += [f"    comment{f' on {check}' if check else ''}: {shown(said, 2000)}" for check, said in mark.comments]
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
        "comments": [{"check": check, "text": said} for check, said in mark.comments],
        "attention": list(mark.attention),
    }
