"""The models that are compared: the modules of the assignments, reference solutions or a student's own files."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from autograder.course.load import ASSIGNMENT_FILE, RELEASED, assignment_folders
from autograder.errors import UsageError

SOLUTIONS = "solutions"


class NotThere(Exception):
    """A model that a measurement needs is missing or cannot be imported; the message says why."""


@dataclass(frozen=True, slots=True)
class Works:
    """Where the files lie, and whose they are: a student's own run at the student's home alone."""

    folders: tuple[Path, ...]
    """One an assignment, named after it."""
    whose: str
    """For the reader: "the reference solutions" or "your own files"."""

    @staticmethod
    def around(here: Path) -> Works:
        """Return the reference solutions where there are some, else the student's own files.

        So the files of a student are never run in a course's own folder, where solutions and secrets lie; in the kit
        there are neither. Raises UsageError where there is nothing of both.
        """
        here = here.absolute()
        for folder in (here, *here.parents):
            if (folder / SOLUTIONS).is_dir():
                return Works(assignment_folders(folder / SOLUTIONS), "the reference solutions")
            if (folder / RELEASED).is_dir():
                return Works(assignment_folders(folder / RELEASED), "your own files")
        where = f"there is neither {SOLUTIONS}/ nor {RELEASED}/ in {here} or above it"
        raise UsageError(f"{where}; go to the course's folder")

    def open(self) -> None:
        """Let the files find each other, as assignments that build on earlier ones do. For a process of their own."""
        sys.path[:0] = [str(folder) for folder in self.folders]

    def module(self, assignment: str, file: str) -> Any:
        """Return the module `file` of an assignment. Raises NotThere."""
        if not any(folder.name == assignment and (folder / ASSIGNMENT_FILE).is_file() for folder in self.folders):
            raise NotThere(f"{assignment} is not part of this course yet")
        try:
            module: ModuleType = importlib.import_module(file)
        except Exception as error:  # a student's file may raise anything
            raise NotThere(f"{assignment}/{file}.py cannot be imported: {type(error).__name__}: {error}") from error
        return module
