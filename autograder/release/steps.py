"""The release of a course, step by step: read, build, scan, and only then write."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course import load_assignment
from autograder.course.load import ASSIGNMENT_FILE, RELEASED, SOURCES, assignment_folders
from autograder.course.problems import nearest
from autograder.errors import ReleaseError, UsageError
from autograder.records import Assignment
from autograder.release.folder import differences, place
from autograder.release.leaks import Leak, scan
from autograder.release.whitelist import build

_SHOWN_LEAKS = 20


@dataclass(frozen=True, slots=True)
class Released:
    """What the release of one assignment did; the names are relative to `folder`."""

    id: str
    title: str
    folder: Path
    files: tuple[str, ...]
    """Everything that is in it now."""
    written: tuple[str, ...]
    """New or different files."""
    removed: tuple[str, ...]
    public_points: int
    total_points: int


def release(
    course_root: Path,
    assignment_ids: Sequence[str] = (),
    *,
    force: bool = False,
    environment: Mapping[str, str] | None = None,
) -> tuple[Released, ...]:
    """Build `assignments/<id>/` for the named assignments (none named: for all) and return what changed.

    Nothing is written unless every one of them builds and leaks nothing. `environment` is where the secret may stand.
    """
    variables = os.environ if environment is None else environment
    assignments = [load_assignment(folder) for folder in folders(course_root, assignment_ids)]
    for assignment in assignments:
        refuse_leaks(assignment, build(assignment), course_root, variables)
    return tuple(write(one, course_root / RELEASED / one.id, force=force) for one in assignments)


def write(assignment: Assignment, out: Path, *, force: bool = False) -> Released:
    """Make `out` the students' folder of the assignment; ReleaseError where that would lose somebody's edits.

    It does not look for leaks: `release` does, before it writes anything.
    """
    source, target = assignment.folder.resolve(), out.resolve()
    if target.is_relative_to(source) or source.is_relative_to(target):
        raise ReleaseError(f"{out}: is (or holds, or lies in) the folder of the solution; choose another place")
    built = build(assignment)
    changes = place(built, out, force=force)
    return Released(
        id=assignment.id,
        title=assignment.title,
        folder=out,
        files=tuple(built),
        written=changes.written,
        removed=changes.removed,
        public_points=sum(check.points for check in assignment.checks if check.public),
        total_points=sum(check.points for check in assignment.checks),
    )


def stale(assignment: Assignment, out: Path) -> tuple[str, ...]:
    """Return the files of `out` that a release would write or remove; nothing where it is up to date."""
    return differences(build(assignment), out)


def refuse_leaks(
    assignment: Assignment, built: Mapping[str, bytes], course_root: Path, environment: Mapping[str, str]
) -> None:
    """Raise ReleaseError with the file and line of everything in `built` that must stay with the course."""
    solution = {name: (assignment.folder / name).read_text(encoding="utf-8-sig") for name in assignment.files}
    leaks = scan(built, solution, hidden_texts(assignment, built), course_root, environment=environment)
    if leaks:
        raise ReleaseError(in_words(assignment.id, leaks, f"assignments/{assignment.id}/"))


def in_words(what: str, leaks: Sequence[Leak], where: str = "") -> str:
    """Return what would be given away, and what to do about it."""
    lines = [f"nothing was released: {what} would give away"]
    lines += [f"  {where}{leak}" for leak in leaks[:_SHOWN_LEAKS]]
    if len(leaks) > _SHOWN_LEAKS:
        lines.append(f"  and {len(leaks) - _SHOWN_LEAKS} more")
    lines.append("Rewrite those places in other words (a handout too), or mark them as part of the solution.")
    return "\n".join(lines)


def hidden_texts(assignment: Assignment, built: Mapping[str, bytes]) -> dict[str, str]:
    """Every Python and YAML file of the solution's folder that stays there, by its relative name."""
    texts: dict[str, str] = {}
    for path in sorted(assignment.folder.rglob("*")):
        relative = path.relative_to(assignment.folder)
        name = relative.as_posix()
        hidden_by_a_tool = any(part.startswith(".") for part in relative.parts)  # an editor's copy of a public file
        if path.suffix in {".py", ".yml"} and name not in built and not hidden_by_a_tool:
            try:
                texts[name] = path.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise ReleaseError(
                    f"{path}: cannot be read ({error}), so nobody can tell what must not leak"
                ) from error
    return texts


def folders(course_root: Path, assignment_ids: Sequence[str]) -> list[Path]:
    """Return the solutions' folders of the named assignments, all where none is named. Raises UsageError."""
    known = {folder.name: folder for folder in assignment_folders(course_root / SOURCES)}
    if not known:
        raise UsageError(f"{course_root / SOURCES}: no folder there holds an {ASSIGNMENT_FILE}; is this the course?")
    for wanted in assignment_ids:
        if wanted not in known:
            raise UsageError(f"there is no assignment `{wanted}`{nearest(wanted, known)}")
    return [known[name] for name in dict.fromkeys(assignment_ids or known)]
