"""Weights of modules on the other side: what they hold, and what a training there made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from autograder.errors import WireError
from autograder.sandbox.faults import words
from autograder.sandbox.remote import Remote, handle_session, plain_tensor


@dataclass(frozen=True, slots=True)
class State:
    """What a module on the other side holds."""

    parameters: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]
    shared: tuple[tuple[str, ...], ...]
    """Groups of names that are one tensor."""
    frozen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run on the other side returned."""

    state: Mapping[str, Tensor]
    losses: Any
    attached: bool
    """Whether a returned loss still held its graph."""
    buffers: frozenset[str] = frozenset()
    """Names in `state` that are no parameters."""
    optimizer: Remote | None = None
    """The optimizer that took the steps, where the training may go on with it."""
    score: float = math.nan
    """What the weights score, where that was asked for in the middle of the training."""


def read_state(handle: Remote) -> State:
    """Return parameters, buffers and sharing of a module on the other side."""
    return _state(handle_session(handle).ask("state", module=handle))


def train(
    model: Remote,
    fit: str,
    batches: Sequence[Any],
    optimizer: tuple[str, Mapping[str, Any]] | Remote,
    kwargs: Mapping[str, Any],
    *,
    keep: bool = False,
) -> Trained:
    """Run the student's training loop `fit` on `model`; only weights and losses come back.

    With `keep`, also the optimizer, which goes on where it is passed again.
    """
    steps = optimizer if isinstance(optimizer, Remote) else (optimizer[0], dict(optimizer[1]))
    payload = {"model": model, "fit": fit, "batches": list(batches), "optimizer": steps, "kwargs": dict(kwargs)}
    document = handle_session(model).ask("train", **payload, **({"keep": True} if keep else {}))
    state = _state(document)
    kept = document.get("optimizer")
    return Trained(
        {**state.buffers, **state.parameters},
        document.get("losses"),
        document.get("losses_attached") is True,
        frozenset(state.buffers.keys() - state.parameters.keys()),
        kept if isinstance(kept, Remote) else None,
    )


def _state(document: Mapping[str, Any]) -> State:
    parameters, buffers = document.get("parameters"), document.get("buffers")
    if not isinstance(parameters, dict) or not isinstance(buffers, dict):
        raise WireError("a state that is no dict of tensors")
    return State(
        {words(name): plain_tensor(value) for name, value in parameters.items()},
        {words(name): plain_tensor(value) for name, value in buffers.items() if isinstance(value, Tensor)},
        tuple(tuple(words(name) for name in group) for group in document.get("shared") or ()),
        tuple(words(name) for name in document.get("frozen") or ()),
    )
