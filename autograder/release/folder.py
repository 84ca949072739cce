"""The built folder on disk: replaced as a whole, and never over somebody's edits."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import ReleaseError

MARKER = ".released"
"""Holds the digests of what was built, so that an edit by hand is seen."""

NAMED = 8
"""Files that a refusal names: somebody may have set up a whole environment in the folder."""
_CACHES = frozenset(
    {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".ipynb_checkpoints", ".DS_Store"}
)


@dataclass(frozen=True, slots=True)
class Changes:
    """What `place` did, as names relative to the folder."""

    written: tuple[str, ...]
    """New or different."""
    removed: tuple[str, ...]


def differences(built: Mapping[str, bytes], out: Path) -> tuple[str, ...]:
    """Return the names of files in `out` that are missing, different or too many, sorted."""
    expected = dict(built) | {MARKER: marker(built)}
    present = _present(out)
    return tuple(sorted(name for name in {*expected, *present} if present.get(name) != expected.get(name)))


def place(built: Mapping[str, bytes], out: Path, *, force: bool = False) -> Changes:
    """Make `out` hold exactly `built`, in one step, and return what changed.

    Raises ReleaseError where `out` holds something that no release wrote, unless `force` says to throw it away.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ReleaseError(f"{out}: is not a folder of its own; move it away, then release again")
    changed = differences(built, out)
    if changed:
        if not force:
            _refuse_edits(built, out)
        try:
            _replace(dict(built) | {MARKER: marker(built)}, out)
        except OSError as error:
            raise ReleaseError(f"{out}: cannot be written ({error}); the folder is as it was") from error
    return Changes(
        written=tuple(name for name in changed if name in built),
        removed=tuple(name for name in changed if name not in built and name != MARKER),
    )


def _present(out: Path) -> dict[str, bytes]:
    """Every file of the folder but caches."""
    return {name: path.read_bytes() for name, path in _walk(out)}


def _walk(out: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(out.rglob("*")):
        relative = path.relative_to(out)
        if path.is_file() and not _CACHES.intersection(relative.parts):
            yield relative.as_posix(), path


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def marker(built: Mapping[str, bytes]) -> bytes:
    """Return the content of the marker beside what was built."""
    digests = {name: _digest(content) for name, content in sorted(built.items())}
    about = "Built by `autograder release` from solutions/; edit there and release again."
    return (json.dumps({"about": about, "sha256": digests}, indent=1) + "\n").encode()


def _refuse_edits(built: Mapping[str, bytes], out: Path) -> None:
    present = _present(out)
    known = _released(out, present.pop(MARKER, b""))
    edited = sorted(
        name for name, content in present.items() if content != built.get(name) and _digest(content) != known.get(name)
    )
    if edited:
        more = f" and {len(edited) - NAMED} more" if len(edited) > NAMED else ""
        names = f"{', '.join(edited[:NAMED])}{more}"
        raise ReleaseError(
            f"{out}: {names} changed since the last release, or never came from one, and would be lost. "
            "Move your change to solutions/ and the rest elsewhere, then release again; `--force` throws it away."
        )


def _released(out: Path, left: bytes) -> dict[str, str]:
    """The digests that the last release left; none where it left no marker."""
    if not left:
        return {}
    try:
        digests = json.loads(left)["sha256"]
        return {str(name): str(digest) for name, digest in digests.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReleaseError(
            f"{out / MARKER}: is not what a release writes ({error}), so edits cannot be told apart; look through the "
            "folder and release with `--force`"
        ) from error


def _replace(files: Mapping[str, bytes], out: Path) -> None:
    """Write a new folder beside the old one, then swap: whoever looks sees the old one, none for a moment, the new."""
    out.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    fresh, old = (out.with_name(f".{out.name}.{token}.{kind}") for kind in ("new", "old"))
    try:
        for name, content in files.items():
            file = fresh / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        _swap(fresh, out, old)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _swap(fresh: Path, out: Path, old: Path) -> None:
    if out.exists():
        out.rename(old)
    try:
        fresh.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
