"""What an answer is made of: its parts, its tensors in order, and words for it that name no value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard

import torch
from torch import Tensor

from autograder.sandbox import wire
from autograder.sandbox.remote import Exchange, Remote, Session

_SHOWN = 4
"""Parts of a tuple that are described one by one."""


def is_plain_tensor(value: object) -> TypeGuard[Tensor]:
    """Whether this is an ordinary dense tensor with numbers in it; no subclass, nothing sparse, nested or quantized."""
    if type(value) not in (Tensor, torch.nn.Parameter) or not isinstance(value, Tensor):
        return False
    return not (value.is_nested or value.is_quantized or value.is_meta) and value.layout == torch.strided


def is_number(value: object) -> TypeGuard[bool | int | float]:
    """Whether this is a Python number (bool included)."""
    return isinstance(value, bool | int | float)


def parts_of(value: object) -> tuple[object, ...] | None:
    """The parts of a tuple, a list, or a record handle (iterable, with a tuple of `fields`); None for anything else."""
    if isinstance(value, tuple | list):
        return tuple(value)
    if isinstance(value, Tensor | Mapping) or not hasattr(type(value), "__iter__"):
        return None
    # a handle offers any attribute that it is asked for, but only a record's fields are a tuple
    record = isinstance(value, Iterable) and isinstance(getattr(value, "fields", None), tuple | list)
    return tuple(value) if record and isinstance(value, Iterable) else None


def tensors_in(value: object, name: str = "answer") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in a nested answer with where it stands (`answer[1]['weights']`), in order."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from tensors_in(item, f"{name}[{key!r}]")
    else:
        for index, item in enumerate(parts_of(value) or ()):
            yield from tensors_in(item, f"{name}[{index}]")


def only_where(value: object, masks: Sequence[Tensor | None]) -> object:
    """The nested answer with zeros where a mask is False; masks belong to its float tensors in order, None keeps all.

    A mask that does not fit the tensor's first axes changes nothing: the shape is for the comparison to report.
    """
    return _masked(value, iter(masks))


def _masked(value: object, masks: Iterator[Tensor | None]) -> object:
    if isinstance(value, Tensor):
        mask = next(masks, None) if value.is_floating_point() else None
        if mask is None or not is_plain_tensor(value) or value.shape[: mask.ndim] != mask.shape:
            return value
        return torch.where(mask.reshape(*mask.shape, *[1] * (value.ndim - mask.ndim)), value, 0.0)
    if isinstance(value, Mapping):
        return {key: _masked(item, masks) for key, item in value.items()}
    parts = parts_of(value)
    return value if parts is None else tuple(_masked(part, masks) for part in parts)


_COUNTS = "autograder_counts"
"""The attribute of a student's tensor that holds the mask with which it was compared."""


def note_counts(answer: object, masks: Sequence[Tensor | None]) -> None:
    """Leave on the float tensors of a student's answer which of their places a check looks at."""
    tensors = [tensor for _, tensor in tensors_in(answer) if tensor.is_floating_point()]
    for tensor, mask in zip(tensors, masks, strict=False):
        if mask is not None and not hasattr(tensor, _COUNTS):
            setattr(tensor, _COUNTS, mask)


def exchanges_of(session: Session) -> tuple[Exchange, ...]:
    """Return a session's transcript, each exchange with the places of its answer that a check looked at."""
    return tuple(_counted(each, answer) for each, answer in zip(session.transcript, session.answers, strict=True))


def _counted(exchange: Exchange, answer: object) -> Exchange:
    masks = [getattr(tensor, _COUNTS, None) for _, tensor in tensors_in(answer) if tensor.is_floating_point()]
    if all(mask is None for mask in masks):
        return exchange
    return replace(exchange, counts=wire.pack({"only": masks}, wire.Plain()))


