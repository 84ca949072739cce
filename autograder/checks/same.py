"""`same`: whether this is the expected answer and, if not, the first thing that a student should look at.

Structure first, then shape, kind of number, NaN and infinity, and values last. Messages hold types, shapes, counts,
indices and the size of an error with one significant figure; expected values and the student's own stand in `detail`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import torch
from torch import Tensor

from autograder.checks import patterns
from autograder.checks.answers import (
    advice_for,
    in_words,
    is_number,
    is_plain_tensor,
    note_counts,
    only_where,
    parts_of,
)
from autograder.checks.differences import count, largest_error, margin, times_allowed, values_near
from autograder.checks.finding import Kind, fail
from autograder.checks.pictures import difference_picture
from autograder.checks.precision import precision_of, tolerance
from autograder.checks.relations import Difference
from autograder.records import Picture

_REALS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_WHOLES = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
_BOOL, _WHOLE, _REAL = "True and False", "whole numbers", "real numbers"
TIMES_ALLOWED = "largest error / allowed"
"""The figure that a wrong answer leaves: by how much it failed."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How close an answer that passed is."""

    margin: float = 0.0
    """The largest error as a part of its tolerance: 0 is exact, 1 barely passes."""
    largest_error: float = 0.0

    def and_also(self, other: Comparison) -> Comparison:
        """The worse of both, number by number."""
        return Comparison(max(self.margin, other.margin), max(self.largest_error, other.largest_error))


def same(
    got: object,
    expected: object,
    *,
    hint: str = "",
    what: str = "",
    rtol: float | None = None,
    atol: float | None = None,
    only: Sequence[Tensor | None] = (),
) -> Comparison:
    """How close `got` is to `expected`; raises CheckFailure unless they are the same.

    Tensors, Python numbers (also against tensors without axes), strings, None, dicts, and nested tuples, lists and
    records, among which no difference is made. float32 against float64 is no fault: values decide. `rtol` and `atol`
    replace those of the precision of `expected` (see precision.py); `what` names the answer in messages. `only` holds a
    mask for each float tensor of the answer in order, True where it counts (padding does not); None: all of it counts.
    """
    if only:
        note_counts(got, only)
        got, expected = only_where(got, only), only_where(expected, only)
    return _Place(what, hint, rtol, atol).compare(got, expected)


