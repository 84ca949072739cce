"""Measurements and grades on disk: written whole or not at all, found again by what they depend on.

A measurement of one check lies in `measurements/<aa>/<key>.json`, where the key is the hash of everything that could
change it. It is never changed; when something that it depends on changes, there is a new key. So a run that was
killed goes on where it stopped, and a typo in a handout measures nothing again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import math
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import to_json

from autograder.disk import write_whole
from autograder.errors import LedgerError
from autograder.records import CheckResult, Grade, Outcome

_LOG = logging.getLogger(__name__)
_RESULT = TypeAdapter(CheckResult)
_GRADE = TypeAdapter(Grade)
_INFINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}
_NEVER_EMPTY = ("submission", "check", "solution", "device", "torch", "engine", "secret_sha256")


@dataclass(frozen=True, slots=True)
class KeyParts:
    """Everything that a measurement depends on."""

    submission: str
    """Digest of the submitted files."""
    check: str
    """Digest of the check's source and of its helpers, without points, hint and title."""
    stand_ins: tuple[str, ...]
    """Parts in whose place they stand: all that other checks decide of this measurement."""
    solution: str
    datasets: Mapping[str, str]
    """Data set -> digest."""
    sandbox: Mapping[str, str]
    """Limits, bans, importable packages, stand-ins, confinement."""
    device: str
    torch: str
    """Version."""
    engine: str
    """Measurement version: raised when the engine measures differently, not with every release."""
    secret_sha256: str


def measurement_key(parts: KeyParts) -> str:
    """sha256 of `parts`; LedgerError when one of them is empty, since then two measurements could share a key."""
    empty = [name for name in _NEVER_EMPTY if not getattr(parts, name)]
    if empty:
        raise LedgerError(f"a measurement's key lacks {', '.join(empty)}; this is a fault of the kit, please report it")
    return hashlib.sha256(_canonical(plain(parts))).hexdigest()


