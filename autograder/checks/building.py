"""Objects on the student's side: building them, giving them weights, reading their state."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from autograder.checks.draw import Draw
from autograder.checks.finding import fail
from autograder.errors import WireError
from autograder.sandbox.blob import MAX_DIMENSIONS, MAX_ELEMENTS
from autograder.sandbox.described import MESSAGE_CHARACTERS
from autograder.sandbox.faults import plain_path, words
from autograder.sandbox.remote import Remote, handle_session
from autograder.sandbox.weights import State, read_state

WEIGHT_RANGE = 0.5
STRANGE = 12
"""Names of a submission's own that a message lists."""


def builtin(side: Remote, name: str, *args: Any, **kwargs: Any) -> Any:
    """Return a handle of a torch object (`torch.nn.BatchNorm1d`) that is built beside the submission."""
    if not name.startswith("torch."):
        message = f"builtin() builds objects of torch, not {name}"
        raise ValueError(message)
    return Remote(handle_session(side), name, ())(*args, **kwargs)


def load(module: Remote, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into a module by name; what does not fit is a finding with both lists of names."""
    document = handle_session(module).ask("load", module=module, weights=dict(weights))
    if "expected" in document:
        found = document.get("found")
        fail("missing", _mismatch(repr(module), weights, found), detail=f"found: {found!r}"[:MESSAGE_CHARACTERS])
    if "renamed" not in document:
        raise WireError("an answer to `load` that says nothing")
    if isinstance(renamed := document["renamed"], dict):
        names = {words(due): plain_path(own) for due, own in renamed.items() if due in weights}
        handle_session(module).renamed |= names


def _mismatch(module: str, expected: Mapping[str, Tensor], found: object) -> str:
    """The message: all that is missing, and of what is there instead the first few."""
    if not isinstance(found, dict):
        raise WireError("an answer to `load` without names and shapes")
    wanted = {name: _shape(value.shape) for name, value in expected.items()}
    got = {name: _shape(shape) for name, shape in found.items()}
    strange = [name for name in got if name not in wanted]
    lines = [f"the parameters of {module} are not the ones that the handout names:"]
    lines += [f"  missing: {name} {shape}" for name, shape in wanted.items() if name not in got]
    lines += [f"  not in the handout: {plain_path(name)} {got[name]}" for name in strange[:STRANGE]]
    lines += [f"  not in the handout: {len(strange) - STRANGE} more"] * (len(strange) > STRANGE)
    lines += [
        f"  {name}: expected shape {shape}, got {got[name]}"
        for name, shape in wanted.items()
        if got.get(name, shape) != shape
    ]
    return "\n".join(lines)


def _shape(sizes: object) -> str:
    """Return a tensor's shape as the other side says it, "(...)" for what no tensor has that could cross."""
    found = sizes if isinstance(sizes, list | tuple) and len(sizes) <= MAX_DIMENSIONS else [None]
    counts = [size for size in found if type(size) is int and size >= 0]
    plain = len(counts) == len(found) and math.prod(max(size, 1) for size in counts) <= MAX_ELEMENTS
    return f"({', '.join(map(str, counts))})" if plain else "(...)"


def state(module: Remote) -> dict[str, Tensor]:
    """Return a module's parameters; tied ones stand under all their names."""
    return dict(read_state(module).parameters)


def buffers(module: Remote) -> dict[str, Tensor]:
    """Return a module's buffers."""
    return dict(read_state(module).buffers)


def frozen(module: Remote) -> tuple[str, ...]:
    """Return the names of the parameters that do not learn, since they ask for no gradient."""
    return read_state(module).frozen


def sharing(module: Remote, among: Collection[str] | None = None) -> list[list[str]]:
    """Return the groups of parameter names that are one and the same tensor.

    `among` are the names that count: what a student keeps under a second name of their own shares nothing.
    """
    groups = ([name for name in group if among is None or name in among] for group in read_state(module).shared)
    return [group for group in groups if len(group) > 1]


def random_weights(like: Mapping[str, Tensor], draw: Draw) -> dict[str, Tensor]:
    """Return weights of the shapes of `like`, uniform in ±0.5: none is zero, and a tanh is not saturated by them."""
    return {name: draw.uniform(*value.shape, low=-WEIGHT_RANGE, high=WEIGHT_RANGE) for name, value in like.items()}


def twins(
    student: Remote, reference: Remote, name: str, *args: Any, draw: Draw, **kwargs: Any
) -> tuple[Remote, Remote]:
    """Return a student's and a reference's object of one class with the same random weights, in eval mode."""
    model = getattr(reference, name)(*args, **kwargs)
    weights = random_state(read_state(model), draw)
    theirs = getattr(student, name)(*args, **kwargs)
    for module in (model, theirs):
        load(module, weights)
        module.eval()
    return theirs, model


def random_state(held: State, draw: Draw) -> dict[str, Tensor]:
    """Return random weights for a state, equal ones under the names of one tied tensor."""
    weights = random_weights(held.parameters, draw)
    for group in held.shared:
        for name in group[1:]:
            weights[name] = weights[group[0]]
    return weights
