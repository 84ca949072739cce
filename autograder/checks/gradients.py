"""Gradients of a student's function against the reference's, for every input and every parameter.

Fixed random cotangents, because `answer.sum()` is blind: through softmax or LayerNorm its true gradient is zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

import torch
from torch import Tensor

from autograder.checks.answers import note_counts, only_where, shape_of, tensor_inputs, tensors_in
from autograder.checks.draw import Draw
from autograder.checks.finding import fail
from autograder.checks.patterns import index_of, pattern, shape_difference
from autograder.checks.pictures import gradient_picture
from autograder.checks.precision import FLOAT32, FLOAT64, Precision
from autograder.checks.relations import Difference, factor, one_figure
from autograder.checks.same import Comparison, same

ALL_CANCEL = 1.0
"""What rounding is measured by where every gradient is zero (a softmax over one entry): the size of the cotangents."""
_NAMED = 6
"""Wrong gradients that a message lists by name."""


class Gradients(Protocol):
    """Vector-Jacobian products of one call."""

    @property
    def arg_grads(self) -> Sequence[Tensor | None]:
        """For every float tensor among the arguments, in order."""

    @property
    def parameter_grads(self) -> Mapping[str, Tensor | None]:
        """For every parameter of the modules involved."""


class Differentiable(Protocol):
    """A function on the other side that can be differentiated there."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Return the answer."""

    def vjp(self, args: Sequence[object], kwargs: Mapping[str, object], cotangents: Sequence[Tensor]) -> Gradients:
        """Return the products against `cotangents`, one for each float tensor of the answer in order."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One argument that differs by side: the student's handle and the reference's."""

    student: object
    reference: object


@dataclass(frozen=True, slots=True)
class _Gradient:
    """One gradient of both sides, in float64; one that does not exist is zero."""

    name: str
    got: Tensor
    expected: Tensor

    @classmethod
    def of(cls, name: str, got: Tensor | None, expected: Tensor | None) -> _Gradient:
        shape = next((each for each in (expected, got) if each is not None), torch.zeros(()))
        both = [torch.zeros_like(shape) if each is None else each for each in (got, expected)]
        ours, theirs = (each.detach().to("cpu", torch.float64) for each in both)
        if not bool(theirs.isfinite().all()):
            raise ValueError(f"the reference's own gradient of {name} is not finite")
        return cls(name, ours, theirs)


def same_gradients(
    student_fn: Differentiable,
    reference_fn: Differentiable,
    *args: object,
    draw: Draw,
    hint: str = "",
    names: Sequence[str] = (),
    only: Sequence[Tensor | None] = (),
    **kwargs: object,
) -> Comparison:
    """How close the student's gradients are to the reference's; raises CheckFailure unless answers and gradients agree.

    `names` are what messages call the positional arguments, `only` says which places of the answer count, as in `same`.
    A missing gradient equals a zero one. Errors are judged as parts of the largest entry, see `Precision.gradient` and
    `Precision.cancelled`.
    """
    ours, theirs = _side(args, kwargs, "student"), _side(args, kwargs, "reference")
    answer = reference_fn(*theirs.args, **theirs.kwargs)
    same(student_fn(*ours.args, **ours.kwargs), answer, hint=hint, only=only)
    weights = [draw(*tensor.shape) for _, tensor in tensors_in(answer) if tensor.is_floating_point()]
    cotangents = [weight for _, weight in tensors_in(only_where(weights, only))]
    found = student_fn.vjp(ours.args, ours.kwargs, cotangents)
    note_counts(getattr(found, "answer", None), only)
    expected = reference_fn.vjp(theirs.args, theirs.kwargs, cotangents)
    inputs = [name for name, tensor in tensor_inputs(theirs.args, theirs.kwargs, names) if tensor.is_floating_point()]
    precision = FLOAT64 if all(cotangent.dtype == torch.float64 for cotangent in cotangents) else FLOAT32
    return _compare(list(_paired(inputs, found, expected)), precision, hint)


@dataclass(frozen=True, slots=True)
class _Call:
    args: tuple[object, ...]
    kwargs: Mapping[str, object]


def _side(args: tuple[object, ...], kwargs: Mapping[str, object], side: str) -> _Call:
    """The arguments as one side gets them."""

    def own(value: object) -> object:
        if isinstance(value, Pair):
            return getattr(value, side)
        if type(value) is list or type(value) is tuple:
            return [own(item) for item in value]
        return value

    return _Call(tuple(own(arg) for arg in args), {name: own(value) for name, value in kwargs.items()})


