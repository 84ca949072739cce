"""What a class's folder holds, whoever filled it: Moodle, Canvas, Gradescope, GitHub, nbgrader, or people.

Each layout becomes hand-ins with what it says of their owners and their time; nothing of them is read yet. What does
not fit its layout is a remark and never passed over.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from autograder.errors import SubmissionError
from autograder.intake.github import cloned, repositories
from autograder.intake.gradescope import METADATA, read_metadata
from autograder.intake.people import Claim
from autograder.intake.sources import CODE, IGNORED, MANIFEST, Entry, HandedIn, from_file, from_folder, read_plain
from autograder.intake.zips import from_zip
from autograder.names import shown, student_id
from autograder.records import Moment

MOODLE_FILE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<kind>file|onlinetext)_?(?P<file>.*)")
CANVAS_FILE = re.compile(r"(?P<name>[^\W_]+)_(?P<late>LATE_)?(?P<user>\d+)_(?P<submission>\d+)_(?P<file>.+)")
_ATTEMPT = re.compile(r"attempt[ _-]?(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HandIn:
    """One student's, or one group's, not yet read."""

    owners: tuple[Claim, ...]
    path: Path
    open: Callable[[], HandedIn]
    moment: Moment | None = None
    """What the LMS says; None: nothing."""
    file_times: bool = True
    """Whether the time of a file can be that of the hand-in."""
    notes: tuple[str, ...] = ()
    attempt: int = 0
    """Numbered by whoever laid it out; 0: it is the only one there."""


@dataclass(slots=True)
class Found:
    """What one folder holds."""

    layout: str
    hand_ins: list[HandIn] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def look_into(folder: Path, assignment: str) -> Found:
    """The hand-ins in `folder`, or of Classroom's file, and remarks on what is none. SubmissionError: not listed."""
    if folder.suffix.lower() == ".zip" and folder.is_file():
        raise SubmissionError(f"{folder} is a zip; unpack it and name the folder that holds one entry per student")
    if folder.is_file():
        return _github(folder)
    paths = listed(folder)
    if (folder / METADATA).is_file():
        return _gradescope(folder, paths)
    if any(MOODLE_FILE.fullmatch(path.name) for path in paths):
        return _moodle(paths)
    files = [path for path in paths if not path.is_dir()]
    if files and all(CANVAS_FILE.fullmatch(_whole(path)) for path in files):
        return _canvas(paths)
    if any((path / assignment).is_dir() for path in paths if path.is_dir() and not path.is_symlink()):
        return _nbgrader(paths, assignment)
    return _plain(paths)


def listed(folder: Path) -> list[Path]:
    """What lies in a class's folder, without hidden files and what macOS adds."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        message = f"{folder} cannot be listed ({error.strerror}); name the folder that holds one entry per student"
        raise SubmissionError(message) from None
    ours = IGNORED | {MANIFEST}
    return [path for path in paths if not path.name.startswith(".") and path.name not in ours]


def opened(path: Path) -> HandedIn:
    """What a folder, zip, .py file or notebook holds. SubmissionError for anything else."""
    if path.is_symlink():
        raise SubmissionError(f"{shown(path.name)} is a link; hand in the folder, zip or file itself")
    if path.is_dir():
        return from_folder(path)
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return from_zip(path)
    if suffix in CODE:
        return from_file(path)
    raise SubmissionError(f"{shown(path.name)} cannot be read; a folder, a .zip, a .py file or a notebook is expected")


def student_part(path: Path) -> str:
    """The student's name in that of an entry which people made."""
    return path.name if path.is_dir() and not path.is_symlink() else path.stem


def _plain(paths: list[Path]) -> Found:
    found = Found("plain")
    for path in paths:
        name = student_part(path)
        owner = (Claim((name,), name, name),)
        if attempts := _attempts(path):
            found.hand_ins.extend(HandIn(owner, each, partial(opened, each), attempt=n) for n, each in attempts)
        else:
            found.hand_ins.append(HandIn(owner, path, partial(opened, path)))
    return found


def _attempts(path: Path) -> list[tuple[int, Path]]:
    """The folders `attempt 1`, `attempt 2`, ... where a student's folder holds nothing else."""
    if not path.is_dir() or path.is_symlink():
        return []
    inside = listed(path)
    numbers = [_ATTEMPT.fullmatch(each.stem) for each in inside]
    found = [(int(number[1]), each) for number, each in zip(numbers, inside, strict=True) if number]
    return sorted(found) if len(found) == len(inside) else []


def _nbgrader(paths: list[Path], assignment: str) -> Found:
    found = Found("nbgrader")
    for path in paths:
        if not path.is_dir() or path.is_symlink():
            found.remarks.append(f"{shown(path.name)} is no student's folder and was not read")
        elif (path / assignment).is_dir():
            owner = (Claim((path.name,), path.name, path.name),)
            inside = path / assignment
            found.hand_ins.append(HandIn(owner, inside, partial(opened, inside), _timestamp(inside)))
    return found