Kind = Literal["transcripts", "diagnoses"]
"""What is kept beside a measurement; it can be made again or done without."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The measurements below `root`."""

    root: Path

    def get(self, key: str) -> CheckResult | None:
        """The measurement of `key`, or None; a corrupt file is moved aside with a warning and counts as none."""
        path = self._path(key)
        try:
            return _opened(key, path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(
                f"{path} cannot be read ({error.strerror}); mend its permissions and run again"
            ) from error
        except ValueError as error:
            aside = path.with_suffix(".corrupt")
            _LOG.warning("%s is corrupt (%s); it is now %s and is measured again", path, _first_line(error), aside.name)
            with contextlib.suppress(FileNotFoundError):  # another process has just done the same
                path.replace(aside)
            return None

    def put(self, key: str, result: CheckResult) -> None:
        """Keep `result` for ever; one that is there already stays, and a grader error is never kept."""
        if result.outcome is Outcome.GRADER_ERROR or self.get(key) is not None:
            return
        body = _canonical(plain(result))
        head = f'{{"format":1,"key":"{key}","result":'.encode()
        tail = f',"sha256":"{hashlib.sha256(body).hexdigest()}"}}'.encode()
        # not forced to the disk: what a power failure cuts short has a wrong digest, and is measured again
        write_private(self._path(key), head + body + tail, forced=False)

    def keep(self, kind: Kind, key: str, content: bytes) -> None:
        """Keep what belongs to a measurement (its transcript, a diagnosis); what is there already is replaced."""
        write_private(self._path(key, kind), content)

    def kept(self, kind: Kind, key: str) -> bytes | None:
        """What was kept, or None. Whoever reads it finds out whether it is damaged; nothing is lost with it."""
        path = self._path(key, kind)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(
                f"{path} cannot be read ({error.strerror}); mend its permissions and run again"
            ) from error

    def take(self, name: str, content: bytes) -> None:
        """Keep a file of another ledger, by its name there; LedgerError where it is none.

        A measurement that is there already stays, as with `put`.
        """
        kind, _, rest = name.partition("/")
        key = rest.removesuffix(".json").removesuffix(".kept")[3:]
        known = kind in ("measurements", *get_args(Kind))
        if not known or name != self._path(key, kind).relative_to(self.root).as_posix():
            raise LedgerError(f"{name[:200]!r} is no file of a ledger")
        if kind == "measurements":
            try:
                result = _opened(key, content)
            except ValueError as error:
                raise LedgerError(f"a measurement was damaged on its way ({_first_line(error)})") from error
            self.put(key, result)
        else:
            write_private(self._path(key, kind), content, forced=False)

    def _path(self, key: str, kind: str = "measurements") -> Path:
        if not re.fullmatch("[0-9a-f]{64}", key):
            raise LedgerError(f"{key!r} is no measurement key; sixty-four hexadecimal digits are expected")
        return self.root / kind / key[:2] / f"{key}.{'json' if kind == 'measurements' else 'kept'}"


def write_grade(path: Path, grade: Grade) -> None:
    """Write `grade` to `path`, whole or not at all; LedgerError when the disk refuses."""
    write_private(path, grade_to_bytes(grade))


def grade_to_bytes(grade: Grade) -> bytes:
    """The content of a grade's file."""
    return to_json(plain(grade), indent=1) + b"\n"


def grade_from_bytes(content: bytes) -> Grade:
    """The grade in the content of its file; ValueError where it is none."""
    return _GRADE.validate_json(content)


def make_writable(folder: Path) -> None:
    """Make `folder` where it is not there; LedgerError when nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        message = f"{folder} cannot be written ({error.strerror}); mend that, or name another folder with --out"
        raise LedgerError(message) from error


def read_grade(path: Path) -> Grade:
    """The grade in `path`; LedgerError when there is none or it is not one."""
    try:
        return grade_from_bytes(path.read_bytes())
    except OSError as error:
        raise LedgerError(f"{path} cannot be read ({error.strerror}); grade the submission again") from error
    except ValidationError as error:
        message = f"{path} is not a grade ({_first_line(error)}); move it away and grade the submission again"
        raise LedgerError(message) from error


def read_results(folder: Path) -> tuple[tuple[Grade, ...], tuple[str, ...]]:
    """The grades that lie in a results folder, by student, and a sentence on every file that is none."""
    grades: list[Grade] = []
    broken: list[str] = []
    for path in sorted(folder.glob("*.json")):
        try:
            grades.append(read_grade(path))
        except LedgerError as error:
            broken.append(str(error))
    return tuple(grades), tuple(broken)


def handed_in_file(results: Path, student: str) -> Path:
    """Where what a student handed in lies, beside the results."""
    return results / "handed_in" / f"{student}.json"


def write_files(path: Path, files: Mapping[str, bytes]) -> None:
    """Keep what a student handed in at `path`, whole or not at all: as data, so that nothing can import or serve it."""
    texts = {name: content.decode("utf-8", "backslashreplace") for name, content in files.items()}
    write_private(path, json.dumps({"format": 1, "files": plain(texts)}, indent=1).encode() + b"\n")


def read_files(path: Path) -> dict[str, bytes]:
    """What `write_files` kept; LedgerError when it is not there or not that. Whose it is, its digest shows."""
    try:
        kept = _Kept.model_validate_json(path.read_bytes())
    except OSError as error:
        raise LedgerError(f"{path} cannot be read ({error.strerror}); grade the submission again") from error
    except ValidationError as error:
        message = f"{path} holds no handed-in files ({_first_line(error)}); grade the submission again"
        raise LedgerError(message) from error
    return {name: text.encode() for name, text in kept.files.items()}


class _Kept(BaseModel):
    """The file of what one student handed in."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1]
    files: dict[str, str]


class _Stored(BaseModel):
    """A measurement's file. The digest finds a changed digit, which is still valid JSON."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1]
    key: str
    sha256: str
    result: dict[str, Any]


def _opened(key: str, content: bytes) -> CheckResult:
    """The result in a measurement's file; ValueError when it is not what was written for `key`."""
    stored = _Stored.model_validate_json(content)
    body = _canonical(stored.result)
    if stored.key != key or stored.sha256 != hashlib.sha256(body).hexdigest():
        raise ValueError("its key or digest is not that of its content")
    return _RESULT.validate_json(body)


def plain(value: Any) -> Any:
    """Return `value` in JSON's own types: records as objects, infinities by name, text without lone surrogates."""
    if isinstance(value, float):  # first, for most are: curves have hundreds
        return value if math.isfinite(value) else _INFINITE.get(value, "NaN")
    if isinstance(value, str):  # enums included, which are text behind this
        known = type(value) is str and value.isascii()
        return value if known else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, tuple | list):
        return [plain(inner) for inner in value]
    if isinstance(value, Mapping):
        return {plain(key): plain(inner) for key, inner in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value.isoformat() if isinstance(value, datetime) else value


def _canonical(plain: Any) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def write_private(path: Path, content: bytes, *, forced: bool = True) -> None:
    """Replace `path` by `content` in one step, for this user alone; LedgerError when the disk refuses."""
    try:
        if not forced or not _is_there(path, content):
            write_whole(path, content, private=True, forced=forced)
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror}); free space or mend permissions, then run again"
        raise LedgerError(message) from error


def _is_there(path: Path, content: bytes) -> bool:
    """Whether that is what is on the disk already, for this user alone: to force it there again takes milliseconds."""
    try:
        found = path.lstat()
        return found.st_mode == stat.S_IFREG | 0o600 and found.st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


def _first_line(error: Exception) -> str:
    """A short reason; pydantic's own message quotes the whole input."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
    return str(error).partition("\n")[0]