def _paired(inputs: Sequence[str], found: Gradients, expected: Gradients) -> Iterator[_Gradient]:
    """Gradients of inputs by position and of parameters by the reference's names; a student may have more of these."""
    if len(found.arg_grads) != len(inputs):
        fail("malformed", f"expected the gradients of {len(inputs)} inputs, got {len(found.arg_grads)}")
    for name, got, due in zip(inputs, found.arg_grads, expected.arg_grads, strict=True):
        yield _Gradient.of(name, got, due)
    for name, due in expected.parameter_grads.items():
        yield _Gradient.of(name, found.parameter_grads.get(name), due)


def _compare(gradients: list[_Gradient], precision: Precision, hint: str) -> Comparison:
    largest = max((_size(gradient.expected) for gradient in gradients), default=0.0) or ALL_CANCEL
    worst, wrong = Comparison(), dict[str, Difference]()
    for gradient in gradients:
        if gradient.got.shape != gradient.expected.shape:
            shapes = shape_difference(tuple(gradient.got.shape), tuple(gradient.expected.shape))
            fail("shape", f"the gradient of {gradient.name}: {shapes}", hint=hint)
        bound = max(precision.gradient * _size(gradient.expected), precision.cancelled * largest)
        difference = Difference(gradient.got, gradient.expected, torch.full_like(gradient.expected, bound))
        if difference.would_be_right(gradient.got):
            worst = worst.and_also(_closeness(difference, bound))
        else:
            wrong[gradient.name] = difference
    if wrong:
        _fail(wrong, precision.cancelled * largest, hint)
    return worst


def _fail(wrong: Mapping[str, Difference], nothing: float, hint: str) -> NoReturn:
    """Describe the most telling wrong gradient and name the others."""
    first, *others = sorted(wrong, key=lambda name: bool(wrong[name].got.any()))  # zero ones first, else in order
    also = f"; wrong as well: {', '.join(others[:_NAMED])}{', ...' if len(others) > _NAMED else ''}" if others else ""
    detail = "\n".join(f"{name}: {_numbers(difference)}" for name, difference in wrong.items())
    off = wrong[first]
    pictures = gradient_picture(f"gradient of {first}", off.got, off.expected, off.wrong)
    message = f"the gradient of {first} {_fault(off, nothing)}{also}"
    fail("values", message, hint=hint, detail=detail, pictures=pictures)


def _fault(difference: Difference, nothing: float) -> str:
    """What is wrong with one gradient; sizes up to `nothing` are rounding."""
    got, expected = difference.got, difference.expected
    if not bool(got.isfinite().all()):
        first = int((~got.isfinite()).flatten().to(torch.uint8).argmax())
        return f"is NaN or infinite, first at {index_of(first, got.shape)}"
    if not bool(got.any()):
        return "is zero: something cuts the graph (detach, .data, torch.tensor(...), a parameter that is not used)"
    if _size(expected) <= nothing:
        return "should be zero and is not: the answer must not depend on it"
    if difference.would_be_right(-got):
        return "has the wrong sign, its size is right"
    if times := factor(difference):
        return f"is right up to one factor ({times})"
    share = one_figure(float((got - expected).abs().max()) / _size(expected))
    words = f"is wrong: the largest error is about {share} of its largest entry"
    return f"{words}; {seen}{_where_zero(difference)}" if (seen := pattern(difference)) else words


def _where_zero(difference: Difference) -> str:
    cut = not bool(difference.got[difference.wrong].any())
    return "; it is zero there, so something cuts the graph on the way" if cut else ""


def _closeness(difference: Difference, bound: float) -> Comparison:
    error = _size(difference.got - difference.expected)
    return Comparison(error / bound if error else 0.0, error)


def _size(tensor: Tensor) -> float:
    return float(tensor.abs().max()) if tensor.numel() else 0.0


def _numbers(difference: Difference) -> str:
    """The largest entries and the largest error, for the TA."""
    got, expected = difference.got, difference.expected
    sizes = f"largest entry {_size(got):.6g}, expected {_size(expected):.6g}"
    return f"shape {shape_of(expected)}, {sizes}, largest error {_size(got - expected):.6g}"
