"""The office of the tiny course: commands typed in its folder, and grading with the session's sandboxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autograder.cli import main


@pytest.fixture
def typed(tiny_course: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A function that runs the command in the course's folder: `typed("marks", "--json")`."""
    monkeypatch.chdir(tiny_course)
    monkeypatch.setenv("AUTOGRADER_SECRET", "a secret of the tests, thirty-two bytes and more")
    return lambda *args: CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture
def lent(desk_for: Any, tiny_course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grading in this process, with the session's sandboxes."""
    from autograder import fleet

    def pipeline(settings: Any) -> Any:
        return desk_for(settings.folder).pipeline(
            confinement=settings.confinement,
            layers=settings.layers,
            missing=settings.missing,
            ledger=settings.ledger,
            datasets_digest=settings.datasets_digest,
        )

    monkeypatch.setattr(fleet, "pipeline_for", pipeline)
