"""Pairs of submissions that have more in common than chance gives: pure. A lead for a human, never a verdict.

Passages of the stub do not count, nor do those that many have, since the task has few right answers. What is left is
rare; beside it stand the rare mistakes that both made, which no two people make alike by care. Submissions with the
very same code count as one: else a file that goes round a whole class would be no longer rare.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations

RARE_SHARE, RARE_STUDENTS = 0.05, 3
"""A passage or a mistake is rare where at most this share of a class has it, or this many students."""
FEWEST_PRINTS = 12
"""Fingerprints in common, from which on a pair is listed."""
LEAST_SHARE = 0.3
"""The part of the shorter one's own passages that both have, from which on a pair is listed."""
MOST_PAIRS = 25


@dataclass(frozen=True, slots=True)
class Pair:
    """Two submissions."""

    one: str
    other: str
    share: int
    """Percent of the shorter one's own passages that stand in both and in few others."""
    mistakes: tuple[str, ...]
    """Rare mistakes that both made."""
    same: tuple[str, ...] = ()
    """More submissions with the very same code as these two."""


def pairs(
    prints: Mapping[str, Sequence[int]], stub: AbstractSet[int], mistakes: Mapping[str, AbstractSet[str]]
) -> tuple[Pair, ...]:
    """The pairs worth a look, the most similar first; `mistakes` are those named for certain, by student."""
    alike: dict[frozenset[int], list[str]] = defaultdict(list)
    for student in sorted(prints):
        alike[frozenset(prints[student]) - stub].append(student)
    own = {students[0]: each for each, students in alike.items()}
    most = max(RARE_STUDENTS, int(RARE_SHARE * len(prints)))
    made = Counter(mistake for each in mistakes.values() for mistake in each)

    def pair(one: str, other: str, share: float, same: Sequence[str] = ()) -> Pair:
        both = mistakes.get(one, frozenset()) & mistakes.get(other, frozenset())
        rare = tuple(sorted(mistake for mistake in both if made[mistake] <= most))
        return Pair(one, other, round(100 * share), rare, tuple(same))

    found = [
        pair(students[0], students[1], 1.0, students[2:])
        for each, students in alike.items()
        if len(each) >= FEWEST_PRINTS and len(students) > 1
    ]
    holders: dict[int, list[str]] = defaultdict(list)
    for student in sorted(own):
        for each in own[student]:
            holders[each].append(student)
    shared = Counter(
        both for having in holders.values() if 2 <= len(having) <= most for both in combinations(having, 2)
    )
    for (one, other), count in shared.items():
        share = count / min(len(own[one]), len(own[other]))
        if count >= FEWEST_PRINTS and share >= LEAST_SHARE:
            found.append(pair(one, other, share))
    return tuple(sorted(found, key=lambda pair: (-pair.share, pair.one, pair.other))[:MOST_PAIRS])
