"""What a wrong answer looks like, in words that help and reveal no expected value.

Everything here compares tensors that have the same shape (float64, finite), apart from `shape_difference`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

_FEW = 4
"""Indices that are listed one by one."""
_MOST = 2**16
"""Numbers of an answer that are compared with each other: larger ones would take a while and say the same."""


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


def pattern(difference: Difference) -> str:
    """One fact about how the answer is wrong, empty when none stands out; for at least two values."""
    if difference.got.numel() < 2:
        return ""
    for describe in (_whole, _moved, _softmax, _reordered, _shared_offset, _by_row, _triangle, _row_ends, _places):
        if words := describe(difference):
            return words
    return "every value differs" if bool(difference.wrong.all()) else ""


def factor(difference: Difference) -> str:
    """How many times too large the answer is (one figure), where that explains it all; else empty."""
    got, expected = difference.got, difference.expected
    if int((expected != 0).sum()) < 2:
        return ""
    ratio = float((got * expected).sum() / (expected * expected).sum())
    if ratio == 0 or not difference.would_be_right(got / ratio):
        return ""
    return "close to 1" if one_figure(ratio) == "1" else f"about {one_figure(ratio)}"


def one_figure(number: float) -> str:
    """The number with one significant figure: enough to judge an error by, too little to know a value from."""
    return f"{float(f'{number:.0e}'):g}"


def index_of(flat: int, shape: Sequence[int]) -> str:
    """`[0, 2, 1]`: the index of the flat position in a tensor of this shape."""
    places = torch.unravel_index(torch.tensor(flat), tuple(shape))
    return str([int(place) for place in places])


def _whole(difference: Difference) -> str:
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


def _moved(difference: Difference) -> str:
    got, shape = difference.got, difference.got.shape
    for first, second in combinations(range(got.ndim), 2):
        if shape[first] == shape[second] > 1 and difference.would_be_right(got.transpose(first, second)):
            return f"it is right after swapping axes {first} and {second}: a transpose too many or too few"
    for axis in range(got.ndim):
        if shape[axis] > 1 and difference.would_be_right(got.flip(axis)):
            return f"it is right after reversing {_axis(axis, got)}"
        if _is_shifted(difference, axis):
            return f"it is shifted by one along {_axis(axis, got)}"
    return ""


def _is_shifted(difference: Difference, axis: int) -> bool:
    steps = difference.got.shape[axis] - 1
    if steps < 2 or int(_hit(difference.wrong, axis).sum()) <= steps // 2:
        return False
    for ours, theirs in ((0, 1), (1, 0)):
        got, expected, allowed = (
            tensor.narrow(axis, start, steps)
            for tensor, start in ((difference.got, ours), (difference.expected, theirs), (difference.allowed, theirs))
        )
        if Difference(got, expected, allowed).would_be_right(got):
            return True
    return False


def _softmax(difference: Difference) -> str:
    """Scores where weights are wanted, or the reverse. Axes of one place and whole numbers tell nothing."""
    got, expected = difference.got, difference.expected
    if bool((got == got.round()).all()):
        return ""
    for axis in (axis for axis in reversed(range(got.ndim)) if got.shape[axis] > 1):
        if difference.would_be_right(got.softmax(axis)):
            return f"it is right after a softmax along {_axis(axis, got)}"
        if Difference(got, expected.softmax(axis), difference.allowed).would_be_right(got):
            return f"it is the softmax of the right answer along {_axis(axis, got)}"
        if Difference(got, expected.log_softmax(axis), difference.allowed).would_be_right(got):
            return f"it is the log_softmax of the right answer along {_axis(axis, got)}"
    return ""


def _reordered(difference: Difference) -> str:
    """The right numbers, all of them different enough to know them again, in other places."""
    got, expected, allowed = difference.got, difference.expected, difference.allowed
    if got.numel() > _MOST or expected.flatten().sort()[0].diff().count_nonzero() + 1 < max(_FEW, got.numel() // 2):
        return ""
    for axis in range(got.ndim):
        ours, theirs, near = (each.movedim(axis, 0).reshape(got.shape[axis], -1) for each in (got, expected, allowed))
        if len(ours) > 1 and len(ours) * ours.numel() <= 8 * _MOST:
            same = ((ours[None] - theirs[:, None]).abs() <= near[:, None]).all(-1)  # (place, whose numbers stand there)
            if bool((same.sum(0) == 1).all() and (same.sum(1) == 1).all()):
                return f"the right values stand in another order along {_axis(axis, got)}"
    ours, (theirs, order) = got.flatten().sort()[0], expected.flatten().sort()
    if Difference(ours, theirs, allowed.flatten()[order]).would_be_right(ours):
        return "the right values stand in other places: was an axis to be moved (permute, transpose), not reshaped?"
    return ""


def _shared_offset(difference: Difference) -> str:
    got, offset, wrong = difference.got, difference.got - difference.expected, difference.wrong
    if bool(wrong.all()) and difference.would_be_right(got - offset.mean()):
        return "every value is off by the same amount"
    rows = wrong.flatten(0, -2) if got.ndim > 1 else wrong[None]  # (rows, features)
    shared = offset.flatten(0, -2).mean(0) if got.ndim > 1 else offset
    if len(rows) > 1 and bool(rows.any(1).all()) and difference.would_be_right(got - shared):
        return "the error is the same in every row, as if a bias were missing or added twice"
    return ""


def _by_row(difference: Difference) -> str:
    """Rows of the last axis that are each right but for one number: what is the same for a whole row went wrong."""
    got, expected = difference.got, difference.expected
    if int(((expected != 0).sum(-1) > 2).sum()) < 2:  # two numbers always have a factor or an offset
        return ""
    if difference.would_be_right(got - (got - expected).mean(-1, keepdim=True)):
        return "every row of the last axis is off by an amount of its own"
    size = (expected * expected).sum(-1, keepdim=True)
    factors = (got * expected).sum(-1, keepdim=True) / size.where(size > 0, 1.0)
    if bool((factors != 0).all()) and difference.would_be_right(got / factors):
        return "every row of the last axis is right up to a factor of its own, as if it were not normalised"
    return ""


def _triangle(difference: Difference) -> str:
    wrong = difference.wrong
    if wrong.ndim < 2 or wrong.shape[-1] != wrong.shape[-2] or int(_hit(wrong, wrong.ndim - 2).sum()) < 2:
        return ""
    if not bool(wrong.tril().any()):
        return "all differences lie above the diagonal of the last two axes"
    if not bool(wrong.triu().any()):
        return "all differences lie below the diagonal of the last two axes"
    return ""


def _row_ends(difference: Difference) -> str:
    """Padding seen from outside: in every row the wrong values form its end, and the ends differ in length."""
    wrong = difference.wrong
    if wrong.ndim < 2 or wrong.shape[1] < 3:
        return ""
    steps = wrong.flatten(2).any(2) if wrong.ndim > 2 else wrong  # (rows, steps)
    ends = bool((steps[:, 1:] >= steps[:, :-1]).all())
    counts = steps.sum(1)
    if not ends or bool((counts == wrong.shape[1]).any()) or len(set(counts[counts > 0].tolist())) < 2:
        return ""
    return "the differences fill the ends of the rows, from different positions on: look at the padding"


def _places(difference: Difference) -> str:
    """The axes along which only some indices are wrong."""
    return " and ".join(list(_places_by_axis(difference))[:2])


def _places_by_axis(difference: Difference) -> Iterator[str]:
    wrong = difference.wrong
    for axis in range(wrong.ndim):
        hit = _hit(wrong, axis).tolist()
        if len(hit) > 1 and not all(hit):
            yield f"{_indices(hit)} along {_axis(axis, wrong)}"


def _indices(hit: Sequence[bool]) -> str:
    right, off = [[i for i, is_off in enumerate(hit) if is_off is kind] for kind in (False, True)]
    if len(right) == 1 and len(off) > 1:
        return f"only index {right[0]} is right"
    if len(off) == 1:
        return f"only index {off[0]} differs"
    if off == list(range(off[0], len(hit))):
        return f"only indices >= {off[0]} differ"
    if off == list(range(off[-1] + 1)):
        return f"only indices <= {off[-1]} differ"
    few = len(off) <= _FEW
    return f"only indices {', '.join(map(str, off))} differ" if few else f"{len(off)} of {len(hit)} indices differ"


def _axis(axis: int, tensor: Tensor) -> str:
    meaning = {0: "the batch, if it comes first"}
    if tensor.ndim == 3:
        meaning[1] = "time, if the batch comes first"
    return f"axis {axis}" + (f" ({meaning[axis]})" if axis in meaning and tensor.ndim > 1 else "")


def _hit(wrong: Tensor, axis: int) -> Tensor:
    """Which indices along `axis` hold a wrong value."""
    return wrong.movedim(axis, 0).flatten(1).any(1) if wrong.ndim > 1 else wrong


Rule = Callable[[tuple[int, ...], tuple[int, ...]], str]


def shape_difference(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """The most telling words for two different shapes, both shapes among them."""
    rules: tuple[Rule, ...] = (_swapped, _single_axis, _rearranged, _other_sizes)
    words = next((found for rule in rules if (found := rule(got, expected))), "wrong number of axes")
    return f"{words}: got {got}, expected {expected}"


def _swapped(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    if sorted(got) != sorted(expected):
        return ""
    axes = [axis for axis, (ours, theirs) in enumerate(zip(got, expected, strict=True)) if ours != theirs]
    if axes == [0, 1] and len(got) > 2:
        return "looks transposed, batch and time look swapped"
    return f"looks transposed (axes {', '.join(map(str, axes))})"


def _single_axis(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    for axis in range(max(len(got), len(expected))):
        if (*expected[:axis], 1, *expected[axis:]) == got:
            return f"one axis of size 1 too many (axis {axis}: squeeze it)"
        if (*got[:axis], 1, *got[axis:]) == expected:
            return f"one axis of size 1 is missing (axis {axis}: unsqueeze or keepdim=True)"
    return ""


def _rearranged(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    same_count = torch.Size(got).numel() == torch.Size(expected).numel()
    return "the right number of values in another arrangement (reshape, flatten?)" if same_count else ""


def _other_sizes(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    if len(got) != len(expected):
        return ""
    axes = [str(axis) for axis, (ours, theirs) in enumerate(zip(got, expected, strict=True)) if ours != theirs]
    return f"wrong size of {'axis' if len(axes) == 1 else 'axes'} {', '.join(axes)}"