def _timestamp(folder: Path) -> Moment | None:
    """The time that nbgrader's exchange wrote: `2027-03-22 21:00:00.123456 Asia/Seoul`; without a zone it is UTC."""
    try:
        date, _, rest = read_plain(folder / "timestamp.txt", 200).decode("ascii").strip().partition(" ")
        time, _, zone = rest.partition(" ")
        moment = datetime.fromisoformat(f"{date} {time}")
        if moment.utcoffset() is None:
            moment = moment.replace(tzinfo=UTC if zone in {"", "UTC"} else ZoneInfo(zone))
    except (OSError, SubmissionError, ValueError, ZoneInfoNotFoundError):
        return None
    return Moment(moment, "nbgrader's timestamp.txt")


def _moodle(paths: list[Path]) -> Found:
    found = Found("Moodle")
    loose: dict[str, list[tuple[str, Path]]] = {}
    for path in paths:
        named = MOODLE_FILE.fullmatch(path.name)
        if named is None:
            found.remarks.append(f"{shown(path.name)} is not named as Moodle names hand-ins and was not read")
        elif named["kind"] == "onlinetext":
            found.remarks.append(f"{shown(path.name)} is a text typed into Moodle and was not read")
        elif path.is_dir():
            owner = (_moodle_owner(named),)
            found.hand_ins.append(HandIn(owner, path, partial(opened, path)))
        else:
            loose.setdefault(named["id"], []).append((named["file"], path))
    for files in loose.values():
        named = MOODLE_FILE.fullmatch(files[0][1].name)
        assert named is not None  # it was when it was sorted in
        found.hand_ins.append(HandIn((_moodle_owner(named),), files[0][1], _gathered(files)))
    return found


def _moodle_owner(named: re.Match[str]) -> Claim:
    ids = (named["id"], f"Participant {named['id']}")
    return Claim(ids, named["name"], student_id(f"{named['name']} {named['id']}"))


def _canvas(paths: list[Path]) -> Found:
    found = Found("Canvas")
    of_user: dict[str, list[tuple[re.Match[str], Path]]] = {}
    for path in paths:
        named = CANVAS_FILE.fullmatch(_whole(path))
        if named is None:
            found.remarks.append(f"{shown(path.name)} is not named as Canvas names hand-ins and was not read")
        else:
            of_user.setdefault(named["user"], []).append((named, path))
    for user, files in of_user.items():
        name = files[0][0]["name"]
        owner = Claim((user,), name, student_id(f"{name} {user}"))
        late = any(named["late"] for named, _ in files)
        notes = ("Canvas marks it as late and does not say by how much",) if late else ()
        load = _gathered([(named["file"], path) for named, path in files])
        found.hand_ins.append(HandIn((owner,), files[0][1], load, None, False, notes))
        if late:
            found.remarks.append(f"{shown(owner.fallback)}: Canvas marks it as late; give the time with --times")
    return found


def _whole(path: Path) -> str:
    """The name with letters in one piece: macOS takes accents and Hangul apart."""
    return unicodedata.normalize("NFC", path.name)


def _gathered(files: list[tuple[str, Path]]) -> Callable[[], HandedIn]:
    """One student's loose files under the names that they had; a single one is opened where it can be."""

    def load() -> HandedIn:
        if len(files) == 1 and files[0][1].suffix.lower() == ".zip":
            return from_zip(files[0][1])
        found = HandedIn()
        for name, path in files:
            modified = path.lstat().st_mtime
            found.add(Entry(PurePosixPath(name), partial(read_plain, path), modified))
        return found

    return load


def _github(file: Path) -> Found:
    """The repositories that GitHub Classroom's file names; each is cloned when it is read."""
    hand_ins = [
        HandIn((each.owner,), file, partial(cloned, each.url, each.moment), each.moment, file_times=False)
        for each in repositories(file)
    ]
    return Found("GitHub Classroom", hand_ins)


def _gradescope(folder: Path, paths: list[Path]) -> Found:
    found = Found("Gradescope")
    known = read_metadata(folder / METADATA)
    for path in paths:
        if path.name == METADATA:
            continue
        if path.name not in known or not path.is_dir() or path.is_symlink():
            found.remarks.append(f"{shown(path.name)} is not in {METADATA} and was not read")
            continue
        each = known[path.name]
        moment = Moment(each.created_at, "Gradescope") if each.created_at else None
        found.hand_ins.append(HandIn(each.submitters, path, partial(opened, path), moment))
    missing = sorted(known.keys() - {path.name for path in paths})
    found.remarks.extend(f"{METADATA} names {shown(name)}, which is not there" for name in missing)
    return found
