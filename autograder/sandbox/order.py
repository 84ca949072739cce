"""What the judge tells a child before it serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

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
        """The order as bytes, in the wire's frame. It holds no tensors, so it needs none of what those need."""
        contents = {name: text.encode() for name, text in self.files.items()}
        document = {
            "files": {name: len(content) for name, content in contents.items()},
            "module": self.module,
            "dtype": self.dtype,
            "seed": self.seed,
            "bans": self.bans,
            "stand_ins": self.stand_ins,
            "importable": self.importable,
            "code": len(self.code),
            "earlier": [[each.name, each.written, each.stand_ins] for each in self.earlier],
        }
        text, rest = json.dumps(document).encode(), b"".join([*contents.values(), self.code])
        return wire.HEADER.pack(len(text), len(rest)) + text + rest

    @classmethod
    def read(cls, frame: bytes) -> Self:
        """Return the order of a frame that the judge wrote."""
        length, _ = wire.HEADER.unpack_from(frame)
        position = wire.HEADER.size + length
        document = json.loads(frame[wire.HEADER.size : position])
        files = {}
        for name, size in document["files"].items():
            files[name] = frame[position : position + size].decode()
            position += size
        return cls(
            files,
            document["module"],
            document["dtype"],
            document["seed"],
            tuple(document["bans"]),
            tuple(document["stand_ins"]),
            tuple(document["importable"]),
            frame[position : position + document["code"]],
            tuple(EarlierModule(name, written, tuple(names)) for name, written, names in document["earlier"]),
        )


def from_bytes(content: bytes) -> torch.Tensor:
    """Return bytes as a tensor that can cross."""
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())


def to_bytes(value: object) -> bytes:
    """Return the bytes of such a tensor. Raises WireError for anything else."""
    if not isinstance(value, torch.Tensor) or value.dtype != torch.uint8:
        raise WireError("bytes that are no tensor of bytes")
    return value.numpy().tobytes()
