"""A file is replaced whole, and has the mode that its reader needs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.disk import write_whole


def mode(path: Path) -> int:
    """Who may do what with it."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask() -> Iterator[None]:
    """A group that works together."""
    before = os.umask(0o007)
    yield
    os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_file_has_the_mode_that_is_meant_for_it(tmp_path: Path, umask: None) -> None:
    """A private one is for its owner alone, whatever was there; another goes by the umask, or keeps its own."""
    path = tmp_path / "made" / "here" / "x.csv"
    write_whole(path, b"1")
    assert (path.read_bytes(), mode(path)) == (b"1", 0o660)
    path.chmod(0o640)
    write_whole(path, b"2")
    assert (path.read_bytes(), mode(path)) == (b"2", 0o640)
    write_whole(path, b"3", private=True, forced=False)
    assert (path.read_bytes(), mode(path)) == (b"3", 0o600)


@pytest.mark.parametrize("wrong", ["replace", "fsync"])
def test_what_cannot_be_finished_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """A full disk, or an interrupt at the worst moment: the old file, and nothing beside it."""
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(*((Path, "replace", fails) if wrong == "replace" else (os, "fsync", fails)))
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("x", b"old")]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """Whoever may plant one chooses no other file to be written."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"kept")
    link.symlink_to(target)
    write_whole(link, b"new")
    assert (target.read_bytes(), link.read_bytes(), link.is_symlink()) == (b"kept", b"new", False)
