"""Marks into the files of others: an LMS' own CSV filled in, nbgrader's and plain CSV, JSON."""

from __future__ import annotations

from autograder.export.fill import Filled, Marks, canvas, moodle
from autograder.export.lists import nbgrader_csv, plain_csv
from autograder.export.sheet import Sheet, read_sheet, written

__all__ = ["Filled", "Marks", "Sheet", "canvas", "moodle", "nbgrader_csv", "plain_csv", "read_sheet", "written"]
