"""How much memory is left, of the machine and of its cgroups, and how many grading processes fit into it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from autograder import memory
from autograder.records import Limits

LIMITS = Limits(memory_mb=1000, scratch_mb=16)


def machine(root: Path, free_mb: int, groups: str = "", **files: str) -> Path:
    """A machine's files: `cgroup__memory_max="..."` is sys/fs/cgroup/memory.max."""
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable:   {free_mb << 10} kB\n")
    (root / "proc" / "self" / "cgroup").write_text(groups)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_", ".", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_what_the_machine_has(tmp_path: Path) -> None:
    """Without groups it is what the kernel calls available."""
    assert memory.available_mb(machine(tmp_path, 12_345)) == 12_345


@pytest.mark.parametrize(("most", "left"), [("max", 9000), (str(3000 << 20), 1250), (str(20_000 << 20), 9000)])
def test_a_group_may_leave_less(tmp_path: Path, most: str, left: int) -> None:
    """Of a container's limit what is used is taken off, but for cache that can be given back."""
    root = machine(
        tmp_path,
        9000,
        "0::/jobs/one\n",
        memory_max=most,
        memory_current=str(2000 << 20),
        memory_stat=f"anon 1\ninactive_file {250 << 20}\n",
    )
    assert memory.available_mb(root) == left


def test_a_group_of_version_one(tmp_path: Path) -> None:
    """Its files are called otherwise."""
    root = machine(tmp_path, 9000, "4:memory:/x\n0::/\n")
    folder = root / "sys/fs/cgroup/memory/x"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(str(2000 << 20))
    (folder / "memory.usage_in_bytes").write_text(str(500 << 20))
    (folder / "memory.stat").write_text("total_inactive_file 0\n")
    assert memory.available_mb(root) == 1500


def test_a_system_that_does_not_say(tmp_path: Path) -> None:
    """Then nothing speaks against any number of processes."""
    assert memory.available_mb(tmp_path) is None
    assert memory.fitting(LIMITS, None) is None


def test_how_many_fit() -> None:
    """Each needs what it holds anyway and what a submission may take; one is always tried."""
    each = memory.needed_mb(LIMITS)
    assert each == memory.STANDING_MB + 1016
    assert memory.fitting(LIMITS, 3 * each) == 3
    assert memory.fitting(LIMITS, 3 * each - 1) == 2
    assert memory.fitting(LIMITS, 10) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says")
def test_this_machine_has_some() -> None:
    """A number between a little and very much."""
    free = memory.available_mb()
    assert free is not None
    assert 10 < free < 1 << 25
