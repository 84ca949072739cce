"""The notebook that carries an assignment through nbgrader: a graded cell for each check, a task cell for people.

Work is written in the assignment's .py file, which lies beside it. nbgrader passes over folders without a notebook and
hangs scores, comments and extra credit on cells; so there is one. What is graded is never read from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nbformat

from autograder.nbcourse.rubric import WRITTEN, Item, items_of
from autograder.records import Assignment, Term

_KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
ANSWER = "written-answer"
"""The id of the cell under the task that a student writes in."""
PLACEHOLDER = "*Your answer:*"
STUB = "# Nothing is written here: this cell carries the score."


@dataclass(frozen=True, slots=True)
class Report:
    """What is said below a graded cell."""

    plain: str
    html: str
    """Escaped."""


def source_notebook(assignment: Assignment, term: Term) -> Any:
    """The instructor's version, for `source/`: what `nbgrader generate_assignment` makes the students' version of."""
    files = " and ".join(f"`{name}`" for name in assignment.files)
    intro = (
        f"# {assignment.title}\n\nThe task stands in `handout.md`. Write your work in {files}, beside this notebook, "
        f"and hand in both: this notebook carries the scores and the written answer.\n\n"
        f"Run `autograder check` in this folder as often as you like; it runs the public checks."
    )
    cells = [_markdown(intro, "about"), *(_graded(item, _asked(item, assignment)) for item in items_of(assignment))]
    return _notebook([*cells, _task(_written_task(term), term.written), _markdown(PLACEHOLDER, ANSWER)])


def graded_notebook(term: Term, head: Report, reports: Sequence[tuple[Item, Report]], answer: str) -> Any:
    """What formgrader shows of a graded submission: written by us from results, with no cell of the student's in it.

    `answer` is the student's text under the task; it stands as plain text in an output, which is shown escaped.
    """
    shown = [_code("# What was graded, and how", "about", head)]
    shown += [
        _graded(item, f"# {_one_line(item.title)}\n# {item.check}, {_points(item.points)}", report)
        for item, report in reports
    ]
    shown.append(_task(_written_task(term), term.written))
    shown.append(_code("# The student's answer, as text", ANSWER, Report(answer or "(nothing was written)", "")))
    return _notebook(shown)


def _asked(item: Item, assignment: Assignment) -> str:
    """What a student reads in a graded cell: of a hidden check its points."""
    title = _one_line(item.title) if item.public else "A hidden check: it runs after you hand in."
    return f"# {title}\n# {_points(item.points)}, for {assignment.files[0]}.\n### BEGIN SOLUTION\n### END SOLUTION"


def _written_task(term: Term) -> str:
    worth = f"{_points(term.written)}, on top of the others" if term.written else "no points of its own"
    return (
        "## In your own words\n\nWhat did the experiments of the handout show you, and what surprised you? Write your "
        f"answer in the cell below; a person reads it ({worth})."
    )


def _points(points: int) -> str:
    return f"{points} point{'' if points == 1 else 's'}" if points else "no points"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _notebook(cells: list[dict[str, Any]]) -> Any:
    """The cells as a notebook. nbformat's own makers of cells validate each by itself: half of all the time."""
    whole = {"cells": cells, "metadata": _KERNEL, "nbformat": 4, "nbformat_minor": 5}
    return nbformat.from_dict(whole)


def _markdown(text: str, name: str, **metadata: object) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": metadata, "source": text}


def _code(text: str, name: str, report: Report | None, **metadata: object) -> dict[str, Any]:
    outputs = [_displayed(report)] if report else []
    return {
        "cell_type": "code",
        "id": name,
        "metadata": metadata,
        "source": text,
        "outputs": outputs,
        "execution_count": None,
    }


def _displayed(report: Report) -> dict[str, Any]:
    data = {"text/plain": report.plain} | ({"text/html": report.html} if report.html else {})
    return {"output_type": "display_data", "data": data, "metadata": {}}


def _graded(item: Item, text: str, report: Report | None = None) -> dict[str, Any]:
    about = {"grade": True, "solution": True, "task": False, "points": item.points, "cell_type": "code"}
    return _code(text, item.cell, report, nbgrader=_named(item.cell, about))


def _task(text: str, points: int) -> dict[str, Any]:
    about = {"grade": False, "solution": False, "task": True, "points": points, "cell_type": "markdown"}
    return _markdown(text, WRITTEN, nbgrader=_named(WRITTEN, about))


def _named(cell: str, about: dict[str, object]) -> dict[str, object]:
    return {"schema_version": 3, "grade_id": cell, "locked": False, **about}
