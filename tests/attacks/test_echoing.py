"""Attacks that say hidden inputs where a student can read them: only a TA sees what a submission says of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).with_name("corpus") / "echoing" / "tools.py"
LONGEST, MOST = 2_000, 32


def grade(arena: Any, name: str, **facts: Any) -> Any:
    """The grade of right work behind an attack."""
    return arena.grade(f"{TOOLS.read_text(encoding='utf-8')}\n{arena.source(f'echoing/{name}', arena.right, **facts)}")


def assert_silent(arena: Any, graded: Any) -> None:
    """What a student reads says something, is short, and holds neither the attack's words nor a terminal's codes."""
    shown = arena.shown(graded)
    assert "LEAK" not in shown
    assert "\x1b" not in shown
    assert graded.needs_human == ()
    for result in graded.results:
        assert result.finding is None or 0 < len(result.finding.message) < LONGEST
    assert all(len(name) <= 80 and "\x1b" not in name for r in graded.results for name in r.evidence.banned_calls)
    assert all(len(result.evidence.banned_calls) <= 2 * MOST for result in graded.results)  # in both precisions


@pytest.mark.parametrize("name", ["names", "missing", "banned", "memory", "objects"])
def test_no_name_or_message_carries_an_input(arena: Any, name: str) -> None:
    """Names that were made at run time, and messages that pose as the kit's own, do not reach the student."""
    graded = grade(arena, name)
    assert graded.score == 0
    assert_silent(arena, graded)


@pytest.mark.parametrize("what", ["dtype", "tag", "error", "refused"])
def test_complaints_about_bytes_quote_none(arena: Any, what: str) -> None:
    """An answer that cannot be read is told without its own words."""
    graded = grade(arena, "frames", what=what)
    assert graded.score == 0
    assert_silent(arena, graded)


@pytest.mark.parametrize("what", ["names", "numbers", "shape", "found", "renamed"])
def test_no_parameter_carries_an_input(arena: Any, what: str) -> None:
    """Neither by its name nor by its shape, where a message or a remark lists what does not fit."""
    graded = grade(arena, "parameters", what=what)
    assert graded.score == {"renamed": 100, "found": 60}.get(what, 80)
    assert_silent(arena, graded)
    said = [*for_student(graded), *(remark for result in graded.results for remark in result.evidence.remarks)]
    assert not any(re.search(r"LEAK|\d{5}|(\d\d-){3}", text) for text in said), said


def for_student(graded: Any) -> list[str]:
    """Return the messages of a grade."""
    return [result.finding.message for result in graded.results if result.finding]


def test_output_is_for_the_ta(arena: Any) -> None:
    """What is printed is kept as evidence, costs nothing, and stands in no finding."""
    graded = grade(arena, "output")
    assert graded.score == 100
    assert_silent(arena, graded)
    assert "LEAK" in "".join(result.evidence.stdout for result in graded.results)
    assert arena.grade(arena.right).score == 100


def test_honest_names_are_still_told(arena: Any) -> None:
    """A student still reads which exception was raised, in which function and line, and which name is missing."""
    wrong = arena.right.replace("return x @ weight\n", "raise ZeroDivisionError('by 0.12345678')\n", 1)
    finding = arena.grade(wrong).results[0].finding
    assert finding.message == "Your code raised ZeroDivisionError."
    assert finding.where.startswith("line.py, line ")
    assert finding.where.endswith("in scale")
    missing = arena.grade(arena.right.replace("def scale(", "def scales("))
    assert "has no attribute 'scale'" in missing.results[0].finding.message
