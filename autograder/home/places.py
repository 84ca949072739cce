"""Where a student's assignments are, seen from the folder in which a command was typed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from autograder.course.load import ASSIGNMENT_FILE, RELEASED, assignment_folders
from autograder.course.problems import nearest
from autograder.errors import UsageError

MARKER = ".released"
"""Digests of what was released, in each assignment's folder (`release/folder.py` writes it)."""


def find(here: Path, wanted: str | None) -> tuple[Path, ...]:
    """Return the folders of the assignments that are meant, by name; raises UsageError where there is none.

    `wanted` is an id, the beginning of one, or a folder. Without it: the assignment in or above which `here` lies,
    else all of them.
    """
    here = here.absolute()
    around = next((folder for folder in (here, *here.parents) if (folder / ASSIGNMENT_FILE).is_file()), None)
    if wanted is None and around is not None:
        return (around,)
    if wanted is not None and (here / wanted / ASSIGNMENT_FILE).is_file():
        return ((here / wanted).resolve(),)
    known = {folder.name: folder for folder in _released(here)}
    if wanted is None:
        return tuple(known.values())
    if wanted in known:
        return (known[wanted],)
    begun = [folder for name, folder in known.items() if name.startswith(wanted)]
    if len(begun) == 1:
        return (begun[0],)
    raise UsageError(f"there is no assignment {wanted!r}{nearest(wanted, known)}")


def _released(here: Path) -> tuple[Path, ...]:
    for folder in (here, *here.parents):
        found = assignment_folders(folder / RELEASED) or (assignment_folders(folder) if folder.name == RELEASED else ())
        if found:
            return found
    raise UsageError(
        f"there are no assignments in {here} or above it; go to the folder that holds {RELEASED}/, or into one of them"
    )


def desk_of(folder: Path) -> Path:
    """Return the folder that holds `assignments/`; for an assignment elsewhere, the one around it."""
    return folder.parent.parent if folder.parent.name == RELEASED else folder.parent


def is_untouched(folder: Path, files: tuple[str, ...]) -> bool:
    """Whether the files to fill in are still as they were released."""
    try:
        released = json.loads((folder / MARKER).read_bytes())["sha256"]
        return all(_digest(folder / name) == released[name] for name in files)
    except (OSError, ValueError, KeyError, TypeError):  # no marker: nothing is known, so nothing is said
        return False


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
