"""What people decide about marks: one record for each line of marks.jsonl."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EntryKind(StrEnum):
    """What somebody decided, asked or said."""

    POINTS = "points"
    """Of a check, or of the whole assignment, instead of what was measured."""
    EXTRA = "extra"
    """On top, or, below 0, off."""
    COMMENT = "comment"
    REQUEST = "request"
    """A student asks to look again."""
    ANSWER = "answer"
    LOOKED = "looked"
    """Somebody looked at what its value says, and left it as it is."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of marks.jsonl; it is never changed, a later one stands in its place."""

    number: int
    """Of the line, from 1; what an answer refers to."""
    at: datetime
    """Aware."""
    who: str
    kind: EntryKind
    assignment: str
    student: str
    check: str
    """Empty: the assignment as a whole."""
    value: str | None
    """Points as decimal digits, or text; None: what stood there before is withdrawn."""
    old: str | None
    """What was in force until then."""
    measured: str | None
    """What the checks gave at that time; None: nothing was graded, or it has nothing to do with it."""
    why: str
    about: int = 0
    """Of an answer: the number of the request."""
