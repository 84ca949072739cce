"""The delayed echo: a stream of random symbols whose target is the symbol of `delay` steps ago.

A network solves it only if its state carries the last `delay` symbols along. The first `delay` targets are PAD.
The task is generated, so its difficulty is a number and no data can be learned by heart.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

PAD = 0
"""Target where there is nothing to repeat yet; never an input."""

Ids = NDArray[np.int64]


def echo(batch: int, steps: int, delay: int, symbols: int, rng: np.random.Generator) -> tuple[Ids, Ids]:
    """Inputs (batch, steps) with ids 1 .. symbols, and targets: the input `delay` steps earlier, PAD before.

    Raises ValueError where `delay` leaves no target.
    """
    if not 0 <= delay < steps:
        raise ValueError(f"a delay of {delay} leaves no target in {steps} steps; choose 0 <= delay < steps")
    inputs = rng.integers(1, symbols + 1, size=(batch, steps), dtype=np.int64)
    targets = np.full_like(inputs, PAD)
    targets[:, delay:] = inputs[:, : steps - delay]
    return inputs, targets


def echo_batches(
    count: int, batch: int, steps: int, delay: int, symbols: int, rng: np.random.Generator
) -> Iterator[tuple[Ids, Ids]]:
    """`count` fresh batches of `echo`."""
    for _ in range(count):
        yield echo(batch, steps, delay, symbols, rng)
