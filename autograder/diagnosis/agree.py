"""How far two answers to one question lie apart: 0 where they are the same, infinity where nothing compares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from autograder.sandbox import wire

LAW_TOLERANCE = 0.25
"""Two sets of random initial values are of one law if spread and largest value differ by no more than this part."""
FEW = 16
"""Of so few random values nothing can be said."""


@dataclass(frozen=True, slots=True)
class Stayed:
    """An object that stayed on its side of the wire: its number there and, for a record, its fields."""

    number: int
    values: tuple[Any, ...] | None


class Placeholders:
    """Reads frames without having what their handles stand for."""

    def put(self, value: object) -> wire.Json:
        """A placeholder as it was read."""
        assert isinstance(value, Stayed)
        return {"h": {"id": value.number}}

    def get(self, document: wire.Json) -> Stayed:
        """The placeholder of a handle."""
        values = document.get("values") if isinstance(document, dict) else None
        return Stayed(document["id"], tuple(values) if isinstance(values, list) else None)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a comparison of two answers showed."""

    distance: float
    """Largest difference of two numbers, as a part of the largest number in either answer."""
    pairs: tuple[tuple[Stayed, Any], ...]
    """What stayed on the one side, with what stands in its place on the other."""


APART = Agreement(math.inf, ())


class _Apart(Exception):
    """Two answers differ in more than numbers."""


def agreement(operation: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Agreement:
    """Return how far the answer documents `one` and `other` to the same question lie apart."""
    walk = _Walk()
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
    return Agreement(walk.distance(), tuple(walk.pairs))


class _Walk:
    """Goes through two answers side by side."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Stayed, Any]] = []
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
            if key in ("n", "refused", "buffers", "frozen"):
                continue
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
        """Names, shapes and sharing; values only by their law, since new modules are drawn at random."""
        if one.get("shared") != other.get("shared") or list(one["parameters"]) != list(other["parameters"]):
            raise _Apart
        for name, ours in other["parameters"].items():
            theirs = one["parameters"][name]
            if not isinstance(theirs, Tensor) or theirs.shape != ours.shape or not _of_one_law(theirs, ours):
                raise _Apart

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
        elif _is_number(one) and _is_number(other):
            self.numbers(torch.as_tensor(one), torch.as_tensor(other))
        elif one != other:
            raise _Apart

    def stayed(self, one: Stayed, other: Any) -> None:
        ours = _parts(other)
        if one.values is not None and ours is not None:
            self.values(list(one.values), list(ours))
        elif not isinstance(other, Stayed) or one.values is not None:
            raise _Apart
        self.pairs.append((one, other))

    def numbers(self, one: Tensor, other: Tensor) -> None:
        if one.shape != other.shape or one.is_floating_point() != other.is_floating_point():
            raise _Apart
        if one.numel() == 0:
            return
        theirs, ours = one.detach().double(), other.detach().double()
        finite = theirs.isfinite() & ours.isfinite()
        same = (theirs == ours) | (theirs.isnan() & ours.isnan())
        if not bool((finite | same).all()):
            raise _Apart
        if finite.any():
            self._difference = max(self._difference, float((theirs - ours)[finite].abs().max()))
            self._size = max(self._size, *(float(side[finite].abs().max()) for side in (theirs, ours)))


def _parts(value: Any) -> list[Any] | None:
    if isinstance(value, Stayed):
        return None if value.values is None else list(value.values)
    return list(value) if isinstance(value, tuple | list) else None


def _is_number(value: object) -> bool:
    return isinstance(value, bool | int | float | Tensor)


def _of_one_law(one: Tensor, other: Tensor) -> bool:
    if one.numel() < FEW or bool((one == other).all()):
        return True
    ours = [float(figure) for figure in _figures(other)]
    theirs = [float(figure) for figure in _figures(one)]
    return all(abs(a - b) <= LAW_TOLERANCE * max(abs(a), abs(b)) for a, b in zip(theirs, ours, strict=True))


def _figures(values: Tensor) -> Iterator[Tensor]:
    yield values.detach().double().std()
    yield values.detach().double().abs().max()
