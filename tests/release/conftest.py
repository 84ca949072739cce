"""A small course on disk, written anew for every test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SOLUTION = '''"""Adding up."""

from __future__ import annotations


def add(first: float, second: float) -> float:
    """Return the sum of two numbers."""
    ### BEGIN SOLUTION
    grand_total = first + second * 1.0
    return grand_total
    ### END SOLUTION
'''

PUBLIC = '''"""The checks that you have."""

from autograder.checks import points, same


@points(40)
def test_add(student):
    """`add` adds."""
    same(student.add(1.0, 2.0), 3.0)
'''

HIDDEN = '''"""The checks that only the course has."""

from autograder.checks import needs, points, same


@points(60)
@needs("test_add")
def test_add_negative_numbers(student, reference):
    """The sum of negative numbers is negative."""
    same(student.add(-17.5, -3.25), reference.add(-17.5, -3.25))
'''

SETTINGS = """title: Adding up
files: [adder.py]
bans: []
parts: {add: [test_add, test_add_negative_numbers]}
"""

HANDOUT = "# Adding up\n\n## 1. Sums\n\nWrite `add(first, second)`.\n"

WriteCourse = Callable[..., Path]


@pytest.fixture
def write_course(tmp_path: Path) -> WriteCourse:
    """A function that writes solutions/a1_adder/ and returns the root; `a__py=None` leaves a.py out."""

    def write(**replaced: str | None) -> Path:
        folder = tmp_path / "course" / "solutions" / "a1_adder"
        files: dict[str, str | None] = {
            "adder.py": SOLUTION,
            "test_public.py": PUBLIC,
            "test_hidden.py": HIDDEN,
            "assignment.yml": SETTINGS,
            "handout.md": HANDOUT,
        }
        files |= {name.replace("__", "."): text for name, text in replaced.items()}
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is not None:
                file.write_text(text, encoding="utf-8")
        return tmp_path / "course"

    return write
