"""Canvas' gradebook with the one column of an assignment filled in: pure. Source: Canvas' own exporter and importer.

Its headings are English in every language. `Student` may be `LastName` and `FirstName`; a line of `Manual Posting`,
once `Muted`, may stand above `Points Possible`; numbers may have commas and fields semicolons, by the user's language.
"""

from __future__ import annotations

import re
from dataclasses import replace

from autograder.errors import UsageError
from autograder.export.filling import Filled, Filling, Marks, column_of, number
from autograder.export.sheet import Sheet, harmless
from autograder.gradebook.marks import State
from autograder.intake.people import Claim

_IDS = ("ID", "SIS User ID", "SIS Login ID", "Integration ID")
_NAMES = ("Student", "LastName", "FirstName")
_KEPT = (*_NAMES, *_IDS, "Root Account", "Section")
_ABOVE = re.compile(r"\s*(Muted|Manual Posting.*)?\s*", re.IGNORECASE)
_POSSIBLE = "Points Possible"


def canvas(sheet: Sheet, marks: Marks) -> Filled:
    """The gradebook, filled in. UsageError where it has no such column: Canvas would make a new one.

    Students' columns stay, other assignments' do not: what is not sent cannot be overwritten.
    """
    headings = sheet.headings
    if "ID" not in headings or not {"Student", "LastName"} & {*headings}:
        raise UsageError(f"this is no gradebook of Canvas: it has {', '.join(headings[:6])}; export it from Grades")
    column = column_of(headings, marks.titles, lambda heading: re.sub(r"\s*\(\d+\)$", "", heading))
    first = _first_student(sheet)
    possible = next((_cell(row, column) for row in sheet.rows[1:first] if _POSSIBLE in _cell(row, 0)), "")
    if "read only" in possible:
        raise UsageError(f"`{headings[column]}` is read only in Canvas, which would pass over it")
    filling = Filling(marks, number(possible), comma=_has_commas(sheet, column))
    rows = [list(row) for row in sheet.rows]
    for row in rows[first:]:
        cells = dict(zip(headings, row, strict=False))
        name = cells.get("Student") or ", ".join(filter(None, (cells.get(each, "").strip() for each in _NAMES[1:])))
        if not name or name.strip() in {"Student, Test", "Test Student"} or len(row) <= column:
            continue
        _fill(filling, Claim(tuple(cells.get(each, "") for each in _IDS), name, name), row, column)
        for n, heading in enumerate(headings):
            if heading in _NAMES:
                row[n] = harmless(row[n])
    kept = [n for n, heading in enumerate(headings) if heading in _KEPT]
    chosen = tuple(tuple(row[n] for n in (*kept, column) if n < len(row)) for row in rows)
    return filling.done(replace(sheet, rows=chosen))


def _fill(filling: Filling, claim: Claim, row: list[str], column: int) -> None:
    before = row[column].strip()
    mark = filling.mark_of(claim)
    if mark is None or filling.keeps(mark, claim.name):
        return
    if before == "N/A":
        filling.leave(claim.name, "it is not assigned to them in Canvas")
    elif mark.state is State.EXCUSED:
        row[column] = "EX"
    elif before.upper() == "EX":
        filling.leave(claim.name, "excused in Canvas and not here; `autograder excuse` would do it here, too")
    else:
        row[column] = filling.points(mark, claim.name, before)


def _first_student(sheet: Sheet) -> int:
    """The row after the headings, `Points Possible` and what stands above it."""
    first = 1
    for n, row in enumerate(sheet.rows[1:4], 1):
        if _POSSIBLE in _cell(row, 0) or all(_ABOVE.fullmatch(cell) for cell in row):
            first = n + 1
    return first


def _has_commas(sheet: Sheet, column: int) -> bool:
    """Whether numbers are written with a decimal comma there."""
    return any(re.fullmatch(r"\d+,\d+", _cell(row, column).strip()) for row in sheet.rows[1:])


def _cell(row: tuple[str, ...], n: int) -> str:
    return row[n] if n < len(row) else ""
