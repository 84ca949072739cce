"""Which language does a surname come from? The names of `names`, spelled for a classifier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from course_data.names import LANGUAGES, VOCABULARY, Ids, labelled, padded

__all__ = ["LANGUAGES", "VOCABULARY", "batches", "labelled", "spelled"]

Integers = NDArray[np.int64]


def spelled(pairs: Sequence[tuple[str, int]]) -> tuple[Ids, Integers, Integers]:
    """Ids (names, longest) padded with PAD, lengths (names,) and labels (names,) of pairs from `labelled`."""
    rows = [VOCABULARY.encode(name) for name, _ in pairs]
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    return padded(rows), lengths, np.array([label for _, label in pairs], dtype=np.int64)


def batches(
    pairs: Sequence[tuple[str, int]], size: int, count: int, rng: np.random.Generator
) -> Iterator[tuple[Ids, Integers, Integers]]:
    """`count` batches (ids, lengths, labels) of `size` names, in rounds through all names in a new order each.

    A batch is as wide as its own longest name. What is left at the end of a round is too little for a batch and waits
    for the next one.
    """
    ids, lengths, labels = spelled(pairs)
    order = np.empty(0, dtype=np.int64)
    for _ in range(count):
        if len(order) < size:
            order = rng.permutation(len(ids))
        rows, order = order[:size], order[size:]
        yield ids[rows, : lengths[rows].max()], lengths[rows], labels[rows]
