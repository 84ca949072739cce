"""What the judge tells a child before it serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from autograder.errors import WireError
from autograder.sandbox import wire


@dataclass(frozen=True, slots=True)
class EarlierModule:
    """A module of an earlier assignment, importable by name when the submission is imported."""

    name: str
    written: bool
    """Its file is there and can be imported; else the module is made of its stand-ins alone."""
    stand_ins: tuple[str, ...]
    """Parts of it that stand-ins replace."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a child prepares before it serves."""

    files: Mapping[str, str]
    module: str
    dtype: str
    seed: int
    bans: tuple[str, ...]
    stand_ins: tuple[str, ...]
    importable: tuple[str, ...]
    code: bytes = b""
    """What a child of the same submission before this one compiled to; empty: compile it. Opaque to the judge."""
    earlier: tuple[EarlierModule, ...] = ()
    """Modules of earlier assignments, each before those that may import it."""

    def frame(self) -> bytes:
        """The order as bytes."""
        document = {
            "files": {name: from_bytes(text.encode()) for name, text in self.files.items()},
            "module": self.module,
            "dtype": self.dtype,
            "seed": self.seed,
            "bans": list(self.bans),
            "stand_ins": list(self.stand_ins),
            "importable": list(self.importable),
            "code": from_bytes(self.code),
            "earlier": [[each.name, each.written, list(each.stand_ins)] for each in self.earlier],
        }
        return wire.pack(document, wire.Plain())


def from_bytes(content: bytes) -> torch.Tensor:
    """Return bytes as a tensor that can cross."""
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())


def to_bytes(value: object) -> bytes:
    """Return the bytes of such a tensor. Raises WireError for anything else."""
    if not isinstance(value, torch.Tensor) or value.dtype != torch.uint8:
        raise WireError("bytes that are no tensor of bytes")
    return value.numpy().tobytes()
