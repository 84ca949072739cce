"""Attacks by guesswork and by lies of the worker: what is judged are values, behind which all else stands."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "worth"),
    [("shapes", 35), ("precision", 0), ("always_raises", 0)],
)
def test_guesses_earn_what_is_right_in_them(arena: Any, name: str, worth: int) -> None:
    """Known shapes, many numbers, and the right exception for everything: a hidden check gives nothing for them."""
    graded = arena.grade(arena.source(f"guessing/{name}", arena.right))
    assert (graded.needs_human, graded.score) == ((), worth)
    assert arena.grade(arena.right).score == 100


def test_a_worker_that_lies_earns_nothing(arena: Any) -> None:
    """Wrong work is not worth more when its worker forges errors, states and training runs."""
    stood = arena.stand("guessing/lying_errors", keeps=None)
    assert stood.right.score < 100
    assert next(str(result.outcome) for result in stood.wrong.results if result.id == "test_fit") == "failed"
