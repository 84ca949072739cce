"""Properties that a right answer has whatever its values are: no expected answer is needed.

`fn` is whatever a check may call: a function of the submission, a handle, a method. Where an answer holds several
tensors, `pick` says which one is judged, counted from 0 through all nested parts. `rest` goes to `fn` behind the other
arguments, unchanged. "Stays" means: moves by at most `Precision.still` of the answer's largest value. A function that
ignores its input stays as well, so every property that asks for that also asks that something else does move.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from autograder.checks.answers import shape_of, tensor_inputs
from autograder.checks.draw import Draw
from autograder.checks.finding import fail
from autograder.checks.probe import (
    Fn,
    Probe,
    any_along,
    later,
    must_repeat,
    other_values,
    padding_mask,
    reordering,
    rows_of,
    size_along,
)
from autograder.sandbox.faults import StudentError


class Echoing(Protocol):
    """A function on the other side that can show its inputs as the call left them."""

    def echo(self, *args: object, **kwargs: object) -> tuple[object, Sequence[object]]:
        """Return the answer and the positional arguments after the call."""


class Switchable(Protocol):
    """A handle to a module."""

    def __call__(self, *args: object) -> object:
        """Return the answer."""

    def eval(self) -> object:
        """Switch to eval mode."""

    def train(self) -> object:
        """Switch to train mode."""


def repeatable(fn: Fn, *args: object, hint: str = "", **kwargs: object) -> None:
    """Fail unless a second call with the same arguments gives the same answer."""
    must_repeat(
        fn(*args, **kwargs), fn(*args, **kwargs), "a second call with the same arguments gives another answer", hint
    )


def inputs_unmodified(fn: Echoing, *args: object, hint: str = "", **kwargs: object) -> None:
    """Fail if the call changes a tensor that it was given by position, or leaves it asking for a gradient."""
    after = [tensor for _, tensor in tensor_inputs(fn.echo(*args, **kwargs)[1], {})]
    before = tensor_inputs(args, {})
    if len(before) != len(after):
        fail("property", f"{len(before)} tensors were passed in, after the call there are {len(after)}", hint=hint)
    for (name, old), new in zip(before, after, strict=True):
        if old.shape != new.shape or not bool(((old == new) | (old.isnan() & new.isnan())).all()):
            seen = f"the call changes {name} (shape {shape_of(old)}) in place: make a new tensor instead"
            fail("property", seen, hint=hint)
        if new.requires_grad and not old.requires_grad:
            seen = f"the call switches requires_grad on in the caller's own {name}: work on a copy, {name}.detach()"
            fail("property", seen, hint=hint)


def batch_independent(
    fn: Fn,
    *args: object,
    draw: Draw,
    axis: int | Sequence[int] = 0,
    rest: Sequence[object] = (),
    pick: int = 0,
    out_axis: int | None = None,
    hint: str = "",
) -> None:
    """Fail if an example's answer depends on the others in its batch.

    The batch is reordered, an example's mates are replaced by copies of it, and an example runs alone. `axis` is the
    batch axis of the tensors in `args` (one for all, or one for each), `out_axis` that of the answer.
    """
    axes = [axis] * len(args) if isinstance(axis, int) else list(axis)
    size = size_along(args[0], axes[0])
    probe = Probe(fn, tuple(rest), pick, axes[0] if out_axis is None else out_axis, "the batch", hint)

    def answer(rows: Tensor) -> Tensor:
        chosen = [rows_of(arg, along, rows) for arg, along in zip(args, axes, strict=True)]
        return probe.answer(*chosen, size=len(rows))

    base = answer(torch.arange(size))
    probe.must_vary(base, "example in the batch")
    order = reordering(size, draw)
    probe.must_stay(base[order], answer(order), "reordering the batch does more than reorder the answer")
    for row in (0, size - 1):
        mates = answer(torch.full((size,), row))
        probe.must_stay(
            base[row], mates[row], f"the answer for example {row} depends on the other examples of its batch"
        )
    alone = int(draw.ints(high=size))
    found = answer(torch.tensor([alone]))
    probe.must_stay(base[alone], found[0], f"example {alone} has another answer alone than in a batch")


def causal(
    fn: Fn,
    x: Tensor,
    *,
    draw: Draw,
    time: int = 1,
    rest: Sequence[object] = (),
    vocab: int | range | None = None,
    pick: int = 0,
    out_time: int | None = None,
    hint: str = "",
) -> None:
    """Fail if the answer at a time depends on later inputs, or does not depend on the input of its own time.

    Whole-number inputs need `vocab`: ids in that range become others of it, the rest (special ones) are kept.
    `out_time` is the time axis of the answer, where it is not that of `x`.
    """
    steps = size_along(x, time)
    probe = Probe(fn, tuple(rest), pick, time if out_time is None else out_time, "time", hint)
    base, other = probe.answer(x, size=steps), other_values(x, draw, vocab)
    for t in sorted({0, 1, steps // 2, steps - 3, steps - 2} & set(range(steps - 1))):
        given = torch.cat([x.narrow(time, 0, t + 1), later(other, time, t + 1)], time)
        moved = any_along(probe.movement(base, probe.answer(given, size=steps)) > 1, 0)
        if any(moved[: t + 1]):
            seen = f"the answer at time {moved.index(True)} changes when only the input after time {t} changes"
            probe.fail(f"{seen}: it looks into the future")
        start = next((s for s, changed in enumerate(any_along(given != x, time)) if changed), steps)
        if not all(moved[start:]):
            deaf = moved.index(False, start)
            span = "that time" if deaf == start else f"times {start} to {deaf}"
            probe.fail(f"the answer at time {deaf} does not change when the input at {span} changes")


def padding_invariant(
    fn: Fn,
    x: Tensor,
    lengths: Tensor,
    *,
    pad: float,
    draw: Draw,
    time: int = 1,
    rest: Sequence[object] = (),
    vocab: int | range | None = None,
    pick: int = 0,
    pooled: bool = False,
    hint: str = "",
) -> None:
    """Fail if `fn(x, lengths, *rest)` depends on padding; batch first, only real steps are compared.

    Each sentence also runs alone, and other values than `pad` stand in the padding: always for real inputs, for whole
    numbers where `vocab` is given (give none to a function that finds the padding by its id). `pooled`: the answer has
    no time axis.
    """
    probe = Probe(fn, tuple(rest), pick, 0, "the batch", hint)
    size_along(x, 0)
    padding = padding_mask(x, lengths, time)

    def answer(given: Tensor, real: Tensor) -> Tensor:
        found = probe.answer(given, real, size=len(given))
        return found[:, None] if pooled else probe.along(found, time, given.shape[time], "time").transpose(0, 1)

    filler = torch.as_tensor(pad, dtype=x.dtype, device=x.device)
    base = answer(torch.where(padding, filler, x), lengths)  # (batch, time or 1 if pooled, ...)
    probe.must_vary(base[:, 0], "sentence")
    change_content = x.is_floating_point() or vocab is not None
    noisy = answer(torch.where(padding, other_values(x, draw, vocab), x), lengths) if change_content else base
    for row, length in enumerate(lengths.tolist()):
        real, seen = slice(1 if pooled else length), f"the answer for sentence {row} (length {length})"
        probe.must_stay(base[row, real], noisy[row, real], f"{seen} changes when only its padding changes")
        alone = answer(x[row : row + 1].narrow(time, 0, length), lengths[row : row + 1])[0]
        probe.must_stay(base[row, real], alone[real], f"{seen} is another one alone than in a padded batch")


def split_invariant(
    fn: Fn, x: Tensor, state: object, *, time: int = 1, rest: Sequence[object] = (), hint: str = ""
) -> None:
    """Fail unless running `fn(x, state, *rest) -> (outputs, state)` in two pieces, state carried over, changes nothing.

    A state that is returned but not used fails as well: without it the second piece must come out differently.
    """
    steps = size_along(x, time)
    probe = Probe(fn, tuple(rest), 0, time, "time", hint)
    base, last = probe.outputs_and_state(x, state, steps)
    for cut in sorted({1, steps // 2, steps - 1}):
        first, carried = probe.outputs_and_state(x.narrow(time, 0, cut), state, cut)
        second, end = probe.outputs_and_state(later(x, time, cut), carried, steps - cut)
        seen = f"a run over {steps} steps and two runs (the first {cut} steps, then the rest from the returned state)"
        probe.must_stay(base, torch.cat([first, second]), f"{seen} give different outputs")
        must_repeat(last, end, f"{seen} end in different states", hint)
        fresh = probe.outputs_and_state(later(x, time, cut), state, steps - cut)[0]
        if not bool((probe.movement(second, fresh) > 1).any()):
            probe.fail("the state that is passed in changes nothing: where does the run start?")


def permutation_equivariant(
    fn: Fn,
    x: Tensor,
    *,
    axis: int,
    draw: Draw,
    rest: Sequence[object] = (),
    pick: int = 0,
    out_axis: int | None = None,
    hint: str = "",
) -> None:
    """Fail unless reordering `x` along `axis` reorders the answer and does nothing else."""
    size = size_along(x, axis)
    probe = Probe(fn, tuple(rest), pick, axis if out_axis is None else out_axis, f"axis {axis} of the input", hint)
    order = reordering(size, draw)
    base = probe.answer(x, size=size)
    probe.must_vary(base, f"position along axis {axis} of the input")
    moved = probe.answer(rows_of(x, axis, order), size=size)
    probe.must_stay(base[order], moved, f"reordering the input along axis {axis} does more than reorder the answer")


def same_in_eval(handle: Switchable, *args: object, hint: str = "") -> None:
    """Fail unless a module in eval mode gives the same answer twice; leaves it in eval mode."""
    handle.eval()
    must_repeat(handle(*args), handle(*args), "a second call in eval mode gives another answer", hint)


def train_differs_from_eval(handle: Switchable, *args: object, pick: int = 0, hint: str = "") -> None:
    """Fail if the mode makes no difference (dropout, batch statistics); leaves the module in eval mode."""
    probe = Probe(handle, pick=pick, hint=hint)
    handle.eval()
    calm = probe.tensor(*args)
    handle.train()
    trained = probe.tensor(*args)
    handle.eval()
    if not bool((probe.movement(calm, trained) > 1).any()):
        probe.fail("the answer is the same in train mode and in eval mode")


def must_raise(
    type_name: str | tuple[str, ...], fn: Fn, *args: object, valid: Sequence[object], hint: str = ""
) -> None:
    """Fail unless `fn(*valid)` succeeds and `fn(*args)` raises an exception of this type or of one derived from it."""
    names = (type_name,) if isinstance(type_name, str) else type_name
    expected = " or ".join(names)
    try:
        fn(*valid)
    except StudentError as error:
        message = f"a call with valid arguments raises {error.type_names[0]}; only invalid ones should raise {expected}"
        fail("exception", message, where=error.where, hint=hint, detail=str(error))
    try:
        fn(*args)
    except StudentError as error:
        if not set(names) & set(error.type_names):
            message = f"invalid arguments should raise {expected}, but {error.type_names[0]} is raised"
            fail("exception", message, where=error.where, hint=hint, detail=str(error))
        return
    fail("property", f"invalid arguments should raise {expected}, but nothing is raised", hint=hint)
