"""A cell's text -> Python: lines that are Jupyter's and not Python's become `pass`, and stay where they are.

Which lines these are is left to Python's parser: a `%` in a long expression or a `!` in a text is none. Only where it
stops, at a line that looks like a magic, is that line taken out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

_LINE = re.compile(
    r"\s*(%{1,2}[A-Za-z]|!|\?"  # %matplotlib inline, !pip install, ?help
    r"|[\w.,\s]+=\s*(%[A-Za-z]|!)"  # files = !ls
    r"|[\w.]+\s*\?{1,2}\s*$"  # torch.nn?
    r"|(pip3?|conda|apt|apt-get|cd|ls|mkdir|wget|curl|git|python3?)\s+\S)"  # commands that Jupyter takes without a mark
)
_PYTHON_CELLS = frozenset({"%%time", "%%timeit", "%%capture", "%%prun", "%%debug", "%%memit", "%%mprun", "%%heat"})
"""Cell magics whose cell is Python: run with a stopwatch, say."""
_WRITES = frozenset({"%%writefile", "%%file"})
MAX_LINES = 200
"""Magics in one cell; each costs a parse."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A cell without magics."""

    lines: tuple[str, ...]
    taken_out: tuple[int, ...]
    """Numbers of the lines that were Jupyter's, from 1."""


def without_magics(lines: Sequence[str], module_file: str) -> Cleaned:
    """The cell as Python. Raises SyntaxError where the rest is none either.

    A cell for another language (`%%bash`) is taken out whole; one that writes `module_file` is that file's text.
    """
    first = lines[0].split()
    if first and first[0].startswith("%%"):
        writes_it = first[0] in _WRITES and module_file in (name.rpartition("/")[2] for name in first[1:])
        if first[0] not in _PYTHON_CELLS and not writes_it:
            return Cleaned(tuple(f"# {line}" for line in lines), tuple(range(1, len(lines) + 1)))
        return _by_parser([f"# {lines[0]}", *lines[1:]], {1})
    return _by_parser(list(lines), set())


def _by_parser(lines: list[str], out: set[int]) -> Cleaned:
    for _ in range(MAX_LINES):
        try:
            ast.parse("\n".join(lines))
        except SyntaxError as error:
            number = error.lineno or 0
            if not (0 < number <= len(lines) and _LINE.match(lines[number - 1])):
                return _all_at_once(lines, out)
            _take_out(lines, number, out)
        else:
            return Cleaned(tuple(lines), tuple(sorted(out)))
    return _all_at_once(lines, out)


def _all_at_once(lines: list[str], out: set[int]) -> Cleaned:
    """The parser stopped elsewhere, at a lone quote in a shell command, say: take out all that looks like a magic."""
    for number, line in enumerate(lines, 1):
        if _LINE.match(line):
            _take_out(lines, number, out)
    ast.parse("\n".join(lines))
    return Cleaned(tuple(lines), tuple(sorted(out)))


def _take_out(lines: list[str], number: int, out: set[int]) -> None:
    """Replace a line by `pass`, and those that a backslash adds to it by nothing."""
    word = "pass  # "
    while number <= len(lines):
        line = lines[number - 1]
        indent = line[: len(line) - len(line.lstrip())]
        lines[number - 1] = f"{indent}{word}{line.strip().rstrip(chr(92))}"
        out.add(number)
        if not line.rstrip().endswith("\\"):
            return
        number, word = number + 1, "# "
