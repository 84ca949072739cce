"""What it takes to compare a solution with torch's own modules: random weights, and their names on the other side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

Renamed = Callable[[Mapping[str, Tensor], Mapping[str, str]], dict[str, Tensor]]


def _drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + sum(shape)))


@pytest.fixture(scope="session")
def drawn() -> Callable[..., Tensor]:
    """Float64 numbers from N(0, 1), the same for the same shape."""
    return _drawn


@pytest.fixture(scope="session")
def shaken() -> Callable[[Any], Any]:
    """A function that puts random parameters into a module, in float64, and returns it."""

    def shake(module: Any) -> Any:
        module.double()
        with torch.no_grad():
            for number, parameter in enumerate(module.parameters()):
                parameter.copy_(0.4 * _drawn(*parameter.shape, seed=number))
        return module

    return shake


@pytest.fixture(scope="session")
def renamed() -> Renamed:
    """A function that returns parameters under other names, given beginnings and middles; w_q, w_k and w_v as one."""

    def rename(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
        found = {}
        for name, value in state.items():
            if "w_k." in name or "w_v." in name:
                continue
            parts = [state[name.replace("w_q.", f"w_{part}.")] for part in "qkv"] if "w_q." in name else [value]
            theirs = name
            for mine, other in names.items():
                theirs = theirs.replace(mine, other)
            found[theirs] = torch.cat(parts)
        return found

    return rename
