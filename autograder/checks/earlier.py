"""Work of earlier assignments: which of its parts are the student's own, and where a stand-in takes its place.

An earlier part is judged by the checks of its own assignment. Where these pass, the student's own is used; a weak week
does not sink the next one. One rule for both: `meet_needs`, as within one assignment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from autograder.checks.plugin import is_unsettled, meet_needs
from autograder.errors import ConfigurationError
from autograder.records import Assignment, BuildsOn, CheckResult, EarlierPart, Outcome
from autograder.sandbox.order import EarlierModule
from autograder.sandbox.standins import STAND_INS

Results = Mapping[str, CheckResult]


@dataclass(frozen=True, slots=True)
class EarlierWork:
    """What a submission finds of the assignments that it builds on."""

    modules: tuple[EarlierModule, ...] = ()
    parts: tuple[EarlierPart, ...] = ()
    ours: tuple[str, ...] = ()
    """Checks that the grader could not run, so that a stand-in is in use without the student's fault."""
    unsettled: CheckResult | None = None
    """A result that may still change: measure again alone, and decide then."""

    def replaced_files(self, assignment: Assignment) -> frozenset[str]:
        """Return the names of earlier files that are missing or useless, so that stand-ins replace all that is used."""
        alone = {each.name for each in self.modules if not each.written}
        return frozenset(name for used in assignment.builds_on if used.module in alone for name in used.files)

    def __add__(self, other: EarlierWork) -> EarlierWork:
        return EarlierWork(
            self.modules + other.modules,
            self.parts + other.parts,
            self.ours + other.ours,
            self.unsettled or other.unsettled,
        )


NOTHING_EARLIER = EarlierWork()


def decisive(assignment: Assignment, names: Iterable[str]) -> dict[str, str]:
    """Return the digests, by id, of all checks on which checks and parts with these names depend."""
    found: dict[str, str] = {}
    waiting = list(names)
    by_id = {each.id: each for each in assignment.checks}
    while waiting:
        name = waiting.pop()
        for id_ in assignment.parts.get(name, (name,)):
            if id_ in by_id and id_ not in found:
                found[id_] = by_id[id_].digest
                waiting += by_id[id_].needs
    return found


def judged(used: BuildsOn, assignment: Assignment, results: Results) -> EarlierWork:
    """Return what is in use of the earlier `assignment`, whose decisive checks had these results."""
    ours = tuple(id_ for id_, result in results.items() if result.outcome is Outcome.GRADER_ERROR)
    believed = {id_: _no_fault_of_ours(result) for id_, result in results.items()}
    if unsettled := next(filter(is_unsettled, believed.values()), None):
        return EarlierWork(unsettled=unsettled)
    if any(result.finding and result.finding.kind == "loading" for result in believed.values()):
        return stand_ins_alone(used, f"your {used.files[0]} cannot be imported")
    met = meet_needs(replace(assignment.checks[0], id=used.id, needs=used.parts), assignment.parts, believed)
    assert not isinstance(met, CheckResult), met  # every part that is used has a stand-in: see `refuse_unknown`
    whys = {part: _why(assignment, part, results) for part in met}
    return EarlierWork(
        (EarlierModule(used.module, True, met),),
        tuple(EarlierPart(part, used.files[0], whys.get(part, "")) for part in dict.fromkeys((*used.parts, *met))),
        tuple(f"{used.id}: {id_}" for id_ in ours),
    )


def missing(used: BuildsOn) -> EarlierWork:
    """Return what is in use where the earlier file was not handed in."""
    return stand_ins_alone(used, f"{used.files[0]} was not handed in")


def stand_ins_alone(used: BuildsOn, why: str) -> EarlierWork:
    """Return a module that is made of its stand-ins alone."""
    return EarlierWork(
        (EarlierModule(used.module, False, used.parts),),
        tuple(EarlierPart(part, used.files[0], why) for part in used.parts),
    )


def refuse_unknown(assignment: Assignment) -> None:
    """Raise ConfigurationError where an earlier part is used for which there is no stand-in."""
    for used in assignment.builds_on:
        if unknown := [part for part in used.parts if part not in STAND_INS]:
            raise ConfigurationError(
                f"{assignment.folder / 'assignment.yml'}: builds on {', '.join(unknown)} of {used.id}, for which there "
                f"is no stand-in; write one, or use a part that has one: {', '.join(STAND_INS)}"
            )


def _no_fault_of_ours(result: CheckResult) -> CheckResult:
    """A fault of the grader counts as a failure here: with a stand-in nobody loses a point by it."""
    return replace(result, outcome=Outcome.FAILED) if result.outcome is Outcome.GRADER_ERROR else result


def _why(assignment: Assignment, part: str, results: Results) -> str:
    """Why a part is not the student's own, in words that follow "since"."""
    here = [results[id_] for id_ in assignment.parts[part] if id_ in results]
    broken = [result for result in here if result.outcome is not Outcome.PASSED]
    first = next((result for result in broken if result.outcome is not Outcome.SKIPPED), broken[0])
    public = any(check.id == first.id and check.public for check in assignment.checks)
    if first.outcome is Outcome.GRADER_ERROR:
        return "the grader could not measure yours"
    if first.outcome is Outcome.SKIPPED:
        return "yours builds on a part that is not right yet"
    if first.is_unwritten:
        return "yours is not written yet"
    return f"yours did not pass {first.id if public else 'the hidden checks'} of {assignment.id}"
