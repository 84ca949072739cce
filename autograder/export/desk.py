"""The verb `export`: the gradebook into a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from autograder.course import load_assignment
from autograder.disk import write_whole
from autograder.errors import ConfigurationError, UsageError
from autograder.export.canvas import canvas
from autograder.export.filling import Marks
from autograder.export.lists import nbgrader_csv, plain_csv
from autograder.export.moodle import moodle
from autograder.export.sheet import read_sheet, written
from autograder.gradebook import Book, Standing
from autograder.gradebook.granting import term_of
from autograder.gradebook.marks import provisional_in_words
from autograder.gradebook.shown import as_data

_PLACES = {"csv": "marks.csv", "json": "marks.json", "nbgrader": "grades.csv"}
"""Where lists of marks go by default; nbgrader's is its own name."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    path: Path
    count: int
    """Marks."""
    remarks: tuple[str, ...]


def export_marks(
    book: Book, kind: str, assignment: str | None, into: Path | None, out: Path | None, column: str, now: datetime
) -> Exported:
    """Write the marks at `now` as `kind` and return what was written. UsageError where something is missing."""
    standings = [book.standing(student, now) for student in book.students]
    if kind in {"canvas", "moodle"}:
        return _filled(book, kind, assignment, into, out, column, standings)
    if assignment or into or column:
        raise UsageError(f"{kind} holds all marks of the term: leave ASSIGNMENT, --into and --column out")
    path = out or book.course.root / _PLACES[kind]
    if kind == "json":
        content = (json.dumps([as_data(each) for each in standings], ensure_ascii=False, indent=1) + "\n").encode()
    else:
        content = (nbgrader_csv if kind == "nbgrader" else plain_csv)(book, standings)
    write_out(path, content)
    waiting = provisional_in_words(mark for each in standings for mark in each.marks)
    remarks = (waiting,) if waiting else ()
    return Exported(path, sum(mark.counts for each in standings for mark in each.marks), remarks)


def _filled(
    book: Book,
    kind: str,
    assignment: str | None,
    into: Path | None,
    out: Path | None,
    column: str,
    standings: Sequence[Standing],
) -> Exported:
    if not assignment or into is None:
        raise UsageError(f"`export {kind}` needs an ASSIGNMENT, and with --into the CSV that the LMS exported")
    term_of(book.course, assignment)
    path = out or into.with_name(f"{into.stem}.filled{into.suffix}")
    if path.exists() and path.samefile(into):
        raise UsageError(f"{path} is the LMS' own file; name another one with --out, to be able to compare them")
    marks = {each.student: each.mark(assignment) for each in standings}
    wanted = Marks((column,) if column else (assignment, _title(book, assignment)), marks, book.roster)
    filled = (canvas if kind == "canvas" else moodle)(read_sheet(into), wanted)
    write_out(path, written(filled.sheet))
    return Exported(path, filled.count, filled.remarks)


def _title(book: Book, assignment: str) -> str:
    """The assignment's title; its id where its folder cannot be read, which is nothing that marks depend on."""
    try:
        return load_assignment(book.course.root / "solutions" / assignment).title
    except ConfigurationError:
        return assignment


def write_out(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, with the folders above it. UsageError where it cannot be written."""
    try:
        write_whole(path.absolute(), content)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); name another place with --out") from error
