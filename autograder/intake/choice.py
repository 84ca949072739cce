"""Which of the files that were handed in is the one that was asked for, and what to say where none is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from pathlib import PurePosixPath

from autograder.errors import SubmissionError
from autograder.intake.sources import CODE, Entry, HandedIn
from autograder.names import shown
from autograder.notebooks import MAX_NOTEBOOK
from autograder.records import Assignment

_COPY = re.compile(r"[ _-]*(\(\d{1,3}\)|[-_]\d{1,2}|copy|복사본|사본|コピー|副本|kopie|copie|copia)$")
"""What browsers and file managers append to the name of a second copy."""
_COPY_OF = re.compile(r"^(copy of|kopie von|copie de|copia de)[ _-]+")
_ARCHIVES = frozenset({".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".egg", ".alz"})
_DOCUMENTS = frozenset({".pdf", ".doc", ".docx", ".hwp", ".hwpx", ".rtf", ".html", ".htm"})


def chosen(name: str, found: HandedIn, asked: Collection[str]) -> Entry | None:
    """The file called `name`; else the only copy of it, which is noted; else the same of a notebook; else None.

    No file of `asked`, the names that were asked for, is a copy of another. SubmissionError where nobody can tell which
    of several counts.
    """
    notebook = notebook_of(name)
    entry = _called(name, found, asked)
    if entry is None:
        return _called(notebook, found, asked)
    for other in found.entries:
        if is_copy(other.path.name, notebook):
            found.note(f"{shown(str(other.path))} was not read, since {name} is there")
    return entry


def notebook_of(name: str) -> str:
    """`rnn.ipynb` for `rnn.py`."""
    return PurePosixPath(name).with_suffix(".ipynb").name


def _called(name: str, found: HandedIn, asked: Collection[str]) -> Entry | None:
    """The shallowest file called `name`, or the only copy of it."""
    exact = sorted((entry for entry in found.entries if entry.path.name == name), key=_depth)
    others = [entry for entry in found.entries if entry.path.name not in {name, *asked}]
    copies = [entry for entry in others if is_copy(entry.path.name, name)]
    if not exact:
        return _only_copy(name, copies, found)
    best = [entry for entry in exact if _depth(entry) == _depth(exact[0])]
    if not _all_alike(best):
        paths = ", ".join(shown(str(entry.path)) for entry in best[:4])
        raise SubmissionError(f"{name} was handed in {len(best)} times ({paths}); hand in one")
    for other in exact[len(best) :]:
        found.refuse(str(other.path), f"deeper than {shown(str(best[0].path))}")
    for copy in copies:
        newer = f"if it is the newer one, hand it in as {name}"
        found.note(f"{shown(str(copy.path))} was not taken, since {name} is there; {newer}")
    return best[0]


def is_copy(name: str, of: str) -> bool:
    """Whether `name` is `of` and what browsers, Windows or file managers add: `rnn (1).py`, `RNN.py`, `rnn.py.txt`."""
    wanted = PurePosixPath(of.casefold())
    whole = PurePosixPath(unicodedata.normalize("NFC", name).casefold().removesuffix(".txt"))
    if whole.suffix != wanted.suffix:
        return False
    stem = _COPY_OF.sub("", whole.stem.removesuffix(whole.suffix))
    while stem != wanted.stem and (shorter := _COPY.sub("", stem)) != stem:
        stem = shorter
    return stem == wanted.stem


def _only_copy(name: str, copies: list[Entry], found: HandedIn) -> Entry | None:
    if not copies:
        return None
    if not _all_alike(copies):
        paths = ", ".join(shown(str(entry.path)) for entry in copies[:4])
        raise SubmissionError(f"{len(copies)} files could be {name} ({paths}); hand in the one that counts as {name}")
    found.note(f"{shown(str(copies[0].path))} was taken as {name}")
    return copies[0]


def _all_alike(entries: list[Entry]) -> bool:
    """Whether there is one, or all hold the same bytes."""
    return len(entries) == 1 or len({entry.read(MAX_NOTEBOOK) for entry in entries}) == 1


def _depth(entry: Entry) -> int:
    return len(entry.path.parts)


def lone_file(found: HandedIn, assignment: Assignment) -> Entry | None:
    """The only Python file of the student's own, else their only notebook, where the assignment asks for one file."""
    ours = {*assignment.given, *assignment.earlier_files}
    own = [e for e in found.entries if not e.path.name.startswith("test_") and not _is_of(e.path.name, ours)]
    python, notebooks = ([e for e in own if e.path.suffix.lower() == suffix] for suffix in (".py", ".ipynb"))
    carrier = f"{assignment.id}.ipynb"  # nbgrader's: what somebody wrote into it counts where nothing else is there
    several = python or [e for e in notebooks if not is_copy(e.path.name, carrier)] or notebooks
    return several[0] if len(several) == len(assignment.files) == 1 else None


def _is_of(name: str, files: Collection[str]) -> bool:
    return any(is_copy(name, file) or is_copy(name, notebook_of(file)) for file in files)


def what_is_missing(name: str, found: HandedIn) -> str:
    """The sentence for a student in whose hand-in there is no `name`."""
    paths = [entry.path for entry in found.entries]
    suffixes = {path.suffix.lower() for path in paths}
    if suffixes & _ARCHIVES:
        advice = f"only .zip archives can be opened: hand in {name}, or a .zip with it"
    elif suffixes & CODE:
        advice = f"rename the file with your code to {name} and hand it in"
    elif suffixes & _DOCUMENTS:
        advice = f"a document cannot be run: hand in {name} itself"
    else:
        advice = f"hand in {name}, or a folder or .zip with it"
    return f"{name} is missing; {in_words(paths)} handed in; {advice}"


def in_words(paths: list[PurePosixPath]) -> str:
    """The first few of `paths`, with the verb that fits."""
    names = ", ".join(shown(str(path)) for path in paths[:4])
    more = f" and {len(paths) - 4} more" if len(paths) > 4 else ""
    verb = "was" if len(paths) == 1 else "were"
    return f"{names}{more} {verb}" if paths else "nothing was"
