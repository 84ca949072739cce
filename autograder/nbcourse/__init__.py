"""One folder for two programs: our course as nbgrader sees it, with its notebooks, its database and its feedback."""

from __future__ import annotations

from autograder.nbcourse.folder import Prepared, prepare

__all__ = ["Prepared", "prepare"]
