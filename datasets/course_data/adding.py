"""The adding problem: two of many numbers are marked, and the answer is their sum.

Hochreiter and Schmidhuber 1997, experiment 4, in the form of Le, Jaitly, Hinton 2015, section 4.1. The first mark lies
in the first half of the sequence, so a network has to keep a number over at least half of the steps. Whoever always
answers 1, the mean, has an error of 1/6.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

GUESSING = 1 / 6
"""Mean squared error of the constant 1: the variance of a sum of two numbers from U(0, 1)."""

Numbers = NDArray[np.float64]


def adding(batch: int, steps: int, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Inputs (batch, steps, 2) and targets (batch,).

    Feature 0 is a number from U(0, 1); feature 1 is 1 at two steps, one in each half, and 0 elsewhere. The target is
    the sum of the two marked numbers. Raises ValueError for fewer than two steps.
    """
    if steps < 2:
        raise ValueError(f"two marks need two steps or more, got {steps}")
    numbers, marks = rng.random((batch, steps)), np.zeros((batch, steps))
    rows, half = np.arange(batch), steps // 2
    marks[rows, rng.integers(0, half, batch)] = 1.0
    marks[rows, rng.integers(half, steps, batch)] = 1.0
    return np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=1)


def adding_batches(count: int, batch: int, steps: int, rng: np.random.Generator) -> Iterator[tuple[Numbers, Numbers]]:
    """`count` fresh batches of `adding`."""
    for _ in range(count):
        yield adding(batch, steps, rng)
