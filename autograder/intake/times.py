"""When hand-ins came, from a CSV: Moodle's grading worksheet, or a list with `student` and `time`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from autograder.errors import UsageError
from autograder.intake.moodle import FULL_NAME, IDENTIFIER, SUBMITTED, in_english, participant
from autograder.intake.people import Claim, owner_of
from autograder.records import Moment, Person
from autograder.tables import delimiter_of

_MOODLE_FORMATS = ("%A, %d %B %Y, %I:%M %p", "%A, %B %d, %Y, %I:%M %p", "%A, %d %B %Y, %H:%M", "%d %B %Y, %I:%M %p")
_KOREAN = re.compile(
    r"(?P<year>\d{4})년 ?(?P<month>\d{1,2})월 ?(?P<day>\d{1,2})일,? ?\(?(?:[월화수목금토일](?:요일)?)?\)?,? ?"
    r"(?P<half>오전|오후|AM|PM)? ?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2})? ?(?P<after>AM|PM|오전|오후)?"
)
"""Moodle's Korean: `2027년 3월 22일(월) 오후 11:59`, the weekday whole, short or missing, of 12 or 24 hours."""
_ID_COLUMNS = ("student", "identifier", "id number", "username", "email address", "email", "sis user id", "id")


def read_times(path: Path, roster: Sequence[Person], timezone: str) -> tuple[dict[str, Moment], tuple[str, ...]]:
    """Student -> when, and a remark on every line that does not say so. UsageError where it is no such list."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is no CSV in UTF-8 that can be read ({error})") from error
    headings = in_english(rows[0]) if rows else ()
    if SUBMITTED not in headings:
        headings = tuple(heading.strip().casefold() for heading in rows[0]) if rows else ()
    column = next((name for name in (SUBMITTED, "time") if name in headings), None)
    if column is None:
        expected = "`time`, or Moodle's `Last modified (submission)`"
        raise UsageError(f"{path} has no column {expected}; times come from Moodle's grading worksheet or such a list")
    found: dict[str, Moment] = {}
    remarks: list[str] = []
    for number, row in enumerate(rows[1:], 2):
        line = dict(zip(headings, row, strict=False))
        written = line.get(column, "").strip()
        if written in {"", "-"}:
            continue
        when = _time(written, ZoneInfo(timezone))
        owner = owner_of(_claim(line), roster)
        if when is None or owner.remark:
            remarks.append(f"{path.name}, line {number}: {owner.remark or f'`{written}` is no time that can be read'}")
            continue
        found[owner.student] = Moment(when, "Moodle" if column == SUBMITTED else path.name)
    return found, tuple(remarks)


def _claim(line: Mapping[str, str]) -> Claim:
    ids = tuple(line[name].strip() for name in _ID_COLUMNS if line.get(name, "").strip())
    number = participant(line.get(IDENTIFIER, ""))
    ids += (number,) if number else ()
    name = (line.get(FULL_NAME) or line.get("name") or "").strip()
    return Claim(ids, name, f"{name} {number}".strip() if number else (ids or (name,))[0])


def _time(written: str, zone: ZoneInfo) -> datetime | None:
    plain = " ".join(written.replace("\u202f", " ").split())
    if (korean := _korean_time(plain)) is not None:
        return korean.replace(tzinfo=zone)
    for form in ("", *_MOODLE_FORMATS):
        try:
            when = datetime.strptime(plain, form) if form else datetime.fromisoformat(plain)  # noqa: DTZ007 - see below
        except ValueError:
            continue
        return when if when.utcoffset() is not None else when.replace(tzinfo=zone)
    return None


def _korean_time(plain: str) -> datetime | None:
    """Naive; None where it is not written like that, or is no time."""
    found = _KOREAN.fullmatch(plain)
    if found is None:
        return None
    year, month, day, hour, minute = (int(found[name]) for name in ("year", "month", "day", "hour", "minute"))
    half = found["half"] or found["after"]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in {"오후", "PM"} else 0)
    try:
        return datetime(year, month, day, hour, minute)  # noqa: DTZ001 - the course's zone is added by whoever asks
    except ValueError:
        return None
