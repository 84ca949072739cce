"""Training is graded twice: exactly, after three steps, and by what the trained weights do in the reference model.

The student's loop runs on their side; what comes back is weights and losses. A `forward` that computes the task's rule
scores like an untrained model, since it is the reference's forward that is scored.

A training that has learned enough need not go on (`Until`): most right programs are there at half of the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from autograder.checks.building import load
from autograder.checks.finding import CheckFailure, fail
from autograder.checks.same import same
from autograder.errors import WireError
from autograder.sandbox.faults import StudentFault
from autograder.sandbox.remote import Remote, handle_session
from autograder.sandbox.weights import Trained
from autograder.sandbox.weights import train as train_there

Optimizer = tuple[str, Mapping[str, Any]]
"""A name in torch.optim and its settings: ("Adam", {"lr": 5e-3})."""


@dataclass(frozen=True, slots=True)
class Until:
    """When a training has passed before its end: its weights score what no wrong program reaches, calibrated by audits.

    The loop is called for one stretch of batches after the other, with the same model and optimizer, and so takes the
    very steps that it takes in one go. Nobody fails early: whoever has not learned enough trains to the end. Whoever
    returns other losses than one for each batch trains in one go, from the start.
    """

    score: Callable[[Trained], float | Tensor]
    """What weights score in the reference model; less is better."""
    enough: float
    """At most so much ends it. Below the check's own bound, so that a dip or a lucky moment passes nobody."""
    after: Sequence[int]
    """Numbers of batches after which to look."""


FIRST = 5
"""Batches of a long training whose losses are compared: later ones tell rounding apart, too."""
MAX_LOSSES = 2**14
"""Of a curve that is kept; no training here has so many steps, and a loop can return a quarter of a million numbers."""


def train(
    student: Remote,
    model: str,
    *,
    args: Sequence[Any],
    weights: Mapping[str, Tensor],
    batches: Sequence[Any],
    optimizer: Optimizer,
    fit: str = "fit",
    fit_kwargs: Mapping[str, Any] | None = None,
    until: Until | None = None,
) -> Trained:
    """Return what the student's loop makes of `weights`: only a state and losses come back.

    A training that goes on with the very weights which the one before returned goes on with its curve. With `until` it
    may end before all batches were seen, and what comes back has a score and the losses of the last stretch.
    """
    session = handle_session(student)
    so_far = session.curve if _goes_on(session.trained, weights) else ()
    if until is not None:
        ended = _in_stretches(
            _initial(student, model, args, weights), fit, batches, optimizer, fit_kwargs or {}, until, so_far
        )
        if ended is not None:
            return ended
    trained = _run(_initial(student, model, args, weights), fit, batches, optimizer, fit_kwargs)
    session.curve = so_far + session.curve
    if until is not None:
        trained = session.trained = replace(trained, score=float(until.score(trained)))
    return trained


def _initial(side: Remote, model: str, args: Sequence[Any], weights: Mapping[str, Tensor]) -> Remote:
    module: Remote = getattr(side, model)(*args)
    load(module, weights)
    return module


def _in_stretches(
    module: Remote,
    fit: str,
    batches: Sequence[Any],
    optimizer: Optimizer,
    fit_kwargs: Mapping[str, Any],
    until: Until,
    curve: tuple[float, ...],
) -> Trained | None:
    """None where a stretch has other losses than one for each batch: such a loop is to be seen as it is, in one go.

    One that reads the first hundred batches that it is given would else read a hundred of every stretch.
    """
    session = handle_session(module)
    steps: Optimizer | Remote = optimizer
    stops = (*(number for number in until.after if number < len(batches)), len(batches))
    for start, stop in zip((0, *stops), stops, strict=False):
        kwargs = {name: _cut(value, len(batches), start, stop) for name, value in fit_kwargs.items()}
        trained = _run(module, fit, batches[start:stop], steps, kwargs, keep=stop < len(batches))
        session.curve = curve = curve + session.curve
        if not _has_length(trained.losses, stop - start):
            return None
        trained = session.trained = replace(trained, score=float(until.score(trained)))
        if trained.score <= until.enough or trained.optimizer is None:
            break
        steps = trained.optimizer
    return trained


def _has_length(losses: object, count: int) -> bool:
    if isinstance(losses, Tensor):
        return losses.dim() == 1 and len(losses) == count
    return isinstance(losses, list | tuple) and len(losses) == count


def _goes_on(before: Trained | None, weights: Mapping[str, Tensor]) -> bool:
    """Whether a training starts from what the one before it returned: it is another stretch of the same curve."""
    return (
        before is not None
        and bool(weights)
        and all(name in before.state and before.state[name] is value for name, value in weights.items())
    )


