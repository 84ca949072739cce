"""What is attacked: a small course with canaries in it, and processes that are nobody's business.

They are made for one examination, so that whatever gets through harms nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CANARY = "N33DLE"
WAITS = "import signal; signal.pause()"


@dataclass(frozen=True, slots=True)
class Grounds:
    """The targets, and what they looked like before."""

    root: Path
    processes: tuple[subprocess.Popen[bytes], ...]
    before: dict[str, tuple[Any, ...]]

    @property
    def facts(self) -> dict[str, Any]:
        """Where everything is, for the attacks."""
        folder = self.root / "solutions" / "a0_line"
        victim, judge = (process.pid for process in self.processes)
        return {
            "judge": judge,
            "victim": victim,
            "folder": str(folder),
            "solution": str(folder / "line.py"),
            "hidden": str(folder / "test_hidden.py"),
            "secret": str(self.root / ".autograder" / "secret"),
            "git": str(self.root / ".git" / "objects" / "blob"),
            "cwd": str(self.root),
            "home": str(Path.home()),
        }

    def harmed(self) -> list[str]:
        """What is not as it was, in words."""
        after = _look(self.root)
        changed = [f"{name} was changed" for name in self.before if name in after and after[name] != self.before[name]]
        gone = [f"{name} is gone" for name in self.before.keys() - after.keys()]
        new = [f"{name} appeared" for name in after.keys() - self.before.keys()]
        ended = [f"process {each.pid} was ended" for each in self.processes if each.poll() is not None]
        return sorted(changed + gone + new) + ended


@contextmanager
def grounds(root: Path) -> Iterator[Grounds]:
    """Targets below an empty folder, for the length of a block."""
    files = {
        "solutions/a0_line/line.py": f'"""{CANARY} of the solution."""\n',
        "solutions/a0_line/test_hidden.py": f'"""{CANARY} of the hidden checks."""\n',
        ".autograder/secret": f"{CANARY} of the secret",
        ".git/objects/blob": f"{CANARY} of the repository",
        "results/a0_line/other.json": f'"{CANARY} of another student"',
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (root / ".autograder" / "secret").chmod(0o600)
    processes = tuple(subprocess.Popen([sys.executable, "-I", "-c", WAITS]) for _ in range(2))
    try:
        yield Grounds(root, processes, _look(root))
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _look(root: Path) -> dict[str, tuple[Any, ...]]:
    """Everything below a folder: relative path -> content, mode, owner, time of change."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        times = (status.st_mtime_ns,) if path.is_file() else ()
        attributes = tuple(os.listxattr(path)) if hasattr(os, "listxattr") else ()
        found[str(path.relative_to(root))] = (content, status.st_mode, status.st_uid, *times, *attributes)
    return found
