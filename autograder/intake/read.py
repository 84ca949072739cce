"""One hand-in -> `Submission`: only files on the assignment's list, as bytes.

Files of assignments that this one builds on may lie beside them. They cost nothing where they are missing or broken.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from autograder.errors import SubmissionError
from autograder.intake.choice import chosen, in_words, lone_file, what_is_missing
from autograder.intake.exports import opened
from autograder.intake.moments import handed_in
from autograder.intake.sources import Entry, HandedIn
from autograder.intake.text import source_text
from autograder.intake.zips import unwrapped
from autograder.names import safe_student, shown
from autograder.notebooks import MAX_NOTEBOOK, NotebookError, convert
from autograder.records import Assignment, Submission


def read_submission(path: Path, assignment: Assignment, student: str) -> Submission:
    """The submission at `path`: a folder, zip, .py file or notebook; its `problem` says why it cannot be graded."""
    return read_hand_in(path, lambda: opened(path), assignment, student, student)


def read_hand_in(
    path: Path, load: Callable[[], HandedIn], assignment: Assignment, student: str, called: str
) -> Submission:
    """The submission that `load` opens, with `path` for its time and for messages, `called` as the hand-in is."""
    safe, why = safe_student(student)
    if why:
        return Submission(safe, assignment.id, {}, problem=why)
    found = HandedIn()
    try:
        found = unwrapped(load())
        files, taken = _selected(found, assignment, called)
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


def _selected(found: HandedIn, assignment: Assignment, student: str) -> tuple[dict[str, bytes], Mapping[str, Entry]]:
    """File name -> content, and -> the file, for those asked for; SubmissionError when they cannot be told or read."""
    asked = asked_for(assignment)
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


def asked_for(assignment: Assignment) -> tuple[str, ...]:
    """The names of the files that may be handed in."""
    return (*assignment.files, *assignment.earlier_files)


def of_nobody(assignment: Assignment) -> tuple[str, ...]:
    """The names of hand-ins that say nothing of whose they are: what is asked for, and what `submit` packs it into."""
    return (*asked_for(assignment), f"{assignment.id}.zip", f"{assignment.id}.ipynb")


def _note_the_rest(found: HandedIn, assignment: Assignment, taken: Mapping[str, Entry]) -> None:
    found.notes.extend(f"{name} is missing" for name in assignment.files if name not in taken)
    used = {entry.path for entry in taken.values()}
    known = {*asked_for(assignment), f"{assignment.id}.ipynb", "timestamp.txt"}  # the last two are nbgrader's
    rest = [e.path for e in found.entries if e.path not in used and e.path.name not in known]
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
