"""Collections of labelled pictures under one interface: the digits that ship with the course, and torchvision's.

`load("train")` needs no network and no torchvision. MNIST, Fashion-MNIST and CIFAR-10 are for experiments at home: they
are read from a folder through torchvision, and downloaded into it only where `download=True` says so. Nothing that is
graded depends on them.
"""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import numpy as np

from course_data import digits
from course_data.digits import Images, Labels, Split

TORCHVISION = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}
"""Our names and torchvision's classes."""
NAMES = ("digits", *TORCHVISION)
FOLDER = Path.home() / ".cache" / "course_data"
"""Where the large collections are kept unless another folder is given."""


class DataMissing(RuntimeError):
    """A collection is not here and cannot be had; the message says what to do."""


def load(
    split: Split = "train", name: str = "digits", *, folder: Path = FOLDER, download: bool = False
) -> tuple[Images, Labels]:
    """Pictures (n, C, H, W), uint8 from 0 to 255, and labels (n,), int64 from 0: those of one split of a collection.

    `digits` has C = 1 and 8 x 8 pixels, `mnist` and `fashion_mnist` C = 1 and 28 x 28, `cifar10` C = 3 and 32 x 32. All
    have ten classes. Raises ValueError for unknown names, DataMissing where torchvision or the pictures are missing.
    """
    if name not in NAMES:
        raise ValueError(f"{name!r} is not among {', '.join(NAMES)}")
    if split not in digits.SPLITS:
        raise ValueError(f"{split!r} is not among {', '.join(digits.SPLITS)}")
    return digits.load(split) if name == "digits" else _from_torchvision(split, name, folder, download)


def _from_torchvision(split: Split, name: str, folder: Path, download: bool) -> tuple[Images, Labels]:
    try:
        from torchvision import datasets
    except ImportError as error:
        raise DataMissing(f"{name} is read by torchvision, which is not installed: pip install torchvision") from error
    try:
        found = getattr(datasets, TORCHVISION[name])(folder, train=split == "train", download=download)
    except (RuntimeError, URLError, OSError) as error:
        raise DataMissing(_what_to_do(name, folder, download)) from error
    images = np.asarray(found.data, dtype=np.uint8)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)  # (n, H, W) or (n, H, W, C)
    return np.ascontiguousarray(images), np.asarray(found.targets, dtype=np.int64)


def _what_to_do(name: str, folder: Path, download: bool) -> str:
    if download:
        return (
            f"{name} could not be downloaded: is there a network? Try again, copy the folder of somebody who has it to "
            f'{folder}, or go on with the digits, which need no network: load(name="digits")'
        )
    return (
        f"{name} is not in {folder}, and nothing is downloaded unless you say so: pass download=True once (it needs a "
        'network), or go on with the digits, which are here: load(name="digits")'
    )
