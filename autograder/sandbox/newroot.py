"""A root of the sandbox's own: a small read-only folder in memory that shows what Python and torch need."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Sequence
from pathlib import Path

from autograder.sandbox.libc import call

_ZYGOTE_SCRATCH_MB = 64
_COVERED = Path("/tmp")  # a folder that exists everywhere; the new root is laid over it, for us alone
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x4_0000
_READ_ONLY, _NO_SUID, _NO_DEVICES = 1, 2, 4  # MOUNT_ATTR_*
_AT_FDCWD, _AT_RECURSIVE, _MNT_DETACH = -100, 0x8000, 2
_MOUNT_SETATTR = 442  # the same number on every architecture


def mirror(paths: Sequence[Path]) -> tuple[dict[Path, str], tuple[Path, ...]]:
    """The symbolic links (with their texts) and the real files and folders that show `paths` under a new root.

    A venv's `python` or a merged `/lib` is reached through links; each is repeated, so that every path keeps its name.
    Paths that do not exist, and those inside another one, are left out.
    """
    links: dict[Path, str] = {}
    real = {found for path in paths if (found := _follow(path.absolute(), links))}
    return links, tuple(sorted(path for path in real if not real.intersection(path.parents)))


def _follow(path: Path, links: dict[Path, str]) -> Path | None:
    here, rest = Path("/"), list(path.parts[1:])
    for _ in range(256):  # more steps than any path has, fewer than a loop of links
        if not rest:
            return here
        step = here / rest.pop(0)
        if step.is_symlink():
            links[step] = str(step.readlink())
            here, rest = Path("/"), [*Path(os.path.normpath(here / links[step])).parts[1:], *rest]
        elif step.exists():
            here = step
        else:
            return None
    return None


def new_root(readable: Sequence[Path], scratch: Path) -> None:
    """Replace `/` by a small read-only folder in memory that shows `readable` and an empty `scratch`."""
    links, shown = mirror(readable)
    own_mounts()
    call("mount", "root", _COVERED, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=0755")
    (_COVERED / ".old").mkdir()
    call("pivot_root", _COVERED, _COVERED / ".old")
    os.chdir("/")  # a working folder in the old root would be a way back into it
    old_mask = os.umask(0o022)  # every parent must be passable for the child's uid, even where the original is 0700
    for link, text in links.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(text)
    for path in shown:
        _show(path)
    scratch.mkdir(parents=True, exist_ok=True)
    os.umask(old_mask)
    mount_scratch(scratch, f"size={_ZYGOTE_SCRATCH_MB}m,mode=0700")
    call("umount2", "/.old", _MNT_DETACH)
    Path("/.old").rmdir()
    _restrict_mount(Path("/"), _READ_ONLY, recursive=False)


def _show(path: Path) -> None:
    """Bind `path` of the old root, read-only, at the same place of the new one."""
    source = Path("/.old", *path.parts[1:])
    kind = source.stat().st_mode
    path.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISDIR(kind):
        path.mkdir(exist_ok=True)
    else:
        path.touch()
    call("mount", source, path, None, _MS_BIND | _MS_REC, None)
    _restrict_mount(path, _READ_ONLY | _NO_SUID | (0 if stat.S_ISCHR(kind) else _NO_DEVICES), recursive=True)


def own_mounts() -> None:
    """Let no later mount of the caller be seen outside its namespace. Raises OSError."""
    call("mount", None, "/", None, _MS_REC | _MS_PRIVATE, None)


def mount_scratch(path: Path, options: str) -> None:
    """Mount an empty writable folder in memory at `path`; nothing in it can be executed. Raises OSError."""
    call("mount", "scratch", path, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, options)


def mount_processes() -> None:
    """Mount a /proc of the caller's PID namespace over what is there. Raises OSError."""
    call("mount", "proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None)


def _restrict_mount(path: Path, attributes: int, *, recursive: bool) -> None:
    change = struct.pack("=QQQQ", attributes, 0, 0, 0)
    call("syscall", _MOUNT_SETATTR, _AT_FDCWD, path, _AT_RECURSIVE if recursive else 0, change, len(change))
