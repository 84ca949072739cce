"""Handwritten digits, 8 x 8 pixels in shades of grey, from the snapshot `digits.npz`: real pictures, 1797 of them.

`build/build_digits.py` made the snapshot from scikit-learn's copy of the UCI digits (Alpaydin, Kaynak 1998). 1424
pictures are for training, 373 others for testing; each digit has its tenth of both, or nearly. Used by a7, which cuts
pictures into patches. `pictures.py` has larger collections under the same interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SNAPSHOT = Path(__file__).resolve().parent / "digits.npz"
SPLITS = ("train", "test")
CLASSES = tuple("0123456789")

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Split = Literal["train", "test"]


@cache
def _snapshot() -> Mapping[str, NDArray[np.uint8]]:
    with np.load(SNAPSHOT, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def load(split: Split = "train") -> tuple[Images, Labels]:
    """Pictures (n, 1, 8, 8), uint8 from 0 (paper) to 255 (ink), and labels (n,) from 0 to 9; always in the same order.

    Raises ValueError for a split that is not among SPLITS.
    """
    if split not in SPLITS:
        raise ValueError(f"{split!r} is not among {', '.join(SPLITS)}")
    stored = _snapshot()
    shades = stored[f"{split}_images"].astype(np.int64)  # 0 to 16: how many of 16 dots were black
    return ((shades * 255 + 8) // 16).astype(np.uint8)[:, None], stored[f"{split}_labels"].astype(np.int64)


def batches(
    images: Images, labels: Labels, size: int, count: int, rng: np.random.Generator
) -> Iterator[tuple[Images, Labels]]:
    """`count` batches of at most `size` pictures with their labels: one shuffled pass over all after the other.

    The last batch of a pass is smaller where `size` does not divide the number of pictures.
    """
    order: Labels = np.empty(0, dtype=np.int64)
    for _ in range(count):
        if len(order) == 0:
            order = rng.permutation(len(images))
        rows, order = order[:size], order[size:]
        yield images[rows], labels[rows]
