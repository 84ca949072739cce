"""What leads from a wrong answer to the right one as a whole: a factor, a function, an amount that rows share.

Everything here compares tensors that have the same shape (float64, finite). A relation is named only where it explains
every value to the tolerance of the check, and where enough different numbers are there that chance could not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

FEW = 4
"""Different numbers that are too many to be met by chance."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A wrong answer: what came, what was expected, how far they may be apart (all of one shape)."""

    got: Tensor
    expected: Tensor
    allowed: Tensor

    @property
    def wrong(self) -> Tensor:
        """True where a value is off."""
        return (self.got - self.expected).abs() > self.allowed

    def would_be_right(self, other: Tensor) -> bool:
        """Whether `other`, in place of the answer, would pass."""
        return bool(((other - self.expected).abs() <= self.allowed).all())

    def would_be(self, other: Tensor) -> bool:
        """Whether the answer would pass where `other` is expected."""
        return bool(((self.got - other).abs() <= self.allowed).all())


def factor(difference: Difference) -> str:
    """How many times too large the answer is (one figure), where that explains it all; else empty."""
    got, expected = difference.got, difference.expected
    if int((expected != 0).sum()) < 2:
        return ""
    ratio = float((got * expected).sum() / (expected * expected).sum())
    return _times(ratio) if ratio != 0 and difference.would_be_right(got / ratio) else ""


def _times(ratio: float) -> str:
    return "close to 1" if one_figure(ratio) == "1" else f"about {one_figure(ratio)}"


def one_figure(number: float) -> str:
    """The number with one significant figure: enough to judge an error by, too little to know a value from."""
    return f"{float(f'{number:.0e}'):g}"


def axis_of(axis: int, tensor: Tensor) -> str:
    """What an axis is called: `axis 1 (time, if the batch comes first)`."""
    meaning = {0: "the batch, if it comes first"}
    if tensor.ndim == 3:
        meaning[1] = "time, if the batch comes first"
    return f"axis {axis}" + (f" ({meaning[axis]})" if axis in meaning and tensor.ndim > 1 else "")


def whole(difference: Difference) -> str:
    """Zero, another sign, another factor."""
    got = difference.got
    if not bool(got.any()):
        return "your answer is zero everywhere"
    if difference.would_be_right(-got):
        return "the sign is flipped, the size is right"
    if bool(((got == 0) | (got == 1)).all()) and difference.would_be_right(1 - got):
        return "True and False (1 and 0) are swapped everywhere"
    if times := factor(difference):
        return f"all values are right up to one factor ({times})"
    return ""


def softmax(difference: Difference) -> str:
    """Scores where weights are wanted, or the reverse. Axes of one place and whole numbers tell nothing."""
    got, expected = difference.got, difference.expected
    if bool((got == got.round()).all()):
        return ""
    for axis in (axis for axis in reversed(range(got.ndim)) if got.shape[axis] > 1):
        if difference.would_be_right(got.softmax(axis)):
            return f"it is right after a softmax along {axis_of(axis, got)}"
        if difference.would_be(expected.softmax(axis)):
            return f"it is the softmax of the right answer along {axis_of(axis, got)}"
        if difference.would_be(expected.log_softmax(axis)):
            return f"it is the log_softmax of the right answer along {axis_of(axis, got)}"
    return ""


def sums_to_one(difference: Difference) -> str:
    """Weights that are normalised along another axis than the right ones."""
    ours, theirs = ({axis for axis in range(each.ndim) if _is_normal(each, axis)} for each in _both(difference))
    if len(ours) != 1 or len(theirs) != 1 or ours == theirs:
        return ""
    (mine,), (right,) = ours, theirs
    return f"it sums to 1 along axis {mine}, the right answer does so along axis {right}"


def _both(difference: Difference) -> tuple[Tensor, Tensor]:
    return difference.got, difference.expected


def _is_normal(values: Tensor, axis: int) -> bool:
    """Whether all sums along an axis are 1, or 0 where nothing may be weighed; of more than one number each."""
    sums = values.sum(axis)
    near = (sums - 1).abs() < 1e-4
    return bool((values >= 0).all() and (near | (sums == 0)).all() and near.any()) and bool((values < 1).any())


Function = Callable[[Tensor], Tensor]
_ONTO: dict[str, Function] = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu, "abs": torch.abs}
"""Functions that may be missing, or be there once too often."""
_BACK: dict[str, Function] = {
    "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "x ** 2": torch.square,
    "1 - x": lambda x: 1 - x, "1 / x": torch.reciprocal,
}  # fmt: skip
"""Functions of which one that is too many is another one that is missing."""


def function(difference: Difference) -> str:
    """A function of each value by itself that is missing, or there once too often."""
    if not (_tells(difference.got) and _tells(difference.expected)):
        return ""
    for name, apply in _ONTO.items():
        if difference.would_be_right(apply(difference.got)):
            return f"it is right after {name} of every value: is that missing?"
        if difference.would_be(apply(difference.expected)):
            return f"it is {name} of the right answer: is that one too many?"
    right = (name for name, apply in _BACK.items() if difference.would_be_right(apply(difference.got)))
    return f"it is right after {name} of every value" if (name := next(right, "")) else ""


