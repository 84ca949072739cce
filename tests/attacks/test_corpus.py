"""The corpus as a whole: each attack says what it tries and is tried by a test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOLDERS = (HERE / "corpus", HERE.parents[1] / "autograder" / "doctor" / "attacks")
HELPERS = {"tools", "probe", "honest", "__init__"}
ATTACKS = sorted(path for folder in FOLDERS for path in folder.rglob("*.py") if path.stem not in HELPERS)


def test_there_are_enough_of_every_kind() -> None:
    """Reading, forging, cheating, exhausting, escaping and archives are all there."""
    assert len(ATTACKS) >= 80
    assert {path.parent.name for path in ATTACKS} >= {
        "reading", "forging", "cheating", "exhausting", "escaping", "archives", "echoing", "guessing", "bombs",
    }  # fmt: skip


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_each_says_what_it_tries_and_is_tried(path: Path) -> None:
    """A first line in words, and a test that names it."""
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert len(words.split()) >= 3
    tests = "".join(test.read_text(encoding="utf-8") for test in HERE.rglob("test_*.py"))
    assert path.parent.name == "archives" or path.stem in tests
