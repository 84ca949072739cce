"""Moodle's grading worksheet, or its gradebook's export, with grade and feedback filled in: pure.

Headings are in the language of whoever exported it (`intake/moodle.py`), and Moodle wants them back as they were.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autograder.errors import UsageError
from autograder.export.filling import Filled, Filling, Marks, column_of, number, same_words
from autograder.export.sheet import Sheet, harmless
from autograder.gradebook.marks import Mark, State
from autograder.intake import moodle as words
from autograder.intake.people import Claim
from autograder.names import shown

_IDS = (words.ID_NUMBER, words.USERNAME, words.EMAIL)
_NAMES = (words.FULL_NAME, words.FIRST_NAME, words.LAST_NAME)


@dataclass(frozen=True, slots=True)
class _Columns:
    grade: int
    feedback: int | None
    most: int | None
    """That of the maximum."""


def moodle(sheet: Sheet, marks: Marks) -> Filled:
    """The file, filled in. UsageError where it has no grade column.

    Grade and feedback are written together: feedback that is imported without its grade would wipe it.
    """
    headings = words.in_english(sheet.headings)
    columns = _columns(headings, sheet.headings, marks.titles)
    rows = [list(row) for row in sheet.rows]
    numbers = [row[n] for row in rows[1:] for n in (columns.grade, columns.most) if n is not None and n < len(row)]
    filling = Filling(marks, None, comma=any(re.fullmatch(r"\d+,\d+", each.strip()) for each in numbers))
    if columns.feedback is None:
        filling.remarks.append("there is no feedback column: switch on `Feedback comments` and export again to send it")
    for row in rows[1:]:
        cells = dict(zip(headings, row, strict=False))
        if len(row) <= max(columns.grade, columns.feedback or 0, columns.most or 0):
            continue  # an empty line
        _fill(filling, _claim(cells), cells, row, columns)
        for n, heading in enumerate(headings):
            if heading in _NAMES and n < len(row):
                row[n] = harmless(row[n])
    return filling.done(replace(sheet, rows=tuple(map(tuple, rows))))


def _fill(filling: Filling, claim: Claim, cells: Mapping[str, str], row: list[str], columns: _Columns) -> None:
    mark = filling.mark_of(claim)
    if mark is None or filling.keeps(mark, claim.name):
        return
    if same_words(cells.get(words.CHANGEABLE, "")) in words.LOCKED:
        filling.leave(claim.name, "the grade is locked in Moodle")
        return
    possible = number(row[columns.most]) if columns.most is not None else None
    excused = mark.state is State.EXCUSED
    row[columns.grade] = "" if excused else filling.points(mark, claim.name, row[columns.grade], possible)
    if columns.feedback is not None:
        row[columns.feedback] = harmless(feedback_of(mark))


def _claim(cells: Mapping[str, str]) -> Claim:
    """Whose line it is: a participant's number, an id, an address, a name."""
    participant = words.participant(cells.get(words.IDENTIFIER, ""))
    ids = (participant, *(cells.get(name, "").strip() for name in _IDS))
    first, last = (cells.get(name, "").strip() for name in _NAMES[1:])
    name = cells.get(words.FULL_NAME, "").strip() or f"{first} {last}".strip()
    return Claim(ids, name, f"{name} {participant}".strip())


def _columns(headings: Sequence[str], written: Sequence[str], titles: Sequence[str]) -> _Columns:
    """Where grade, feedback and the maximum stand: in a worksheet, or among the columns of a gradebook's export."""
    where = {heading: n for n, heading in reversed([*enumerate(headings)])}
    feedback, most = where.get(words.FEEDBACK), where.get(words.MOST)
    if words.IDENTIFIER in where and words.GRADE in where:
        return _Columns(where[words.GRADE], feedback, most)
    if not {words.EMAIL, words.ID_NUMBER, words.IDENTIFIER, words.USERNAME} & where.keys():
        raise UsageError(f"this is no grade file of Moodle: it has {', '.join(written[:6])}; export it again")
    grade = column_of(written, titles, lambda heading: _item(heading, points=True))
    own = _item(written[grade], points=False)
    comments = (n for n, each in enumerate(written) if _kind(each) in words.COMMENT and own)
    of_item = (n for n in comments if _item(written[n], points=False) == own)
    return _Columns(grade, next(of_item, feedback), most)


def _item(heading: str, *, points: bool) -> str:
    """The assignment's name in `Assignment: From RNN (Real)`; empty where it is none, or not that of its `points`."""
    found = re.fullmatch(r"(?:[^:]+:\s*)?(.+?)\s*\([^()]*\)", heading)
    return found[1] if found and (not points or _kind(heading) not in words.COMMENT | words.NO_POINTS) else ""


def _kind(heading: str) -> str:
    """What stands in the last brackets."""
    found = re.search(r"\(([^()]*)\)$", heading)
    return same_words(found[1]) if found else ""


def feedback_of(mark: Mark) -> str:
    """What a student reads beside the grade: the comments of people, then how the mark comes about. As HTML."""
    comments = [f"{check}: {text}" if check else text for check, text in mark.comments]
    lines = [line for text in (*comments, *mark.calculation) for line in text.splitlines()]
    return "<br>".join(html.escape(shown(line, 2000), quote=False) for line in lines)
