"""How far two answers to one question lie apart: 0 where they are the same, infinity where nothing compares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from autograder.diagnosis.laws import of_one_draw, of_one_law
from autograder.sandbox import wire

LARGEST = 2**53
"""Whole numbers up to here are floats, too."""
LITERALLY = 1e-6
"""So close, as a part of their size or at all, are numbers that were drawn in the same way."""


@dataclass(frozen=True, slots=True)
class Stayed:
    """An object that stayed on its side of the wire: its number there and, for a record, its fields."""

    number: int
    values: tuple[Any, ...] | None


class Placeholders:
    """Reads frames without having what their handles stand for."""

    def __init__(self) -> None:
        self.met: list[Stayed] = []
        """The placeholders that were given so far."""

    def put(self, value: object) -> wire.Json:
        """A placeholder as it was read."""
        assert isinstance(value, Stayed)
        return {"h": {"id": value.number}}

    def get(self, document: wire.Json) -> Stayed:
        """The placeholder of a handle."""
        values = document.get("values") if isinstance(document, dict) else None
        self.met.append(Stayed(document["id"], tuple(values) if isinstance(values, list) else None))
        return self.met[-1]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a comparison of two answers showed."""

    distance: float
    """Largest difference of two numbers, as a part of the largest number in either answer."""
    pairs: tuple[tuple[Stayed, Any], ...]
    """What stayed on the one side, with what stands in its place on the other."""
    literal: bool = True
    """Whether also those numbers are the same of which only the law counts: both sides draw in the same way."""


APART = Agreement(math.inf, (), literal=False)


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms two answers to a question are compared."""

    only: tuple[Tensor | None, ...] = ()
    """For the answer's float tensors in order: which places count. What a check does not look at is everybody's own."""
    exact: bool = False
    """Whether a state holds numbers that were loaded, to be compared as such; else only their law is."""
    drawn: bool = False
    """Whether the answer was drawn from a generator that came with the question."""


FREE = Terms()


class _Apart(Exception):
    """Two answers differ in more than numbers."""


def agreement(operation: str, one: Mapping[str, Any], other: Mapping[str, Any], terms: Terms = FREE) -> Agreement:
    """Return how far the submission's answer document `one` and ours, `other`, to the same question lie apart."""
    walk = _Walk(terms)
    try:
        if "error" in one or "error" in other:
            walk.errors(one.get("error"), other.get("error"))
        elif operation == "state":
            walk.states(one, other)
        elif operation == "load" and one.keys() ^ other.keys():  # weights that fit on one side only
            return APART
        else:
            walk.documents(one, other)
    except _Apart:
        return APART
    return Agreement(walk.distance(), tuple(walk.pairs), walk.literal)