def _tells(values: Tensor) -> bool:
    """Whether there are enough different numbers, none of them whole, to know a function by."""
    return different(values[values != values.round()]) >= FEW


def different(values: Tensor) -> int:
    """How many different numbers there are."""
    return int(values.flatten().sort()[0].diff().count_nonzero()) + 1 if values.numel() else 0


def offset(difference: Difference) -> str:
    """An amount that is the same for all values, or for all rows; beside it one factor."""
    got, difference_of = difference.got, difference.got - difference.expected
    wrong = difference.wrong
    if bool(wrong.all()) and difference.would_be_right(got - difference_of.mean()):
        return "every value is off by the same amount"
    rows = wrong.flatten(0, -2) if got.ndim > 1 else wrong[None]  # (rows, features)
    shared = difference_of.flatten(0, -2).mean(0) if got.ndim > 1 else difference_of
    if len(rows) > 1 and bool(rows.any(1).all()) and difference.would_be_right(got - shared):
        return "the error is the same in every row, as if a bias were missing or added twice"
    return _scaled_and_moved(difference)


def _scaled_and_moved(difference: Difference) -> str:
    """One factor for all, and an amount that all values or all rows share: scaled before something was added."""
    got, expected = difference.got, difference.expected
    if not _tells(expected):
        return ""
    if (ratio := _ratio_without(difference, got.mean(), expected.mean())) is not None:
        return f"all values are right up to one factor ({_times(ratio)}) and one amount"
    if got.ndim < 2 or got.shape[:-1].numel() < FEW:
        return ""
    over_rows = (each.flatten(0, -2).mean(0) for each in (got, expected))
    if (ratio := _ratio_without(difference, *over_rows)) is not None:
        return f"all rows are right up to one factor ({_times(ratio)}) of what comes before a bias is added"
    return ""


def _ratio_without(difference: Difference, ours: Tensor, theirs: Tensor) -> float | None:
    """The factor by which the answer is too large once these means are taken out; None where that explains nothing."""
    got, expected = difference.got - ours, difference.expected - theirs
    ratio = float((got * expected).sum() / (expected * expected).sum().clamp(min=torch.finfo(torch.float64).tiny))
    return ratio if ratio != 0 and difference.would_be_right(got / ratio + theirs) else None


def by_row(difference: Difference) -> str:
    """Rows of the last axis that are each right but for one or two numbers: what is the same for a row went wrong."""
    got, expected = difference.got, difference.expected
    if int(((expected != 0).sum(-1) > 2).sum()) < 2:  # two numbers always have a factor or an offset
        return ""
    if difference.would_be_right(got - (got - expected).mean(-1, keepdim=True)):
        return "every row of the last axis is off by an amount of its own"
    size = (expected * expected).sum(-1, keepdim=True)
    factors = (got * expected).sum(-1, keepdim=True) / size.where(size > 0, 1.0)
    if bool((factors != 0).all()) and difference.would_be_right(got / factors):
        return "every row of the last axis is right up to a factor of its own, as if it were not normalised"
    if _fits_along(difference, -1):
        return "every row of the last axis is right up to a factor and an amount of its own, as if a norm were missing"
    return ""


def by_feature(difference: Difference) -> str:
    """Places of the last axis that are each right but for one or two numbers: those of a weight, or of a norm's."""
    got, expected = (each.flatten(0, -2) if each.ndim > 1 else each for each in _both(difference))
    if got.ndim < 2 or int(((expected != 0).sum(0) > 2).sum()) < 2:
        return ""
    factors = (got * expected).sum(0) / (expected * expected).sum(0).clamp(min=torch.finfo(torch.float64).tiny)
    flat = Difference(got, expected, difference.allowed.flatten(0, -2))
    if bool((factors != 0).all()) and flat.would_be_right(got / factors):
        return "every place of the last axis is right up to a factor of its own, the same in all rows"
    if _fits_along(flat, 0):
        return "every place of the last axis is right up to a factor and an amount of its own, the same in all rows"
    return ""


def _fits_along(difference: Difference, axis: int) -> bool:
    """Whether each line along an axis is right up to a factor and an amount; each has to have FEW numbers and more."""
    got, expected = (each - each.mean(axis, keepdim=True) for each in _both(difference))
    size = (got * got).sum(axis, keepdim=True)
    if got.shape[axis] < FEW or bool((size == 0).any()):
        return False
    fitted = got * ((got * expected).sum(axis, keepdim=True) / size)
    moves = bool((fitted.abs() > difference.allowed).any())  # a constant would fit whatever came
    return moves and difference.would_be_right(fitted + difference.expected.mean(axis, keepdim=True))


def constant(difference: Difference) -> str:
    """An answer that does not change along an axis where the right one does: of a step or a row that is not used."""
    got, expected = _both(difference)
    if not _tells(expected):
        return ""
    for axis in range(got.ndim):
        ours, theirs = (each.amax(axis) - each.amin(axis) for each in (got, expected))
        near = difference.allowed.amin(axis)
        if got.shape[axis] > 1 and bool((ours <= near).all()) and bool((theirs > near).any()):
            return f"your answer is the same all along {axis_of(axis, got)}, the right one is not"
    return ""
