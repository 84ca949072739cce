"""Keeps torch's compiler out of a process that compiles nothing: to import it takes nearly as long as all of torch.

torch imports it for the first optimizer and the first fake tensor, only to hear that there is nothing to compile.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

COMPILER, SETTINGS = "torch._dynamo", "torch._dynamo.config"


def keep_compiler_out() -> None:
    """Put a module in the compiler's place that answers what torch asks of one at rest; any other question loads it."""
    import torch

    spec = find_spec(COMPILER)
    if spec is None or COMPILER in sys.modules:
        return
    compiler = module_from_spec(spec)
    compiler.__class__ = _AtRest
    sys.modules[COMPILER] = torch._dynamo = compiler
    importlib.import_module(SETTINGS)  # which fake tensors read
    vars(compiler).pop("__path__", None)  # Python asks for it to import any other part


class _AtRest(ModuleType):
    """`torch._dynamo` where nothing is compiled, and itself as soon as it is asked for more."""

    @staticmethod
    def disable(function: Callable[..., Any] | None = None, *_: object, **__: object) -> Callable[..., Any]:
        """Return the function as it is; without one, what a decorator does with it."""
        return _AtRest.disable if function is None else function

    @staticmethod
    def graph_break(*_: object, **__: object) -> None:
        """There is no graph."""

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        if spec is None or spec.loader is None or (name.startswith("__") and name != "__path__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self.__class__ = ModuleType  # type: ignore[assignment]
        self.__path__ = list(spec.submodule_search_locations or ())
        spec.loader.exec_module(self)
        return getattr(self, name)
