"""Attacks that would have the judge wait, swell or fall: none needs a human, and the next submission has its 100."""

from __future__ import annotations

import platform
import time
from typing import Any

import pytest

from autograder.sandbox import transport
from autograder.sandbox.zygote import MAX_TASKS

FAST = {"LEAST_WALL_S": 1.5, "WALL_FACTOR": 1}


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall clock that is soon over."""
    for name, value in FAST.items():
        monkeypatch.setattr(transport, name, value)


def shift_of(graded: Any) -> Any:
    """How the check of `shift` ended."""
    return next(result for result in graded.results if result.id == "test_shift")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="its machine code is that of x86-64")
def test_threads_are_counted(arena: Any) -> None:
    """A bomb of threads that need no memory stops at the limit, far from what the machine can number."""
    if not {"uid", "user namespace"} & {*arena.zygote().layers}:
        pytest.skip("without a user of its own, a submission's threads count with the judge's")
    stood = arena.stand("bombs/threads", keeps=None, forges=False)
    started = [int(how) for how in stood.attempts.values()]
    assert started
    assert MAX_TASKS // 2 < max(started) < MAX_TASKS


@pytest.mark.parametrize(("what", "when"), [("waits", "import"), ("computes", "shift"), ("waits", "fit")])
@pytest.mark.usefixtures("hurry")
def test_hanging_up_is_no_fault_of_the_graders(arena: Any, what: str, when: str) -> None:
    """Whoever closes the channel and lives on is ended, in both zygotes and at every time."""
    stood = arena.stand("bombs/hang_up", keeps=0 if when == "import" else None, forges=False, what=what, when=when)
    lost = {str(r.outcome) for r in stood.right.results if str(r.outcome) not in {"passed", "skipped"}}
    assert lost == {"timed_out"}
    assert stood.right.score < 100


@pytest.mark.parametrize("what", ["answer", "print"])
@pytest.mark.usefixtures("hurry")
def test_a_byte_now_and_then_does_not_keep_the_judge(arena: Any, what: str) -> None:
    """The clock does not start again with every byte."""
    began = time.monotonic()
    stood = arena.stand("bombs/dribble", keeps=None, forges=False, what=what)
    assert time.monotonic() - began < 60
    assert str(shift_of(stood.right).outcome) == "timed_out"


def test_exceptions_without_end(arena: Any) -> None:
    """Causes, groups, notes and lying classes are the student's failure, told in a few words."""
    stood = arena.stand("bombs/chains", keeps=None, forges=False)
    assert str(shift_of(stood.right).outcome) in {"failed", "out_of_memory", "timed_out"}
    assert len(shift_of(stood.right).finding.message) < 2_000


@pytest.mark.parametrize("filling", ["\x01", "\N{HANGUL SYLLABLE GA}", ","], ids=["control", "hangul", "commas"])
def test_a_file_as_large_as_may_be_is_graded(arena: Any, filling: str) -> None:
    """A megabyte of any text beside right answers costs nothing, and no descriptor is left open."""
    before = arena.look()
    size = (2**20 - len(arena.right) - 100) // len(filling.encode())
    graded = arena.grade(f'{arena.right}\nTEXT = """{filling * size}"""\n')
    assert (graded.score, graded.needs_human) == (100, ())
    assert arena.look() == before
