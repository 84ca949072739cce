"""What the measurements share: seeds, data as tensors, models that write sequences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Batch = tuple[Tensor, ...]
"""Inputs and targets of one step, as a task has them."""


def states_of(model: nn.Module, x: Tensor) -> Tensor:
    """What a layer returns for x, or the first of several things that it returns: (B, T, H)."""
    returned = model(x)
    states: Tensor = returned if torch.is_tensor(returned) else returned[0]
    return states


def count_parameters(model: nn.Module) -> int:
    """How many numbers a model learns."""
    return sum(parameter.numel() for parameter in model.parameters())


def seeded(seed: int) -> np.random.Generator:
    """Make torch's random numbers and the returned generator start from `seed`."""
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def tensors(arrays: Iterable[Any]) -> Batch:
    """Numpy arrays as tensors; real numbers in torch's default dtype."""
    found = [torch.from_numpy(array) for array in arrays]
    return tuple(each.to(torch.get_default_dtype()) if each.is_floating_point() else each for each in found)


def exact_match(written: Tensor, aims: Tensor, end: int) -> Tensor:
    """Which rows (B,) are right up to and with the first `end`; both (B, T), what lies behind does not count."""
    width = min(written.shape[1], aims.shape[1])
    ended = (aims == end).cumsum(dim=1) - (aims == end).long() > 0  # places behind the end
    equal = (written[:, :width] == aims[:, :width]) | ended[:, :width]
    return equal.all(dim=1) & ended[:, width:].all(dim=1)


def geometric_mean(rows: Iterable[Tensor]) -> Tensor:
    """Of tensors of one shape, entry by entry; all entries are at least the smallest normal float."""
    stacked = torch.stack(list(rows))
    return stacked.clamp(min=torch.finfo(stacked.dtype).tiny).log().mean(dim=0).exp()
