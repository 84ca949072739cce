"""How properties look at an answer: one tensor of it, along one axis, and how far it moves between two calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor

from autograder.checks.answers import in_words, is_number, is_plain_tensor, parts_of, shape_of, tensors_in
from autograder.checks.draw import Draw
from autograder.checks.finding import fail
from autograder.checks.precision import precision_of
from autograder.checks.relations import one_figure

Fn = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Probe:
    """Calls `fn` and judges tensor number `pick` of its answers, seen along `axis`."""

    fn: Fn
    rest: tuple[object, ...] = ()
    pick: int = 0
    axis: int = 0
    axis_name: str = ""
    hint: str = ""

    def fail(self, message: str) -> NoReturn:
        """Raise CheckFailure with the check's hint."""
        fail("property", message, hint=self.hint)

    def tensor(self, *args: object) -> Tensor:
        """The judged tensor of one call; fails where there is none or it holds NaN."""
        return self.chosen(self.fn(*args, *self.rest))

    def answer(self, *args: object, size: int) -> Tensor:
        """The judged tensor of one call with the axis first; fails where that has another size."""
        return self.along(self.tensor(*args), self.axis, size, self.axis_name)

    def outputs_and_state(self, x: Tensor, state: object, steps: int) -> tuple[Tensor, object]:
        """Both halves of the answer to `fn(x, state, *rest)`, the outputs with the axis first."""
        found = self.fn(x, state, *self.rest)
        parts = parts_of(found)
        if parts is None or len(parts) != 2:
            fail("structure", f"expected (outputs, state), got {in_words(found)}", hint=self.hint)
        return self.along(self.chosen(parts[0]), self.axis, steps, self.axis_name), parts[1]

    def chosen(self, answer: object) -> Tensor:
        """Tensor number `pick` of the answer; fails where there is none or it holds NaN."""
        found = tensors_of(answer)
        if len(found) <= self.pick:
            fail("structure", f"expected {self.pick + 1} or more tensors, got {in_words(answer)}", hint=self.hint)
        if bool(found[self.pick].isnan().any()):
            fail("not_finite", f"NaN in {in_words(found[self.pick])}", hint=self.hint)
        return found[self.pick]

    def along(self, tensor: Tensor, axis: int, size: int, name: str) -> Tensor:
        """The tensor with `axis` first; fails unless that has this size."""
        if axis >= tensor.ndim or tensor.shape[axis] != size:
            expected = f"size {size} along axis {axis} ({name}) of the answer"
            fail("shape", f"expected {expected}, got {in_words(tensor)}", hint=self.hint)
        return tensor.movedim(axis, 0)

    def movement(self, before: Tensor, after: Tensor) -> Tensor:
        """See `movement`; fails where the shape changes."""
        if before.shape != after.shape:
            self.fail(f"the answer's shape changes from {shape_of(before)} to {shape_of(after)}")
        return movement(before, after)

    def must_stay(self, before: Tensor, after: Tensor, otherwise: str) -> None:
        """Fail with `otherwise` if an entry moves."""
        moved = self.movement(before, after)
        if bool((moved > 1).any()):
            self.fail(
                f"{otherwise} (by about {one_figure(float(moved.max()) * precision_of(before).still)} of its size)"
            )

    def must_vary(self, rows: Tensor, each: str) -> None:
        """Fail if all rows are equal."""
        if not bool((movement(rows, rows[:1].expand_as(rows)) > 1).any()):
            self.fail(f"the answer is the same for every {each}: does it depend on the input?")


def movement(before: Tensor, after: Tensor) -> Tensor:
    """How far each entry moves between two calls, float64; more than 1 is more than rounding explains."""
    old, new = before.detach().to(torch.float64), after.detach().to(torch.float64)
    sizes = torch.stack([old, new]).abs()
    largest = float(sizes[sizes.isfinite()].max()) if bool(sizes.isfinite().any()) else 1.0
    equal = (old == new) | (old.isnan() & new.isnan())
    moved = torch.where(equal, 0.0, (new - old).abs()).nan_to_num(nan=torch.inf, posinf=torch.inf)
    return moved / (precision_of(before).still * max(largest, torch.finfo(torch.float64).tiny))


def must_repeat(first: object, second: object, otherwise: str, hint: str) -> None:
    """Fail with `otherwise` unless both answers are equal in all their tensors."""
    old, new = tensors_of(first), tensors_of(second)
    if [tensor.shape for tensor in old] != [tensor.shape for tensor in new]:
        fail("property", f"{otherwise}: {in_words(second)} for {in_words(first)}", hint=hint)
    if any(bool((movement(before, after) > 1).any()) for before, after in zip(old, new, strict=True)):
        fail("property", otherwise, hint=hint)


def tensors_of(answer: object) -> list[Tensor]:
    """The tensors of an answer in order; an answer that is a Python number counts as one."""
    if is_number(answer):
        return [torch.tensor(answer, dtype=torch.float64)]
    return [tensor for _, tensor in tensors_in(answer)]


def size_along(x: object, axis: int) -> int:
    """The size of an axis along which a property shows; raises ValueError for a check that gives too small a one."""
    if not is_plain_tensor(x) or x.shape[axis] < 2:
        raise ValueError(f"this property needs a tensor with size 2 or more along axis {axis}, got {in_words(x)}")
    return x.shape[axis]


def rows_of(value: object, axis: int, rows: Tensor) -> object:
    """The chosen rows of a tensor; anything else as it is."""
    return value.index_select(axis, rows.to(value.device)) if isinstance(value, Tensor) else value


def any_along(hits: Tensor, axis: int) -> list[bool]:
    """For every index along `axis` whether something is hit there."""
    return [bool(hit.any()) for hit in hits.unbind(axis)]


def later(x: Tensor, axis: int, start: int) -> Tensor:
    """What stands at `start` and behind along an axis."""
    return x.narrow(axis, start, x.shape[axis] - start)


def reordering(size: int, draw: Draw) -> Tensor:
    """A random order that is not the usual one."""
    order = draw.permutation(size).cpu()
    return order if int(order[0]) else order.roll(1)


def padding_mask(x: Tensor, lengths: Tensor, time: int) -> Tensor:
    """True where `x` (batch first) holds padding, of a shape that spreads over it."""
    mask = torch.arange(size_along(x, time), device=x.device)[None] >= lengths[:, None].to(x.device)  # (batch, time)
    if not bool(mask.any()):
        raise ValueError("this property needs a sentence that is shorter than the batch is wide")
    return mask.reshape(len(x), *[x.shape[time] if axis == time else 1 for axis in range(1, x.ndim)])


def other_values(x: Tensor, draw: Draw, vocab: int | range | None) -> Tensor:
    """A tensor like `x` with other values: noise of its size, or other ids of the vocabulary (ids outside it stay)."""
    if x.is_floating_point():
        return draw(*x.shape).to(x) * (float(x.detach().square().mean().sqrt()) or 1.0)
    if vocab is None:
        raise ValueError("whole-number inputs need vocab= (how many ids there are, or their range)")
    ids = range(vocab) if isinstance(vocab, int) else vocab
    shifted = ids.start + (x - ids.start + draw.ints(*x.shape, low=1, high=len(ids)).to(x)) % len(ids)
    return torch.where((x >= ids.start) & (x < ids.stop), shifted, x)
