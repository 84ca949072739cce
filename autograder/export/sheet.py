"""A CSV file as its cells, written again the way it came: mark, separator, line ends, quotes."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from autograder.errors import UsageError
from autograder.tables import delimiter_of

_BOM = "\ufeff"
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)\s*%?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table and its file's habits."""

    rows: tuple[tuple[str, ...], ...]
    """The first one holds the headings."""
    bom: bool = False
    delimiter: str = ","
    newline: str = "\r\n"
    quote_all: bool = False

    @property
    def headings(self) -> tuple[str, ...]:
        """The first row, without space around each."""
        return tuple(heading.strip() for heading in self.rows[0])


def read_sheet(path: Path) -> Sheet:
    """The table in a CSV file; UsageError where it is none in UTF-8."""
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); export it from the LMS again") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8; take it as the LMS wrote it, not as a spreadsheet saved it") from error
    bom, text = text.startswith(_BOM), text.removeprefix(_BOM)
    first = text.partition("\n")[0]
    delimiter = delimiter_of(text)
    try:
        rows = tuple(map(tuple, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)))
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV ({error}); export it from the LMS again") from error
    if not rows or len(rows[0]) < 2:
        raise UsageError(f"{path} has no columns; the CSV that the LMS exports is expected")
    newline = "\r\n" if first.endswith("\r") else "\n"
    quote_all = first.strip().count('"') >= 2 * len(rows[0])
    return Sheet(rows, bom, delimiter, newline, quote_all)


def written(sheet: Sheet) -> bytes:
    """The file's bytes."""
    quoting: Literal[0, 1] = csv.QUOTE_ALL if sheet.quote_all else csv.QUOTE_MINIMAL
    lines = []
    for row in sheet.rows:
        line = io.StringIO(newline="")  # ended with both, else Python leaves a cell with a carriage return unquoted
        csv.writer(line, delimiter=sheet.delimiter, lineterminator="\r\n", quoting=quoting).writerow(row)
        lines.append(line.getvalue().removesuffix("\r\n") + sheet.newline)
    return (_BOM * sheet.bom + "".join(lines)).encode("utf-8", "backslashreplace")


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: with an apostrophe before it where it would be one.

    What would not be seen, or turn text around, is spelled out; line ends and tabs stay.
    """
    cell = "".join(c if c.isprintable() or c in "\r\n\t" else f"\\u{ord(c):04x}" for c in cell)
    if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) and cell.strip() not in {"-", "+"}:
        return f"'{cell}"
    return cell
