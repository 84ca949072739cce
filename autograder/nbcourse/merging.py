"""What people decided in two places, formgrader and marks.jsonl, brought together: pure.

Three sides: what stood in both after the last sync, what stands there now, what stands here now. Where one side has
changed, the other follows; where both have, and not to the same, nothing is changed and a person decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from autograder.records import EntryKind


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """What a decision is about."""

    student: str
    kind: EntryKind
    check: str
    """Empty: the assignment as a whole."""

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.student, self.check, self.kind.value)))


Decisions = Mapping[Place, str]
"""Points as digits, or text; what is not there is not decided."""


class Side(StrEnum):
    """Which side goes before where both have changed."""

    FORMGRADER = "formgrader"
    MARKS = "marks.jsonl"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A decision that was changed in both places since the last sync."""

    place: Place
    before: str | None
    there: str | None
    """In formgrader."""
    here: str | None
    """In marks.jsonl."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What has to change where; None: it is withdrawn."""

    here: Mapping[Place, str | None] = field(default_factory=dict)
    there: Mapping[Place, str | None] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    agreed: Decisions = field(default_factory=dict)
    """What stands in both when that is done: the next sync starts from it."""


def merged(
    before: Decisions, there: Decisions, here: Decisions, students: Collection[str], take: Side | None = None
) -> Merged:
    """Bring both sides together for `students`, those whom formgrader can show; of others nothing is said there."""
    to_here: dict[Place, str | None] = {}
    to_there: dict[Place, str | None] = {}
    agreed: dict[Place, str] = {}
    conflicts: list[Conflict] = []
    for place in sorted({*before, *there, *here}):
        if place.student not in students:
            continue
        old, theirs, ours = (side.get(place) for side in (before, there, here))
        if not same(place, theirs, ours):
            from_there = same(place, ours, old) or (not same(place, theirs, old) and take is Side.FORMGRADER)
            from_here = same(place, theirs, old) or (not same(place, ours, old) and take is Side.MARKS)
            if from_there:
                to_here[place], ours = theirs, theirs
            elif from_here:
                to_there[place], theirs = ours, ours
            else:
                conflicts.append(Conflict(place, old, theirs, ours))
                ours = old
        if ours is not None:
            agreed[place] = ours
    return Merged(to_here, to_there, tuple(conflicts), agreed)


def same(place: Place, one: str | None, other: str | None) -> bool:
    """Whether two decisions say the same: 4 points are 4.0 points."""
    if one is None or other is None or place.kind is EntryKind.COMMENT:
        return one == other
    return Decimal(one) == Decimal(other)
