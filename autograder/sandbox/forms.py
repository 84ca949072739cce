"""A stand-in that answers in the form of what it stands for, so that the student's own code can go on with it.

The course says "returns (out, h_n)", and a student may return a NamedTuple, whose names their other code uses; or give
their `RNN` a helper method, which their `CharRNN` calls. What stands in for such a part gives back the same kind of
record, and leads to the same helpers. Only the values are the stand-in's. The same holds for what a stand-in is made
of: `model.decoder.step` answers as the decoder of the student's own model does. Among themselves stand-ins use tuples.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from functools import partial, wraps
from operator import attrgetter
from typing import Any

import torch
from torch import nn

from autograder.sandbox import wire


def in_form_of(original: object, stand_in: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in, answering as `original` does; as it is where there is no original of its kind."""
    if isinstance(stand_in, type):
        return _class_like(original, stand_in) if _is_module_class(original) else stand_in
    if isinstance(original, type) or not callable(original):
        return stand_in
    form = _Form(original)

    @wraps(stand_in)
    def answer(*args: Any, **kwargs: Any) -> Any:
        return form.of(stand_in(*args, **kwargs), args, kwargs)

    return answer


def _is_module_class(original: object) -> bool:
    return isinstance(original, type) and issubclass(original, nn.Module)


ANSWERING = ("forward", "step", "encode")
"""Methods of parts that other code calls."""


def _class_like(original: Any, stand_in: type) -> type:
    answering = [name for name in ANSWERING if hasattr(stand_in, name)]

    class Standing(stand_in):  # type: ignore[misc] # mypy sees no class in a variable
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            shadow = _Shadow(partial(original, *args, **kwargs))
            forms = {name: _Form(partial(shadow.call, name), getattr(original, name, None)) for name in answering}
            inside = _Inside()
            _stand(self, shadow, forms, inside)
            for path, part in self.named_modules():
                if path and type(part).__module__.startswith(__package__):  # not torch's own layers
                    theirs = _Shadow(partial(shadow.part, path))
                    part.__class__ = _speaking(type(part))
                    _stand(part, theirs, {name: _Form(partial(theirs.call, name)) for name in ANSWERING}, inside)

    Standing.__name__ = Standing.__qualname__ = stand_in.__name__
    Standing.__doc__ = stand_in.__doc__
    return _speaking(Standing)


def _speaking(stand_in: Any) -> type:
    """The class, answering in the forms that each of its objects has, and leading to the student's own helpers."""

    def __getattr__(self: Any, name: str) -> Any:  # noqa: N807 - it becomes the class's own
        """What only the student's own object has: sizes and helpers that their other code uses."""
        try:
            return stand_in.__getattr__(self, name)
        except AttributeError:
            shadow = self.__dict__.get("_shadow")
            if shadow is None or name.startswith("_") or not shadow.has(name):
                raise
            return getattr(shadow.built(), name)

    methods = {name: _method_in_form(getattr(stand_in, name), name) for name in ANSWERING if hasattr(stand_in, name)}
    own = {**methods, "__getattr__": __getattr__, "__doc__": stand_in.__doc__}
    return type(stand_in.__name__, (stand_in,), own)


def _stand(part: nn.Module, shadow: _Shadow, forms: Mapping[str, _Form], inside: _Inside) -> None:
    for name, value in (("_shadow", shadow), ("_forms", forms), ("_inside", inside)):
        object.__setattr__(part, name, value)


def _method_in_form(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    @wraps(method)
    def answer(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._inside:
            plain = method(self, *args, **kwargs)
        return plain if self._inside.depth else self._forms[name].of(plain, args, kwargs)

    return answer


class _Inside:
    """How deep a stand-in and what it is made of call each other: what is not asked from outside stays a tuple."""

    def __init__(self) -> None:
        self.depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1


class _Shadow:
    """The student's own object beside a stand-in's, built when it is first asked for; its weights are of no account."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build
        self._built: Any = None

    def built(self) -> Any:
        if self._built is None:
            with torch.random.fork_rng(devices=[]):
                self._built = self._build()
        return self._built

    def part(self, path: str) -> Any:
        """What the student's object has in the same place."""
        return attrgetter(path)(self.built())

    def has(self, name: str) -> bool:
        try:
            return hasattr(self.built(), name)
        except Exception:  # noqa: BLE001 - the student's own __init__ is wrong, and may fail in any way
            return False

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.built(), name)(*args, **kwargs)


class _Form:
    """The record type in which a function answers: what its annotation says, else what one call shows."""

    def __init__(self, original: Callable[..., Any], annotated: object = None) -> None:
        self._original = original
        self._type = _annotated(annotated or original)
        self._known = self._type is not None

    def of(self, answer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the answer as the original's record; as it is where the original answers with a plain tuple."""
        if not isinstance(answer, tuple):
            return answer
        if not self._known:
            self._type, self._known = self._observed(args, kwargs), True
        return answer if self._type is None else _as_record(self._type, answer)

    def _observed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> type | None:
        if any(isinstance(value, torch.Generator) for value in (*args, *kwargs.values())):
            return None  # its numbers are for the stand-in
        try:
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                theirs = self._original(*map(_copy, args), **{name: _copy(value) for name, value in kwargs.items()})
        except Exception:  # noqa: BLE001 - the original is wrong, and may fail in any way: then its form is not known
            return None
        return type(theirs) if wire.is_record(theirs) else None


def _annotated(function: Any) -> type | None:
    try:
        returned = typing.get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 - an annotation may name what is not there
        return None
    named = isinstance(returned, type) and issubclass(returned, tuple) and hasattr(returned, "_fields")
    return returned if named or (isinstance(returned, type) and dataclasses.is_dataclass(returned)) else None


def _as_record(kind: Any, answer: tuple[Any, ...]) -> Any:
    try:
        return kind(*answer)
    except Exception:  # noqa: BLE001 - other fields than the course names: a tuple is what the course says
        return answer


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else value
