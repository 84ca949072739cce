"""Attacks on the judge itself: bytes that no honest worker writes are that student's failure and nobody else's."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.sandbox import transport
from autograder.sandbox.means import survey

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


SWELLS = '''"""A check that computes with an answer before it compares shapes."""

import torch

from autograder.checks import points, same


@points(20)
def test_shift(student, reference, draw):
    """`shift` shifts."""
    x, bias = draw(2, 5), draw(5)
    same(student.shift(x, bias), reference.shift(x, bias))


@points(45)
def test_scale_masked(student, draw):
    """Of `scale`, some columns."""
    x, weight = draw(3, 4), draw(4, 1000)
    mask = torch.arange(1000) % 2 == 0
    same(student.scale(x, weight) * mask, (x @ weight) * mask)
'''


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's limit on data is Linux' own")
def test_what_swells_in_the_judge_is_the_students_own(make_arena: Callable[..., Any]) -> None:
    """A broadcast beyond the judge's room is refused: no other process is ended for it, and no human is asked."""
    arena = make_arena(survey().layers, hidden=SWELLS)
    graded = arena.grade(arena.source("judge/broadcast", arena.right, rows=200_000))
    found = next(result for result in graded.results if result.id == "test_scale_masked")
    assert (str(found.outcome), found.finding.kind, graded.needs_human) == ("failed", "structure", ())
    assert "memory" in found.finding.detail
    assert "memory" not in found.finding.message
    assert arena.grade(arena.right).score == 100
