"""What an examination found, and the last one of this machine, which `grade` looks at."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from autograder import ENGINE
from autograder.ledger import write_private


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a submission must not be able to do, and whether it could."""

    id: str
    title: str
    tried: int
    """How many attempts were made; 0 where it was not safe to make any."""
    through: tuple[str, ...]
    """Names of the attempts that got through, and what else should not have happened."""
    means: str
    """What follows from it where something got through."""

    @property
    def held(self) -> bool:
        """Whether all was tried and nothing got through."""
        return bool(self.tried) and not self.through


@dataclass(frozen=True, slots=True)
class Examination:
    """What the doctor found on one machine."""

    when: datetime
    node: str
    kernel: str
    engine: str
    layers: tuple[str, ...]
    """The layers that confined, as the zygote names them: landlock-7, seccomp, pid namespace."""
    missing: tuple[str, ...]
    """In words, what `required` refuses for."""
    remarks: tuple[str, ...]
    """In words, what this kernel cannot do, and what that means."""
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether submissions can be graded here."""
        return not self.missing and bool(self.findings) and all(finding.held for finding in self.findings)


_EXAMINATION = TypeAdapter(Examination)


def record_file(environment: Mapping[str, str]) -> Path:
    """Where the last examination of this machine is kept; it is the user's, and of no course."""
    state = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state, "autograder", "doctor.json")


def remember(found: Examination, environment: Mapping[str, str] = os.environ) -> Path:
    """Keep an examination as the last one, and return where. LedgerError where the disk refuses."""
    path = record_file(environment)
    write_private(path, _EXAMINATION.dump_json(found, indent=1) + b"\n")
    return path


def last(environment: Mapping[str, str] = os.environ) -> Examination | None:
    """The last examination, if it was of this machine, kernel and engine; None where there is none, or none to read."""
    try:
        found = _EXAMINATION.validate_json(record_file(environment).read_bytes())
    except (OSError, ValidationError):
        return None
    here = (platform.node(), platform.release(), ENGINE)
    return found if (found.node, found.kernel, found.engine) == here else None


def holding_back(found: Examination | None) -> str:
    """Why nothing should be graded here, in words that also stand in results; empty where nothing speaks against it."""
    if found is None or found.holds:
        return ""
    broken = [finding.title for finding in found.findings if finding.through]
    what = "; ".join(broken) or "; ".join(found.missing) or "the examination was not finished"
    return f"`autograder doctor` found on {found.when:%Y-%m-%d} that this machine does not confine: {what}"
