"""nbgrader's folders and database of a course, as its own configuration names them, and our files in them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.coursedir import CourseDirectory
from traitlets.config.loader import ConfigFileNotFound, load_pyconfig_files

from autograder.disk import write_whole
from autograder.errors import LedgerError, UsageError
from autograder.ledger import write_private
from autograder.nbcourse.folder import CONFIG
from autograder.nbcourse.merging import Decisions, Place
from autograder.records import EntryKind

HANDED = ("timestamp.txt", "submission_secret.txt")
"""What nbgrader's exchange writes beside a hand-in, and asks for beside what it gives back."""


@dataclass(frozen=True, slots=True)
class Places:
    """The course's folder in nbgrader's eyes."""

    course: CourseDirectory

    @staticmethod
    def of(root: Path) -> Places:
        """The places of the course in `root`. UsageError where nbgrader knows nothing of it yet."""
        try:
            config = load_pyconfig_files([CONFIG], str(root))
        except ConfigFileNotFound:
            config = None
        if config is None or not (root / CONFIG).is_file():
            raise UsageError(f"{root} has no {CONFIG}; `autograder release --nbgrader` makes it a course of nbgrader")
        course = CourseDirectory(config=config)
        return Places(course)

    def submitted(self, student: str, assignment: str) -> Path:
        """Where nbgrader collects a hand-in."""
        return self._path(self.course.submitted_directory, student, assignment)

    def autograded(self, student: str, assignment: str) -> Path:
        """What formgrader shows, and serves."""
        return self._path(self.course.autograded_directory, student, assignment)

    def feedback(self, student: str, assignment: str) -> Path:
        """What `nbgrader release_feedback` gives back."""
        return self._path(self.course.feedback_directory, student, assignment)

    def _path(self, step: str, student: str, assignment: str) -> Path:
        return Path(self.course.format_path(step, student, assignment))

    def open(self) -> Any:
        """The gradebook of nbgrader, a context manager. UsageError where its database cannot be had."""
        from nbgrader.api import Gradebook
        from sqlalchemy.exc import SQLAlchemyError

        find_programs()
        try:
            return Gradebook(self.course.db_url, self.course.course_id)
        except (SQLAlchemyError, OSError) as error:
            first = str(error).partition("\n")[0]
            raise UsageError(f"nbgrader's database cannot be opened ({first}); see db_url in {CONFIG}") from error


def find_programs() -> None:
    """Let programs be found that lie beside this Python: nbgrader asks `alembic` for the version of a new database."""
    here, path = str(Path(sys.executable).parent), os.environ.get("PATH", "")
    if here not in path.split(os.pathsep):
        os.environ["PATH"] = f"{here}{os.pathsep}{path}"


def read_plain_file(path: Path, limit: int) -> bytes | None:
    """A file that a student handed in; None where it is none, a link, or too large."""
    from autograder.errors import SubmissionError
    from autograder.intake.sources import read_plain

    try:
        return read_plain(path, limit)
    except (OSError, SubmissionError):
        return None


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make `folder` hold these files and nothing else; LedgerError where the disk refuses.

    Each file is replaced in one step. Whatever else lies there goes: it would be served beside formgrader's pages.
    """
    try:
        sweep(folder, keep=frozenset(files))
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_whole(folder / name, content, forced=False)
    except OSError as error:
        raise LedgerError(f"{folder} cannot be written ({error.strerror}); free space or mend permissions") from error


def sweep(folder: Path, keep: frozenset[str] = frozenset()) -> None:
    """Remove what lies in `folder` but plain files of these names; links are removed, not followed."""
    if folder.is_symlink():
        folder.unlink()
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in keep or path.is_symlink():
            path.unlink()


@dataclass(frozen=True, slots=True)
class Base:
    """What stood in both places after the last sync of an assignment."""

    decisions: Decisions
    rows: Mapping[str, str]
    """Student -> the id of their row in the database."""


def read_base(root: Path, assignment: str) -> Base:
    """The base of the next sync; LedgerError where its file is none."""
    path = _base_file(root, assignment)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        decisions = {Place(s, EntryKind(k), c): str(value) for s, k, c, value in kept["decisions"]}
        return Base(decisions, {str(student): str(row) for student, row in kept["rows"].items()})
    except FileNotFoundError:
        return Base({}, {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        advice = "move it away, and decisions that differ in formgrader and marks.jsonl are shown as conflicts"
        raise LedgerError(f"{path} cannot be read ({error}); {advice}") from error


def write_base(root: Path, assignment: str, base: Base) -> None:
    """Keep it."""
    rows = [[p.student, p.kind.value, p.check, value] for p, value in sorted(base.decisions.items())]
    content = json.dumps({"format": 1, "decisions": rows, "rows": dict(base.rows)}, ensure_ascii=False, indent=0)
    write_private(_base_file(root, assignment), content.encode())


def _base_file(root: Path, assignment: str) -> Path:
    return root / ".autograder" / "nbgrader" / f"{assignment}.json"
