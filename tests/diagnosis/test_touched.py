"""What a mistake changes and what a replay runs are known by function, so that most mistakes need no replay."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from autograder.diagnosis.touched import ANYTHING, Running, changed_by
from autograder.variants import Edit

ModuleOf = Callable[[str], tuple[ModuleType, Path]]

SOURCE = '''import functools

RATE = 2


def double(x):
    """Twice."""
    return 2 * x


@functools.cache
def table(n):
    return list(range(n))


class Cell:
    size = 3

    def forward(self, x):
        def inner(y):
            return double(y)

        return inner(x) + 1

    def unused(self):
        return 0
'''


@pytest.mark.parametrize(
    ("replace", "by", "parts"),
    [
        ("2 * x", "3 * x", {"double"}),
        ("    return 2 * x\n", "    y = x\n    return y + y\n", {"double"}),
        ("def double(x):\n", "def double(x, times=2):\n", {"double"}),
        ("inner(x) + 1", "inner(x)", {"Cell.forward"}),
        ("return double(y)", "return y", {"Cell.forward"}),
        ("    def unused(self):\n", "    def unused(self):\n        self.x = 1\n", {"Cell.unused"}),
        ("    size = 3\n", "    size = 4\n", None),
        ("RATE = 2", "RATE = 3", None),
        ("    return 2 * x\n", "    return 2 * x\n\n\ndef list(x):\n    return x\n", None),
        ("        return 0\n", "        return 0\n\n    def __call__(self, x):\n        return x\n", None),
        ("    return list(range(n))", "    return [n]", None),
        ("return 0", "return RATE", {"Cell.unused"}),
    ],
)
def test_an_edit_changes_the_function_that_it_lies_in(replace: str, by: str, parts: set[str] | None) -> None:
    """Inside one function it changes that; at the module's or a class's own level, or with a memory, anything."""
    found = changed_by([Edit("cell.py", replace, by)], {"cell.py": SOURCE})
    assert found == (None if parts is None else {("cell.py", part) for part in parts})


def test_several_edits_change_the_functions_of_all() -> None:
    """One that changes anything makes it anything; one in the text of another edit as well."""
    edits = [Edit("cell.py", "2 * x", "3 * x"), Edit("cell.py", "return 0", "return 1")]
    assert changed_by(edits, {"cell.py": SOURCE}) == {("cell.py", "double"), ("cell.py", "Cell.unused")}
    assert changed_by([*edits, Edit("cell.py", "RATE = 2", "")], {"cell.py": SOURCE}) is None
    assert changed_by([*edits, Edit("cell.py", "3 * x", "4 * x")], {"cell.py": SOURCE}) is None


def test_what_runs_is_known_with_the_call_in_which_it_ran_first(module_of: ModuleOf) -> None:
    """Functions, methods and what is defined in them; nothing of other files."""
    module, folder = module_of(SOURCE)
    running = Running([folder])
    with running.watched(b"one"):
        module.double(1)
    with running.watched(b"two"):
        module.Cell().forward(1)
    (file,) = {name for name, _ in running.ran[b"one"]}
    assert running.first([b"one", b"two"]) == {(file, "double"): 0, (file, "Cell.forward"): 1}
    assert running.first([b"new", b"two"]) == {(file, "double"): 1, (file, "Cell.forward"): 1}
    assert sys.getprofile() is None


def test_beside_a_profiler_nothing_is_known(module_of: ModuleOf) -> None:
    """Whoever profiles the grader keeps their profile, and diagnosis tries everything."""
    module, folder = module_of(SOURCE)
    running, events = Running([folder]), []
    sys.setprofile(lambda *event: events.append(event))
    try:
        with running.watched(b"one"):
            module.double(1)
    finally:
        sys.setprofile(None)
    assert events
    assert running.first([b"one"]) == {ANYTHING: 0}
