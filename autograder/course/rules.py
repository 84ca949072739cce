"""What must hold between the checks and parts of one assignment."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from autograder.course.problems import Problem, nearest
from autograder.records import Check

Parts = Mapping[str, Sequence[str]]

PUBLIC_POINTS = range(30, 41)
"""Students know at home where they stand, and still have to think for themselves."""


def unique_ids(checks: Sequence[Check]) -> Iterator[Problem]:
    """A check id that both test files have (within one file, the reader has complained already)."""
    public = {check.id: check for check in checks if check.public}
    for check in checks:
        if not check.public and check.id in public:
            yield Problem(check.file, check.line, f"`{check.id}` is also in {public[check.id].file.name}; rename one")


def known_needs(checks: Sequence[Check], parts: Parts) -> Iterator[Problem]:
    """Needs that name nothing, and public checks that need a hidden one (students do not have it)."""
    public = {check.id: check.public for check in checks}
    for check in checks:
        for need in check.needs:
            if need not in public and need not in parts:
                message = f"`{check.id}` needs the unknown check or part `{need}`{nearest(need, {*public, *parts})}"
                yield Problem(check.file, check.line, message)
            elif check.public and not public.get(need, True):
                message = f"`{check.id}` is public and needs the hidden check `{need}`, which students do not have"
                yield Problem(check.file, check.line, message)


def no_cycles(checks: Sequence[Check], parts: Parts) -> Iterator[Problem]:
    """A circle of needs, through checks and parts."""
    graph = {check.id: set(check.needs) for check in checks} | {part: set(ids) for part, ids in parts.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle = list(reversed(error.args[1]))
        check = next(check for check in checks if check.id in circle)
        yield Problem(check.file, check.line, f"needs go in a circle: {' -> '.join(circle)}")


def sums(checks: Sequence[Check], file: Path) -> Iterator[Problem]:
    """100 points in all, 30 to 40 of them public."""
    total = sum(check.points for check in checks)
    public = sum(check.points for check in checks if check.public)
    if total != 100:
        yield Problem(file, 1, f"the points of all checks add up to {total}, public {public}; 100 is expected")
    if public not in PUBLIC_POINTS:
        yield Problem(file, 1, f"the public checks have {public} points; 30 to 40 are expected")
