"""Builds the students' folder of an assignment from a whitelist, and refuses to release what would leak."""

from __future__ import annotations

from autograder.release.kit import Kit, make_kit
from autograder.release.leaks import Leak, scan
from autograder.release.solutions import Solved, release_solutions
from autograder.release.steps import Released, release, stale, write
from autograder.release.whitelist import build, stub_files

__all__ = [
    "Kit",
    "Leak",
    "Released",
    "Solved",
    "build",
    "make_kit",
    "release",
    "release_solutions",
    "scan",
    "stale",
    "stub_files",
    "write",
]
