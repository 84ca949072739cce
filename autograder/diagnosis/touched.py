"""Which functions of a solution a mistake changes, and which a replay runs: what does not run changes no answer.

Both are known by file and name (`bert.py`, `Bert.forward`). Whatever is defined within a function or a method belongs
to it. A mistake that changes more than the insides of functions (a class's attributes, a name of the module) may change
anything.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FrameType

from autograder.variants import Edit

Part = tuple[str, str]
"""A file's name and a function's qualified name in it."""


ANYTHING: Part = ("", "")
"""Stands for all functions, where it is not known which ones ran."""


@dataclass
class Running:
    """Which functions of the files in some folders run, and where: forty students have the same questions asked."""

    folders: Sequence[Path]
    ran: dict[bytes, set[Part]] = field(default_factory=dict)
    """Place of a question (a digest of all that was asked up to it) -> what ran for its answer."""
    _names: dict[CodeType, Part | None] = field(default_factory=dict)

    @contextmanager
    def watched(self, place: bytes = b"") -> Iterator[None]:
        """Note what runs in a block; where a profiler runs already, it is left alone, and anything may have run."""
        noted = self.ran.setdefault(place, set())
        if sys.getprofile() is not None:
            noted.add(ANYTHING)
            yield
            return

        def note(frame: FrameType, event: str, _: object) -> None:
            if event == "call":
                code = frame.f_code
                if code not in self._names:
                    self._names[code] = self._part(code)
                if (part := self._names[code]) is not None:
                    noted.add(part)

        sys.setprofile(note)
        try:
            yield
        finally:
            sys.setprofile(None)

    def first(self, places: Sequence[bytes]) -> dict[Part, int]:
        """Return each function that ran for the answers to these questions, with the number of the first of them."""
        found: dict[Part, int] = {}
        for number, place in enumerate(places):
            for part in self.ran.get(place, ()):
                found.setdefault(part, number)
        return found

    def _part(self, code: CodeType) -> Part | None:
        file = Path(code.co_filename)
        return (file.name, code.co_qualname.split(".<locals>")[0]) if file.parent in self.folders else None


def changed_by(edits: Sequence[Edit], sources: Mapping[str, str]) -> frozenset[Part] | None:
    """Return the functions of `sources` (file -> text) inside which the edits lie; None: they may change anything."""
    parts = [_function_around(edit, sources[edit.file]) for edit in edits]
    return None if None in parts else frozenset(part for part in parts if part is not None)


def _function_around(edit: Edit, source: str) -> Part | None:
    if source.count(edit.replace) != 1:  # it changes what another edit has written
        return None
    start = source.index(edit.replace)
    end = start + len(edit.replace.rstrip("\n"))
    first, last = (source.count("\n", 0, place) + 1 for place in (start, end))
    for name, node in _functions(source):
        if node.lineno <= first and last <= (node.end_lineno or 0):
            whole_lines = source[:start].endswith("\n") or not start
            return (edit.file, name) if _runs_anew(node) and _stays_inside(edit, whole_lines, node) else None
    return None


def _runs_anew(function: ast.FunctionDef) -> bool:
    """Whether it runs each time that it is called: what has a memory may have run long ago."""
    return not any("cache" in ast.unparse(each) for each in function.decorator_list)


def _stays_inside(edit: Edit, whole_lines: bool, function: ast.FunctionDef) -> bool:
    """Whether what is put in the place of an edit's text ends the function nowhere."""
    lines = edit.by.split("\n")
    head = f"def {function.name}("
    return all(
        not line.strip()
        or (number == 0 and not whole_lines)
        or _indent(line) > function.col_offset
        or (_indent(line) == function.col_offset and number == 0 and line.strip().startswith(head))
        for number, line in enumerate(lines)
    )


def _indent(line: str) -> int:
    spaces = re.match(r" *", line)
    return spaces.end() if spaces else 0


@cache
def _functions(source: str) -> tuple[tuple[str, ast.FunctionDef], ...]:
    """The outermost functions and methods, with their qualified names."""
    return tuple(_inside(ast.parse(source).body, ""))


def _inside(body: Sequence[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _inside(node.body, f"{prefix}{node.name}.")
