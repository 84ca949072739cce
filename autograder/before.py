"""What the ledger holds of a submission: the whole grade, or what whoever measures the rest need not measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.ledger import Kind, Ledger
from autograder.pipeline import Job, Pipeline
from autograder.records import CheckResult, Grade

Entries = Mapping[str, bytes]
"""Files of a ledger: `measurements/ab/<key>.json` -> content."""


class NotKept(Exception):
    """Something would have to be measured or diagnosed."""


@dataclass(frozen=True, slots=True)
class _Noting(Ledger):
    """A ledger that knows what was found in it, and in which no diagnosis is made."""

    found: set[str] = field(default_factory=set)
    """Names of files, below the ledger's folder."""

    def get(self, key: str) -> CheckResult | None:
        """The measurement of `key`, or None."""
        result = Ledger.get(self, key)
        if result is not None:
            self.found.add(key)
        return result

    def kept(self, kind: Kind, key: str) -> bytes | None:
        """What was kept, or None."""
        content = Ledger.kept(self, kind, key)
        if kind == "transcripts" and content is not None:  # only whoever is about to diagnose asks for one
            raise NotKept
        return content

    def entries(self) -> Entries:
        """What was found, with its transcripts: a worker may diagnose anew."""
        names = [name for key in self.found for name in (f"measurements/{key[:2]}/{key}.json", _transcript(key))]
        paths = {name: self.root / name for name in names}
        return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}


class Before(Pipeline):
    """A pipeline that measures nothing."""

    def known(self, job: Job) -> Grade | Entries:
        """Return the grade where all of it is kept; else what there is, for whoever measures the rest."""
        readers = [self, *(each for each in self._earlier.values() if isinstance(each, Before))]
        for each in readers:
            each._at_hand = None  # what was looked up in vain may be there by now
            each._notes.found.clear()
        try:
            return self.grade(job)
        except NotKept:
            return {name: content for each in readers for name, content in each._notes.entries().items()}

    def _ledger_at(self, root: Path) -> Ledger:
        self._notes = _Noting(root)
        return self._notes

    def _bench(self, *_: Any) -> Any:
        raise NotKept


def _transcript(key: str) -> str:
    return f"transcripts/{key[:2]}/{key}.kept"
