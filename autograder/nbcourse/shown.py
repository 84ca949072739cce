"""What a sync did, as people and programs read it."""

from __future__ import annotations

from typing import Any

from autograder.names import shown
from autograder.nbcourse.desk import Synced
from autograder.nbcourse.merging import Conflict, Place


def in_words(assignment: str, found: Synced) -> str:
    """One line a decision, then what a person has to settle."""
    lines = [f"{assignment}: {len(found.students)} submissions are in nbgrader's gradebook"]
    lines += [f"from formgrader: {shown(str(place), 200)}" for place in found.taken]
    lines += [f"to formgrader: {shown(str(place), 200)}" for place in found.given]
    lines += [_conflict(each) for each in found.conflicts]
    lines += list(found.remarks)
    if found.conflicts:
        lines.append("changed in both places, left as they are: `--take formgrader` or `--take marks.jsonl` settles it")
    return "\n".join(lines)


def _conflict(each: Conflict) -> str:
    said = (f"{side} {_quoted(value)}" for side, value in (("formgrader", each.there), ("marks.jsonl", each.here)))
    return f"CONFLICT {shown(str(each.place), 200)}: {', '.join(said)} (before: {_quoted(each.before)})"


def _quoted(value: str | None) -> str:
    return "nothing" if value is None else f"`{shown(value, 200)}`"


def as_data(found: Synced) -> dict[str, Any]:
    """The same in JSON's own types."""
    conflicts = [
        {**_place(each.place), "before": each.before, "formgrader": each.there, "marks": each.here}
        for each in found.conflicts
    ]
    return {
        "students": list(found.students),
        "from_formgrader": [_place(place) for place in found.taken],
        "to_formgrader": [_place(place) for place in found.given],
        "conflicts": conflicts,
        "remarks": list(found.remarks),
    }


def _place(place: Place) -> dict[str, str]:
    return {"student": place.student, "check": place.check, "kind": place.kind.value}
