"""Who may see what. Everything that a page says of a check passes through here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from autograder.records import Assignment, Check, CheckResult, Diagnosis, Evidence, Finding, Outcome, Visibility


class Audience(StrEnum):
    """For whom a page is made."""

    STUDENT = "student"
    TA = "ta"
    CLASS = "class"


NOT_SHOWN = "a check that is not shown yet"
"""What stands in a student's message in place of the name of a check whose result they may not see."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What an audience may see at a moment; staff see everything."""

    audience: Audience
    now: datetime
    """Aware."""
    due: datetime | None
    """From course.yml and, for one student's page, their extension; aware. None: there is no due date to pass."""
    published: bool
    """The marks are out."""
    explained: bool = False
    """Known mistakes are explained before the due date, too: whoever teaches has said so."""

    @property
    def everything(self) -> bool:
        """Whether nothing is kept from this audience."""
        return self.audience is not Audience.STUDENT

    @property
    def past_due(self) -> bool:
        """Whether nobody whom this is shown to can hand in any more without being late."""
        return self.due is not None and self.now >= self.due

    @property
    def explains(self) -> bool:
        """Whether it is told which known mistake gives a student's answers; else only where it lies."""
        return self.everything or self.published or self.explained or self.past_due

    def sees(self, check: Check | None) -> bool:
        """Whether the result of `check` may be seen; None is a check that the assignment does not have (any more)."""
        if self.everything:
            return True
        if check is None:
            return False
        return {
            Visibility.ALWAYS: True,
            Visibility.AFTER_DUE: self.past_due,
            Visibility.AFTER_PUBLISHED: self.published,
            Visibility.NEVER: False,
        }[check.visibility]

    def through(self, assignment: Assignment, results: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
        """The results that may be seen, each without what may not: what a page is made of.

        Of a hidden check a student sees message, place and hint, never what was printed, raised or compared: all of it
        may hold the check's inputs. The losses stay: they are the student's own, and are drawn coarsely (curve.py). A
        diagnosis stays where it explains every answer, since a guess sends a student the wrong way: first where the
        mistake lies, and what it is once that may be told.
        """
        if self.everything:
            return tuple(results)
        checks = {check.id: check for check in assignment.checks}
        unseen = _names([id_ for id_, check in checks.items() if not self.sees(check)])
        seen = [result for result in results if self.sees(checks.get(result.id))]
        shown = {result.id for result in seen if result.outcome is not Outcome.PASSED}
        return tuple(
            replace(
                result,
                finding=_finding(result.finding, unseen, public=checks[result.id].public),
                stand_ins=tuple(part for part in result.stand_ins if _may_name(part, assignment, shown)),
                evidence=_evidence(result.evidence, public=checks[result.id].public),
                diagnosis=self._told(result.diagnosis),
            )
            for result in seen
        )

    def _told(self, diagnosis: Diagnosis | None) -> Diagnosis | None:
        """A diagnosis without the course's names for mistakes, and without hints as long as it is only a nudge."""
        if diagnosis is None or not diagnosis.exact:
            return None
        nameless = ("",) * len(diagnosis.mistakes), ("",) * len(diagnosis.also)
        told = replace(diagnosis, mistakes=nameless[0], also=nameless[1])
        return told if self.explains else replace(told, hints={}, more_hints=())

    def note(self, words: str) -> str:
        """A note on a submission. It names no check of an earlier assignment: that one's page knows who may see it."""
        return words if self.everything else re.sub(r"\btest_\w+", "a check of it", words)


def _finding(finding: Finding | None, unseen: re.Pattern[str] | None, *, public: bool) -> Finding | None:
    if finding is None:
        return None
    message = unseen.sub(NOT_SHOWN, finding.message) if unseen else finding.message
    return replace(finding, message=message, detail=finding.detail if public else "")


def _evidence(evidence: Evidence, *, public: bool) -> Evidence:
    if public:
        return replace(evidence, banned_calls=(), doubts=())
    pictures = tuple(picture for picture in evidence.pictures if picture.public)
    return Evidence(figures=_bounds(evidence), curve=evidence.curve, pictures=pictures, remarks=evidence.remarks)


def _bounds(evidence: Evidence) -> dict[str, float]:
    """The figures that a training is measured by: a score and its bound. Others may tell of hidden values."""
    pairs = [(name, f"{name}, at most") for name in evidence.figures]
    return {name: evidence.figures[name] for pair in pairs if pair[1] in evidence.figures for name in pair}


def _names(ids: list[str]) -> re.Pattern[str] | None:
    """Finds the names of these checks, the longest first, since one may begin like another."""
    if not ids:
        return None
    return re.compile(rf"\b(?:{'|'.join(re.escape(id_) for id_ in sorted(ids, key=len, reverse=True))})\b")


def _may_name(part: str, assignment: Assignment, shown: set[str]) -> bool:
    """Whether it is seen anyway that a part is not right; else its stand-in would tell how an unseen check ended."""
    return any(id_ in shown for id_ in assignment.parts.get(part, ()))
