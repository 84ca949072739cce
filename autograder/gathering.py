"""Which of the hand-ins in front of us are to be graded: read, settled whose they are, chosen by name and by time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from autograder.course import load_roster
from autograder.course.moments import in_zone
from autograder.course.problems import nearest
from autograder.errors import LedgerError, UsageError
from autograder.intake import Rules, read_class, read_times
from autograder.intake.read import of_nobody
from autograder.ledger import read_grade
from autograder.records import Assignment, Course, Submission

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(min|h|d|w)")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    submissions: Sequence[Path]
    only: frozenset[str] = frozenset()
    """Students; empty: all."""
    times: Sequence[Path] = ()
    """For each folder, who handed in when."""
    since: datetime | None = None
    """Aware. Only what was handed in at or after it, or is not what was graded before; None: all."""


def gather(
    course: Course, assignment: Assignment, wanted: Wanted, results: Path, say: Callable[[str], None]
) -> list[Submission]:
    """Return the submissions to grade; what is strange about the others is said. UsageError where there are none.

    Where `since` leaves none of several, that is no error: tonight nobody handed in.
    """
    folders, times = wanted.submissions, wanted.times
    if times and len(times) != len(folders):
        raise UsageError(f"{len(folders)} folders and {len(times)} --times; give one for each, in the same order")
    roster = load_roster(course.root)
    lists = [read_times(path, roster, course.timezone) for path in times]
    found = read_class(folders, assignment, Rules(roster, course.attempts, tuple(said for said, _ in lists)))
    for words in (*(words for _, each in lists for words in each), *found.remarks):
        say(words)
    chosen = [each for each in found.submissions if not wanted.only or wanted.only & {each.student, *each.members}]
    where = ", ".join(map(str, folders))
    if not found.submissions:
        raise UsageError(f"{where} holds no submission; expected a folder, a zip, a .py file or a notebook a student")
    whose = {Path(name).stem for name in of_nobody(assignment)}
    if all(each.problem and each.student in whose for each in found.submissions):
        words = f"{where} looks like the hand-in of one student: {found.submissions[0].problem}"
        raise UsageError(f"{words}. Or name the folder above it; --only STUDENT grades just one")
    there = {student for each in found.submissions for student in (each.student, *each.members)}
    if lost := sorted(wanted.only - there):
        raise UsageError("\n".join(f"{where} holds no submission of `{name}`{nearest(name, there)}" for name in lost))
    if wanted.since is None:
        return chosen
    newer = list(_since(chosen, wanted.since, results))
    say(f"handed in or changed since {wanted.since:%Y-%m-%d %H:%M %z}: {len(newer)} of {len(chosen)}")
    return newer


def moment(written: str, course: Course, now: datetime) -> datetime:
    """The aware moment that `2027-03-22T18:00`, `2027-03-22` (course time) or `36h` (ago: min, h, d, w) means.

    UsageError for anything else.
    """
    if ago := _AGO.fullmatch(written.strip()):
        return now - float(ago[1]) * _UNITS[ago[2]]
    try:
        said = datetime.fromisoformat(written.strip())
    except ValueError:
        raise UsageError(
            f"--since {written} is no moment; 2027-03-22T18:00, or 36h or 2d for that long ago, is expected"
        ) from None
    found, odd = in_zone(said, ZoneInfo(course.timezone))
    if odd:
        raise UsageError(odd)
    return found


def _since(submissions: Iterable[Submission], since: datetime, results: Path) -> Iterator[Submission]:
    for each in submissions:
        told = each.handed_in is not None
        if (each.handed_in is not None and each.handed_in.at >= since) or _is_news(each, results, told=told):
            yield each


def _is_news(submission: Submission, results: Path, *, told: bool) -> bool:
    """Whether the result is of other files, since a time says nothing of what a person mended in place.

    Where nothing was `told` of when it came, it is news as long as there is no result, too.
    """
    try:
        return read_grade(results / f"{submission.student}.json").submission_digest != submission.digest
    except LedgerError:
        return not told
