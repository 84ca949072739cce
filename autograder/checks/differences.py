"""How a wrong answer differs from the expected one, in words and numbers: how much of it, where first, how far."""

from __future__ import annotations

import torch
from torch import Tensor

from autograder.checks import patterns
from autograder.checks.answers import shape_of
from autograder.checks.relations import Difference, one_figure

_AROUND = 3  # values on either side of the first difference that a TA sees


def count(wrong: Tensor) -> str:
    """`3 of 12 places, first at [0, 2]`."""
    if wrong.ndim == 0:
        return "the only place"
    first = int(wrong.flatten().to(torch.uint8).argmax())
    return f"{int(wrong.sum())} of {wrong.numel()} places, first at {_index(wrong, first)}"


def _index(tensor: Tensor, flat: int) -> str:
    return patterns.index_of(flat, tensor.shape)


def values_near(got: Tensor, expected: Tensor, wrong: Tensor) -> str:
    """The values around the first difference, for the TA."""
    first = int(wrong.flatten().to(torch.uint8).argmax())
    around = slice(max(0, first - _AROUND), first + _AROUND + 1)
    ours, theirs = ([f"{value:.9g}" for value in t.flatten()[around].tolist()] for t in (got, expected))
    where = f"around {_index(wrong, first)}" if wrong.ndim else "the value"
    return f"shape {shape_of(got)}, {where}: got {', '.join(ours)}; expected {', '.join(theirs)}"


def largest_error(difference: Difference) -> str:
    """How large the error gets, in words to append."""
    error = (difference.got - difference.expected).abs()
    size = f"about {one_figure(float(error.max()))}"
    at = _index(error, int(error.argmax()))
    return f"; the largest error, {size}, is at {at}" if error.ndim else f", off by {size}"


def times_allowed(error: Tensor, allowed: Tensor) -> float:
    """How many times what is allowed an error is at most; where nothing is, infinitely many."""
    return float(torch.where(error > 0, error / allowed, 0.0).max())


def margin(difference: Difference) -> str:
    """The largest error and what was allowed there, for the TA."""
    error = (difference.got - difference.expected).abs()
    worst = int(error.argmax())
    allowed = float(difference.allowed.flatten()[worst])
    at, there = (f" at {_index(error, worst)}", " there") if error.ndim else ("", "")
    return f"\nlargest error {float(error.max()):.9g}{at}, allowed{there} {allowed:.3g}"
