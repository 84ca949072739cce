"""What may stand in the places of a sentence: `{shape}`, `{n1}`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """What may stand in a place."""

    pattern: str
    inside: bool = False
    """Whether it is made of sentences, too."""


_AXIS = r"axis \d+(?: \([^()]*\))?"
KINDS = {
    "n": Kind(r"\d+"),
    "list": Kind(r"\d+(?:, \d+)*"),
    "figure": Kind(r"-?[\d.]+(?:e[-+]?\d+)?|-?inf(?:inite)?|nan|not a number", inside=True),
    "shape": Kind(r"\([\d, ]*\)"),
    "index": Kind(r"\[[\d, ]*\]"),
    "name": Kind(r"(?:argument \d+|[^\s;:]{1,80})", inside=True),
    "axis": Kind(_AXIS, inside=True),
    "place": Kind(rf"(?:only ind|\d+ of)[^;:]{{1,80}}? along {_AXIS}", inside=True),
    "thing": Kind(r"[^;:]{1,200}?", inside=True),
    "words": Kind(r".+", inside=True),
    "points": Kind(r"[+-]?[\d.]+"),
    "time": Kind(r"\d{4}-\d\d-\d\d \d\d:\d\d [+-]\d{4}"),
    "delay": Kind(r"\d+ (?:d|h|min)(?: \d+ (?:d|h|min))*"),
    "cost": Kind(r"\d+ days? begun.+?"),
    "raw": Kind(r".+"),
}


def N_(sentence: str) -> str:  # noqa: N802 - what gettext's tools look for
    """`sentence`, to be taken into the catalogue."""
    return sentence
