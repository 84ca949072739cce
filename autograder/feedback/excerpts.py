"""The student's own lines on a page: which ones, and in which colours.

Nothing here parses them. A limited child says where functions stand and how lines are coloured; where it runs into a
limit, or this machine cannot limit it, the lines come without colours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from autograder.feedback.pieces import Excerpt, Line
from autograder.feedback.text import visible
from autograder.notebooks.module import CELL, FIRST

AROUND = 4
"""Lines on either side of a marked one."""
MOST = 48
"""Lines of one excerpt."""
LONGEST = 200
"""Characters of a line."""

Place = tuple[str, int]
"""File and line, from 1."""

_CELL = re.compile(r"cell (\d{1,5}), line (\d{1,7})\b")
_WHERE = re.compile(r"([^,\n]{1,80}\.py), line (\d{1,7})\b")
_COLOURS = frozenset("bcdfkms")
"""The names of colours.py, which only the child imports."""


def place_of(where: str) -> Place | None:
    """File and line of `rnn.py, line 31, in rnn_cell`; None where it says neither."""
    found = _WHERE.match(where)
    return (found.group(1), int(found.group(2))) if found else None


class Source:
    """The files that one student handed in."""

    def __init__(self, files: Mapping[str, bytes], read: Callable[[Any], Any]) -> None:
        texts = {name: _unix(content) for name, content in files.items()}
        self._lines = {name: text.split("\n") for name, text in texts.items()}
        answer = read({"files": texts}) if texts else None
        self._cells = {name: _cells(lines) for name, lines in self._lines.items()}
        self._places = _places(answer, self._lines)
        self._docstrings = _docstrings(answer)
        self._runs = _runs(answer)

    def place(self, where: str) -> Place | None:
        """The place that `where` names in these files; `cell 5, line 3` is one of a notebook."""
        if found := _CELL.match(where):
            starts = [
                (file, line) for file, cells in self._cells.items() for line, cell in cells if cell == int(found[1])
            ]
            return (starts[0][0], starts[0][1] + int(found[2])) if len(starts) == 1 else None
        return place_of(where)

    def around(self, place: Place | None) -> Excerpt | None:
        """The lines around a place; None where there is no such line."""
        if place is None or not self._has(place):
            return None
        file, line = place
        last = len(self._lines[file])
        return self._excerpt(file, range(max(1, line - AROUND), min(last, line + AROUND) + 1), {line}, 0)

    def definition(self, name: str, marked: Iterable[Place]) -> Excerpt | None:
        """Where `name` is defined, with the marked lines in it; of a long one the start, or what is around them.

        Docstrings are left out: they are those of the stub.
        """
        if name not in self._places:
            return None
        file, first, last = self._places[name]
        marks = {line for its, line in marked if its == file and first <= line <= last}
        docstrings = self._docstrings.get(file, frozenset()) - marks
        lines = [line for line in range(first, last + 1) if line not in docstrings]
        shown = lines
        if len(lines) > MOST:
            near = {n for mark in marks for n in range(mark - 2 * AROUND, mark + 2 * AROUND + 1)}
            shown = ([line for line in lines if line in near] or lines)[:MOST]
        return self._excerpt(file, shown, marks, len(lines) - len(shown))

    def lines(self, name: str) -> str:
        """`rnn.py, lines 31 to 40`: where a function, class or method is defined; empty where it is not."""
        if name not in self._places:
            return ""
        file, first, last = self._places[name]
        start, where = self._cell(file, first)
        numbers = f"line {first - start}" if first == last else f"lines {first - start} to {last - start}"
        return f"{visible(where)}, {numbers}"

    def _cell(self, file: str, line: int) -> tuple[int, str]:
        """How many lines stand before those that the student counts, and the file's name, with a notebook's cell."""
        above = [(start, cell) for start, cell in self._cells[file] if start < line]
        return (above[-1][0], f"{file}, cell {above[-1][1]}") if above else (0, file)

    def defines(self, name: str, place: Place) -> bool:
        """Whether a place lies in the definition of `name`."""
        file, first, last = self._places.get(name, ("", 0, 0))
        return place[0] == file and first <= place[1] <= last

    def _has(self, place: Place) -> bool:
        return 1 <= place[1] <= len(self._lines.get(place[0], ()))

    def _excerpt(self, file: str, numbers: Sequence[int], marks: set[int], left_out: int) -> Excerpt:
        start, name = self._cell(file, numbers[0])
        lines = [
            Line(
                number=number - start,
                pieces=self._coloured(file, number),
                marked=number in marks,
                follows=number - 1 in numbers or number == numbers[0],
            )
            for number in numbers
        ]
        return Excerpt(name, tuple(lines), left_out)

    def _coloured(self, file: str, number: int) -> tuple[tuple[str, str], ...]:
        runs = self._runs.get(file, ())
        return _pieces(self._lines[file][number - 1], runs[number - 1] if number <= len(runs) else ())


def _unix(content: bytes) -> str:
    """A file's text with line ends as Python counts lines."""
    return content.decode("utf-8-sig", "backslashreplace").replace("\r\n", "\n").replace("\r", "\n")