@dataclass(frozen=True, slots=True)
class _Place:
    """One part of an answer: what it is called and how it is to be judged."""

    name: str
    hint: str
    rtol: float | None
    atol: float | None

    def fail(
        self,
        kind: Kind,
        message: str,
        detail: str = "",
        pictures: Sequence[Picture] = (),
        figures: Mapping[str, float] | None = None,
    ) -> NoReturn:
        words = f"{self.name}: {message}" if self.name else message
        fail(kind, words, hint=self.hint, detail=detail, pictures=pictures, figures=figures)

    def part(self, key: object) -> _Place:
        return replace(self, name=f"{self.name or 'answer'}[{key!r}]")

    def compare(self, got: object, expected: object) -> Comparison:
        if isinstance(expected, Tensor) and expected.dtype not in (torch.bool, *_REALS, *_WHOLES):
            raise TypeError(f"an expected answer cannot be a tensor of {_dtype(expected)}")
        if is_plain_tensor(expected) or is_number(expected):
            return self.numbers(got, expected)
        if isinstance(expected, Mapping):
            return self.mappings(got, expected)
        parts = parts_of(expected)
        return self.others(got, expected) if parts is None else self.sequences(got, expected, parts)

    def others(self, got: object, expected: object) -> Comparison:
        """None and text; whatever else a reference may answer cannot be compared."""
        if not (expected is None or isinstance(expected, str)):
            raise TypeError(f"an expected answer cannot be {in_words(expected)}: compare its tensors one by one")
        if (got is None) is not (expected is None) or isinstance(got, str) is not isinstance(expected, str):
            self.fail("structure", _expected_got(expected, got))
        if got != expected:
            self.fail("values", "another text than expected", f"got {got!r}\nexpected {expected!r}")
        return Comparison()

    def mappings(self, got: object, expected: Mapping[object, object]) -> Comparison:
        if not isinstance(got, Mapping):
            self.fail("structure", _expected_got(expected, got))
        missing, extra = expected.keys() - got.keys(), got.keys() - expected.keys()
        if missing or extra:
            counts = f"{len(missing)} of {len(expected)} keys are missing, {len(extra)} are unexpected"
            self.fail("structure", f"other keys than expected: {counts}", f"missing {missing!r}\nunexpected {extra!r}")
        return self.all_parts([(key, got[key], value) for key, value in expected.items()])

    def sequences(self, got: object, expected: object, parts: tuple[object, ...]) -> Comparison:
        ours = parts_of(got)
        if ours is None or len(ours) != len(parts):
            self.fail("structure", _expected_got(expected, got) + _advice_for_parts(got, parts))
        return self.all_parts([(index, *pair) for index, pair in enumerate(zip(ours, parts, strict=True))])

    def all_parts(self, parts: list[tuple[object, object, object]]) -> Comparison:
        worst = Comparison()
        for key, got, expected in parts:
            worst = worst.and_also(self.part(key).compare(got, expected))
        return worst

    def numbers(self, got: object, expected: Tensor | float) -> Comparison:
        """Tensors and Python numbers: shape, kind, NaN and infinity, values."""
        if not (is_plain_tensor(got) or is_number(got)):
            self.fail("structure", _expected_got(expected, got) + _advice_for_tensor(got, expected))
        ours, theirs = _as_tensor(got), _as_tensor(expected)
        if ours.shape != theirs.shape:
            self.shapes(got, expected, ours, theirs)
        self.kinds(ours, theirs, strict=is_plain_tensor(got) and is_plain_tensor(expected))
        if not (ours.is_floating_point() or theirs.is_floating_point()):
            return self.whole_numbers(ours, theirs)
        precision = precision_of(expected if isinstance(expected, Tensor) else float(theirs))
        allowed = tolerance(theirs, precision, self.rtol, self.atol)
        return self.reals(ours.to(torch.float64), theirs.to(torch.float64), allowed)

    def shapes(self, got: object, expected: object, ours: Tensor, theirs: Tensor) -> None:
        if is_number(got) or is_number(expected):
            self.fail("shape", _expected_got(expected, got))
        self.fail("shape", patterns.shape_difference(tuple(ours.shape), tuple(theirs.shape)))

    def kinds(self, ours: Tensor, theirs: Tensor, *, strict: bool) -> None:
        seen, due = _kind(ours), _kind(theirs)
        if seen != due and (strict or {seen, due} != {_REAL, _WHOLE}):  # as Python numbers, 3 and 3.0 are the same
            self.fail("dtype", f"expected {due}, got {seen} ({_dtype(ours)})")

    def whole_numbers(self, ours: Tensor, theirs: Tensor) -> Comparison:
        """Whole numbers and bools must be equal; the size of an error would tell the answer."""
        got, expected = ours.to(torch.int64), theirs.to(torch.int64)
        if bool((got != expected).any()):
            exact = torch.zeros(expected.shape, dtype=torch.float64)
            difference = Difference(got.to(torch.float64), expected.to(torch.float64), exact)
            self.values(difference, got != expected, show_size=False)
        return Comparison()

    def reals(self, got: Tensor, expected: Tensor, allowed: Tensor) -> Comparison:
        error = (got - expected).abs()
        if bool((error <= allowed).all()):  # the usual case: an infinity or NaN is not near anything
            return _how_near(error, allowed)
        self.finite(got, expected)
        usual = torch.isfinite(expected)  # elsewhere both hold the same infinity or NaN
        difference = Difference(got.where(usual, 0.0), expected.where(usual, 0.0), allowed.where(usual, 0.0))
        if bool(difference.wrong.any()):
            self.values(difference, difference.wrong, show_size=True)
        return _how_near((difference.got - difference.expected).abs(), difference.allowed)

    def finite(self, got: Tensor, expected: Tensor) -> None:
        equal = (got == expected) | (got.isnan() & expected.isnan())
        bad = ~got.isfinite() & ~equal
        if bool(bad.any()):
            kind = "NaN" if bool(got.isnan().logical_and(bad).any()) else "infinity"
            none = "the expected answer has none" if bool(expected.isfinite().all()) else "not expected there"
            self.fail("not_finite", f"{kind} in {count(bad)}; {none}", values_near(got, expected, bad))
        lost = ~expected.isfinite() & ~equal
        if bool(lost.any()):
            near = values_near(got, expected, lost)
            self.fail("not_finite", f"a finite number where none belongs: in {count(lost)}", near)

    def values(self, difference: Difference, wrong: Tensor, *, show_size: bool) -> None:
        """Say how many values are off, where the first one is, how large the error gets, and what it looks like."""
        words = "wrong value" if wrong.ndim == 0 else f"wrong values in {count(wrong)}"
        if show_size:
            words += largest_error(difference)
        if seen := patterns.pattern(difference):
            words += f"; {seen}"
        if seen := patterns.nothing_there(difference):
            words += f"; {seen}"
        detail = values_near(difference.got, difference.expected, wrong) + margin(difference)
        drawn = difference_picture(self.name, difference.got, difference.expected, wrong)
        times = times_allowed((difference.got - difference.expected).abs(), difference.allowed)
        self.fail("values", words, detail, drawn, {TIMES_ALLOWED: times})


