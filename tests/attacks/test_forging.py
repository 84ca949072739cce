"""Attacks that forge a result: answers in advance, lying objects, patched comparisons, silent exits."""

from __future__ import annotations

from typing import Any

import pytest

from autograder.sandbox import transport

ALL, NOTHING, BUT_SHIFT = 100, 0, 60
CASES = {
    "eq": BUT_SHIFT,
    "patches": None,
    "exit_import": NOTHING,
    "sysexit_import": NOTHING,
    "exit_call": BUT_SHIFT,
    "sysexit_call": BUT_SHIFT,
    "interrupt_call": BUT_SHIFT,
    "close_call": BUT_SHIFT,
    "segv_call": BUT_SHIFT,
    "abort_call": BUT_SHIFT,
    "realtime_call": BUT_SHIFT,
    "frames": None,
    "later": ALL,
    "hooks": ALL,
    "imports": None,
    "handlers": ALL,
    "pickles": BUT_SHIFT,
    "results": ALL,
    "descriptors": None,
}


@pytest.mark.parametrize("name", CASES)
def test_no_result_can_be_forged(arena: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Wrong work earns nothing by it, and the next submission has its 100."""
    monkeypatch.setattr(transport, "LEAST_WALL_S", 3.0)
    monkeypatch.setattr(transport, "WALL_FACTOR", 3)
    stood = arena.stand(f"forging/{name}", keeps=CASES[name])
    assert not any(what.startswith("got") for what in stood.attempts.values())


@pytest.mark.parametrize("kind", ["torch function", "dispatch", "numpy", "strides", "without numbers", "nested"])
def test_no_tensor_is_believed_but_its_bytes(arena: Any, kind: str) -> None:
    """A subclass, huge strides, sizes without numbers: whatever it says of itself, what crosses is compared."""
    stood = arena.stand("forging/tensors", keeps=None, kind=kind)
    assert stood.right.score <= 20


def test_a_signal_without_a_name_is_a_crash(bare_arena: Any) -> None:
    """Without a process namespace a child can die of a real-time signal, for which Python has no name."""
    stood = bare_arena.stand("forging/realtime_call", keeps=60, forges=False)
    result = {result.id: result for result in stood.right.results}["test_shift"]
    assert (str(result.outcome), "signal 40" in result.finding.message) == ("crashed", True)
