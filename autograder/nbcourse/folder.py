"""Makes the course's folder one of nbgrader, too: its `source/`, and the configuration that calls our engine."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder.course import load_assignment, load_course
from autograder.disk import write_whole
from autograder.errors import ReleaseError
from autograder.gradebook.granting import term_of
from autograder.nbcourse.carrier import source_notebook
from autograder.records import Assignment, Term
from autograder.release import build
from autograder.release.folder import place
from autograder.release.steps import folders, refuse_leaks

CONFIG = "nbgrader_config.py"
_CALL = "autograder.nbcourse.config"
_TEMPLATE = """# nbgrader's configuration of this course: yours to extend, above or below the call. Written once by
# `autograder release --nbgrader`; the call makes `nbgrader autograde` and formgrader use the course's own grader.
from autograder.nbcourse.config import configure

c = get_config()  # noqa: F821 - nbgrader's
c.CourseDirectory.course_id = "{course_id}"
# c.CourseDirectory.db_url = "postgresql://..."  # by default gradebook.db, in this folder

configure(c, __file__)
"""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What nbgrader finds in the course's folder."""

    assignments: tuple[str, ...]
    """Those with a folder in `source/`."""
    config: Path


def prepare(root: Path, assignment_ids: Sequence[str], *, force: bool = False) -> Prepared:
    """Write `source/<id>/` for the named assignments (none named: all of course.yml) and nbgrader's configuration.

    What lies there is what students get, and the notebook that carries it: no solution and no hidden check comes near
    nbgrader. Raises ReleaseError where somebody has edited a folder, or where the configuration does not call us.
    """
    course = load_course(root)
    terms = [term_of(course, id_) for id_ in assignment_ids] or list(course.terms)
    config = _configured(root, course.title)
    for term, folder in zip(terms, folders(root, [term.id for term in terms]), strict=True):
        assignment = load_assignment(folder)
        files = {**build(assignment), f"{assignment.id}.ipynb": _written(assignment, term)}
        refuse_leaks(assignment, files, root, os.environ)
        place(files, root / "source" / assignment.id, force=force)
    return Prepared(tuple(term.id for term in terms), config)


def _written(assignment: Assignment, term: Term) -> bytes:
    return f"{nbformat.writes(source_notebook(assignment, term))}\n".encode()


def _configured(root: Path, title: str) -> Path:
    """The configuration's file, written where there is none."""
    path = root / CONFIG
    try:
        if not path.exists():
            course_id = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "course"
            write_whole(path, _TEMPLATE.format(course_id=course_id).encode())
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ReleaseError(f"{path} cannot be written or read ({error.strerror}); mend its permissions") from error
    if _CALL not in text:
        lines = f"from {_CALL} import configure\nconfigure(c, __file__)"
        raise ReleaseError(f"{path} is your own and does not call the kit; add to its end:\n{lines}")
    return path
