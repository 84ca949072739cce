"""Diagnoses of a whole submission: what is known already is looked up, what is not is made, and hints are added last.

A diagnosis depends on a measurement, its transcript, and the edits of mistakes.yml. Hints are read anew each time, so
that a better sentence diagnoses nothing again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from autograder.checks.bench import Transcript
from autograder.diagnosis import shelf
from autograder.diagnosis.catalogue import Catalogue
from autograder.diagnosis.diagnose import Diagnostician
from autograder.diagnosis.together import together
from autograder.ledger import Ledger
from autograder.records import Assignment, CheckResult, Diagnosis, Outcome

VERSION = "6"
"""Raised when the same transcript and the same catalogue would be diagnosed differently."""
_DIAGNOSIS: TypeAdapter[Diagnosis | None] = TypeAdapter(Diagnosis | None)


class Rounds:
    """Diagnoses submissions of one assignment. Close it."""

    def __init__(self, assignment: Assignment, ledger: Ledger, earlier: Sequence[Path] = ()) -> None:
        self._assignment = assignment
        self._earlier = earlier
        self._ledger = ledger
        self._made: Diagnostician | None = None

    @property
    def _diagnostician(self) -> Diagnostician:
        """Made for the first failed check: a class without any needs none."""
        if self._made is None:
            self._made = Diagnostician(Catalogue(self._assignment, self._earlier))
        return self._made

    def keep(self, key: str, transcript: Transcript) -> None:
        """Keep the transcript of a check's measurement, unless it is too long."""
        if (content := shelf.to_bytes(transcript)) is not None:
            self._ledger.keep("transcripts", key, content)

    def diagnosed(self, results: Mapping[str, CheckResult], keys: Mapping[str, str]) -> tuple[CheckResult, ...]:
        """Return the results of one submission, the failed ones with their diagnoses."""
        passed = frozenset(id_ for id_, result in results.items() if result.outcome is Outcome.PASSED)
        if any(result.outcome is Outcome.FAILED for result in results.values()):
            self._diagnostician.next_submission()
        failed = [id_ for id_, result in results.items() if result.outcome is Outcome.FAILED]
        found = together({id_: self._one(keys[id_], passed) for id_ in failed})
        return tuple(
            replace(result, diagnosis=self._with_hints(found[id_])) if id_ in found else result
            for id_, result in results.items()
        )

    def _one(self, key: str, passed: frozenset[str]) -> Diagnosis | None:
        version = self._diagnostician.catalogue.version
        told = hashlib.sha256(f"{VERSION} {key} {version} {sorted(passed)}".encode()).hexdigest()
        if (known := self._ledger.kept("diagnoses", told)) is not None:
            try:
                return _DIAGNOSIS.validate_json(known)
            except ValidationError:  # damaged: it is made again, and what is kept stays as it is
                pass
        content = self._ledger.kept("transcripts", key)
        if content is None:
            return None
        try:
            transcript = shelf.from_bytes(content)
        except ValueError:
            return None
        found = self._diagnostician.diagnose(transcript, passed)
        if found is not None or not self._diagnostician.tired:
            self._ledger.keep("diagnoses", told, _DIAGNOSIS.dump_json(found))
        return found

    def _with_hints(self, found: Diagnosis | None) -> Diagnosis | None:
        known = self._diagnostician.catalogue.mistakes
        if found is None or found.mistakes[0] not in known:
            return found
        hints, *more = (known[id_].hints if id_ in known else {} for id_ in (*found.mistakes, *found.also))
        return replace(found, hints=hints, more_hints=tuple(more))

    def close(self) -> None:
        """Remove what was written for the mistakes' modules."""
        if self._made is not None:
            self._made.catalogue.close()