def _how_near(error: Tensor, allowed: Tensor) -> Comparison:
    """The largest error, beside what is allowed and as it is."""
    largest = float(error.max()) if error.numel() else 0.0
    return Comparison(times_allowed(error, allowed), largest) if largest else Comparison()


def _expected_got(expected: object, got: object) -> str:
    return f"expected {in_words(expected)}, got {in_words(got)}" + (" (is a return missing?)" if got is None else "")


def _advice_for_tensor(got: object, expected: Tensor | float) -> str:
    """What to do with what stands where one tensor belongs."""
    if not isinstance(expected, Tensor):
        return ""
    parts = parts_of(got)
    if not parts:
        return advice_for(got)
    shapes = {tuple(part.shape) if is_plain_tensor(part) else None for part in parts}
    if len(shapes) == 1 and (shape := shapes.pop()) is not None:
        stacked = [(*shape[:axis], len(parts), *shape[axis:]) for axis in range(len(shape) + 1)]
        if tuple(expected.shape) in stacked:
            return f": torch.stack joins them, with dim={stacked.index(tuple(expected.shape))}"
    if is_plain_tensor(parts[0]) and parts[0].shape == expected.shape:
        return ": the first one has the expected shape, return it alone"
    return ": torch.tensor makes one of numbers, but no gradient flows through it" if _only_numbers(parts) else ""


def _only_numbers(parts: tuple[object, ...]) -> bool:
    first = parts_of(parts[0])
    return _only_numbers(first) if first else all(is_number(part) for part in parts)


def _advice_for_parts(got: object, parts: tuple[object, ...]) -> str:
    """What to do with one tensor where several belong."""
    if is_plain_tensor(got) and parts and is_plain_tensor(parts[0]) and got.shape == parts[0].shape:
        return ": is that only the first one?"
    return ""


def _as_tensor(value: Tensor | float) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().to("cpu")
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return torch.tensor(value)
    if isinstance(value, int):  # too large for a tensor and for any right answer
        value = math.inf if value > 0 else -math.inf
    return torch.tensor(value, dtype=torch.float64)


def _kind(tensor: Tensor) -> str:
    kinds = {torch.bool: _BOOL} | dict.fromkeys(_REALS, _REAL) | dict.fromkeys(_WHOLES, _WHOLE)
    return kinds.get(tensor.dtype, "numbers of another kind")


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
