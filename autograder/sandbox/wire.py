"""Values as bytes: what may cross between the judge and a submission, and nothing else.

A frame is two lengths, a JSON document and a safetensors blob. JSON holds the structure, the blob the tensors;
there is no pickle anywhere. Both directions use the same code, and the judge treats every byte that it reads as
hostile: caps on size, depth, dimensions, elements and dtypes are checked before a tensor is built.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import safetensors
import torch
from safetensors.numpy import save

from autograder.errors import WireError

MAX_DIMENSIONS = 8
MAX_ELEMENTS = 2**26
MAX_DEPTH = 32
MAX_JSON_BYTES = 4 * 2**20
MAX_BLOB_BYTES = 8 * MAX_ELEMENTS + 2**20
MAX_HEADER_BYTES = 2**20
"""Of the blob's list of names and shapes: some ten thousand tensors; a million empty ones would take half a minute."""
MAX_VALUES = 2**18
"""Numbers, texts and containers beside tensors: a million empty lists would take seconds."""
MAX_INTEGER_DIGITS = 20
MAX_TUPLE_KEYS = 2**12
"""In one dict. Python's hashes of tuples and of long integers can be made to collide, and then a dict takes hours."""
HEADER = struct.Struct(">II")

DTYPES: Mapping[str, tuple[torch.dtype, Any]] = {
    "F64": (torch.float64, np.float64),
    "F32": (torch.float32, np.float32),
    "I64": (torch.int64, np.int64),
    "I32": (torch.int32, np.int32),
    "U8": (torch.uint8, np.uint8),
    "BOOL": (torch.bool, np.bool_),
}
NAMES = {dtype: name for name, (dtype, _) in DTYPES.items()}

Json = Any
Array = np.ndarray[Any, Any]


class Foreign(Protocol):
    """What the two ends do with an object that does not cross: the worker keeps it, the judge holds a handle."""

    def put(self, value: object) -> Json:
        """Return the JSON document that stands for `value`; raises WireError where it cannot be kept."""

    def get(self, document: Json) -> object:
        """Return the object that `document` stands for; raises WireError for an unknown one."""


class Plain:
    """The wire's rule for messages in which no object may stay behind."""

    def put(self, value: object) -> Json:
        """Refuse."""
        raise WireError(f"a {type(value).__name__} has no place in this message")

    def get(self, document: Json) -> object:  # noqa: ARG002 - the interface of Foreign
        """Refuse."""
        raise WireError("a handle has no place in this message")


def pack(document: Mapping[str, object], foreign: Foreign) -> bytes:
    """Return the frame of a message; its values may hold tensors. Raises WireError beyond a cap."""
    tensors: dict[str, Array] = {}
    budget = [MAX_ELEMENTS]
    tree = {key: _encode(value, tensors, budget, foreign, 0) for key, value in document.items()}
    text = json.dumps(tree, separators=(",", ":")).encode()
    if len(text) > MAX_JSON_BYTES:
        raise WireError(f"a message of {len(text)} bytes beside its tensors; at most {MAX_JSON_BYTES} may cross")
    blob = save(tensors) if tensors else b""
    return HEADER.pack(len(text), len(blob)) + text + blob


def body_length(header: bytes) -> int:
    """Return how many bytes follow a frame's header. Raises WireError beyond the caps."""
    json_bytes, blob_bytes = HEADER.unpack(header)
    if json_bytes > MAX_JSON_BYTES or blob_bytes > MAX_BLOB_BYTES:
        raise WireError(f"an answer of {json_bytes + blob_bytes} bytes is larger than may cross")
    return int(json_bytes + blob_bytes)


