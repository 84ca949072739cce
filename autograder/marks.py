"""The decorators of a check. They are inert: `course/` reads them from the source, nothing has to run."""

from __future__ import annotations

from typing import Literal

import pytest

CHECK_FILES = frozenset({"test_public.py", "test_hidden.py"})

MARKS = {
    "points": "points(n): what the check is worth; 0 is a bonus",
    "needs": "needs(name, ...): checks that must have passed, or parts that must be right or be stood in for",
    "bans": "bans(name, ...): operators or groups that this check refuses, instead of the assignment's default",
    "visibility": "visibility(when): always, after_due, after_published or never",
    "trains": "trains(cpu_s=...): the check trains; its CPU limit",
    "hint": "hint(text): one nudge, shown when the check fails",
}


def points(n: int) -> pytest.MarkDecorator:
    """What the check is worth, all its cases together; 0 is a bonus that is reported and never counted."""
    return pytest.mark.points(n)


def needs(*names: str) -> pytest.MarkDecorator:
    """A check's name: it must have passed. A part's name: it must be right, or its stand-in takes its place."""
    return pytest.mark.needs(*names)


def bans(*names: str) -> pytest.MarkDecorator:
    """Groups or operators that are refused in this check, instead of the assignment's default."""
    return pytest.mark.bans(*names)


def visibility(when: Literal["always", "after_due", "after_published", "never"]) -> pytest.MarkDecorator:
    """When students see the result."""
    return pytest.mark.visibility(when)


def trains(*, cpu_s: float) -> pytest.MarkDecorator:
    """The check uses optimizers; it may use this many CPU seconds, at least ten times the reference's."""
    return pytest.mark.trains(cpu_s=cpu_s)


def hint(text: str) -> pytest.MarkDecorator:
    """One nudge towards the mistake, shown when the check fails."""
    return pytest.mark.hint(text)
