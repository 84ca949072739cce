"""A course as bytes, under a name that is the digest of its content: what changed is another parcel.

It holds what grading one assignment reads: course.yml, the assignment's folder and those that it builds on. Secrets,
ledgers, results and everybody's submissions stay where they are.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autograder.course.load import COURSE_FILE, SOURCES
from autograder.records import Assignment

_LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", ".pytest_cache"}


@dataclass(frozen=True, slots=True)
class Parcel:
    """A course's folder, packed."""

    digest: str
    """sha256 of the content, 64 hexadecimal digits."""
    content: bytes = field(repr=False)


def pack(root: Path, assignment: Assignment) -> Parcel:
    """Return the parcel of an assignment; the same files make the same parcel, whenever they were written."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(_files(root, assignment)):
            entry = zipfile.ZipInfo(path.relative_to(root).as_posix())  # its date is the same for every file
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            archive.writestr(entry, path.read_bytes())
    content = buffer.getvalue()
    return Parcel(hashlib.sha256(content).hexdigest(), content)


def unpack(parcel: Parcel, shelf: Path) -> Path:
    """Return the folder below `shelf` that holds what was packed; where it is there already nothing is written.

    Raises ValueError where the content is not that of its digest.
    """
    if hashlib.sha256(parcel.content).hexdigest() != parcel.digest:
        raise ValueError("the course was damaged on its way")
    folder = shelf / parcel.digest
    if folder.is_dir():
        return folder
    shelf.mkdir(mode=0o700, parents=True, exist_ok=True)  # solutions and hidden checks are this user's alone
    fresh = shelf / f".{secrets.token_hex(8)}"
    with zipfile.ZipFile(io.BytesIO(parcel.content)) as archive:
        archive.extractall(fresh)
    try:
        fresh.rename(folder)
    except OSError:  # another worker of this machine was first
        shutil.rmtree(fresh)
        if not folder.is_dir():
            raise
    return folder


def _files(root: Path, assignment: Assignment) -> Iterator[Path]:
    yield root / COURSE_FILE
    for id_ in (assignment.id, *(used.id for used in assignment.builds_on)):
        for path in (root / SOURCES / id_).rglob("*"):
            if path.is_file() and not _LEFT_OUT & {*path.relative_to(root).parts}:
                yield path
