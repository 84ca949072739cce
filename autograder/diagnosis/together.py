"""Diagnoses of one submission's checks, read together: what one check leaves open another one may settle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from autograder.records import Diagnosis

ALSO = 4
"""Further mistakes that are listed where several give the same answers."""

Found = Mapping[str, Diagnosis | None]
"""Check -> its diagnosis."""


def together(found: Found) -> dict[str, Diagnosis | None]:
    """Return the diagnoses with those mistakes first that explain most checks.

    Where a mistake was made for certain, since one check's answers have no other explanation, it explains all the
    checks whose answers it gives: others that give these, too, are not listed.
    """
    settled = dict(found)
    while (sure := _sure(settled)) and (
        closer := {id_: _settled(each, sure) for id_, each in settled.items()}
    ) != settled:
        settled = closer
    explained = Counter(id_ for each in settled.values() for id_ in _alternatives(each))
    return {id_: _ordered(each, explained) for id_, each in settled.items()}


def _alternatives(found: Diagnosis | None) -> tuple[str, ...]:
    """The single mistakes any of which gives all answers."""
    return (*found.mistakes, *found.also) if found and found.exact and len(found.mistakes) == 1 else ()


def _sure(found: Found) -> frozenset[str]:
    return frozenset(id_ for each in found.values() if each and each.certain for id_ in each.mistakes)


def _settled(found: Diagnosis | None, sure: frozenset[str]) -> Diagnosis | None:
    ids = _alternatives(found)
    return _with(found, [id_ for id_ in ids if id_ in sure] or ids) if found and len(ids) > 1 else found


def _ordered(found: Diagnosis | None, explained: Mapping[str, int]) -> Diagnosis | None:
    ids = _alternatives(found)
    if found is None or len(ids) < 2:
        return found
    return _with(found, sorted(ids, key=lambda id_: -explained[id_])[: 1 + ALSO])


def _with(found: Diagnosis, ids: list[str] | tuple[str, ...]) -> Diagnosis:
    """The diagnosis with these of its alternatives, in this order."""
    parts = dict(zip(_alternatives(found), (found.part, *found.more_parts), strict=True))
    first, *more = ids
    return replace(
        found, mistakes=(first,), also=tuple(more), part=parts[first], more_parts=tuple(parts[id_] for id_ in more)
    )
