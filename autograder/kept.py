"""What the ledger holds of one submission, and under which keys.

Points and hints belong to marks, not to measurements: they are taken off what is kept and put on what is found. What a
check needs decides with which stand-ins it runs: these are in its key, and the checks that decided are not. So a check
whose source was changed measures itself again, and others only where its verdict is another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from autograder.checks.plugin import meet_needs
from autograder.course.needs import in_order_of_needs
from autograder.ledger import KeyParts, Ledger, measurement_key
from autograder.records import Assignment, Check, CheckResult, Outcome
from autograder.workshop import bans_of

IMPORT = "import"
"""Id of what is kept where a submission cannot be imported: no check of it is measured."""


@dataclass(frozen=True)
class Kept:
    """The measurements of one submission."""

    assignment: Assignment
    ledger: Ledger
    common: KeyParts
    """What the keys of all its checks share; with `IMPORT` for the check it is the import's own."""
    _keys: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)
    _absent: set[str] = field(default_factory=set)
    """Keys that were looked up in vain: the judge asks again before it measures."""

    def key(self, check: Check, stand_ins: tuple[str, ...]) -> str:
        """The key of a check's measurement with these stand-ins."""
        if (check.id, stand_ins) not in self._keys:
            sandbox = {**self.common.sandbox, "bans": " ".join(bans_of(self.assignment, check))}
            parts = replace(self.common, check=check.digest, stand_ins=stand_ins, sandbox=sandbox)
            self._keys[check.id, stand_ins] = measurement_key(parts)
        return self._keys[check.id, stand_ins]

    def keys(self, results: Mapping[str, CheckResult]) -> dict[str, str]:
        """Check -> key, of those that failed, with the stand-ins that they ran with."""
        failed = {id_: result for id_, result in results.items() if result.outcome is Outcome.FAILED}
        return {c.id: self.key(c, failed[c.id].stand_ins) for c in self.assignment.checks if c.id in failed}

    def of(self, check: Check, stand_ins: tuple[str, ...]) -> CheckResult | None:
        """The measurement of a check with these stand-ins, marked as the check is now; None: there is none."""
        key = self.key(check, stand_ins)
        found = None if key in self._absent else self.ledger.get(key)
        if found is None:
            self._absent.add(key)
            return None
        return marked(check, found)

    def known(self, wanted: frozenset[str] | None, untried: frozenset[str]) -> dict[str, CheckResult]:
        """The results of those wanted checks (None: all) that need not be measured, as their needs are met.

        Of `untried` checks nothing is measured: what is not kept of them counts as skipped.
        """
        checks = [each for each in self.assignment.checks if wanted is None or each.id in wanted]
        if (failed := self.ledger.get(measurement_key(self.common))) is not None:
            return {each.id: replace(failed, id=each.id, points=each.points) for each in checks}
        known: dict[str, CheckResult] = {}
        for check in in_order_of_needs(checks, self.assignment.parts):
            if (found := self._settled(check, known)) is not None:
                known[check.id] = found
            elif check.id in untried:
                known[check.id] = CheckResult(check.id, Outcome.SKIPPED, 0, check.points)
        return known

    def _settled(self, check: Check, known: Mapping[str, CheckResult]) -> CheckResult | None:
        """The result of a check of whose needs everything is known; None where it has to be measured."""
        met = met_by(check, self.assignment, known)
        return self.of(check, met) if isinstance(met, tuple) else met

    def keep(self, check: Check, result: CheckResult) -> None:
        """Keep what was measured; what was not run, because of its needs, follows from them."""
        if result.outcome is not Outcome.SKIPPED:
            key = self.key(check, result.stand_ins)
            self._absent.discard(key)
            self.ledger.put(key, _measured(check, result))

    def keep_import(self, failed: CheckResult) -> None:
        """Keep why the submission cannot be imported."""
        self.ledger.put(measurement_key(self.common), replace(failed, id=IMPORT, points=0))


def met_by(
    check: Check, assignment: Assignment, known: Mapping[str, CheckResult]
) -> tuple[str, ...] | CheckResult | None:
    """What `meet_needs` says, where everything that the check needs is known; else None."""
    every = {each.id for each in assignment.checks}
    needed = {id_ for name in check.needs for id_ in assignment.parts.get(name, (name,))}
    return meet_needs(check, assignment.parts, known) if needed & every <= known.keys() else None


def marked(check: Check, result: CheckResult) -> CheckResult:
    """A measurement with the points and the hint that the check has now."""
    finding = result.finding
    if finding is not None and not finding.hint:
        finding = replace(finding, hint=check.hint)
    earned = check.points if result.outcome is Outcome.PASSED else 0
    return replace(result, id=check.id, earned=earned, points=check.points, finding=finding)


def _measured(check: Check, result: CheckResult) -> CheckResult:
    """A result without what the check's decorators gave it."""
    finding = result.finding
    if finding is not None and finding.hint == check.hint:
        finding = replace(finding, hint="")
    return replace(result, earned=0, points=0, finding=finding)
