"""Attacks on the judge itself: bytes that no honest worker writes are that student's failure and nobody else's."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from autograder.sandbox import transport

RAW = Path(__file__).with_name("corpus") / "judge" / "raw.py"
KINDS = re.findall(r'^    "(\w+)": lambda N', RAW.read_text(encoding="utf-8"), re.MULTILINE)
STUDENTS = {"failed", "crashed", "timed_out", "out_of_memory"}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the wall limit of children that only wait."""
    monkeypatch.setattr(transport, "LEAST_WALL_S", 2.0)
    monkeypatch.setattr(transport, "WALL_FACTOR", 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_malformed_answer_is_the_students_own(arena: Any, kind: str) -> None:
    """Only the check that it answers is lost; the judge neither fails nor spends more than a few seconds on it."""
    source = arena.source("judge/raw", arena.right, kind=kind)
    began = time.process_time()
    grade = arena.grade(source, alone=True)
    assert time.process_time() - began < 10
    assert grade.needs_human == ()
    outcomes = {result.id: str(result.outcome) for result in grade.results}
    assert outcomes["test_shift"] in STUDENTS
    assert grade.score == 60
    assert "\x1b" not in arena.shown(grade)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"hashes", "lists", "tensors", "gigabytes"}])
def test_a_malformed_answer_to_the_import_is_the_students_own(arena: Any, kind: str) -> None:
    """Between locked and loaded, too: nothing can be imported, no exception comes out of the pipeline."""
    grade = arena.grade(arena.source("judge/raw", arena.right, kind=kind, at_import=True), alone=True)
    assert (grade.needs_human, grade.score) == ((), 0)
    assert {str(result.outcome) for result in grade.results} <= STUDENTS | {"skipped"}
    assert "\x1b" not in arena.shown(grade)


def test_everybody_else_is_graded_as_before(arena: Any) -> None:
    """After all of that the same zygotes give right work its 100."""
    assert arena.grade(arena.right).score == 100
