"""What a wrong answer looks like, in words that help and reveal no expected value.

Everything here compares tensors that have the same shape (float64, finite), apart from `shape_difference`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import torch
from torch import Tensor

from autograder.checks import relations
from autograder.checks.relations import Difference, axis_of, different

_FEW = 4
"""Indices that are listed one by one."""
_FARTHEST = 8
"""Places by which an answer may be shifted."""
_MOST = 2**16
"""Numbers of an answer that are compared with each other: larger ones would take a while and say the same."""


def pattern(difference: Difference) -> str:
    """One fact about how the answer is wrong, empty when none stands out; for at least two values."""
    if difference.got.numel() < 2:
        return ""
    for describe in _DESCRIPTIONS:
        if words := describe(difference):
            return words
    return "every value differs" if bool(difference.wrong.all()) else ""


def nothing_there(difference: Difference) -> str:
    """Where some values are wrong and nothing but 0 stands there, on one side: something left out, or not."""
    wrong = difference.wrong
    if int(wrong.sum()) < 2 or not bool(difference.expected[~wrong].any()):  # one 0 may be chance
        return ""
    if not bool(difference.got[wrong].any()):
        return "your answer is 0 in all of these places"
    return "" if bool(difference.expected[wrong].any()) else "0 is expected in all of these places"


def index_of(flat: int, shape: Sequence[int]) -> str:
    """`[0, 2, 1]`: the index of the flat position in a tensor of this shape."""
    places = torch.unravel_index(torch.tensor(flat), tuple(shape))
    return str([int(place) for place in places])


def _moved(difference: Difference) -> str:
    got, shape = difference.got, difference.got.shape
    for first, second in combinations(range(got.ndim), 2):
        if shape[first] == shape[second] > 1 and difference.would_be_right(got.transpose(first, second)):
            return f"it is right after swapping axes {first} and {second}: a transpose too many or too few"
    for axis in range(got.ndim):
        if shape[axis] > 1 and difference.would_be_right(got.flip(axis)):
            return f"it is right after reversing {axis_of(axis, got)}"
        if by := _shift(difference, axis):
            return f"it is shifted by {by} along {axis_of(axis, got)}"
    return ""


def _shift(difference: Difference, axis: int) -> str:
    """By how many places the right values stand further on or back; what has no place left is not looked at."""
    size = difference.got.shape[axis]
    if int(_hit(difference.wrong, axis).sum()) <= (size - 1) // 2:
        return ""
    for by in range(1, min(size // 2, _FARTHEST) + 1):
        steps = size - by
        for ours, theirs in ((0, by), (by, 0)):
            got = difference.got.narrow(axis, ours, steps)
            expected, allowed = (
                tensor.narrow(axis, theirs, steps) for tensor in (difference.expected, difference.allowed)
            )
            enough = steps > 1 if by == 1 else different(expected) >= _FEW
            if enough and Difference(got, expected, allowed).would_be_right(got):
                return "one" if by == 1 else str(by)
    return ""


def _reordered(difference: Difference) -> str:
    """The right numbers, all of them different enough to know them again, in other places."""
    got, expected, allowed = difference.got, difference.expected, difference.allowed
    if got.numel() > _MOST or different(expected) < max(_FEW, got.numel() // 2):
        return ""
    for axis in range(got.ndim):
        ours, theirs, near = (each.movedim(axis, 0).reshape(got.shape[axis], -1) for each in (got, expected, allowed))
        if len(ours) > 1 and len(ours) * ours.numel() <= 8 * _MOST:
            same = ((ours[None] - theirs[:, None]).abs() <= near[:, None]).all(-1)  # (place, whose numbers stand there)
            if bool((same.sum(0) == 1).all() and (same.sum(1) == 1).all()):
                return f"the right values stand in another order along {axis_of(axis, got)}"
    ours, (theirs, order) = got.flatten().sort()[0], expected.flatten().sort()
    if Difference(ours, theirs, allowed.flatten()[order]).would_be_right(ours):
        return "the right values stand in other places: was an axis to be moved (permute, transpose), not reshaped?"
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
            yield f"{_indices(hit)} along {axis_of(axis, wrong)}"


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


def _hit(wrong: Tensor, axis: int) -> Tensor:
    """Which indices along `axis` hold a wrong value."""
    return wrong.movedim(axis, 0).flatten(1).any(1) if wrong.ndim > 1 else wrong


_DESCRIPTIONS: tuple[Callable[[Difference], str], ...] = (
    relations.whole,
    _moved,
    relations.softmax,
    relations.sums_to_one,
    relations.function,
    _reordered,
    relations.offset,
    relations.by_row,
    relations.by_feature,
    _triangle,
    _row_ends,
    relations.constant,
    _places,
)
"""What is looked for, what says most first."""


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
