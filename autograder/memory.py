"""How much memory a machine still has, so that nothing is started that would not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from autograder.records import Limits

STANDING_MB = 1000
"""What a grading process holds whatever it grades: the judge and its zygote, each with torch imported."""
_NO_LIMIT_MB = 1 << 40
_ROOT = Path("/")


def available_mb(root: Path = _ROOT) -> int | None:
    """Megabytes that this process and what it starts may still use: of the machine, and of the cgroups that it is in.

    None where the system does not say (only Linux does).
    """
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        free_kb = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None
    return min(free_kb >> 10, *_left_in_groups(root))


def needed_mb(limits: Limits) -> int:
    """Megabytes that one grading process needs at most, with the submission that it grades."""
    return STANDING_MB + limits.memory_mb + limits.scratch_mb


def fitting(limits: Limits, free_mb: int | None) -> int | None:
    """How many grading processes fit, at least one; None: nothing is known against any number."""
    return None if free_mb is None else max(1, free_mb // needed_mb(limits))


def _left_in_groups(root: Path) -> Iterator[int]:
    """What each limit of a cgroup leaves; page cache that can be given back counts as free."""
    yield _NO_LIMIT_MB
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if not controllers:
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        folder = base / place.lstrip("/")
        for group in (folder, *folder.parents):  # inside a container its own group is the root of what is mounted
            if not group.is_relative_to(base):
                break
            yield from _left_in(group, *names)


def _left_in(group: Path, most: str, used: str, cache: str) -> Iterator[int]:
    try:
        limit, now = (group / most).read_text().strip(), int((group / used).read_text())
        rows = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        if limit != "max":
            yield (int(limit) - now + int(rows.get(cache, 0))) >> 20
    except (OSError, ValueError):
        return