def unpack(frame: bytes, foreign: Foreign) -> dict[str, Any]:
    """Return the message of a frame. Raises WireError for anything that `pack` would not have written."""
    if len(frame) < HEADER.size or len(frame) - HEADER.size != body_length(frame[: HEADER.size]):
        raise WireError("a frame whose length is not what its header says")
    json_bytes, _ = HEADER.unpack(frame[: HEADER.size])
    text, blob = frame[HEADER.size : HEADER.size + json_bytes], frame[HEADER.size + json_bytes :]
    if text.count(b",") + text.count(b"[") > MAX_VALUES:
        raise WireError(f"an answer of more than {MAX_VALUES} values beside its tensors")
    try:
        tree = json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise WireError(f"an answer that is not JSON: {str(error)[:200]}") from error
    if not isinstance(tree, dict):
        raise WireError("a message that is not a JSON object")
    tensors = _tensors(blob)
    return {key: _decode(value, tensors, foreign, 0) for key, value in tree.items()}


# --- from values to JSON -----------------------------------------------------------------------------------


def _encode(value: object, tensors: dict[str, Array], budget: list[int], foreign: Foreign, depth: int) -> Json:
    if depth > MAX_DEPTH:
        raise WireError(f"a value nested more than {MAX_DEPTH} levels deep")

    def inner(item: object) -> Json:
        return _encode(item, tensors, budget, foreign, depth + 1)

    if isinstance(value, torch.Tensor):
        return _encode_tensor(value, tensors, budget, foreign)
    if isinstance(value, tuple | list | dict) and not is_record(value):
        return _encode_container(value, inner)
    scalar = _encode_scalar(value)
    if scalar is not _NOT_SCALAR:
        return scalar
    handle = foreign.put(value)
    if is_record(value):
        names, values = fields(value)
        handle["h"] |= {"fields": names, "values": [inner(item) for item in values]}
    return handle


_NOT_SCALAR = object()


def _encode_scalar(value: object) -> Json:
    """Plain JSON for a scalar, also for its subclasses (numpy's float64 is a float); generators as their seed."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):  # by the type's own method: a subclass may say something else of itself
        number = int.__int__(value)
        return number if -(2**63) <= number < 2**64 else _NOT_SCALAR
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, torch.Generator):
        return {"g": [value.initial_seed(), str(value.device)]}
    return _NOT_SCALAR


def _encode_container(value: tuple[Any, ...] | list[Any] | dict[Any, Any], inner: Callable[[object], Json]) -> Json:
    if isinstance(value, dict):
        return {"d": [[inner(key), inner(item)] for key, item in value.items()]}
    items = [inner(item) for item in value]
    return {"t": items} if isinstance(value, tuple) else items


def is_record(value: object) -> bool:
    """Whether `value` is a NamedTuple or dataclass instance: it stays here and crosses as fields and a handle."""
    named = isinstance(value, tuple) and hasattr(type(value), "_fields")
    data = dataclasses.is_dataclass(value) and not isinstance(value, type | torch.nn.Module)
    return named or data


def fields(record: Any) -> tuple[list[str], list[object]]:
    """Return a record's field names and values."""
    if isinstance(record, tuple):
        return [str(name) for name in getattr(record, "_fields", ())], list(record)
    names = [field.name for field in dataclasses.fields(record)]
    return names, [getattr(record, name) for name in names]


def _encode_tensor(value: torch.Tensor, tensors: dict[str, Array], budget: list[int], foreign: Foreign) -> Json:
    crosses = value.layout is torch.strided and value.device.type != "meta" and value.dtype in NAMES
    if not crosses or value.dim() > MAX_DIMENSIONS:
        return foreign.put(value)
    budget[0] -= value.numel()
    if budget[0] < 0:
        raise WireError(f"tensors of more than {MAX_ELEMENTS} elements in one message")
    name = str(len(tensors))
    tensors[name] = value.detach().cpu().resolve_neg().contiguous().numpy()
    return {"x": name}


# --- from JSON to values -----------------------------------------------------------------------------------


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def _tensors(blob: bytes) -> dict[str, torch.Tensor]:
    """Return the plain tensors of a blob, rebuilt from raw bytes; dtype and shape are checked first."""
    if not blob:
        return {}
    if int.from_bytes(blob[:8], "little") > MAX_HEADER_BYTES:
        raise WireError("tensors whose names and shapes alone are larger than may cross")
    try:
        entries = safetensors.deserialize(blob)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise WireError("tensors that are not safetensors") from error  # its words quote what it read
    if sum(_elements(entry) for _, entry in entries) > MAX_ELEMENTS:
        raise WireError(f"tensors of more than {MAX_ELEMENTS} elements in one message")
    return {name: _tensor(entry) for name, entry in entries}


