"""`submission_metadata.json`: when a submission came, of whom, when it was due, what came before. Partly untrusted.

Names are what people typed. The format is Gradescope's own, documented with its autograders; fields that it may add are
left alone, and one that is missing costs what it says and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ValidationError

from autograder.errors import UsageError
from autograder.intake.people import Claim, owner_of
from autograder.names import student_id
from autograder.records import Extension, Person

LIMITED = "limited"
"""In `extra_data` of a result: this submission was not graded, and does not count as one."""


class _Dates(BaseModel):
    due_date: AwareDatetime | None = None
    late_due_date: AwareDatetime | None = None


class _User(BaseModel):
    id: int | str = ""
    email: str | None = ""
    name: str | None = ""
    assignment: _Dates = _Dates()
    """Where Gradescope names somebody's own dates."""


class _Previous(BaseModel):
    submission_time: AwareDatetime
    score: float | str | None = None
    results: dict[str, Any] | None = None
    """Only the latest one has them."""


class Metadata(BaseModel):
    """The file's content."""

    created_at: AwareDatetime
    assignment: _Dates = _Dates()
    users: list[_User] = []
    previous_submissions: list[_Previous] = []


@dataclass(frozen=True, slots=True)
class Told:
    """What the metadata says, in the course's own terms."""

    student: str
    members: tuple[str, ...]
    created_at: datetime
    due: datetime | None
    """For this group: the latest of what Gradescope and the course grant any of them; None: nobody says."""


def read_metadata(path: Path) -> Metadata:
    """The content of the file. UsageError where it cannot be read."""
    try:
        return Metadata.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path.name} cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def told(
    found: Metadata, assignment: str, due: datetime, roster: Sequence[Person], granted: Sequence[Extension]
) -> Told:
    """Whose submission it is, and when it is due for them; `due` is the course's own date."""
    members = tuple(dict.fromkeys(_student(user, roster) for user in found.users)) or ("nobody",)
    own = [each.until for each in granted if each.assignment == assignment and each.student in members and each.until]
    theirs = [user.assignment.due_date for user in found.users if user.assignment.due_date]
    dates = [*own, *theirs, found.assignment.due_date or due]
    return Told(members[0], members, found.created_at, max(dates))


def _student(user: _User, roster: Sequence[Person]) -> str:
    name = user.name or ""
    claim = Claim((user.email or "", str(user.id)), name, student_id(user.email or name or str(user.id)))
    return owner_of(claim, roster).student


def limited(found: Metadata, attempts: int, hours: float) -> datetime | None:
    """When the next submission is graded, where this one is one too many; None: it is graded.

    It depends on times alone that the file names, so that a rerun of the same submission says the same.
    """
    if not attempts:
        return None
    since = found.created_at - timedelta(hours=hours)
    recent = sorted(
        each.submission_time
        for each in found.previous_submissions
        if since < each.submission_time < found.created_at and not _was_limited(each)
    )
    return recent[-attempts] + timedelta(hours=hours) if len(recent) >= attempts else None


def _was_limited(each: _Previous) -> bool:
    extra = (each.results or {}).get("extra_data")
    return isinstance(extra, dict) and bool(extra.get(LIMITED))


def last_results(found: Metadata) -> dict[str, Any] | None:
    """The results of the submission before, where Gradescope hands them on."""
    earlier = sorted(found.previous_submissions, key=lambda each: each.submission_time)
    return next((each.results for each in reversed(earlier) if each.results), None)