def begins_alike(
    student: Remote,
    reference: Remote,
    model: str,
    *,
    args: Sequence[Any],
    weights: Mapping[str, Tensor],
    batches: Sequence[Any],
    optimizer: Optimizer,
    fit: str = "fit",
    fit_kwargs: Mapping[str, Any] | None = None,
) -> None:
    """Compare the first losses of the student's last `train` with those of the reference, given the same.

    What only a long training shows (another rate, other batches, a model that looks up its answers) is seen there,
    since exact comparisons elsewhere are of short ones. For models that draw nothing in training.
    """
    module = _initial(reference, model, args, weights)
    kwargs = {name: _cut(value, len(batches), 0, FIRST) for name, value in (fit_kwargs or {}).items()}
    due = _curve(_run(module, fit, batches[:FIRST], optimizer, kwargs).losses)
    same(list(handle_session(student).curve[:FIRST]), list(due), what=f"the losses of the first {len(due)} batches")


def three_steps(
    student: Remote,
    reference: Remote,
    model_of: Callable[[Remote], Remote],
    batches: Sequence[Any],
    *,
    optimizer: Optimizer = ("SGD", {"lr": 0.1}),
    fit: str = "fit",
    fit_kwargs: Mapping[str, Any] | Callable[[Remote], Mapping[str, Any]] | None = None,
    hint: str = "",
) -> None:
    """Compare what both loops make of the same weights and the same few batches, exactly.

    Catches a missing zero_grad, a wrong order, eval mode, loss over padding, clipping after the step. The first batch
    alone is tried as well, so that the message can tell a wrong step from steps that disturb each other. What has to
    be built on either side (a loss function, say) comes from a function of the side as `fit_kwargs`. A list among these
    that is as long as `batches` has one entry for each batch, and is cut as they are.
    """

    def trained(side: Remote, count: int) -> Trained:
        kwargs = (fit_kwargs(side) if callable(fit_kwargs) else fit_kwargs) or {}
        for_these = {name: _cut(value, len(batches), 0, count) for name, value in kwargs.items()}
        return _run(model_of(side), fit, batches[:count], optimizer, for_these)

    for count in (1, len(batches)):
        got, expected = trained(student, count), trained(reference, count)
        try:
            _compare(got, expected, count, hint)
        except CheckFailure:
            if count < len(batches):  # what all steps do tells mistakes apart that look alike after one
                with suppress(StudentFault, WireError):
                    trained(student, len(batches))
            raise


def _compare(got: Trained, expected: Trained, steps: int, hint: str) -> None:
    after = "one step" if steps == 1 else f"{steps} steps"
    for name, value in expected.state.items():
        if name in expected.buffers and not _alike(got.state.get(name), value):
            continue  # a buffer is a module's own affair; those of torch's own layers are alike on both sides
        if name not in got.state:
            fail("training", f"after training, the model has no {name} any more", hint=hint)
        same(got.state[name], value, what=f"{name} after {after} of your loop", hint=hint)
    if got.attached:
        fail("training", "the losses that your loop returns still hold their graphs: return numbers", hint=hint)
    same(got.losses, expected.losses, what=f"the losses of {after}", hint=hint)


def _cut(value: Any, every: int, start: int, stop: int) -> Any:
    """The entries for the batches from `start` to `stop`, where `value` is a list with one for each of them."""
    return value[start:stop] if isinstance(value, list | tuple) and len(value) == every else value


def _alike(got: Tensor | None, expected: Tensor) -> bool:
    return got is not None and got.shape == expected.shape and got.dtype == expected.dtype


def _run(
    module: Remote,
    fit: str,
    batches: Sequence[Any],
    optimizer: Optimizer | Remote,
    fit_kwargs: Mapping[str, Any] | None,
    *,
    keep: bool = False,
) -> Trained:
    trained = train_there(module, fit, batches, optimizer, fit_kwargs or {}, keep=keep)
    session = handle_session(module)
    session.curve, session.trained = _curve(trained.losses), trained
    return trained


def _curve(losses: object) -> tuple[float, ...]:
    if isinstance(losses, Tensor) and losses.dim() == 1:
        losses = losses[:MAX_LOSSES].tolist()
    items = list(losses[:MAX_LOSSES]) if isinstance(losses, list | tuple) else []
    numbers = [float(item) for item in items if isinstance(item, int | float) or _is_scalar(item)]
    return tuple(number if math.isfinite(number) else math.inf for number in numbers)


def _is_scalar(item: object) -> bool:
    return isinstance(item, Tensor) and item.numel() == 1 and not item.is_complex()


def learned(
    student: Remote, score: float | Tensor, *, at_most: float, what: str = "held-out loss", hint: str = ""
) -> None:
    """Compare the score of trained weights in the reference model with its bound, and leave both for the report."""
    value = float(score)
    session = handle_session(student)
    session.figures |= {what: value, f"{what}, at most": at_most}
    if not value <= at_most:  # also where the value is NaN
        seen = "not a number" if math.isnan(value) else f"{value:.3g}"
        message = (
            f"after training, the {what} of your weights is {seen}; {at_most:.3g} or less shows that the model learned"
        )
        fail("training", message, hint=hint)
