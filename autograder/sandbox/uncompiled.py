"""Keeps torch's compiler out of a process that compiles nothing: to import it takes nearly as long as all of torch.

torch imports it for the first optimizer and the first fake tensor, only to hear that there is nothing to compile, and
its symbolic shapes (with SymPy) for the first argument that it checks, only to hear that True is true.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any


def keep_compiler_out() -> None:
    """Put modules in its place that answer what torch asks of it at rest; any other question loads the real ones."""
    compiler = _put_to_rest("torch._dynamo", _Compiler)
    if compiler is not None:
        importlib.import_module("torch._dynamo.config")  # which fake tensors read
        vars(compiler).pop("__path__", None)  # Python asks for it to import any other part
    _put_to_rest("torch.fx.experimental.symbolic_shapes", _Shapes)


class _AtRest(ModuleType):
    """A module as far as it is needed at rest, and itself as soon as it is asked for more."""

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        assert spec is not None  # as it was found
        parts = spec.submodule_search_locations
        if spec.loader is None or (name.startswith("__") and (name != "__path__" or parts is None)):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self.__class__ = ModuleType  # type: ignore[assignment]
        if parts is not None:
            self.__path__ = list(parts)
        spec.loader.exec_module(self)
        return getattr(self, name)


class _Compiler(_AtRest):
    """Nothing is compiled."""

    @staticmethod
    def disable(function: Callable[..., Any] | None = None, *_: object, **__: object) -> Callable[..., Any]:
        """Return the function as it is; without one, what a decorator does with it."""
        return _Compiler.disable if function is None else function

    @staticmethod
    def graph_break(*_: object, **__: object) -> None:
        """There is no graph."""


class _Shapes(_AtRest):
    """No size is a symbol."""

    def expect_true(self, condition: Any, skip: int = 0) -> Any:
        """Return a condition that is known."""
        return condition if type(condition) is bool else self.__getattr__("expect_true")(condition, skip)

    def sym_eq(self, one: Any, other: Any) -> Any:
        """Whether two shapes that are known are the same."""
        known = all(isinstance(shape, tuple) and all(type(size) is int for size in shape) for shape in (one, other))
        return tuple(one) == tuple(other) if known else self.__getattr__("sym_eq")(one, other)


def _put_to_rest(name: str, kind: type[_AtRest]) -> ModuleType | None:
    """Return the module that takes another one's place; None where that is loaded, or this torch has none."""
    spec = None if name in sys.modules else find_spec(name)
    if spec is None:
        return None
    module = module_from_spec(spec)
    module.__class__ = kind
    sys.modules[name] = module
    parent, _, own = name.rpartition(".")
    setattr(importlib.import_module(parent), own, module)
    return module
