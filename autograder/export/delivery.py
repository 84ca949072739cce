"""The verb `deliver`: students' feedback to where they find it, as folders or in the form that an LMS takes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path

from autograder.errors import UsageError
from autograder.export.addresses import (
    Address,
    addressed,
    canvas_in_folder,
    canvas_in_sheet,
    moodle_in_folder,
    moodle_in_sheet,
)
from autograder.export.desk import write_out
from autograder.export.sheet import read_sheet
from autograder.feedback.plain import Format, plain
from autograder.feedback.render import submission_html
from autograder.feedback.report import remarks_on, submission_pages
from autograder.feedback.setting import Setting
from autograder.feedback.view import SubmissionPage

_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every entry of a zip: the same feedback is the same file."""
COMMENT = 60_000
"""Characters of a comment in Canvas, whose column holds 65,535 bytes of plain letters."""


class Carrier(StrEnum):
    """Who brings the feedback to students."""

    FOLDERS = "folders"
    MOODLE = "moodle"
    CANVAS = "canvas"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was written."""

    path: Path
    count: int
    """Students."""
    next_step: str
    remarks: tuple[str, ...]


def deliver(
    setting: Setting, results: Path, carrier: Carrier, into: Path | None, out: Path | None, done: Callable[[str], None]
) -> Delivered:
    """Write the feedback of every submission that has a result, for `carrier`.

    `into` is what the LMS exported, since its own names and numbers decide whose a file is. UsageError where something
    is missing, or where nobody would be served.
    """
    problems: list[str] = []
    pages = dict(submission_pages(setting, results, frozenset(), problems, done))
    remarks = (*problems, *remarks_on(setting))
    assignment = setting.assignment.id
    if carrier is Carrier.FOLDERS:
        target = out or results / "feedback"
        for student, page in pages.items():
            for name, content in _files(page).items():
                write_out(target / student / name, content)
        return Delivered(target, len(pages), "one folder a student, with the page and the same as text", remarks)
    if into is None:
        raise UsageError(f"`deliver {carrier} {assignment}` needs --into: {_WANTED[carrier]}")
    roster = setting.book.roster if setting.book else ()
    found = addressed(_addresses(carrier, into), tuple(pages), roster)
    if not found.places:
        words = "; ".join(found.remarks[:3])
        raise UsageError(f"{into} names nobody who has feedback here ({words}); --into takes {_WANTED[carrier]}")
    served = {found.places[student]: page for student, page in pages.items() if student in found.places}
    if carrier is Carrier.MOODLE:
        entries = {f"{place}/{assignment}.html": submission_html(page).encode() for place, page in served.items()}
        content, name, step = _zip(entries), f"{assignment}-moodle.zip", MOODLE_STEP
    elif into.is_dir():
        entries = {f"{place}_feedback.txt": _text(page).encode() for place, page in served.items()}
        content, name, step = _zip(entries), f"{assignment}-canvas.zip", CANVAS_STEP
    else:
        content, name, step = _comments(served), f"{assignment}-canvas.json", COMMENTS_STEP
    path = out or results / "feedback" / name
    write_out(path, content)
    return Delivered(path, len(served), step, (*remarks, *found.remarks))


_WANTED = {
    Carrier.MOODLE: "Moodle's grading worksheet (a CSV), or its unpacked download of all submissions",
    Carrier.CANVAS: "Canvas' unpacked download of submissions, or its gradebook (a CSV)",
}
MOODLE_STEP = "in Moodle: the assignment, View all submissions, Upload multiple feedback files in a zip"
CANVAS_STEP = "in Canvas: the assignment in the gradebook, Upload submissions; each text becomes a comment's attachment"
COMMENTS_STEP = (
    "to Canvas' API: curl -H 'Authorization: Bearer TOKEN' -H 'Content-Type: application/json' --data @FILE "
    "https://CANVAS/api/v1/courses/COURSE/assignments/ASSIGNMENT/submissions/update_grades"
)


def _addresses(carrier: Carrier, into: Path) -> Iterator[Address]:
    if into.is_dir():
        names = sorted(path.name for path in into.iterdir())
        return moodle_in_folder(names) if carrier is Carrier.MOODLE else canvas_in_folder(names)
    sheet = read_sheet(into)
    return moodle_in_sheet(sheet) if carrier is Carrier.MOODLE else canvas_in_sheet(sheet)


def _files(page: SubmissionPage) -> Mapping[str, bytes]:
    """What lies in a student's folder."""
    return {"feedback.html": submission_html(page).encode(), "feedback.txt": _text(page).encode()}


def _text(page: SubmissionPage) -> str:
    return plain(page, Format.TXT)


def _comments(served: Mapping[str, SubmissionPage]) -> bytes:
    """The body that Canvas' `update_grades` takes: comments, and no grade."""
    data = {place: {"text_comment": _text(page)[:COMMENT]} for place, page in served.items()}
    return (json.dumps({"grade_data": data}, ensure_ascii=True, indent=1) + "\n").encode()


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()