class _Walk:
    """Goes through two answers side by side."""

    def __init__(self, terms: Terms) -> None:
        self.pairs: list[tuple[Stayed, Any]] = []
        self.literal = True
        self._terms = terms
        self._masks: Iterator[Tensor | None] = iter(())
        self._difference = 0.0
        self._size = 0.0

    def distance(self) -> float:
        return self._difference / self._size if self._size else self._difference

    def errors(self, one: Any, other: Any) -> None:
        """Exceptions are the same if their types are: messages are each student's own."""
        if one is None or other is None or one["types"][:1] != other["types"][:1]:
            raise _Apart

    def documents(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
        for key, value in other.items():
            if key in ("n", "refused", "buffers", "frozen", "operators"):
                continue
            self._masks = iter(self._terms.only if key == "answer" else ())
            if key in ("inputs", "parameters") and "losses" not in other:
                self.gradients(one.get(key), value)
            else:
                self.values(one.get(key), value)

    def gradients(self, one: Any, other: Any) -> None:
        """No gradient is a gradient of zeros; parameters that only one side has are its own affair."""
        if isinstance(other, dict) and isinstance(one, dict):
            for name, value in other.items():
                self.gradient(one.get(name), value)
        elif isinstance(other, list) and isinstance(one, list) and len(one) == len(other):
            for theirs, ours in zip(one, other, strict=True):
                if isinstance(ours, Tensor | None) and isinstance(theirs, Tensor | None):
                    self.gradient(theirs, ours)
                else:
                    self.values(theirs, ours)
        else:
            self.values(one, other)

    def gradient(self, one: Any, other: Any) -> None:
        known = one if isinstance(one, Tensor) else other
        if isinstance(known, Tensor):
            filled = [torch.zeros_like(known) if value is None else value for value in (one, other)]
            self.values(*filled)

    def states(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
        """Names, shapes, sharing, what learns; numbers by their law alone where nobody loaded them.

        The order of names, frozen parameters and second names for a parameter are each student's own.
        """
        due = other["parameters"]
        if _groups(one, due) != _groups(other, due) or _own(one, due) or due.keys() - one["parameters"].keys():
            raise _Apart
        if {*one.get("frozen", ())} & due.keys() != {*other.get("frozen", ())} & due.keys():
            raise _Apart
        for name, ours in due.items():
            theirs = one["parameters"][name]
            if not isinstance(theirs, Tensor) or theirs.shape != ours.shape:
                raise _Apart
            if self._terms.exact:
                self.numbers(theirs, ours)
            elif not of_one_law(theirs, ours):
                raise _Apart
            else:
                self.literal = self.literal and torch.allclose(theirs.double(), ours.double(), LITERALLY, LITERALLY)

    def values(self, one: Any, other: Any) -> None:
        if isinstance(one, Stayed):
            self.stayed(one, other)
            return
        ours, theirs = _parts(other), _parts(one)
        if ours is not None and theirs is not None:
            if len(ours) != len(theirs):
                raise _Apart
            for pair in zip(theirs, ours, strict=True):
                self.values(*pair)
        elif isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                raise _Apart
            for key in other:
                self.values(one[key], other[key])
        else:
            self.leaves(one, other)

    def leaves(self, one: Any, other: Any) -> None:
        if type(one) is int and type(other) is int and max(abs(one), abs(other)) <= LARGEST:  # lists of ids are long
            self._difference = max(self._difference, abs(one - other))
            self._size = max(self._size, abs(one), abs(other))
        elif _is_number(one) and _is_number(other):
            self.numbers(torch.as_tensor(one), torch.as_tensor(other))
        elif not _equal(one, other):
            raise _Apart

    def stayed(self, one: Stayed, other: Any) -> None:
        ours = _parts(other)
        if one.values is not None and ours is not None:
            self.values(list(one.values), list(ours))
        elif not isinstance(other, Stayed) or one.values is not None:
            raise _Apart
        self.pairs.append((one, other))

    def numbers(self, one: Tensor, other: Tensor) -> None:
        if one.shape != other.shape or _kind(one) != _kind(other):
            raise _Apart
        mask = next(self._masks, None) if one.is_floating_point() else None
        if one.numel() == 0:
            return
        if self._terms.drawn and of_one_draw(one, other):
            self.literal = self.literal and torch.equal(one, other)
            return
        theirs = _counting(one, mask)
        if one.dtype == other.dtype and torch.equal(one, other):  # most mistakes leave most answers as they are
            largest = float(theirs.abs().max())
            if math.isfinite(largest):
                self._size = max(self._size, largest)
                return
        ours = _counting(other, mask)
        furthest = float((theirs - ours).abs().max())
        if math.isfinite(furthest):
            self._difference = max(self._difference, furthest)
            self._size = max(self._size, *(float(side.abs().max()) for side in (theirs, ours)))
            return
        finite = theirs.isfinite() & ours.isfinite()
        same = (theirs == ours) | (theirs.isnan() & ours.isnan())
        if not bool((finite | same).all()):
            raise _Apart
        if finite.any():
            self._difference = max(self._difference, float((theirs - ours)[finite].abs().max()))
            self._size = max(self._size, *(float(side[finite].abs().max()) for side in (theirs, ours)))


def _counting(value: Tensor, mask: Tensor | None) -> Tensor:
    """The numbers that count, in double precision; the others are 0."""
    numbers = value.detach().double()
    if mask is None or numbers.shape[: mask.ndim] != mask.shape:
        return numbers
    return numbers.masked_fill(~_spread(mask, numbers), 0.0)


def _spread(mask: Tensor, over: Tensor) -> Tensor:
    return mask.bool().reshape(*mask.shape, *[1] * (over.ndim - mask.ndim)).expand_as(over)


def _groups(state: Mapping[str, Any], due: Mapping[str, Any]) -> set[frozenset[str]]:
    """The due names that are one tensor."""
    groups = (frozenset(group) & due.keys() for group in state.get("shared", ()))
    return {frozenset(group) for group in groups if len(group) > 1}


def _own(state: Mapping[str, Any], due: Mapping[str, Any]) -> set[str]:
    """Parameters of a student's own that learn and are no second name for a due one."""
    again = {name for group in state.get("shared", ()) if not due.keys().isdisjoint(group) for name in group}
    return {*state["parameters"]} - due.keys() - again - {*state.get("frozen", ())}


def _parts(value: Any) -> list[Any] | None:
    if isinstance(value, Stayed):
        return None if value.values is None else list(value.values)
    return list(value) if isinstance(value, tuple | list) else None


def _equal(one: object, other: object) -> bool:
    """Whether two other values are the same; a generator comes back as whoever was given it pleases."""
    return one == other or (isinstance(one, torch.Generator) and isinstance(other, torch.Generator))


def _kind(value: Tensor) -> tuple[bool, bool]:
    """Whether these are real numbers, or True and False; else they are whole numbers."""
    return value.is_floating_point(), value.dtype is torch.bool


def _is_number(value: object) -> bool:
    return isinstance(value, bool | int | float | Tensor)
