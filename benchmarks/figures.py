"""Figures that benchmarks find, with what they should be; benchmarks/all.py puts them into one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, and what it should be."""

    what: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def goal(self) -> str:
        """`at most 15`; empty where it is only told."""
        bounds = (("at most", self.at_most), ("at least", self.at_least))
        return ", ".join(f"{words} {bound:g}" for words, bound in bounds if bound is not None)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is; None: there is none."""
        if not self.goal:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


def write(path: Path, figures: Sequence[Figure]) -> None:
    """Write figures for `read`."""
    path.write_text(json.dumps([asdict(each) for each in figures]), encoding="utf-8")


def read(path: Path) -> list[Figure]:
    """What `write` wrote; nothing where a benchmark was stopped before."""
    return [Figure(**each) for each in json.loads(path.read_text(encoding="utf-8"))] if path.is_file() else []
