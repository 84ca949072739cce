"""What a folder or file that was handed in holds: plain files only, listed without following a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from autograder.errors import SubmissionError
from autograder.names import shown

MAX_FILE = 1 << 20
"""Bytes of one file; a solution has some 10,000."""
MAX_ENTRIES = 2_000
MAX_DEPTH = 16

CODE = frozenset({".py", ".ipynb"})
MANIFEST = "manifest.json"
"""What `submit` writes about the files beside them; only its time is read, as what the student's clock said."""

IGNORED = frozenset(
    {"__MACOSX", "__pycache__", "node_modules", "site-packages", "venv", "Thumbs.db", "desktop.ini", MANIFEST}
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that was handed in, not yet read."""

    path: PurePosixPath
    """Inside what was handed in."""
    load: Callable[[int], bytes]
    """Its content, of at most so many bytes."""
    modified: float | None = None
    """Unix time of the file itself; None inside a zip, whose own says more."""

    def read(self, limit: int = MAX_FILE) -> bytes:
        """Its content; SubmissionError when it cannot be had or has more than `limit` bytes."""
        return self.load(limit)


@dataclass(frozen=True, slots=True)
class HandedIn:
    """Everything that one student handed in, before the allow-list."""

    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    manifests: list[Entry] = field(default_factory=list)
    """What `submit` wrote beside the files; never among `entries`."""

    def wants(self, path: PurePosixPath) -> bool:
        """Whether to look into the file or folder `path`; says so in the notes where a student may wonder."""
        if ".git" in path.parts:
            self.note("the .git folder was ignored")
            return False
        parts = path.parts[:-1] if path.name == MANIFEST else path.parts
        return not any(part in IGNORED or part.startswith(".") for part in parts)

    def refuse(self, path: str, what: str) -> None:
        """Note an entry that is never read."""
        self.note(f"{shown(path)} is {what} and was ignored")

    def add(self, entry: Entry) -> None:
        """Keep a file; SubmissionError when there are too many."""
        (self.manifests if entry.path.name == MANIFEST else self.entries).append(entry)
        if len(self.entries) + len(self.manifests) > MAX_ENTRIES:
            raise SubmissionError(f"more than {MAX_ENTRIES:,} files were handed in; hand in only what is asked for")

    def note(self, note: str) -> None:
        """Keep a sentence for the student, once, and not more than a page of them."""
        if note not in self.notes and len(self.notes) < 20:
            self.notes.append(note)


def from_folder(root: Path) -> HandedIn:
    """The plain files under `root`; links, devices, hidden files and caches are left out."""
    found = HandedIn()
    waiting = [PurePosixPath()]
    seen = 0
    while waiting:
        folder = waiting.pop()
        with os.scandir(root / folder) as children:
            for child in children:
                seen += 1
                if seen > 10 * MAX_ENTRIES:  # ignored ones count too: listing them costs time
                    raise SubmissionError(f"more than {10 * MAX_ENTRIES:,} files and folders; hand in only the files")
                _sort_in(root, folder / child.name, child, found, waiting)
    found.entries.sort(key=lambda entry: entry.path.parts)
    return found


def _sort_in(
    root: Path, path: PurePosixPath, child: os.DirEntry[str], found: HandedIn, waiting: list[PurePosixPath]
) -> None:
    if not found.wants(path):
        return
    if child.is_symlink():
        found.refuse(str(path), "a link")
    elif child.is_dir(follow_symlinks=False):
        if len(path.parts) < MAX_DEPTH:
            waiting.append(path)
        else:
            found.refuse(str(path), f"more than {MAX_DEPTH} folders deep")
    elif child.is_file(follow_symlinks=False):
        modified = child.stat(follow_symlinks=False).st_mtime
        found.add(Entry(path, lambda limit: read_plain(root / path, limit), modified))
    else:
        found.refuse(str(path), "not a plain file")


def from_file(path: Path) -> HandedIn:
    """The one file `path`."""
    modified = path.lstat().st_mtime
    return HandedIn([Entry(PurePosixPath(path.name), lambda limit: read_plain(path, limit), modified)])


def read_plain(path: Path, limit: int) -> bytes:
    """The content of a plain file; SubmissionError for a link, a device, a pipe, or more than `limit` bytes."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise SubmissionError(f"{shown(path.name)} is not a plain file; hand in a copy of it")
    # The file may have been exchanged since: open the name itself, never wait for a pipe, and look again.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise SubmissionError(f"{shown(path.name)} is not a plain file; hand in a copy of it")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise SubmissionError(f"{shown(path.name)} is larger than {size(limit)}; hand in only what is asked for")
    return content


def size(count: int) -> str:
    """`count` bytes in MiB."""
    return f"{count / (1 << 20):g} MiB"
