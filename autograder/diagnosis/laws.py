"""Whether random numbers are of one law: who draws in another way draws other ones, and is as right."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

TOLERANCE = 0.25
"""Two sets of random initial values are of one law if spread and largest value differ by no more than this part."""
FEW = 16
"""Of so few random values nothing can be said."""
MANY = 1000
"""So many drawn whole numbers are compared by how often each comes up."""
OFTEN = 5
"""So often, on average, each kind of draw must have come up for that to say anything."""
DEVIATIONS = 6.0
"""How far two counts of draws from one law may lie apart, in standard deviations of their chi-squared distance."""


def of_one_law(one: Tensor, other: Tensor) -> bool:
    """Whether these are initial values of one law, as far as their spread and their largest value tell."""
    if one.numel() < FEW or bool((one == other).all()):
        return True
    ours = [float(figure) for figure in _figures(other)]
    theirs = [float(figure) for figure in _figures(one)]
    return all(abs(a - b) <= TOLERANCE * max(abs(a), abs(b)) for a, b in zip(theirs, ours, strict=True))


def of_one_draw(one: Tensor, other: Tensor) -> bool:
    """Whether these are many draws of whole numbers that come up equally often, row by row."""
    if one.is_floating_point() or one.numel() < MANY:
        return False
    both = torch.cat([one.reshape(len(one), -1), other.reshape(len(other), -1)]).long()
    _, place = torch.unique(both, dim=0, return_inverse=True)
    kinds = int(place.max()) + 1
    if len(one) < OFTEN * kinds:  # rows of which each comes up once are compared as they are
        return False
    theirs, ours = (place[half].bincount(minlength=kinds).double() for half in (slice(len(one)), slice(len(one), None)))
    spread = float(((theirs - ours).square() / (theirs + ours)).sum())  # chi-squared with `kinds` - 1 degrees
    return spread <= kinds + DEVIATIONS * math.sqrt(2 * kinds)


def _figures(values: Tensor) -> Iterator[Tensor]:
    yield values.detach().double().std()
    yield values.detach().double().abs().max()
