"""Who takes part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Person:
    """One line of roster.csv."""

    student: str
    """The id that results, marks and extensions go by."""
    name: str = ""
    email: str = ""
    other_ids: tuple[str, ...] = ()
    """What an LMS calls this student: Canvas' ID, Moodle's participant number, a SIS id."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Assignment, or "" for all others -> group."""

    def group(self, assignment: str) -> str:
        """The group for an assignment; empty: alone."""
        return self.groups.get(assignment, self.groups.get("", ""))
