"""What a check wants seen: numbers, and what they are; how they are drawn is for whoever makes a page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PictureKind(StrEnum):
    """How numbers become a picture."""

    HEAT = "heat"
    """Each panel is a map of rows and columns, every value a shade: attention, positional encodings, any tensor."""
    IMAGE = "image"
    """The same in grey, dark to light: patches that were put back together."""
    LINES = "lines"
    """Each panel is one curve over the places 0, 1, 2, ...: the norm of a gradient against its distance."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One part of a picture."""

    name: str
    """`yours`, `expected`, or the author's own word."""
    values: tuple[tuple[float, ...], ...]
    """Rows of equal length; a curve is one row."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Numbers of one case of a check. Those of a hidden check are for those who grade, unless they are public."""

    kind: PictureKind
    title: str
    panels: tuple[Panel, ...]
    """One, or the student's and the expected one in this order: the page adds where they differ."""
    rows: tuple[str, ...] = ()
    """A label for each row: the tokens that look."""
    columns: tuple[str, ...] = ()
    """A label for each column: the tokens that are looked at."""
    x: str = ""
    """What the columns are."""
    y: str = ""
    """What the rows are, or of a curve the values."""
    public: bool = False
    """Made of public examples alone: the student sees it of a hidden check, too."""
