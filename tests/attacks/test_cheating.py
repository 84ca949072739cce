"""Attacks on what is graded: banned operators, and training without training."""

from __future__ import annotations

from typing import Any

import pytest


def test_bans_hold_on_every_route(arena: Any) -> None:
    """What is banned is refused by every route, also after an attempt to undo the bans; honest work keeps its 100."""
    stood = arena.stand("cheating/bans", forges=False)
    assert {name for name, how in stood.attempts.items() if how.startswith("got")} == set()
    assert any("BannedCall" in how for how in stood.attempts.values())


@pytest.mark.parametrize("name", ["losses", "state", "rule", "home", "closed_form"])
def test_training_is_judged_by_its_weights(arena: Any, name: str) -> None:
    """Losses and a forward that knows the rule are worth nothing: the check that trains fails, and no other."""
    source = arena.source(f"cheating/{name}", f"{arena.right}\nfit = lazy_fit\n")
    grade = arena.grade(source)
    assert (grade.score, grade.needs_human) == (80, ())
    assert next(str(result.outcome) for result in grade.results if result.id == "test_fit") == "failed"
    assert "\x1b" not in arena.shown(grade)
    assert arena.grade(arena.right).score == 100


def test_no_seed_gives_the_inputs_away(arena: Any) -> None:
    """Neither the child's own seed nor a guessed one brings forth what a check draws."""
    stood = arena.stand("cheating/seeds", keeps=None, forges=False)
    assert stood.attempts == {}


@pytest.mark.parametrize(("name", "worth"), [("inputs", None), ("missing_names", 60)])
def test_tricks_with_inputs_and_names_gain_nothing(arena: Any, name: str, worth: int | None) -> None:
    """Inputs are compared as they were sent, and a name that is missing is the submission's failure."""
    arena.stand(f"cheating/{name}", keeps=worth)
