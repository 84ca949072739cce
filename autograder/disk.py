"""A file that is replaced in one step: whoever is killed in between leaves the old one or the new one."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path


def write_whole(path: Path, content: bytes, *, private: bool = False, forced: bool = True) -> None:
    """Replace `path` by `content`, making its folder where there is none. OSError where the disk refuses.

    A `private` file is for this user alone: what was measured, whose marks these are. Another one has the mode that any
    program gives a new file, or the one that it had. `forced`: it is on the disk when this returns.
    """
    mode = 0o600 if private else _mode(path)
    fresh = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        descriptor = _opened(fresh, private=private)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _opened(fresh, private=private)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if forced:
                os.fsync(file.fileno())
        if mode is not None:
            fresh.chmod(mode)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _opened(path: Path, *, private: bool) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o600 if private else 0o666)  # less what the umask takes away


def _mode(path: Path) -> int | None:
    """The mode of the file that is there; None: there is none, or it is a link, whose own says nothing."""
    try:
        found = path.lstat().st_mode
    except OSError:
        return None
    return stat.S_IMODE(found) if stat.S_ISREG(found) else None
