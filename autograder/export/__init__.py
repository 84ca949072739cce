"""Marks into the files of others: an LMS' own CSV filled in, nbgrader's and plain CSV, JSON."""

from __future__ import annotations

from autograder.export.canvas import canvas
from autograder.export.filling import Filled, Marks
from autograder.export.lists import nbgrader_csv, plain_csv
from autograder.export.moodle import moodle
from autograder.export.sheet import Sheet, read_sheet, written

__all__ = ["Filled", "Marks", "Sheet", "canvas", "moodle", "nbgrader_csv", "plain_csv", "read_sheet", "written"]
