"""When something was handed in, as far as the hand-in itself says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from autograder.errors import SubmissionError
from autograder.intake.sources import Entry, HandedIn
from autograder.records import Moment

BY_MANIFEST = "the manifest of `submit`, from the student's own clock"
BY_FILE = "the time of the file"

_MADE = re.compile(rb'"made"\s*:\s*"([0-9T:.+\-]{16,40})"')
"""Searched for and not parsed: a stranger's JSON is opened by no parser of ours."""
_MANIFEST_BYTES = 1 << 18


def handed_in(path: Path, found: HandedIn, taken: Mapping[str, Entry]) -> Moment:
    """The time in the manifest that `submit` wrote; else that of the newest file taken, or of the zip at `path`.

    Both are what a student's or an instructor's computer says; an LMS knows better, and its word goes first.
    """
    for manifest in sorted(found.manifests, key=lambda entry: len(entry.path.parts)):
        if made := _made(manifest):
            return Moment(made, BY_MANIFEST)
    times = [entry.modified for entry in taken.values() if entry.modified is not None]
    return Moment(datetime.fromtimestamp(int(max(times, default=path.lstat().st_mtime)), UTC), BY_FILE, by_file=True)


def _made(manifest: Entry) -> datetime | None:
    try:
        written = _MADE.search(manifest.read(_MANIFEST_BYTES))
        made = datetime.fromisoformat(written[1].decode("ascii")) if written else None
    except (SubmissionError, OSError, ValueError):  # it is nobody's work: another time is found
        return None
    return made if made is not None and made.utcoffset() is not None else None
