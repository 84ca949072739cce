"""Notebooks that were handed in where a module is due: their definitions become one, and lines keep their places."""

from __future__ import annotations

from autograder.notebooks.apart import MAX_NOTEBOOK, convert
from autograder.notebooks.cells import NotebookError
from autograder.notebooks.guard import guarded
from autograder.notebooks.module import Module, to_module
from autograder.notebooks.places import in_cells

__all__ = ["MAX_NOTEBOOK", "Module", "NotebookError", "convert", "guarded", "in_cells", "to_module"]
