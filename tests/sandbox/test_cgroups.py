"""A zygote's cgroup: with plain folders for its files, and a real one where somebody gave us one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autograder.errors import SandboxError
from autograder.sandbox import cgroups
from autograder.sandbox.host import zygote
from autograder.sandbox.means import survey


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a cgroup which passes on what is needed."""
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids\n")
    monkeypatch.setenv(cgroups.VARIABLE, str(tmp_path))
    return tmp_path


def test_without_the_variable_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's processes are moved unasked."""
    monkeypatch.delenv(cgroups.VARIABLE, raising=False)
    assert cgroups.given() is None


def test_limits_stand_before_a_process_is_in_it(parent: Path) -> None:
    """Memory, swap and tasks are bounded, then the zygote moves in."""
    found = cgroups.given()
    assert found == parent
    group = cgroups.make(parent, "autograder-1", 1040)
    assert {path.name: path.read_text() for path in group.folder.iterdir()} == {
        "memory.max": str((4096 + 1040) * 2**20),
        "pids.max": "600",
        "memory.swap.max": "0",
    }
    group.add(4711)
    assert (group.folder / "cgroup.procs").read_text() == "4711"


def test_a_folder_that_will_not_do_is_told(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a group that passes on too little nor a plain folder is taken in silence."""
    (parent / "cgroup.subtree_control").write_text("cpu\n")
    with pytest.raises(SandboxError, match=r"write `\+memory \+pids` to its cgroup.subtree_control"):
        cgroups.given()
    monkeypatch.setenv(cgroups.VARIABLE, str(parent / "nowhere"))
    with pytest.raises(SandboxError, match="is no cgroup of version 2"):
        cgroups.given()
    with pytest.raises(SandboxError, match="no cgroup can be made in"):
        cgroups.make(parent / "nowhere", "x", 1)


def test_a_group_that_is_gone_is_closed(tmp_path: Path) -> None:
    """Closing twice, or after the machine cleared up, is no error."""
    group = cgroups.Group(tmp_path / "group")
    group.folder.mkdir()
    group.close()
    assert not group.folder.exists()
    group.close()


REAL = os.environ.get(cgroups.VARIABLE)


@pytest.mark.skipif(not REAL, reason="nobody gave us a cgroup of version 2")
def test_a_real_group_holds_the_zygote_and_goes_with_it() -> None:
    """Its layers say so, the group is there while it runs, and gone afterwards."""
    before = set(Path(str(REAL)).iterdir())
    with zygote(survey().layers) as process:
        assert "cgroup" in process.layers
        (group,) = set(Path(str(REAL)).iterdir()) - before
        assert str(process._process.pid) in (group / "cgroup.procs").read_text().split()
    assert set(Path(str(REAL)).iterdir()) == before
