"""Where a module holds a part beside the part's own name: what was bound when the module was read, and calls it later.

`LAYERS = {"lstm": LSTM}`, `class GRU(Stack): cell = GRUCell`, `def stack(cell=LSTMCell)`, `make = partial(Layer, 4)`,
and the function that a factory made: `Encoder = stacked(EncoderLayer)`. Nothing is looked for inside of objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from types import FunctionType, ModuleType
from typing import Any


def put_in_places(module: ModuleType, theirs: Any, ours: Any) -> None:
    """Put `ours` in each place of the module, of its own classes and of its own functions that holds `theirs`."""
    for name, value in list(vars(module).items()):
        _put_in(module, name, value, theirs, ours)
    for kind in _own_classes(module):
        for name, value in list(vars(kind).items()):
            _put_in(kind, name, value, theirs, ours)
    for function in _own_functions(module):
        _put_in_function(function, theirs, ours)


def _own_classes(module: ModuleType) -> list[type]:
    return [each for each in list(vars(module).values()) if isinstance(each, type) and _is_own(each, module)]


def _own_functions(module: ModuleType) -> Iterator[FunctionType]:
    for holder in (module, *_own_classes(module)):
        for value in list(vars(holder).values()):
            function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            if isinstance(function, FunctionType) and _is_own(function, module):
                yield function


def _is_own(thing: object, module: ModuleType) -> bool:
    return getattr(thing, "__module__", None) == module.__name__


def _put_in(holder: object, name: str, value: object, theirs: Any, ours: Any) -> None:
    """One attribute: the part, a table of parts (which is changed itself), or what hands arguments to it."""
    new = value
    if value is theirs:
        new = ours
    elif type(value) is dict:
        value.update({key: ours for key, item in value.items() if item is theirs})
    elif type(value) is list:
        value[:] = [ours if item is theirs else item for item in value]
    elif type(value) is tuple:
        new = _in_tuple(value, theirs, ours)
    elif type(value) is staticmethod and value.__func__ is theirs:
        new = staticmethod(ours)
    elif type(value) is partial and value.func is theirs:
        new = partial(ours, *value.args, **value.keywords)
    if new is not value:
        with suppress(AttributeError, TypeError):  # a class may refuse: an Enum's member, say
            setattr(holder, name, new)


def _in_tuple(items: tuple[object, ...], theirs: Any, ours: Any) -> tuple[object, ...]:
    return tuple(ours if item is theirs else item for item in items) if any(item is theirs for item in items) else items


def _put_in_function(function: FunctionType, theirs: Any, ours: Any) -> None:
    """Its defaults, and what it closes over; `__class__` is what super() needs, and stays."""
    function.__defaults__ = _in_tuple(function.__defaults__, theirs, ours) if function.__defaults__ else None
    if function.__kwdefaults__:
        function.__kwdefaults__.update({key: ours for key, item in function.__kwdefaults__.items() if item is theirs})
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # an empty cell
            if name != "__class__" and cell.cell_contents is theirs:
                cell.cell_contents = ours
