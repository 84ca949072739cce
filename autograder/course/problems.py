"""What is wrong in the course's own files, collected so that one run reports everything."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import ConfigurationError

MOST_NAMED = 20
"""Names that are listed where none is near: a class has hundreds."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend, with its place."""

    file: Path
    line: int
    """From 1."""
    message: str


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the closest known one, or else the first ones."""
    candidates = sorted(set(known))
    close = difflib.get_close_matches(word, candidates, n=1)
    if close:
        return f"; did you mean `{close[0]}`?"
    names = ", ".join(f"`{name}`" for name in candidates[:MOST_NAMED]) or "nothing yet"
    more = len(candidates) - MOST_NAMED
    return f"; known here: {names}{f' and {more} more' if more > 0 else ''}"


def report(problems: Iterable[Problem]) -> None:
    """Raise ConfigurationError with every problem, one a line in the order of the files; return if there is none."""
    lines = [f"{problem.file}:{problem.line}: {problem.message}" for problem in sorted(set(problems))]
    if lines:
        raise ConfigurationError("\n".join(lines))
