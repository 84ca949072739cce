"""Attacks that read what a submission must not know: nothing is there, and right work beside them keeps its points."""

from __future__ import annotations

from typing import Any

import pytest

NAMES = ("files", "processes", "memory", "neighbours", "imports")
OWN = {"self/environ", "1/environ", "self/mountinfo", "self/mem", "self/fd/3"}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_secret_can_be_read(arena: Any, name: str) -> None:
    """No route leads to files, processes, memory or work of others; `stand` finds no secret in any result."""
    stood = arena.stand(f"reading/{name}", forges=False)
    got = {how: what for how, what in stood.attempts.items() if what.startswith("got")}
    assert got == {}


def test_what_one_student_leaves_behind_reaches_no_other(arena: Any) -> None:
    """A second student's children see neither files nor patched modules of the first one's."""
    arena.stand("reading/neighbours", forges=False)
    stood = arena.stand("reading/neighbours", forges=False)
    assert "left behind" not in stood.attempts
