"""A class's or one student's hand-in -> `Submission`: only files on the assignment's list, as bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from autograder.errors import SubmissionError
from autograder.intake.names import safe_student, shown
from autograder.intake.sources import IGNORED, Entry, HandedIn, from_file, from_folder
from autograder.intake.zips import from_zip
from autograder.records import Assignment, Submission


def read_submissions(folder: Path, assignment: Assignment) -> tuple[Submission, ...]:
    """Every submission in `folder`, by student: a folder, a zip or a .py file each, named after the student.

    Whatever is wrong with one is its `problem` and stops no other. SubmissionError when `folder` cannot be listed.
    """
    by_student: dict[str, list[Path]] = {}
    for path in _listed(folder):
        student, _ = safe_student(_student_part(path))
        by_student.setdefault(student.casefold(), []).append(path)  # macOS and Windows cannot keep Kim and kim apart
    return tuple(_one_of(paths, assignment) for _, paths in sorted(by_student.items()))


def read_submission(path: Path, assignment: Assignment, student: str) -> Submission:
    """The submission at `path`: a folder, a zip or a .py file; its `problem` says why it cannot be graded."""
    safe, why = safe_student(student)
    if why:
        return Submission(safe, assignment.id, {}, problem=why)
    found = HandedIn()
    try:
        found = _handed_in(path)
        files = _selected(found, assignment, student)
    except SubmissionError as error:
        return Submission(safe, assignment.id, {}, tuple(found.notes), problem=str(error))
    except OSError as error:
        problem = f"{shown(path.name)} cannot be read ({error.strerror}); hand it in again"
        return Submission(safe, assignment.id, {}, tuple(found.notes), problem=problem)
    return Submission(safe, assignment.id, files, tuple(found.notes), digest=files_digest(files))


def files_digest(files: Mapping[str, bytes]) -> str:
    """sha256 of names and contents, framed so that two different sets never look alike."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _listed(folder: Path) -> list[Path]:
    """What lies in the class's folder, without hidden files and what macOS adds."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        message = f"{folder} cannot be listed ({error.strerror}); name the folder that holds one entry per student"
        raise SubmissionError(message) from None
    return [path for path in paths if not path.name.startswith(".") and path.name not in IGNORED]


def _student_part(path: Path) -> str:
    return path.name if path.is_dir() and not path.is_symlink() else path.stem


def _one_of(paths: list[Path], assignment: Assignment) -> Submission:
    student = _student_part(paths[0])
    problem = ""
    if len(paths) > 1:
        names = ", ".join(shown(path.name) for path in paths)
        problem = f"there is more than one hand-in: {names}; keep one and grade again"
    elif paths[0].name in assignment.files:
        problem = f"{paths[0].name} does not say whose it is; name it after the student, or put it in a folder"
    if problem:
        return Submission(safe_student(student)[0], assignment.id, {}, problem=problem)
    return read_submission(paths[0], assignment, student)


def _handed_in(path: Path) -> HandedIn:
    if path.is_symlink():
        raise SubmissionError(f"{shown(path.name)} is a link; hand in the folder, zip or file itself")
    if path.is_dir():
        return from_folder(path)
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return from_zip(path)
    if suffix in {".py", ".ipynb"}:
        return from_file(path)
    raise SubmissionError(f"{shown(path.name)} cannot be read; a folder, a .zip or a .py file is expected")


def _selected(found: HandedIn, assignment: Assignment, student: str) -> dict[str, bytes]:
    """File name -> content for the assignment's files; SubmissionError when they cannot be told or read."""
    chosen = {name: entry for name in assignment.files if (entry := _chosen(name, found)) is not None}
    lone = _lone_file(found, assignment) if not chosen else None
    if lone is not None:
        chosen = {assignment.files[0]: lone}
        if lone.path.name != f"{student}.py":
            found.notes.append(f"{shown(str(lone.path))} was taken as {assignment.files[0]}")
    if assignment.files[0] not in chosen:
        raise SubmissionError(_what_is_missing(found, assignment))
    _note_the_rest(found, assignment, chosen)
    return _contents(chosen)


def _chosen(name: str, found: HandedIn) -> Entry | None:
    """The shallowest file called `name`."""
    candidates = sorted((entry for entry in found.entries if entry.path.name == name), key=_depth)
    if not candidates:
        return None
    best = [entry for entry in candidates if _depth(entry) == _depth(candidates[0])]
    if len(best) > 1:
        paths = ", ".join(shown(str(entry.path)) for entry in best[:4])
        raise SubmissionError(f"{name} was handed in {len(best)} times ({paths}); hand in one")
    for other in candidates[1:]:
        found.refuse(str(other.path), f"deeper than {shown(str(best[0].path))}")
    return best[0]


def _depth(entry: Entry) -> int:
    return len(entry.path.parts)


def _lone_file(found: HandedIn, assignment: Assignment) -> Entry | None:
    """The only Python file, whatever its name, where the assignment asks for one."""
    python = [entry for entry in found.entries if entry.path.suffix == ".py"]
    return python[0] if len(python) == len(assignment.files) == 1 else None


def _what_is_missing(found: HandedIn, assignment: Assignment) -> str:
    name = assignment.files[0]
    if any(entry.path.suffix == ".ipynb" for entry in found.entries):
        return f"{name} is missing; notebooks cannot be graded yet: export yours as {name} and hand that in"
    return f"{name} is missing; {_listing([entry.path for entry in found.entries])} handed in"


def _note_the_rest(found: HandedIn, assignment: Assignment, chosen: Mapping[str, Entry]) -> None:
    found.notes.extend(f"{name} is missing" for name in assignment.files if name not in chosen)
    asked_for = {*assignment.files, *(entry.path.name for entry in chosen.values())}
    rest = [entry.path for entry in found.entries if entry.path.name not in asked_for]
    if rest:
        found.notes.append(f"{_listing(rest)} ignored: not asked for")


def _listing(paths: list[PurePosixPath]) -> str:
    """The first few of `paths`, with the verb that fits."""
    names = ", ".join(shown(str(path)) for path in paths[:4])
    more = f" and {len(paths) - 4} more" if len(paths) > 4 else ""
    verb = "was" if len(paths) == 1 else "were"
    return f"{names}{more} {verb}" if paths else "nothing was"


def _contents(chosen: Mapping[str, Entry]) -> dict[str, bytes]:
    """The bytes of every chosen file; SubmissionError names everything that is wrong with them at once."""
    contents: dict[str, bytes] = {}
    problems: list[str] = []
    for name, entry in chosen.items():
        try:
            contents[name] = _text_bytes(name, entry.read())
        except SubmissionError as error:
            problems.append(str(error))
    if problems:
        raise SubmissionError("; ".join(problems))
    return contents


def _text_bytes(name: str, content: bytes) -> bytes:
    if not content.strip():
        raise SubmissionError(f"{name} is empty; hand in the file with your code")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"{name} is not UTF-8 text: byte {error.start} is 0x{content[error.start]:02x}; save it as UTF-8"
        raise SubmissionError(message) from None
    return content
