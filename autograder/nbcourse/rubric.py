"""What nbgrader calls a cell is a check here: names and points of the graded cells of an assignment. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from autograder.records import Assignment, Check

WRITTEN = "written"
"""The task cell, which stands for the assignment as a whole: its comment, and points that only people give."""


@dataclass(frozen=True, slots=True)
class Item:
    """One graded cell."""

    cell: str
    """Its name in notebooks and in the database."""
    check: str
    title: str
    points: int
    public: bool


def items_of(assignment: Assignment) -> tuple[Item, ...]:
    """A cell for each check, in the checks' order."""
    return tuple(
        Item(cell_of(assignment, check), check.id, check.title, check.points, check.public)
        for check in assignment.checks
    )


def cell_of(assignment: Assignment, check: Check) -> str:
    """The name of a check's cell. Students see it, so that of a hidden check says nothing; others may come and go."""
    if check.public:
        return check.id
    return f"hidden-{hashlib.sha256(f'{assignment.id}/{check.id}'.encode()).hexdigest()[:8]}"