def _elements(entry: Mapping[str, Any]) -> int:
    shape = entry["shape"]
    if entry["dtype"] not in DTYPES or len(shape) > MAX_DIMENSIONS or max(shape, default=0) > MAX_ELEMENTS:
        raise WireError(f"a tensor of dtype {entry['dtype']} and {len(shape)} dimensions may not cross")
    count = 1
    for size in shape:
        count *= int(size)
    return count


def _tensor(entry: Mapping[str, Any]) -> torch.Tensor:
    dtype, numpy_dtype = DTYPES[entry["dtype"]]
    array = np.frombuffer(entry["data"], dtype=np.uint8 if dtype is torch.bool else numpy_dtype)
    if array.size != _elements(entry):
        raise WireError("a tensor whose bytes do not fit its shape")
    if dtype is torch.bool:
        array = array != 0
    return torch.from_numpy(array.reshape(entry["shape"]))


def _decode(node: Json, tensors: Mapping[str, torch.Tensor], foreign: Foreign, depth: int) -> Any:
    if depth > MAX_DEPTH + 1:
        raise WireError(f"a value nested more than {MAX_DEPTH} levels deep")
    if isinstance(node, list):
        return [_decode(item, tensors, foreign, depth + 1) for item in node]
    if not isinstance(node, dict):
        return node
    if len(node) != 1:
        raise WireError("a JSON object that is no value of the wire")
    ((tag, payload),) = node.items()
    return _decode_tagged(tag, payload, tensors, foreign, depth)


def _decode_tagged(tag: str, payload: Json, tensors: Mapping[str, torch.Tensor], foreign: Foreign, depth: int) -> Any:
    if tag == "x" and isinstance(payload, str) and payload in tensors:
        return tensors[payload]
    if tag == "t" and isinstance(payload, list):
        return tuple(_decode(item, tensors, foreign, depth + 1) for item in payload)
    if tag == "d" and isinstance(payload, list):
        return _decode_dict(payload, tensors, foreign, depth)
    if tag == "g":
        return _generator(payload)
    if tag == "h":
        return foreign.get(_decode_handle(payload, tensors, foreign, depth))
    raise WireError("a JSON object that is no value of the wire")


def _decode_dict(
    pairs: list[Json], tensors: Mapping[str, torch.Tensor], foreign: Foreign, depth: int
) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise WireError("a dict that is no list of pairs")
        key = _decode(pair[0], tensors, foreign, depth + 1)
        if not isinstance(key, str | int | float | bool | tuple | None):
            raise WireError("a dict key that cannot cross")
        if isinstance(key, tuple) and len(result) >= MAX_TUPLE_KEYS:
            raise WireError(f"a dict with tuples as keys and more than {MAX_TUPLE_KEYS} of them")
        try:
            result[key] = _decode(pair[1], tensors, foreign, depth + 1)
        except TypeError as error:
            raise WireError("a dict key that cannot cross") from error
    return result


def _decode_handle(payload: Json, tensors: Mapping[str, torch.Tensor], foreign: Foreign, depth: int) -> Json:
    """A handle's document, with the values of a record's fields decoded."""
    if isinstance(payload, dict) and isinstance(payload.get("values"), list):
        values = [_decode(item, tensors, foreign, depth + 1) for item in payload["values"]]
        return {**payload, "values": values}
    return payload


def _generator(payload: Json) -> torch.Generator:
    if not (isinstance(payload, list) and len(payload) == 2 and isinstance(payload[0], int)):
        raise WireError("a generator that is no seed and device")
    device = "cuda" if str(payload[1]).startswith("cuda") else "cpu"
    try:
        return torch.Generator(device).manual_seed(payload[0] % 2**63)
    except RuntimeError as error:
        raise WireError(f"a generator on {device}, which this machine does not have") from error
