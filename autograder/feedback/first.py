"""The one thing to mend first: where the most points wait, counted with what was not run because of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from autograder.feedback.view import First, PartShown, Shown, Standing
from autograder.records import Assignment, CheckResult, Outcome

SETTLED = frozenset({Outcome.PASSED, Outcome.SKIPPED, Outcome.GRADER_ERROR})
"""Outcomes that name nothing to mend: right, waiting for something else, or ours."""


def blamed(assignment: Assignment, results: Iterable[CheckResult]) -> dict[str, tuple[str, ...]]:
    """For each check that was not run: the checks to mend for it, however far below."""
    by_id = {result.id: result for result in results}
    needs = {check.id: check.needs for check in assignment.checks}

    def below(id_: str, seen: frozenset[str]) -> Iterator[str]:
        for name in needs.get(id_, ()):
            for needed in assignment.parts.get(name, (name,)):
                if needed not in by_id or needed in seen or by_id[needed].outcome is Outcome.PASSED:
                    continue
                if by_id[needed].outcome is Outcome.SKIPPED:
                    yield from below(needed, seen | {needed})
                else:
                    yield needed

    skipped = [id_ for id_, result in by_id.items() if result.outcome is Outcome.SKIPPED]
    return {id_: tuple(dict.fromkeys(below(id_, frozenset({id_})))) for id_ in skipped}


def first_of(parts: Sequence[PartShown], because: Mapping[str, Sequence[str]]) -> First | None:
    """What to mend first; None where nothing is to be mended but bonuses.

    A mistake before what is not written yet: it is the shorter way. Among mistakes the one with the most points at
    stake, among unwritten parts the first: students write from top to bottom.
    """
    points = {check.id: check.points for part in parts for check in part.checks}
    found = [
        First(part.anchor, part.heading or part.name, check, _stake(part, because, points))
        for part in parts
        if (check := _failing(part)) is not None
    ]
    standing = {part.anchor: part.standing for part in parts}
    mistakes = [one for one in found if standing[one.anchor] is not Standing.UNWRITTEN and one.stake]
    if mistakes:
        return max(mistakes, key=lambda one: one.stake)  # the first of the largest
    return next((one for one in found if one.stake), None)


def _failing(part: PartShown) -> Shown | None:
    return next((check for check in part.checks if check.outcome not in SETTLED), None)


def _stake(part: PartShown, because: Mapping[str, Sequence[str]], points: Mapping[str, int]) -> int:
    """Points of a part's failing checks and of everything that waits for them."""
    failing = {check.id for check in part.checks if check.outcome not in SETTLED}
    waiting = {id_ for id_, needed in because.items() if failing & set(needed)}
    return sum(points.get(id_, 0) for id_ in failing | waiting)
