"""Packs what is to be handed in: a zip with the files and a manifest, for whatever page a course collects work on."""

from __future__ import annotations

import hashlib
import json
import platform
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path

from autograder import __version__
from autograder.disk import write_whole
from autograder.errors import SubmissionError
from autograder.home.places import desk_of
from autograder.home.reading import Source
from autograder.home.report import Report
from autograder.intake.sources import MANIFEST
from autograder.records import Assignment, Outcome

HANDED_IN = "handin"
"""The folder for the zips, beside `assignments/`."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A zip that lies ready."""

    zip: Path
    files: tuple[str, ...]
    replaced: bool
    """An earlier zip was there."""


def refuse_unfinished(assignment: Assignment, sources: Sequence[Source], *, anyway: bool) -> tuple[str, ...]:
    """Raise SubmissionError for what nobody should hand in; return what remains to be said where `anyway` allows it.

    A file that cannot be read or compiled is refused always: it would get nothing. Files of earlier assignments may
    be in any state.
    """
    own = [source for source in sources if source.name in assignment.files]
    fatal = [problem for source in own for problem in source.problems if problem.fatal]
    if fatal:
        words = "; ".join(f"{problem.where} {problem.message}" for problem in fatal)
        raise SubmissionError(f"{words}. As it is, nothing of it could be graded; mend that and submit again")
    said = [f"{problem.where}: {problem.message}" for source in own for problem in source.problems]
    if gaps := [gap.name for source in own for gap in source.unwritten]:
        said.append(f"not written yet: {', '.join(gaps)}")
    if said and not anyway:
        raise SubmissionError(f"{'; '.join(said)}. Finish that first, or hand it in as it is with `--anyway`")
    return tuple(said)


def pack(assignment: Assignment, sources: Sequence[Source], report: Report | None, now: datetime) -> Packed:
    """Write the zip and return where it lies. `report` is that of the public checks; None: they were not run."""
    target = desk_of(assignment.folder) / HANDED_IN / f"{assignment.id}.zip"
    content = _zip(sources, _manifest(assignment, sources, report, now), now)
    replaced = target.exists()
    write_whole(target, content)
    return Packed(target, tuple(source.name for source in sources), replaced)


def _zip(sources: Sequence[Source], manifest: bytes, now: datetime) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*((source.name, source.content) for source in sources), (MANIFEST, manifest)]:
            entry = zipfile.ZipInfo(name, max(now.timetuple()[:6], (1980, 1, 1, 0, 0, 0)))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _manifest(assignment: Assignment, sources: Sequence[Source], report: Report | None, now: datetime) -> bytes:
    document = {
        "assignment": assignment.id,
        "made": now.isoformat(timespec="seconds"),
        "files": [
            {"name": each.name, "sha256": hashlib.sha256(each.content).hexdigest(), "bytes": len(each.content)}
            for each in sources
        ],
        "versions": {
            "kit": __version__,
            "python": platform.python_version(),
            "torch": _version("torch"),
            "numpy": _version("numpy"),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "public_checks": None if report is None else _checks(report),
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _checks(report: Report) -> dict[str, object]:
    outcomes = {line.id: line.result.outcome for line in report.lines}
    return {
        "passed": [id_ for id_, outcome in outcomes.items() if outcome is Outcome.PASSED],
        "others": {id_: outcome for id_, outcome in outcomes.items() if outcome is not Outcome.PASSED},
        "earned": report.earned,
        "points": report.points,
        "problems": [f"{problem.where}: {problem.message}" for problem in report.problems],
    }


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
