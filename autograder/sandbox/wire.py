"""Values as bytes: what may cross between the judge and a submission, and nothing else.

A frame is two lengths, a JSON document and a safetensors blob. JSON holds the structure, the blob the tensors;
there is no pickle anywhere. Both directions use the same code, and the judge treats every byte that it reads as
hostile: caps on size, depth, dimensions, elements and dtypes are checked before a tensor is built.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch

from autograder.errors import WireError
from autograder.sandbox import blob
from autograder.sandbox.blob import MAX_DIMENSIONS, MAX_ELEMENTS, NAMES, Array

MAX_DEPTH = 32
MAX_JSON_BYTES = 4 * 2**20
MAX_BLOB_BYTES = 8 * MAX_ELEMENTS + 2**20
MAX_VALUES = 2**18
"""Numbers, texts and containers beside tensors: a million empty lists would take seconds."""
MAX_INTEGER_DIGITS = 20
MAX_TUPLE_KEYS = 2**12
"""In one dict. Python's hashes of tuples and of long integers can be made to collide, and then a dict takes hours."""
HEADER = struct.Struct(">II")

Json = Any


class Foreign(Protocol):
    """What the two ends do with an object that does not cross: the worker keeps it, the judge holds a handle."""

    def put(self, value: object) -> Json:
        """Return the JSON document that stands for `value`; raises WireError where it cannot be kept."""

    def get(self, document: Json) -> object:
        """Return the object that `document` stands for; raises WireError for an unknown one."""


class Staying:
    """A value that stays here whatever its type: an object of a class that a submission made of dict, list or str."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


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
    writer = _Writer(foreign)
    tree = {key: writer.json(value, 0) for key, value in document.items()}
    text = _ENCODER.encode(tree).encode()
    if len(text) > MAX_JSON_BYTES:
        raise WireError(f"a message of {len(text)} bytes beside its tensors; at most {MAX_JSON_BYTES} may cross")
    parts = blob.write(writer.tensors)
    return b"".join([HEADER.pack(len(text), sum(map(len, parts))), text, *parts])


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
    text, rest = frame[HEADER.size : HEADER.size + json_bytes], frame[HEADER.size + json_bytes :]
    if text.count(b",") + text.count(b"[") > MAX_VALUES:
        raise WireError(f"an answer of more than {MAX_VALUES} values beside its tensors")
    try:
        tree = _DECODER.decode(text.decode())
    except (ValueError, RecursionError) as error:
        raise WireError(f"an answer that is not JSON: {str(error)[:200]}") from error
    if not isinstance(tree, dict):
        raise WireError("a message that is not a JSON object")
    tensors = blob.read(rest)
    return {key: _decode(value, tensors, foreign, 0) for key, value in tree.items()}


# --- from values to JSON -----------------------------------------------------------------------------------


_AS_IT_IS = frozenset({str, float, bool, type(None)})


class _Writer:
    """What one message becomes: JSON, and the tensors that it names."""

    __slots__ = ("_foreign", "_left", "tensors")

    def __init__(self, foreign: Foreign) -> None:
        self.tensors: list[Array] = []
        self._foreign = foreign
        self._left = MAX_ELEMENTS

    def json(self, value: object, depth: int) -> Json:
        """JSON of a value that stands `depth` levels deep. What is most frequent comes first."""
        if depth > MAX_DEPTH:
            raise WireError(f"a value nested more than {MAX_DEPTH} levels deep")
        kind = type(value)
        if kind in _AS_IT_IS:
            return value
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, Staying):
            return self._kept(value.value, depth + 1)
        if kind in (list, tuple, dict) or (isinstance(value, tuple | list | dict) and not is_record(value)):
            return self._container(value, depth + 1)
        scalar = _encode_scalar(value)
        return self._kept(value, depth + 1) if scalar is _NOT_SCALAR else scalar

    def _container(self, value: Any, depth: int) -> Json:
        if isinstance(value, dict):
            return {"d": [[self.json(key, depth), self.json(item, depth)] for key, item in value.items()]}
        items = [self.json(item, depth) for item in value]
        return {"t": items} if isinstance(value, tuple) else items

    def _tensor(self, value: torch.Tensor) -> Json:
        crosses = value.layout is torch.strided and value.device.type != "meta" and value.dtype in NAMES
        if not crosses or value.dim() > MAX_DIMENSIONS:
            return self._foreign.put(value)
        self._left -= value.numel()
        if self._left < 0:
            raise WireError(f"tensors of more than {MAX_ELEMENTS} elements in one message")
        self.tensors.append(value.numpy(force=True))
        return {"x": str(len(self.tensors) - 1)}

    def _kept(self, value: object, depth: int) -> Json:
        handle = self._foreign.put(value)
        if is_record(value):
            names, values = fields(value)
            handle["h"] |= {"fields": names, "values": [self.json(item, depth) for item in values]}
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


# --- from JSON to values -----------------------------------------------------------------------------------


def leaves(value: object) -> Iterator[object]:
    """What a nested value holds, in order: whatever is no dict, list or tuple, and of these what is in them."""
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


_ENCODER = json.JSONEncoder(separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_int=_integer)


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
