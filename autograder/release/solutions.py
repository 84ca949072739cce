"""Solutions for students, once nobody can hand in on time any more: folders beside those of the assignments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from autograder.course import load_assignment, load_course, load_extensions
from autograder.course.load import RELEASED
from autograder.errors import ReleaseError, UsageError
from autograder.records import Assignment, Course, Extension, Term
from autograder.release.folder import place
from autograder.release.leaks import scan
from autograder.release.steps import folders, in_words
from autograder.release.stubs import without_markers


@dataclass(frozen=True, slots=True)
class Solved:
    """The released solution of one assignment."""

    id: str
    folder: Path
    files: tuple[str, ...]


def release_solutions(
    root: Path,
    assignment_ids: Sequence[str],
    now: datetime,
    *,
    force: bool = False,
    environment: Mapping[str, str] | None = None,
) -> tuple[Solved, ...]:
    """Write the solutions of the named assignments to `assignments/<id>_solution/` at `now`, aware.

    Nothing is written while somebody may still hand one of them in on time: ReleaseError says until when. A later
    assignment that builds on one may start from it: its files go into the folder of the earlier assignment.
    """
    if not assignment_ids:
        raise UsageError("whose solution? Name the assignments: `autograder release --solutions a1_rnn`")
    course = load_course(root)
    granted = load_extensions(course)
    terms = {term.id: term for term in course.terms}
    assignments = [load_assignment(folder) for folder in folders(root, assignment_ids)]
    for assignment in assignments:
        if assignment.id not in terms:
            raise ReleaseError(f"{assignment.id} has no due date in course.yml, so nobody can tell when it is over")
        _refuse_early(course, terms[assignment.id], granted, now)
    built = {assignment.id: _built(assignment) for assignment in assignments}
    for id_, files in built.items():
        leaks = scan(files, {}, {}, root, environment=os.environ if environment is None else environment)
        if leaks:
            raise ReleaseError(in_words(f"the solution of {id_}", leaks))
    return tuple(_write(root / RELEASED / f"{id_}_solution", id_, files, force=force) for id_, files in built.items())


def _refuse_early(course: Course, term: Term, granted: Iterable[Extension], now: datetime) -> None:
    until = last_moment(course, term, granted)
    if now >= until:
        return
    zone = ZoneInfo(course.timezone)
    own = [each for each in granted if each.assignment == term.id and each.until]
    late = sorted(each.student for each in own if each.until and each.until > max(now, term.due))
    who = f" ({', '.join(late[:5])}{' and others' if len(late) > 5 else ''} may hand in later than {term.due:%Y-%m-%d})"
    raise ReleaseError(
        f"nothing was released: {term.id} can be handed in on time until "
        f"{until.astimezone(zone):%Y-%m-%d %H:%M %z}{who if late else ''}; release its solution after that"
    )


def last_moment(course: Course, term: Term, granted: Iterable[Extension]) -> datetime:
    """Until when somebody may hand the assignment in at no cost: the last extension, with the grace."""
    own = [each.until for each in granted if each.assignment == term.id and each.until is not None]
    return max([term.due, *own]) + timedelta(minutes=course.late_policy.grace_minutes)


def _built(assignment: Assignment) -> dict[str, bytes]:
    files = {}
    for name in assignment.files:
        path = assignment.folder / name
        files[name] = without_markers(str(path), path.read_text(encoding="utf-8-sig")).encode()
    readme = (
        f"# {assignment.title}: a solution\n\nOne right way among many. A later assignment that builds on this one may "
        f"start from it: copy {', '.join(f'`{name}`' for name in assignment.files)} into `../{assignment.id}/`.\n"
    )
    return {**files, "README.md": readme.encode()}


def _write(folder: Path, id_: str, files: Mapping[str, bytes], *, force: bool) -> Solved:
    place(files, folder, force=force)
    return Solved(id_, folder, tuple(sorted(files)))
