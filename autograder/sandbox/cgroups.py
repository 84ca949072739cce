"""Limits for a zygote and all its children together, in a cgroup (version 2) that the machine's owner gave us.

What address space and file sizes do not bound is counted there: memory files, shared mappings, page tables, and every
process whatever its user. Only a folder that is named is used: to enable controllers, processes would have to be moved,
and whose they are we cannot know. (Linux, Documentation/admin-guide/cgroup-v2.rst, Delegation, Core Interface Files)
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import SandboxError

VARIABLE = "AUTOGRADER_CGROUP"
"""Names the folder: writable for us, with `memory` and `pids` in its cgroup.subtree_control."""
NEEDED = frozenset({"memory", "pids"})
OWN_MB = 4096
"""Of the zygote itself, beside what one child may have: torch, and the pages that children copy."""
MAX_TASKS = 600
EMPTY_S = 5.0


@dataclass(frozen=True, slots=True)
class Group:
    """A cgroup of our own."""

    folder: Path

    def add(self, pid: int) -> None:
        """Move a process into it; whatever it forks from now on is in it, too."""
        _write(self.folder / "cgroup.procs", str(pid))

    def close(self) -> None:
        """End whatever is still in it, and remove it."""
        with contextlib.suppress(OSError), open(self.folder / "cgroup.kill", "r+", encoding="ascii") as file:
            file.write("1")  # before Linux 5.14 there is no such file; the zygote has ended its children
        until = time.monotonic() + EMPTY_S
        while time.monotonic() < until:
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:  # busy, until the last process is gone
                time.sleep(0.01)


def given() -> Path | None:
    """Return the folder that the environment names. Raises SandboxError for one that cannot be used."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    folder = Path(named)
    try:
        enabled = set((folder / "cgroup.subtree_control").read_text(encoding="ascii").split())
    except OSError as error:
        words = f"{VARIABLE}={named} is no cgroup of version 2 ({error.strerror}); unset it, or name one"
        raise SandboxError(words) from error
    if lacking := NEEDED - enabled:
        wanted = " ".join(f"+{name}" for name in sorted(lacking))
        raise SandboxError(f"{VARIABLE}={named} passes on too little: write `{wanted}` to its cgroup.subtree_control")
    return folder


def make(parent: Path, name: str, memory_mb: int) -> Group:
    """Return a new group below `parent` with limits on memory, swap and tasks. Raises SandboxError where it may not."""
    group = Group(parent / name)
    try:
        group.folder.mkdir()
    except OSError as error:
        raise SandboxError(
            f"no cgroup can be made in {parent} ({error.strerror}); {VARIABLE} must be writable"
        ) from error
    limits = {"memory.max": (OWN_MB + memory_mb) * 2**20, "pids.max": MAX_TASKS}
    for file, limit in limits.items():
        _write(group.folder / file, str(limit))
    with contextlib.suppress(OSError):  # a kernel without swap accounting has no such file
        (group.folder / "memory.swap.max").write_text("0")
    return group


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="ascii")
    except OSError as error:
        raise SandboxError(f"{path} does not take {text!r} ({error.strerror}); see {VARIABLE}") from error
