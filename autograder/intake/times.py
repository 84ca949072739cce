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
from autograder.intake.people import Claim, owner_of
from autograder.records import Moment, Person

_MOODLE_TIME = "last modified (submission)"
_MOODLE_FORMATS = ("%A, %d %B %Y, %I:%M %p", "%A, %B %d, %Y, %I:%M %p", "%A, %d %B %Y, %H:%M", "%d %B %Y, %I:%M %p")
_ID_COLUMNS = ("student", "identifier", "id number", "username", "email address", "email", "sis user id", "id")


def read_times(path: Path, roster: Sequence[Person], timezone: str) -> tuple[dict[str, Moment], tuple[str, ...]]:
    """Student -> when, and a remark on every line that does not say so. UsageError where it is no such list."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is no CSV in UTF-8 that can be read ({error})") from error
    lines = [{(key or "").strip().casefold(): str(value) for key, value in row.items()} for row in rows]
    column = next((name for name in (_MOODLE_TIME, "time") if lines and name in lines[0]), None)
    if column is None:
        expected = "`time`, or Moodle's `Last modified (submission)`"
        raise UsageError(f"{path} has no column {expected}; times come from Moodle's grading worksheet or such a list")
    found: dict[str, Moment] = {}
    remarks: list[str] = []
    for number, line in enumerate(lines, 2):
        written = line[column].strip()
        if written in {"", "-"}:
            continue
        when = _time(written, ZoneInfo(timezone))
        owner = owner_of(_claim(line), roster)
        if when is None or owner.remark:
            remarks.append(f"{path.name}, line {number}: {owner.remark or f'`{written}` is no time that can be read'}")
            continue
        found[owner.student] = Moment(when, "Moodle" if column == _MOODLE_TIME else path.name)
    return found, tuple(remarks)


def _claim(line: Mapping[str, str]) -> Claim:
    ids = tuple(line[name].strip() for name in _ID_COLUMNS if line.get(name, "").strip())
    ids += tuple(word.removeprefix("Participant ") for word in ids if word.startswith("Participant "))
    name = (line.get("full name") or line.get("name") or "").strip()
    number = re.sub(r"\D", "", line.get("identifier", ""))
    return Claim(ids, name, f"{name} {number}".strip() if number else (ids or (name,))[0])


def _time(written: str, zone: ZoneInfo) -> datetime | None:
    plain = " ".join(written.replace("\u202f", " ").split())
    for form in ("", *_MOODLE_FORMATS):
        try:
            when = datetime.strptime(plain, form) if form else datetime.fromisoformat(plain)  # noqa: DTZ007 - see below
        except ValueError:
            continue
        return when if when.utcoffset() is not None else when.replace(tzinfo=zone)
    return None