def _cells(lines: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Line and number of every cell's first line, where the module was made of a notebook (see notebooks/places.py)."""
    if not lines or lines[0] != FIRST:
        return ()
    marks = ((number, line.removeprefix(f"{CELL} ")) for number, line in enumerate(lines, 1) if line.startswith(CELL))
    return tuple((number, int(cell)) for number, cell in marks if cell.isascii() and cell.isdigit() and len(cell) < 6)


def _pieces(text: str, runs: Sequence[tuple[str, int]]) -> tuple[tuple[str, str], ...]:
    """A line cut into coloured pieces: always the whole line, whatever the runs say, unless it is very long."""
    shown, pieces, at = text[:LONGEST], list[tuple[str, str]](), 0
    for colour, length in runs:
        if piece := shown[at : at + length]:
            pieces.append((colour, visible(piece)))
        at += length
    if rest := shown[at:]:
        pieces.append(("", visible(rest)))
    if len(text) > LONGEST:
        pieces.append(("", f"… ({len(text) - LONGEST:,} more characters)"))
    return tuple(pieces)


def _places(answer: Any, lines: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, int, int]]:
    """The child's answer about definitions, as far as it can be true."""
    found: dict[str, tuple[str, int, int]] = {}
    places = answer.get("places") if isinstance(answer, dict) else None
    for name, place in places.items() if isinstance(places, dict) else ():
        if isinstance(place, list) and len(place) == 3:
            file, first, last = place
            known = isinstance(file, str) and file in lines and isinstance(first, int) and isinstance(last, int)
            if known and 1 <= first <= last <= len(lines[file]):
                found[name] = (file, first, last)
    return found


def _docstrings(answer: Any) -> dict[str, frozenset[int]]:
    """The lines that docstrings of more than one line take."""
    found = answer.get("docstrings") if isinstance(answer, dict) else None
    return {
        file: frozenset(line for span in spans for line in _span(span))
        for file, spans in (found.items() if isinstance(found, dict) else ())
        if isinstance(spans, list)
    }


def _span(value: Any) -> range:
    pair = isinstance(value, list) and len(value) == 2 and all(isinstance(end, int) for end in value)
    return range(value[0], min(value[1], value[0] + 1000) + 1) if pair and value[0] < value[1] else range(0)


def _runs(answer: Any) -> dict[str, list[list[tuple[str, int]]]]:
    """The child's answer about colours, as far as it can be one."""
    runs = answer.get("runs") if isinstance(answer, dict) else None
    return {
        file: [[run for run in map(_run, line) if run] if isinstance(line, list) else [] for line in lines]
        for file, lines in (runs.items() if isinstance(runs, dict) else ())
        if isinstance(lines, list)
    }


def _run(value: Any) -> tuple[str, int] | None:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], int) and value[1] > 0:
        return (value[0] if isinstance(value[0], str) and value[0] in _COLOURS else ""), value[1]
    return None
