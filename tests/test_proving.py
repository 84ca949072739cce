"""Figures of a proof are written for the files that were measured, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autograder import proof, proving
from autograder.course import load_assignment
from autograder.errors import UsageError


class Silent:
    """A screen that shows nothing."""

    def progress(self, *_: Any) -> Any:
        """Nobody looks."""
        return nullcontext()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


@pytest.mark.parametrize("command", ["prove", "name"])
@pytest.mark.parametrize("edited", ["tiny.py", "handout.md", ""])
def test_a_folder_that_changes_meanwhile_is_not_written_about(
    write_tiny: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, edited: str
) -> None:
    """Neither under the digest of before nor of after; what a proof does not depend on may change."""
    folder = write_tiny(tmp_path)
    desk: Any = SimpleNamespace(
        assignment=load_assignment(folder), root=tmp_path, workers=1, missing=(), settings=lambda _: SimpleNamespace()
    )

    def audit(*_: Any, **__: Any) -> tuple[()]:
        if edited:
            with (folder / edited).open("a", encoding="utf-8") as file:
                file.write("# changed\n")
        return ()

    written: list[str] = []
    monkeypatch.setattr(proving, "audit", audit)
    monkeypatch.setattr(proof, "calibrate", lambda *_: ())
    monkeypatch.setattr(proof, "write", lambda *_: written.append("prove"))
    monkeypatch.setattr(proving, "write_naming", lambda *_: written.append("name"))
    screen: Any = Silent()
    run = {
        "prove": lambda: proving.prove(desk, 1, (), screen, write=True),
        "name": lambda: proving.name(desk, (), screen),
    }[command]
    if edited == "tiny.py":
        with pytest.raises(UsageError, match="was changed while it was being measured"):
            run()
        assert not written
    else:
        assert run()
        assert written == [command]
