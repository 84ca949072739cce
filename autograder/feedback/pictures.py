"""What a check showed of its numbers, as shapes: pure arithmetic from numbers to paths."""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from autograder.feedback.curve import BOTTOM, HEIGHT, LARGEST, LEFT, RIGHT, WIDTH, Axis, short
from autograder.feedback.pieces import Curve, Drawing, Label, Map, Tick
from autograder.feedback.text import clipped
from autograder.records import Panel, Picture, PictureKind

CELL = 14
"""Units of a cell's side; a letter of a label is half as wide."""
LEVELS = 8
"""Shades of one colour beside none."""
LONGEST_LABEL, LONGEST_NAME = 14, 60
MOST_PANELS = 4
MOST_CELLS = 48
"""Of a side, whatever a result says."""
DIFFERS = "where they differ"
TINY = 1e-6
"""What is smaller than this part of the largest value is rounding."""
UNSEEN = 1e-4
"""No two shades differ by so small a part of the largest value, and three digits are kept of each."""

Words = Callable[[str], str]


def drawing_of(picture: Picture, said: Words) -> Drawing | None:
    """The drawing of a picture, its names put into words by `said`; None where there is nothing to see."""
    panels = picture.panels[:MOST_PANELS]
    if picture.kind is PictureKind.LINES:
        return _curves(picture, panels, said)
    matrices = [_cut(panel) for panel in panels]
    finite = [value for matrix in matrices for row in matrix for value in row if abs(value) < LARGEST]
    if not finite or not all(matrix and matrix[0] for matrix in matrices):
        return None
    shade = _grey(min(finite), max(finite)) if picture.kind is PictureKind.IMAGE else _colour(max(map(abs, finite)))
    named: list[tuple[str, Matrix, Shade, bool]] = [
        (said(panel.name), matrix, shade, False) for panel, matrix in zip(panels, matrices, strict=True)
    ]
    if len(matrices) == 2 and _shape(matrices[0]) == _shape(matrices[1]):
        apart = [[_apart(*pair) for pair in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]
        most = max((value for row in apart for value in row if value < LARGEST), default=0.0)
        if most > UNSEEN * max(map(abs, finite)) or any(value >= LARGEST for row in apart for value in row):
            by = f" (≤ {short(most)})" if most < LARGEST and most else ""  # its shades are for it alone
            named.append((said(DIFFERS) + by, apart, _difference(most), True))
    maps = tuple(_map(*each, picture) for each in named)
    return Drawing(
        title=clipped(_titled(picture.title, said), LONGEST_NAME),
        maps=maps,
        low=short(_rounded(min(finite), finite)),
        high=short(_rounded(max(finite), finite)),
        signed=min(finite) < 0,
        grey=picture.kind is PictureKind.IMAGE,
        x=clipped(said(picture.x), LONGEST_NAME),
        y=clipped(said(picture.y), LONGEST_NAME),
    )


def _rounded(value: float, among: Sequence[float]) -> float:
    """A value, or zero where only rounding keeps it from being zero."""
    return value if abs(value) > TINY * max(map(abs, among)) else 0.0


def _titled(title: str, said: Words) -> str:
    """What is drawn, in words; which part of it, `[0, :, :]`, is the same in every language."""
    what, bracket, part = title.rpartition("[")
    return said(what) + bracket + part if bracket and what and part.endswith("]") else said(title)


Matrix = Sequence[Sequence[float]]
Shade = Callable[[float], str]
"""The name of a value's shade; empty: none, the page shows through."""


def _cut(panel: Panel) -> list[tuple[float, ...]]:
    rows = [row[:MOST_CELLS] for row in panel.values[:MOST_CELLS]]
    return rows if len({len(row) for row in rows}) == 1 else []


def _shape(matrix: Matrix) -> tuple[int, int]:
    return len(matrix), len(matrix[0])


def _apart(one: float, other: float) -> float:
    """How far two values lie apart: nothing where both are the same infinity or no number."""
    if one == other or (math.isnan(one) and math.isnan(other)):
        return 0.0
    return abs(one - other) if abs(one) < LARGEST and abs(other) < LARGEST else math.inf


def _level(part: float) -> int:
    return min(LEVELS, max(0, round(LEVELS * part)))


def _colour(largest: float) -> Shade:
    def shade(value: float) -> str:
        if not abs(value) < LARGEST:
            return "no-number"
        level = _level(abs(value) / largest) if largest else 0
        return f"{'q' if value > 0 else 'v'}{level}" if level else ""

    return shade


def _difference(largest: float) -> Shade:
    def shade(value: float) -> str:
        if not value < LARGEST:
            return "w8"
        return f"w{max(1, _level(value / largest))}" if value > TINY * largest else ""

    return shade


def _grey(low: float, high: float) -> Shade:
    def shade(value: float) -> str:
        if not abs(value) < LARGEST:
            return "no-number"
        return f"g{_level((value - low) / (high - low) if high > low else 1.0)}"

    return shade


def _map(name: str, matrix: Matrix, shade: Shade, differs: bool, picture: Picture) -> Map:
    height, width = _shape(matrix)
    rows = [clipped(words, LONGEST_LABEL) for words in picture.rows[:height]]
    columns = [clipped(words, LONGEST_LABEL) for words in picture.columns[:width]]
    left = max((_width(words) for words in rows), default=0) * CELL / 2 + (6 if rows else 0)
    leaning = any(_width(words) > 2 for words in columns)  # one letter stands upright above its column
    lean = 0.75 * leaning
    top = lean * max((_width(words) for words in columns), default=0) * CELL / 2 + (14 if columns else 0)
    aside = lean * max((_width(words) for words in columns[-3:]), default=0) * CELL / 2
    paths: dict[str, list[str]] = defaultdict(list)
    for y, row in enumerate(matrix):
        for kind, x, length in _runs([shade(value) for value in row]):
            paths[kind].append(f"M{x} {y}h{length}v1h-{length}z")
    return Map(
        name=clipped(name, LONGEST_NAME),
        differs=differs,
        width=round(left + width * CELL + aside, 1),
        height=round(top + height * CELL, 1),
        shades=tuple((kind, "".join(pieces)) for kind, pieces in sorted(paths.items()) if kind),
        rows=tuple(Label(left - 5, round(top + (n + 0.5) * CELL, 1), words) for n, words in enumerate(rows)),
        columns=tuple(
            Label(round(left + (n + 0.5 + 0.1 * leaning) * CELL, 1), top - 4, words) for n, words in enumerate(columns)
        ),
        leaning=leaning,
        left=left,
        top=top,
        across=width,
        down=height,
    )


def _width(words: str) -> int:
    """In half cells: letters of East Asia are twice as wide."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in words)


def _runs(kinds: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Neighbours of one shade: its name, where they begin, how many they are."""
    at = 0
    for kind, group in itertools.groupby(kinds):
        length = len(list(group))
        yield kind, at, length
        at += length


def _curves(picture: Picture, panels: Sequence[Panel], said: Words) -> Drawing | None:
    curves = [(said(panel.name), panel.values[0]) for panel in panels if panel.values and len(panel.values[0]) > 1]
    finite = [value for _, values in curves for value in values if abs(value) < LARGEST]
    if not finite:
        return None
    axis, places = Axis.around(finite), max(len(values) for _, values in curves)

    def x(place: int) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * place / max(1, places - 1), 1)

    def points(values: Sequence[float]) -> str:
        kept = [(place, value) for place, value in enumerate(values) if abs(value) < LARGEST]
        return " ".join(f"{x(place):g},{axis.place(value):g}" for place, value in kept)

    return Drawing(
        title=clipped(_titled(picture.title, said), LONGEST_NAME),
        maps=(),
        low=short(min(finite)),
        high=short(max(finite)),
        lines=tuple(Curve(clipped(name, LONGEST_NAME), points(values)) for name, values in curves),
        width=WIDTH,
        height=HEIGHT + BOTTOM // 2,
        x_ticks=tuple(Tick(x(place), str(place)) for place in sorted({0, (places - 1) // 2, places - 1})),
        y_ticks=axis.ticks(),
        x=clipped(said(picture.x), LONGEST_NAME),
        y=clipped(said(picture.y), LONGEST_NAME),
    )
