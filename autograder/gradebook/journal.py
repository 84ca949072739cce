"""marks.jsonl: what people decided, in lines that are only ever added."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from autograder.errors import LedgerError
from autograder.records import EntryKind, JournalEntry

JOURNAL = "marks.jsonl"


class _Line(BaseModel):
    """A line of the file; its number is its place."""

    model_config = ConfigDict(extra="forbid")

    format: Annotated[int, Field(ge=1, le=1)]
    at: AwareDatetime
    who: str
    kind: EntryKind
    assignment: str
    student: str
    check: str
    value: str | None
    old: str | None
    measured: str | None
    why: str
    about: int = 0


def read_journal(root: Path) -> tuple[JournalEntry, ...]:
    """Every entry, in order; LedgerError names a line that is none: no mark is ever passed over in silence."""
    path = root / JOURNAL
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise LedgerError(f"{path} cannot be read ({error.strerror}); mend its permissions") from error
    return tuple(_entry(path, number, line) for number, line in enumerate(lines, 1) if line.strip())


def add_entries(root: Path, entries: Sequence[JournalEntry]) -> Path:
    """Add `entries` to the end in one step and return the file; their numbers are given by their places."""
    read_journal(root)  # nothing is added after a line that nobody can read
    path = root / JOURNAL
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "rb+", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
            broken_off = bool(end) and file.read(1) != b"\n"  # written by hand, without the last line's end
            file.write((b"\n" if broken_off else b"") + b"".join(map(_written, entries)))
            os.fsync(file.fileno())
    except OSError as error:
        raise LedgerError(f"{path} cannot be written ({error.strerror}); free space or mend permissions") from error
    return path


def _entry(path: Path, number: int, line: bytes) -> JournalEntry:
    try:
        content = _Line.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        what = f"{'.'.join(map(str, first['loc'])) or 'the line'}: {first['msg']}"
        advice = "mend it, or delete it where a write was cut off; the lines around it are whole"
        raise LedgerError(f"{path}:{number} is no entry ({what}); {advice}") from error
    fields = content.model_dump(exclude={"format"})
    return JournalEntry(number=number, **fields)


def _written(entry: JournalEntry) -> bytes:
    fields = {name: _plain(value) for name, value in asdict(entry).items() if name != "number"}
    text = json.dumps({"format": 1, **fields}, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _plain(value: object) -> object:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
