"""What a submission finds around it in `grade`: nothing that costs time or decides about answers by accident."""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@contextmanager
def settled(module: str) -> Iterator[None]:
    """What a program finds when it is started by hand, and for its functions the state in which checks are run.

    An import may set torch's default dtype or device, switch gradients off or anomaly detection on (many times slower),
    turn warnings into errors, or read its arguments: none of that is an answer, so none of it decides about answers.
    It stays in its scratch folder.
    """
    import torch

    dtype = torch.get_default_dtype()
    sys.argv[:] = [f"{module}.py"]
    os.chdir = _stay
    with warnings.catch_warnings():
        yield
    settle(dtype)


def settle(dtype: torch.dtype) -> None:
    """Put torch into the state in which checks are run."""
    import torch

    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(True)
    torch.set_default_device(None)
    torch.autograd.set_detect_anomaly(False)


def _stay(path: object) -> None:
    """Go nowhere: the sandbox has one folder."""


def accommodate() -> None:
    """Change what would only cost a graded run time, once, in the zygote: no answer depends on any of it.

    `torch.compile` hands the function back, DataLoaders load in their own process, sleeping takes no time.
    """
    import time

    import torch
    from torch.utils.data import DataLoader

    original = DataLoader.__init__

    @functools.wraps(original)
    def without_workers(self: Any, *args: Any, **kwargs: Any) -> None:
        args, kwargs = args[:5], {**kwargs, "num_workers": 0}
        for name in ("prefetch_factor", "persistent_workers", "multiprocessing_context", "timeout"):
            kwargs.pop(name, None)
        original(self, *args, **kwargs)

    def eager(model: Any = None, **_: Any) -> Any:
        return eager if model is None else model

    DataLoader.__init__ = without_workers  # type: ignore[method-assign]
    torch.compile = eager
    time.sleep = lambda _: None
