"""The numbers of a frame: a safetensors blob, whose every byte is checked before a tensor is built from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import safetensors
import torch

from autograder.errors import WireError

MAX_DIMENSIONS = 8
MAX_ELEMENTS = 2**26
MAX_HEADER_BYTES = 2**20
"""Of the blob's list of names and shapes: some ten thousand tensors; a million empty ones would take half a minute."""

Array = np.ndarray[Any, Any]

DTYPES: Mapping[str, tuple[torch.dtype, Any]] = {
    "F64": (torch.float64, np.float64),
    "F32": (torch.float32, np.float32),
    "I64": (torch.int64, np.int64),
    "I32": (torch.int32, np.int32),
    "U8": (torch.uint8, np.uint8),
    "BOOL": (torch.bool, np.bool_),
}
NAMES = {dtype: name for name, (dtype, _) in DTYPES.items()}

_CODES = {np.dtype(numpy_dtype): name for name, (_, numpy_dtype) in DTYPES.items()}
_ENCODER = json.JSONEncoder(separators=(",", ":"))


def write(tensors: Sequence[Array]) -> list[bytes]:
    """The parts of a safetensors blob. Written here: with its library, packing many small ones takes twice as long."""
    if not tensors:
        return []
    parts, header, end = [tensor.tobytes() for tensor in tensors], {}, 0
    for number, (tensor, part) in enumerate(zip(tensors, parts, strict=True)):
        start, end = end, end + len(part)
        header[str(number)] = {"dtype": _CODES[tensor.dtype], "shape": tensor.shape, "data_offsets": (start, end)}
    text = _ENCODER.encode(header).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *parts]


def read(blob: bytes) -> dict[str, torch.Tensor]:
    """Return the plain tensors of a blob, rebuilt from raw bytes; dtype and shape are checked first."""
    if not blob:
        return {}
    if int.from_bytes(blob[:8], "little") > MAX_HEADER_BYTES:
        raise WireError("tensors whose names and shapes alone are larger than may cross")
    try:
        entries = safetensors.deserialize(blob)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise WireError("tensors that are not safetensors") from error  # its words quote what it read
    counts = [_elements(entry) for _, entry in entries]
    if sum(counts) > MAX_ELEMENTS:
        raise WireError(f"tensors of more than {MAX_ELEMENTS} elements in one message")
    return {name: _tensor(entry, count) for (name, entry), count in zip(entries, counts, strict=True)}


def _elements(entry: Mapping[str, Any]) -> int:
    shape = entry["shape"]
    if entry["dtype"] not in DTYPES or len(shape) > MAX_DIMENSIONS:
        raise WireError(f"a tensor of dtype {entry['dtype']} and {len(shape)} dimensions may not cross")
    if math.prod(size or 1 for size in shape) > MAX_ELEMENTS:  # one without numbers could say a lot by its sizes
        raise WireError(f"a tensor that would have more than {MAX_ELEMENTS} elements")
    return math.prod(shape)


def _tensor(entry: Mapping[str, Any], count: int) -> torch.Tensor:
    dtype, data = DTYPES[entry["dtype"]][0], entry["data"]
    if len(data) != count * dtype.itemsize:
        raise WireError("a tensor whose bytes do not fit its shape")
    if not count:
        return torch.empty(entry["shape"], dtype=dtype)
    if dtype is torch.bool:  # a byte may be anything, a bool only 0 or 1
        return (torch.frombuffer(data, dtype=torch.uint8) != 0).view(entry["shape"])
    return torch.frombuffer(data, dtype=dtype).view(entry["shape"])
