"""A class's or one student's hand-in -> `Submission`: only files on the assignment's list, as bytes.

Files of assignments that this one builds on may lie beside them. They cost nothing where they are missing or broken.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from autograder.errors import SubmissionError
from autograder.intake.choice import chosen, in_words, lone_file, what_is_missing
from autograder.intake.moments import handed_in
from autograder.intake.names import safe_student, shown
from autograder.intake.sources import IGNORED, Entry, HandedIn, from_file, from_folder
from autograder.intake.text import source_text
from autograder.intake.zips import from_zip, unwrapped
from autograder.notebooks import MAX_NOTEBOOK, NotebookError, convert
from autograder.records import Assignment, Submission


def read_submissions(folder: Path, assignment: Assignment) -> tuple[Submission, ...]:
    """Every submission in `folder`, by student: a folder, zip, .py file or notebook each, named after the student.

    Whatever is wrong with one is its `problem` and stops no other. SubmissionError when `folder` cannot be listed.
    """
    by_student: dict[str, list[Path]] = {}
    for path in _listed(folder):
        student, _ = safe_student(_student_part(path))
        by_student.setdefault(student.casefold(), []).append(path)  # macOS and Windows cannot keep Kim and kim apart
    in_order = [paths for _, paths in sorted(by_student.items())]
    with ThreadPoolExecutor() as threads:  # each notebook is read by a process of its own
        return tuple(threads.map(lambda paths: _one_of(paths, assignment), in_order))


def read_submission(path: Path, assignment: Assignment, student: str) -> Submission:
    """The submission at `path`: a folder, zip, .py file or notebook; its `problem` says why it cannot be graded."""
    safe, why = safe_student(student)
    if why:
        return Submission(safe, assignment.id, {}, problem=why)
    found = HandedIn()
    try:
        found = unwrapped(_handed_in(path))
        files, taken = _selected(found, assignment, student)
        when = handed_in(path, found, taken)
    except SubmissionError as error:
        return Submission(safe, assignment.id, {}, tuple(found.notes), problem=str(error))
    except OSError as error:
        problem = f"{shown(path.name)} cannot be read ({error.strerror}); hand it in again"
        return Submission(safe, assignment.id, {}, tuple(found.notes), problem=problem)
    return Submission(safe, assignment.id, files, tuple(found.notes), digest=files_digest(files), handed_in=when)


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
    elif paths[0].name in _asked_for(assignment):
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
    raise SubmissionError(f"{shown(path.name)} cannot be read; a folder, a .zip, a .py file or a notebook is expected")


def _selected(found: HandedIn, assignment: Assignment, student: str) -> tuple[dict[str, bytes], Mapping[str, Entry]]:
    """File name -> content, and -> the file, for those asked for; SubmissionError when they cannot be told or read."""
    asked = _asked_for(assignment)
    taken = {name: entry for name in assignment.files if (entry := chosen(name, found, asked)) is not None}
    lone = lone_file(found, assignment) if not taken else None
    if lone is not None:
        taken = {assignment.files[0]: lone}
        if lone.path.suffix == ".py" and lone.path.name != f"{student}.py":
            found.note(f"{shown(str(lone.path))} was taken as {assignment.files[0]}")
    if assignment.files[0] not in taken:
        raise SubmissionError(what_is_missing(assignment.files[0], found))
    contents = _contents(taken, found, assignment)
    for name in assignment.earlier_files:
        try:
            if (entry := chosen(name, found, asked)) is not None:
                contents |= _contents({name: entry}, found, assignment)
                taken[name] = entry
        except (SubmissionError, OSError) as error:
            found.note(f"{name}, of an earlier assignment, counts as missing: {error}")
    _note_the_rest(found, assignment, taken)
    return contents, taken


def _asked_for(assignment: Assignment) -> tuple[str, ...]:
    return (*assignment.files, *assignment.earlier_files)


def _note_the_rest(found: HandedIn, assignment: Assignment, taken: Mapping[str, Entry]) -> None:
    found.notes.extend(f"{name} is missing" for name in assignment.files if name not in taken)
    used = {entry.path for entry in taken.values()}
    rest = [e.path for e in found.entries if e.path not in used and e.path.name not in _asked_for(assignment)]
    if rest:
        found.notes.append(f"{in_words(rest)} ignored: not asked for")


def _contents(taken: Mapping[str, Entry], found: HandedIn, assignment: Assignment) -> dict[str, bytes]:
    """The text of every file that was taken; SubmissionError names everything that is wrong with them at once."""
    contents: dict[str, bytes] = {}
    problems: list[str] = []
    for name, entry in taken.items():
        try:
            contents[name], notes = _text(name, entry, assignment)
        except SubmissionError as error:
            problems.append(str(error))
        else:
            found.notes.extend(notes)
    if problems:
        raise SubmissionError("; ".join(problems))
    return contents


def _text(name: str, entry: Entry, assignment: Assignment) -> tuple[bytes, list[str]]:
    """The source text of a file or notebook that was taken as `name`, and notes. Raises SubmissionError."""
    if entry.path.suffix.lower() != ".ipynb":
        text, note = source_text(name, entry.read())
        return text, [note] if note else []
    notebook = shown(entry.path.name)
    try:
        made = convert(entry.read(MAX_NOTEBOOK), name, _asked_names(name, assignment))
    except NotebookError as error:
        raise SubmissionError(f"{notebook} cannot be graded: {error}") from None
    notes = (shown(note, 400) for note in made.notes)
    return made.text.encode(), [f"{notebook} was read as {name}: the code of its cells", *notes]


def _asked_names(name: str, assignment: Assignment) -> frozenset[str]:
    """Names that the course's own file of this name defines: what checks, and later assignments, may ask for."""
    folders = (assignment.folder, *(assignment.folder.parent / earlier.id for earlier in assignment.builds_on))
    texts = [path.read_bytes() for folder in folders if (path := folder / name).is_file()]
    body = [node for text in texts for node in ast.parse(text).body]
    defined = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assigned = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return frozenset(defined) | {target.id for target in assigned if isinstance(target, ast.Name)}
