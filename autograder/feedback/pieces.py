"""The pieces that a page of graded work is made of: lines of code, pictures, curves, scores, a known mistake.

Frozen records without a word of HTML, as those of view.py, which holds what is put together of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line of code."""

    number: int
    """In the file, or in its cell of a notebook."""
    pieces: tuple[tuple[str, str], ...]
    """Name of a colour (see colours.py; empty: none), and text."""
    marked: bool
    follows: bool
    """The line above on the page is the line above in the file."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of the student's own file."""

    file: str
    """Its name, with the cell where it was a notebook."""
    lines: tuple[Line, ...]
    left_out: int
    """Lines of the same function that are not shown."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis of a chart."""

    at: float
    """In the chart's own units."""
    label: str


@dataclass(frozen=True, slots=True)
class Label:
    """Words at a place of a drawing."""

    x: float
    y: float
    words: str


@dataclass(frozen=True, slots=True)
class Map:
    """One panel of a picture: its cells by shade."""

    name: str
    differs: bool
    """It shows where the two panels before it differ."""
    width: float
    height: float
    shades: tuple[tuple[str, str], ...]
    """Name of a shade (see style.css), and the path of all cells that have it."""
    rows: tuple[Label, ...]
    columns: tuple[Label, ...]
    leaning: bool
    """The labels of the columns lean, since they are longer than a column is wide."""
    left: float
    top: float
    """Where the cells begin."""
    across: int
    down: int
    """How many cells there are."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve of a picture."""

    name: str
    points: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a check showed of its numbers, ready to be laid out: maps, or curves in one box."""

    title: str
    maps: tuple[Map, ...]
    low: str
    high: str
    """Smallest and largest value."""
    signed: bool = True
    """There are values below zero."""
    grey: bool = False
    """The maps are images."""
    lines: tuple[Curve, ...] = ()
    width: int = 0
    height: int = 0
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    x: str = ""
    y: str = ""
    """What the axes are."""

    @property
    def size(self) -> int:
        """About how many characters it takes."""
        return sum(len(path) for each in self.maps for _, path in each.shades) + sum(len(c.points) for c in self.lines)


@dataclass(frozen=True, slots=True)
class Chart:
    """A loss curve in a box of `width` x `height`, drawn coarsely."""

    width: int
    height: int
    points: str
    """For an SVG polyline."""
    band: str
    """For an SVG polygon: where the curves of right submissions lie; empty where there are too few."""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    logarithmic: bool
    bound: Tick | None
    """Where the bound of the held-out score lies, if it is a loss."""
    score: Tick | None
    """Where the score of the trained weights lies."""
    steps: int
    first: str
    last: str
    unfinished: bool
    """The losses became infinite or no number."""


@dataclass(frozen=True, slots=True)
class Score:
    """A score that a training is measured by, and its bound."""

    what: str
    seen: str
    at_most: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Known:
    """A known mistake that gives exactly the student's answers: two together, or several that do so alike."""

    hints: tuple[str, ...]
    """What it is, a hint for each mistake; empty while it is only pointed at."""
    parts: tuple[str, ...]
    """Where it lies: `RNN.forward`."""
    together: bool  # two mistakes that were made in one program
    alike: bool  # several mistakes, any of which gives these answers
    calls: int
    wrong: int  # of the calls whose answers were compared
    kind: str  # what is wrong with the answers: the finding's kind, or `gradient`
    lines: str  # where the first part stands in the student's own file, in words; empty where it is not found
    excerpt: Excerpt | None  # the student's lines of it, where the page does not show them anyway
    later: str
    """From when on the mistake is explained; empty where it is, or where nobody has said when."""
