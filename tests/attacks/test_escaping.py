"""Attacks that reach out of the jail by system calls: none gets through, and nothing on the host has changed."""

from __future__ import annotations

import platform
from typing import Any

import pytest

from autograder.sandbox import means

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of system calls are x86-64's")
NAMES = ("nine_calls", "processes", "kernel", "network", "programs")


def through(stood: Any) -> dict[str, str]:
    """The attempts that got through."""
    return {name: how for name, how in stood.attempts.items() if how.startswith("got")}


@pytest.mark.parametrize("name", NAMES)
def test_no_call_reaches_out(arena: Any, name: str) -> None:
    """With all layers, even the names of files outside are unknown."""
    hidden = "namespaces" in means.survey().layers
    stood = arena.stand(f"escaping/{name}", forges=False, hidden_files=hidden)
    assert stood.attempts
    assert through(stood) == {}


@pytest.mark.parametrize("name", NAMES)
def test_no_call_reaches_out_without_namespaces(bare_arena: Any, name: str) -> None:
    """Landlock and the filter hold alone: there `stat` tells that a file exists, and nothing more."""
    stood = bare_arena.stand(f"escaping/{name}", forges=False, hidden_files=False)
    assert stood.attempts
    assert through(stood) == {}
