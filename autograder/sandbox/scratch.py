"""Clears scratch folders away, however many files a stranger has put into them and however deep they are.

Only where no namespace does it: there a child's files lie in a folder of the host's.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

FEW = 64


def clear_few(folder: Path) -> bool:
    """Remove a folder of a few plain files, as most are; whether it was one. Raises OSError."""
    with os.scandir(folder) as entries:
        found = list(islice(entries, FEW + 1))
    if len(found) > FEW or not all(entry.is_file(follow_symlinks=False) for entry in found):
        return False
    for entry in found:
        os.unlink(entry)
    folder.rmdir()
    return True


def clear_away(folder: Path) -> None:
    """Remove a folder with all that is in it. Raises OSError.

    Without recursion, which a deep tree ends, and by names relative to one open folder: whole paths get too long.
    """
    folder.chmod(0o700)
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    entered: list[str] = []
    left = [_emptied(here)]  # for each folder on the way down, what is still to be entered
    try:
        while left[-1] or entered:
            if left[-1]:
                entered.append(left[-1].pop())
                here = _step(here, entered[-1])
                left.append(_emptied(here))
            else:
                left.pop()
                here = _step(here, "..")
                os.rmdir(entered.pop(), dir_fd=here)
    finally:
        os.close(here)
    folder.rmdir()


def _emptied(folder: int) -> list[str]:
    """Remove what can go at once; return the names of the folders that hold something."""
    with os.scandir(folder) as entries:
        found = list(entries)
    left: list[str] = []
    for entry in found:
        try:
            (os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.name, dir_fd=folder)
        except OSError:
            os.chmod(entry.name, 0o700, dir_fd=folder)
            left.append(entry.name)
    return left


def _step(here: int, name: str) -> int:
    """Exchange an open folder for the one called `name` in it."""
    there = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
    os.close(here)
    return there
