"""Random inputs of checks: a stream of numbers that only the holder of the course secret can foretell.

Keys are HMAC-SHA256 of the secret and a purpose; numbers come from numpy's Philox with the whole 128-bit key, because
a torch Generator keeps 32 bits of its seed. They are drawn in float64 and rounded: both precisions see the same ones.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

HOME_SECRET = b"practice at home: these numbers are known to everyone"
"""The secret of checks that students run themselves; `grade` uses the course's own."""

KEY_BYTES = 16
MOST_KEPT = 16
"""Things made once that one process keeps; a training's batches are some megabytes."""

T = TypeVar("T")


def derive_key(secret: bytes, *purpose: str) -> bytes:
    """A 128-bit Philox key for `purpose`: each word behind its length, so that ("ab", "c") is not ("a", "bc")."""
    words = [word.encode() for word in purpose]
    message = b"".join(len(word).to_bytes(8, "big") + word for word in words)
    return hmac.new(secret, message, hashlib.sha256).digest()[:KEY_BYTES]


@dataclass(frozen=True, slots=True)
class MadeOnce:
    """What one process made of draws alone: the same for every submission that it judges."""

    _kept: OrderedDict[tuple[bytes, torch.dtype, str], Any] = field(default_factory=OrderedDict, repr=False)

    def get(self, draw: Draw, make: Callable[[Draw], T]) -> T:
        """Return what `make` made of this stream before, or makes of it now; what was asked for longest ago goes."""
        place = draw.key, draw.dtype, draw.device
        if place not in self._kept:
            self._kept[place] = make(draw)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(place)
        made: T = self._kept[place]
        return made


@dataclass(frozen=True, slots=True)
class Draw:
    """A stream of random tensors in one precision; each call goes on where the last one stopped."""

    key: bytes = field(repr=False)
    """16 bytes, see `derive_key`; kept out of every printed form."""
    dtype: torch.dtype
    device: str = "cpu"
    made_once: MadeOnce = field(default_factory=MadeOnce, repr=False, compare=False)
    _stream: np.random.Generator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            message = f"a Draw needs a key of {KEY_BYTES} bytes, got {len(self.key)}: use derive_key(secret, purpose)"
            raise ValueError(message)
        philox = np.random.Philox(key=int.from_bytes(self.key, "little"))
        object.__setattr__(self, "_stream", np.random.Generator(philox))

    def __call__(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        return self._real(self._stream.standard_normal(shape))

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Numbers evenly spread between `low` and `high`."""
        return self._real(self._stream.uniform(low, high, shape))

    def ints(self, *shape: int, low: int = 0, high: int) -> Tensor:
        """int64 numbers from `low` to `high - 1`."""
        return self._whole(self._stream.integers(low, high, shape))

    def lengths(self, n: int, *, low: int = 1, high: int) -> Tensor:
        """`n` int64 lengths from `low` to `high`, both included; one is `high` and, with n > 1, another is `low`.

        So every batch has a row without padding and one with as much as may be.
        """
        lengths = self._stream.integers(low, high + 1, n)
        lengths[:2] = [high, low][:n]
        return self._whole(self._stream.permutation(lengths))

    def permutation(self, n: int) -> Tensor:
        """The numbers 0 to n - 1 (int64) in random order."""
        return self._whole(self._stream.permutation(n))

    def generator(self) -> torch.Generator:
        """A new torch Generator whose seed comes from this stream; it crosses to the student as seed and device."""
        return torch.Generator(self.device).manual_seed(int(self._stream.integers(2**63)))

    def for_purpose(self, name: str) -> Draw:
        """An independent stream that does not depend on what has been drawn from this one."""
        return Draw(derive_key(self.key, name), self.dtype, self.device, self.made_once)

    def once(self, name: str, make: Callable[[Draw], T]) -> T:
        """Return what `make` makes of the stream `for_purpose(name)`, made once for all submissions of a class.

        For what takes long, as a training's batches do. It must depend on draws alone, never on a student's answer, and
        nobody may change it: the next submission is given the very same object.
        """
        return self.made_once.get(self.for_purpose(name), make)

    def _real(self, numbers: npt.ArrayLike) -> Tensor:
        return torch.as_tensor(numbers, dtype=torch.float64).to(device=self.device, dtype=self.dtype)

    def _whole(self, numbers: npt.ArrayLike) -> Tensor:
        return torch.as_tensor(numbers, dtype=torch.int64).to(self.device)
