"""Reads course.yml, assignment.yml and the check files into records; runs nothing and imports no torch."""

from __future__ import annotations

from autograder.course.extensions import add_extensions, load_extensions
from autograder.course.load import find_course, load_assignment, load_assignments, load_course, solution_digest
from autograder.course.roster import load_roster

__all__ = [
    "add_extensions",
    "find_course",
    "load_assignment",
    "load_assignments",
    "load_course",
    "load_extensions",
    "load_roster",
    "solution_digest",
]