def tensor_inputs(
    args: Sequence[object], kwargs: Mapping[str, object], names: Sequence[str] = ()
) -> list[tuple[str, Tensor]]:
    """Every tensor among the arguments with the argument's name; positional ones first, called `names` or numbered."""
    numbers = [f"argument {position}" for position in range(len(names) + 1, len(args) + 1)]  # from 1
    positional = zip([*names, *numbers], args, strict=False)
    return [found for name, value in (*positional, *kwargs.items()) for found in tensors_in(value, name)]


def in_words(value: object, *, brief: bool = False) -> str:
    """What kind of value this is, for a message: types, shapes and counts, never numbers or text."""
    if value is None:
        return "None"
    if is_plain_tensor(value):
        return f"a tensor of shape {shape_of(value)}"
    if isinstance(value, Tensor):
        return _odd_tensor(value)
    if is_number(value) or isinstance(value, str):
        return {"bool": "a bool", "int": "an int", "str": "a string"}.get(type(value).__name__, "a float")
    if isinstance(value, Mapping):
        return f"a dict with {len(value)} keys"
    parts = parts_of(value)
    if parts is None:
        return _stayed_there(type_name(value))
    kind = "list" if isinstance(value, list) else "tuple"
    if not parts:
        return f"an empty {kind}"
    return f"a {kind} of {len(parts)}" + ("" if brief else _contents(parts))


def shape_of(tensor: Tensor) -> str:
    """`(3, 5)`."""
    return str(tuple(tensor.shape))


def type_name(value: object) -> str:
    """The type's name; a handle says what it stands for."""
    return repr(value) if isinstance(value, Remote) else type(value).__name__


def _contents(parts: tuple[object, ...]) -> str:
    shapes = {shape_of(part) if is_plain_tensor(part) else "" for part in parts}
    if len(parts) > 1 and "" not in shapes:
        return " tensors" + (f" of shape {shapes.pop()}" if len(shapes) == 1 else "")
    kinds = [in_words(part, brief=True) for part in parts[:_SHOWN]]
    return f" ({', '.join(kinds)}{', ...' if len(parts) > _SHOWN else ''})"


_CALL = "are the parentheses of a call missing?"
_ADVICE = {
    "ndarray": "stay in torch, where gradients flow",
    "generator": "a function with `yield` gives its values one by one: collect them, and return a tensor",
    "map": "a map computes nothing yet: return a tensor",
    **dict.fromkeys(("function", "method", "builtin_function_or_method", "type"), _CALL),
}
"""Type of an answer -> what probably happened, where a tensor is due."""


def advice_for(value: object) -> str:
    """What to do with an object that is no tensor where one is due; empty: nothing comes to mind."""
    kind = type_name(value) if isinstance(value, Remote) else ""
    if kind in _ADVICE:
        return f": {_ADVICE[kind]}"
    tensor = _TENSOR_THERE.fullmatch(kind)
    if tensor is None or tensor[3] == "meta":
        return ""
    return ": return a dense one" if tensor[1] != "strided" else ": keep the dtype of the inputs"


_TENSOR_THERE = re.compile(r"(\w+) tensor of (\w+) on (\w+)")
"""A tensor that is not one of the wire's stays on its side, and its handle says this of it."""


def _stayed_there(kind: str) -> str:
    """Words for an object that did not cross, by its type."""
    tensor = _TENSOR_THERE.fullmatch(kind)
    if tensor is None:
        return f"an object of type {kind}"
    layout, dtype, device = tensor.groups()
    if device == "meta":
        return "a tensor without numbers (device meta)"
    if layout != "strided":
        return f"a sparse tensor ({layout})"
    if "qint" in dtype or "quint" in dtype:
        return f"a quantized tensor ({dtype})"
    return f"a tensor of {dtype}"


def _odd_tensor(value: Tensor) -> str:
    if type(value) not in (Tensor, torch.nn.Parameter):
        return f"an object of type {type(value).__name__}"
    if value.is_nested:
        return "a nested tensor"
    if value.is_meta:
        return "a tensor without numbers (device meta)"
    return "a quantized tensor" if value.is_quantized else "a sparse tensor"
