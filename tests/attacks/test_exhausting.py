"""Attacks that use up what a machine has: the limits end them, for that check alone, with the right words."""

from __future__ import annotations

from typing import Any

import pytest

from autograder.sandbox import transport

SLOW, FULL, CRASH, FAIL, NONE = "timed_out", "out_of_memory", "crashed", "failed", "passed"
CASES = {
    "cpu": {SLOW},
    "cpu_handler": {SLOW},
    "cpu_threads": {SLOW, FAIL, CRASH, FULL},
    "wait": {SLOW},
    "memory_python": {FULL},
    "memory_mmap": {FULL, FAIL},
    "memory_torch": {FULL},
    "answer": {FAIL},
    "deep": {CRASH, FULL, FAIL, SLOW},
    "str_hangs": {SLOW},
    "str_raises": {FAIL},
    "str_huge": {FAIL},
    "del_loops": {SLOW},
    "own_limits": {FAIL},
    "nested_answer": {FAIL},
    "many_answers": {FAIL},
    "handle_flood": {FAIL, FULL, SLOW},
    "written_ahead": {SLOW, CRASH, FAIL},
    "expression": {SLOW},
    "memory_shared": {FULL, FAIL, CRASH, SLOW},
    "traceback": {CRASH, FULL, FAIL, SLOW},
    "descriptors": {NONE},
    "files": {NONE},
    "deep_folders": {NONE},
}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the wall limit of children that only wait."""
    monkeypatch.setattr(transport, "LEAST_WALL_S", 4.0)
    monkeypatch.setattr(transport, "WALL_FACTOR", 4)


def outcome(grade: Any, name: str = "test_shift") -> str:
    """How a check ended."""
    return next(str(result.outcome) for result in grade.results if result.id == name)


@pytest.mark.parametrize("name", CASES)
def test_a_limit_ends_it(arena: Any, name: str) -> None:
    """Only the attacked check is lost; output is cut, disk and inodes run out inside the jail."""
    stood = arena.stand(f"exhausting/{name}", keeps=100 if CASES[name] == {NONE} else 60, forges=False)
    assert outcome(stood.right) in CASES[name], [result.finding for result in stood.right.results]
    assert all(len(result.evidence.stdout) <= 3 * 64 * 1024 for result in stood.right.results)
    assert {name for name, how in stood.attempts.items() if how.startswith("got")} == set()


def test_an_import_without_end(arena: Any) -> None:
    """All checks time out, after one trial."""
    stood = arena.stand("exhausting/cpu_import", keeps=0, forges=False)
    assert {str(result.outcome) for result in stood.right.results} == {SLOW}


def test_importing_everything(arena: Any) -> None:
    """It takes what time and memory a submission has, and no more; whatever comes of it is told."""
    stood = arena.stand("exhausting/imports", keeps=None, forges=False)
    assert {str(result.outcome) for result in stood.right.results} <= {SLOW, FULL, FAIL, NONE}


def test_folders_too_deep_to_clear_away(bare_arena: Any) -> None:
    """Where no namespace clears a scratch folder away, the zygote does, and lives."""
    zygote = bare_arena.zygote()
    bare_arena.stand("exhausting/deep_folders", forges=False)
    bare_arena.stand("exhausting/deep_folders", keeps=60, forges=False, exits=True)
    assert bare_arena.zygote() is zygote
