"""The course's data: snapshots that ship with the kit, and the generators of synthetic tasks.

Nothing is downloaded and nothing depends on another package's lists: `build/` holds the scripts that made the
snapshots. Loading needs numpy only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["digest"]

_FOLDER = Path(__file__).resolve().parent


def digest() -> str:
    """sha256 of every snapshot and of the code that reads it, as 64 hexadecimal digits.

    It is part of the key under which a measurement is stored: other data, other measurement.
    """
    total = hashlib.sha256()
    for path in sorted([*_FOLDER.glob("*.gz"), *_FOLDER.glob("*.py")], key=lambda path: path.name):
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
