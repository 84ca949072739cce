"""`export gradescope`: the zip that Gradescope builds its image from, with one assignment of the course in it."""

from __future__ import annotations

import hashlib
import hmac
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path

from pydantic import ValidationError

from autograder.course import load_assignment
from autograder.course.problems import nearest
from autograder.disk import write_whole
from autograder.errors import ReleaseError, UsageError
from autograder.gradescope.settings import FILE, Settings
from autograder.release.steps import folders
from autograder.release.wheel import build_wheel
from autograder.secret import PLACE, load_secret

_DATE = (1980, 1, 1, 0, 0, 0)
_CACHES = frozenset({"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".ipynb_checkpoints"})
_TERM = ("course.yml", "extensions.yml", "roster.csv")
"""Of the course's folder: when work is due, and for whom later."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A zip on disk."""

    path: Path
    files: tuple[str, ...]


def make_bundle(root: Path, settings: Settings, out: Path, wheel: Path | None = None) -> Bundle:
    """Write the zip for `settings.assignment` to `out`. Raises UsageError, ReleaseError.

    It holds the assignment's solution and hidden checks and those that it builds on, for instructors' eyes and
    Gradescope's alone. The secret in it is one of its own: whoever gets at it knows no hidden input of the course.
    """
    (folder,) = folders(root, [settings.assignment])
    assignment = load_assignment(folder)
    name, content = (wheel.name, wheel.read_bytes()) if wheel else build_wheel(root)
    entries = {name: content, FILE: f"{settings.model_dump_json(indent=1)}\n".encode()}
    entries |= {script: (files(__package__) / f"{script}.sh").read_bytes() for script in ("setup", "run_autograder")}
    entries["setup.sh"] = entries.pop("setup")
    entries |= {f"course/{term}": (root / term).read_bytes() for term in _TERM if (root / term).is_file()}
    for each in (folder, *(folder.parent / used.id for used in assignment.builds_on)):
        entries |= {f"course/solutions/{each.name}/{path}": text for path, text in _files(each)}
    entries[f"course/{PLACE.as_posix()}"] = _own_secret(load_secret(root, os.environ), assignment.id)
    _write(out, entries)
    return Bundle(out, tuple(sorted(entries)))


def settings_of(
    root: Path, assignment: str, offline: Sequence[str], *, minutes: float, attempts: int, hours: float
) -> Settings:
    """What an instructor chose; among `offline`, `trains` means every check that trains. UsageError."""
    (folder,) = folders(root, [assignment])
    checks = {check.id: check for check in load_assignment(folder).checks}
    for name in offline:
        if name not in {*checks, "trains"}:
            raise UsageError(f"{assignment} has no check `{name}`{nearest(name, checks)}")
    chosen = [id_ for id_, check in checks.items() if id_ in offline or (check.trains_cpu_s and "trains" in offline)]
    try:
        return Settings(assignment=assignment, offline=tuple(chosen), minutes=minutes, attempts=attempts, hours=hours)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(f"--{first['loc'][0]}: {first['msg']}") from error


def _own_secret(secret: bytes, assignment: str) -> bytes:
    """A secret of its own for this zip, from which nobody gets back to the course's."""
    return hmac.digest(secret, f"gradescope {assignment}".encode(), hashlib.sha256)


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") or part in _CACHES for part in relative.parts)
        if path.is_file() and not path.is_symlink() and not hidden:
            yield relative.as_posix(), path.read_bytes()


def _write(out: Path, entries: dict[str, bytes]) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            program = name in {"setup.sh", "run_autograder"}
            entry.external_attr = (0o100700 if program else 0o100600) << 16
            archive.writestr(entry, content)
    try:
        write_whole(out, buffer.getvalue(), private=True)
    except OSError as error:
        raise ReleaseError(f"{out} cannot be written ({error.strerror}); name another place with --out") from error
