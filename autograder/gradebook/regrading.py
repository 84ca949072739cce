"""What another run of the grader changes, before anybody decides whether it counts: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autograder.records import CheckResult, Grade


@dataclass(frozen=True, slots=True)
class Change:
    """One check of one student that gives other points than before."""

    student: str
    check: str
    before: int | None
    """None: there was no such check."""
    after: int | None
    """None: there is no such check any more."""
    why: str

    @property
    def words(self) -> str:
        """`test_run: 30 -> 0, since passed is now failed: ...`."""
        return f"{self.check}: {_points(self.before)} -> {_points(self.after)}, {self.why}"


@dataclass(frozen=True, slots=True)
class Difference:
    """Two grades of one student's same files."""

    student: str
    before: int
    after: int
    changes: tuple[Change, ...]
    under: tuple[str, ...]
    """What the run itself had otherwise: `torch 2.9 -> 2.10`."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a regrade would change."""

    differences: tuple[Difference, ...]
    """Those of students whose points change, by student."""
    same: int
    """Students whose points stay."""

    @property
    def up(self) -> int:
        """Students who gain."""
        return sum(each.after > each.before for each in self.differences)

    @property
    def down(self) -> int:
        """Students who lose."""
        return sum(each.after < each.before for each in self.differences)

    def by_check(self) -> dict[str, tuple[int, int]]:
        """Check -> students who gain and who lose there, the most first."""
        changes = [change for each in self.differences for change in each.changes]
        gains = Counter(change.check for change in changes if (change.after or 0) > (change.before or 0))
        losses = Counter(change.check for change in changes if (change.after or 0) < (change.before or 0))
        checks = sorted(gains | losses, key=lambda check: (-gains[check] - losses[check], check))
        return {check: (gains[check], losses[check]) for check in checks}


def preview(before: Mapping[str, Grade], after: Mapping[str, Grade]) -> Preview:
    """What changes for the students of `after`, each of whom has a grade in `before`."""
    found = [_difference(before[student], grade) for student, grade in sorted(after.items())]
    changed = tuple(each for each in found if each.changes or each.before != each.after)
    return Preview(changed, len(found) - len(changed))


def _difference(before: Grade, after: Grade) -> Difference:
    old = {result.id: result for result in before.results}
    new = {result.id: result for result in after.results}
    changes = (_change(after.student, check, old.get(check), new.get(check)) for check in _in_order(old, new))
    return Difference(
        after.student,
        before.score,
        after.score,
        tuple(change for change in changes if change.before != change.after),
        tuple(_otherwise(before, after)),
    )


def _in_order(old: Iterable[str], new: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*new, *old]))


def _change(student: str, check: str, old: CheckResult | None, new: CheckResult | None) -> Change:
    before, after = (each.earned if each is not None else None for each in (old, new))
    return Change(student, check, before, after, _why(old, new))


def _why(old: CheckResult | None, new: CheckResult | None) -> str:
    if new is None:
        return "the check is gone"
    message = f": {new.finding.message.partition(chr(10))[0]}" if new.finding else ""
    if old is None:
        return f"the check is new, {new.outcome}{message}"
    if old.outcome is new.outcome:
        return f"the check is worth {new.points} points, no longer {old.points}"
    return f"since {old.outcome} is now {new.outcome}{message}"


def _otherwise(before: Grade, after: Grade) -> Iterable[str]:
    for name in ("torch", "engine", "device", "confinement", "secret_sha256"):
        old, new = getattr(before.run, name), getattr(after.run, name)
        if old != new:
            yield f"another {'course secret' if name == 'secret_sha256' else name}" + (
                "" if name == "secret_sha256" else f": {old} -> {new}"
            )


def _points(points: int | None) -> str:
    return "none" if points is None else str(points)
