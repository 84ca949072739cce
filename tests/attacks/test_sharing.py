"""Attacks on the process in which checks take turns: what one check leaves there neither helps nor harms another."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(("name", "worth"), [("remember", None), ("worker", None), ("ahead", 60)])
def test_nothing_is_gained_by_what_was_asked_before(arena: Any, name: str, worth: int | None) -> None:
    """Tensors, answers and whole frames of other checks are no answers; whoever sends them loses that check alone."""
    stood = arena.stand(f"sharing/{name}", keeps=worth)
    assert stood.wrong.score <= arena.score_of_wrong_work


@pytest.mark.parametrize("name", ["settings", "neighbours"])
def test_no_check_is_lost_to_its_neighbours(arena: Any, name: str) -> None:
    """What fails in a state that another check left, or ends there, is asked again in a process of its own."""
    arena.stand(f"sharing/{name}", keeps=100, forges=False)
