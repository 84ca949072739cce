"""Reads course.yml, assignment.yml and the check files into records; runs nothing and imports no torch."""

from __future__ import annotations

from autograder.course.load import find_course, load_assignment, load_assignments, load_course, solution_digest

__all__ = ["find_course", "load_assignment", "load_assignments", "load_course", "solution_digest"]
