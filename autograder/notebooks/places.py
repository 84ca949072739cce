"""Where a line of a notebook's module stands in the notebook: `tiny.py, line 31` -> `cell 5, line 3`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

from autograder.notebooks.module import CELL, FIRST

_MARK = re.compile(rf"{re.escape(CELL)} (\d+)".encode())


def in_cells(words: str, files: Mapping[str, bytes]) -> str:
    """`words` with every `FILE, line N` of a file that was a notebook as `cell C, line L`."""
    for name, content in files.items():
        if name in words and content.startswith(FIRST.encode()):
            words = re.sub(rf"{re.escape(name)}, line (\d{{1,7}})", partial(_place, _marks(content)), words)
    return words


def _marks(content: bytes) -> list[tuple[int, int]]:
    """Line and number of every cell's first line."""
    lines = enumerate(content.split(b"\n"), 1)
    return [(line, int(found[1])) for line, text in lines if (found := _MARK.fullmatch(text))]


def _place(marks: Sequence[tuple[int, int]], found: re.Match[str]) -> str:
    line = int(found[1])
    above = [mark for mark in marks if mark[0] < line]
    return f"cell {above[-1][1]}, line {line - above[-1][0]}" if above else found[0]
