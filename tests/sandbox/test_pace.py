"""Limits of CPU time are longer on a slow machine, and never shorter."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from autograder.sandbox import pace
from autograder.sandbox.pace import MOST, USUAL_S, slowness


@pytest.mark.parametrize(
    ("seconds", "factor"),
    [
        ([USUAL_S / 3], 1.0),  # a fast machine takes nothing away
        ([2.5 * USUAL_S], 2.5),
        ([9 * USUAL_S, 2 * USUAL_S, 5 * USUAL_S], 2.0),  # neighbours
        ([100 * USUAL_S], MOST),
    ],
)
def test_a_slow_machine_has_longer_limits(monkeypatch: pytest.MonkeyPatch, seconds: list[float], factor: float) -> None:
    """By the least of the tries, within bounds."""
    tries: Iterator[float] = chain(seconds, repeat(seconds[-1]))
    monkeypatch.setattr(pace, "_seconds", lambda: next(tries))
    assert slowness() == pytest.approx(factor)


def test_this_machine_is_measured() -> None:
    """To compute takes time."""
    assert 1 <= slowness() <= MOST
