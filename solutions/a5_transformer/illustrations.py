"""What the page of a submission shows beside the checks: the table of positions as a picture."""

from __future__ import annotations

from typing import Any

from autograder.checks import map_of
from autograder.records import Picture


def positional_encoding(student: Any) -> Picture:
    """The first positions of a table: each pair of columns is a wave, and the further right, the longer it is."""
    table = student.positional_encoding(24, 32)
    return map_of(
        "Your table of positions: ever longer waves", table, x="features of a position", y="the positions in order"
    )
