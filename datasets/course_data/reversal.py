"""Reversal: a row of random symbols whose target is the same row, last symbol first.

There is nothing to learn but to remember, so how long a row may be is how much a model remembers. The task is
generated: its difficulty is a number, and no data can be learned by heart.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from course_data.pairs import EOS, FIRST, SOS, Batch, padded


def reversal(batch: int, shortest: int, longest: int, symbols: int, rng: np.random.Generator) -> Batch:
    """Sources with ids from 4 on, their lengths (`shortest` to `longest`), and targets SOS, the source reversed, EOS.

    Raises ValueError for lengths that are none.
    """
    if not 1 <= shortest <= longest:
        raise ValueError(f"no row is {shortest} to {longest} symbols long; choose 1 <= shortest <= longest")
    lengths = rng.integers(shortest, longest + 1, size=batch, dtype=np.int64)
    rows = [rng.integers(FIRST, FIRST + symbols, size=length).tolist() for length in lengths]
    return padded(rows), lengths, padded([[SOS, *reversed(row), EOS] for row in rows])


def reversal_batches(
    count: int, batch: int, shortest: int, longest: int, symbols: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """`count` fresh batches of `reversal`."""
    for _ in range(count):
        yield reversal(batch, shortest, longest, symbols, rng)
