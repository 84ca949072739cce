"""What the number of operators says about code whose answers are right: remarks, never points.

Both sides are asked for gradients of the same calls, so the counts are of the same work. A call is known by what was
called and by the shapes that it was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations

from autograder.checks.relations import one_figure
from autograder.sandbox.remote import Call

FLOOR = 2
"""Operators for each further place that are worth a remark."""
MANY = 2
"""How many times as fast as the reference's the number must grow."""
FEW, ENOUGH = 4, 8
"""So many times fewer operators than the reference's, where that has enough of them, are left to a human."""

Counts = Mapping[Call, int]
"""Call -> operators of its answer."""


def remarks(theirs: Counts, ours: Counts) -> tuple[str, ...]:
    """Return a sentence for each function whose operators grow with a size where the reference's do not, or far less.

    Numbers have one figure: they come from a submission, which could say more with them than it should.
    """
    names = dict.fromkeys(name for name, _ in theirs if any(name == other for other, _ in ours))
    found = (max(_growths(name, theirs, ours), default=None) for name in names)
    return tuple(_in_words(name, *each) for name, each in zip(names, found, strict=True) if each)


def doubts(theirs: Counts, ours: Counts) -> tuple[str, ...]:
    """Return a sentence for each function with far fewer operators than the reference has."""
    few = {
        name: f"{name} needs {count} operators where the solution needs {ours[name, shapes]}: what does the work in it?"
        for (name, shapes), count in theirs.items()
        if count > 0 and FEW * count <= ours.get((name, shapes), 0) >= ENOUGH
    }
    return tuple(few.values())


def renamed(names: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each parameter (name in the handout -> its own) that was found by its shape alone."""
    return tuple(
        f"{own} was taken for {due}: only its shape fits, name it as the handout does" for due, own in names.items()
    )


def _growths(name: str, theirs: Counts, ours: Counts) -> Iterator[tuple[float, float]]:
    """Operators a further place, theirs and ours, for all pairs of calls of a function where theirs grow faster.

    What runs for each further place runs for each place of the small call, too; where that has fewer operators, it took
    another way (nothing to do, say).
    """
    calls = [call for call in theirs if call[0] == name and call in ours]
    for small, large in permutations(calls, 2):
        if not (grown := _grown(small, large)) or min(theirs[small], ours[small]) == 0:
            continue
        steps, places = max(b - a for a, b in grown), min(a for a, _ in grown)
        more, due = theirs[large] - theirs[small], max(ours[large] - ours[small], 0)
        if more - due >= FLOOR * steps and more >= MANY * due and theirs[small] * steps >= more * places:
            yield more / steps, due / steps


def _grown(small: Call, large: Call) -> list[tuple[int, int]]:
    """The sizes that differ, each before and after; none where some are smaller or nothing compares.

    An axis of size one is a case of its own, to `einsum` and to broadcasting: what grows from there says nothing.
    """
    one, other = small[1], large[1]
    if [len(shape) for shape in one] != [len(shape) for shape in other]:
        return []
    sizes = [pair for shapes in zip(one, other, strict=True) for pair in zip(*shapes, strict=True)]
    if any(b < a or a == 1 < b for a, b in sizes):
        return []
    return [(a, b) for a, b in sizes if a < b]


def _in_words(name: str, more: float, due: float) -> str:
    much = f"{name} runs about {one_figure(more)} operators for each further position"
    better = f"about {one_figure(due)}" if due >= 1 else "a number that does not grow, of matrix products say,"
    return f"{much}; {better} can do the same (this costs no points)"
