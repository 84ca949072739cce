"""Clears scratch folders away, whatever a stranger has built in them.

Only where no namespace does it: there a child's files lie in a folder of the host's, and how many they are, and how
deep, is the submission's choice.
"""

from __future__ import annotations

import os
import secrets
from itertools import count, islice
from pathlib import Path

FEW = 64


def clear_few(folder: Path) -> bool:
    """Remove a folder that holds a few plain files, as most do; whether it was one."""
    with os.scandir(folder) as entries:
        found = list(islice(entries, FEW + 1))
    if len(found) > FEW or not all(entry.is_file(follow_symlinks=False) for entry in found):
        return False
    for entry in found:
        os.unlink(entry)
    folder.rmdir()
    return True


def clear(folder: Path) -> None:
    """Remove a folder with all that is in it. Raises OSError.

    What lies in a folder below is moved up before that one is removed: no recursion, which a deep enough tree ends, and
    no path longer than the kernel takes.
    """
    fresh = (folder / f"{secrets.token_hex(8)}-{number}" for number in count())
    folder.chmod(0o700)
    while folders := [Path(entry) for entry in _unlinked(folder)]:
        for path in folders:
            path.chmod(0o700)
            for below in _unlinked(path):
                Path(below).chmod(0o700)  # else its ".." cannot be changed
                Path(below).rename(next(fresh))
            path.rmdir()
    folder.rmdir()


def _unlinked(folder: Path) -> list[os.DirEntry[str]]:
    """Unlink the files in a folder and return the folders that are left."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry)
            else:
                os.unlink(entry)
    return folders
