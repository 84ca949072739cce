"""Values as bytes: what goes in comes out, and bytes that nobody of ours wrote are refused in one way."""

from __future__ import annotations

import enum
import json
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from autograder.errors import WireError
from autograder.sandbox import blob, wire
from autograder.sandbox.remote import Remote, Session
from autograder.sandbox.worker import Kept

torch.set_num_threads(1)

CROSSING = [torch.float64, torch.float32, torch.int64, torch.int32, torch.uint8, torch.bool]
STAYING = [torch.float16, torch.bfloat16, torch.int16, torch.int8, torch.complex64, torch.complex128]
QUICK = settings(max_examples=150, deadline=None)


class Nowhere:
    """A transport to nobody: the judge's end of the wire reads frames, and asks nothing."""

    def exchange(self, frame: bytes) -> bytes:
        """Refuse."""
        raise AssertionError(frame)


def there_and_back(value: object) -> Any:
    """The value as it arrives; objects that stay are looked up again where they stayed."""
    kept = Kept()
    return wire.unpack(wire.pack({"v": value}, kept), kept)["v"]


def as_judge(frame: bytes) -> dict[str, Any]:
    """What the judge makes of a frame."""
    return wire.unpack(frame, Session(Nowhere()))


def frame_of(document: object, blob: bytes = b"") -> bytes:
    """A frame that `pack` need not have written."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return wire.HEADER.pack(len(text), len(blob)) + text + blob


def blob_of(header: object, data: bytes = b"") -> bytes:
    """A safetensors blob that its library need not have written."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def alike(one: object, other: object) -> bool:
    """Whether two values are the same in type, shape, dtype and every bit, NaN among them."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        shapes = one.shape == other.shape and one.dtype == other.dtype
        return shapes and bool(np.array_equal(one.numpy(), other.numpy(), equal_nan=one.is_floating_point()))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, torch.Generator) and isinstance(other, torch.Generator):
        return one.initial_seed() == other.initial_seed()
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(
            alike(*keys) and alike(one[keys[0]], other[keys[1]]) for keys in zip(one, other, strict=True)
        )
    if isinstance(one, list | tuple) and type(one) is type(other):
        return len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other) and one == other


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Tensors of every dtype that crosses, also without axes and without elements, with NaN and infinities."""
    dtype = draw(st.sampled_from(CROSSING))
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    count = math.prod(shape)
    if dtype.is_floating_point:
        floats = st.floats() if dtype is torch.float64 else st.floats(width=32)
        numbers = draw(st.lists(floats, min_size=count, max_size=count))
        return torch.tensor(numbers, dtype=dtype).reshape(shape)
    low, high = (0, 1) if dtype is torch.bool else (0, 255) if dtype is torch.uint8 else (-(2**31), 2**31 - 1)
    whole = draw(st.lists(st.integers(low, high), min_size=count, max_size=count))
    return torch.tensor(whole, dtype=torch.int64).to(dtype).reshape(shape)


GENERATORS = st.integers(0, 2**63 - 1).map(lambda seed: torch.Generator().manual_seed(seed))
INTEGERS = st.integers(-(2**63), 2**64 - 1)
TEXT = st.text(st.characters())  # lone surrogates, too
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats() | TEXT
KEYS = st.booleans() | INTEGERS | TEXT | st.none() | st.tuples(INTEGERS, TEXT)
VALUES = st.recursive(
    SCALARS | tensors() | GENERATORS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


@QUICK
@given(VALUES)
def test_values_come_out_as_they_went_in(value: object) -> None:
    """Every nested value of the wire's own types arrives bit for bit, dtype for dtype, tuple for tuple."""
    assert alike(there_and_back(value), value)


class Pair(NamedTuple):
    """A record by name."""

    out: Tensor
    h: Tensor


@dataclass
class State:
    """A record of fields."""

    h: object
    steps: list[int]


class Color(str, enum.Enum):  # noqa: UP042 - the older way: its own str() is not its value
    """A text that says something else when asked for its text."""

    RED = "red"


class Kind(enum.IntEnum):
    """A number with a name."""

    A = 7


class Loud(str):
    """A text whose own text is another."""

    __slots__ = ()

    def __str__(self) -> str:
        return "LOUD"


class Odd(int):
    """A number that hides."""

    __slots__ = ()

    def __int__(self) -> int:
        return -1


@pytest.mark.parametrize("record", [Pair(torch.ones(2), torch.zeros(3)), State(torch.ones(2), [1, 2])])
def test_records_go_back_as_themselves(record: object) -> None:
    """A NamedTuple or dataclass instance stays where it is: what comes back is that very object."""
    assert there_and_back(record) is record
    assert there_and_back([{"a": record}])[0]["a"] is record


def test_a_record_arrives_with_its_fields() -> None:
    """The judge sees a record's names and values, nested ones too."""
    kept = Kept()
    inner = Pair(torch.ones(2), torch.zeros(3))
    arrived = as_judge(wire.pack({"v": State(inner, [1, 2])}, kept))["v"]
    assert (arrived.fields, arrived[1]) == (("h", "steps"), [1, 2])
    assert arrived[0].fields == ("out", "h")
    assert torch.equal(arrived[0][1], torch.zeros(3))
    assert kept.get({"id": 1}) is not None


def test_the_tuples_of_torch_are_tuples() -> None:
    """What `x.max(0)` returns is a tuple of two tensors and no object of its own."""
    arrived = there_and_back(torch.tensor([[1.0, 3.0], [2.0, 0.0]]).max(0))
    assert type(arrived) is tuple
    assert torch.equal(arrived[0], torch.tensor([2.0, 3.0]))


@pytest.mark.parametrize("dtype", STAYING)
def test_other_dtypes_stay_behind_a_handle(dtype: torch.dtype) -> None:
    """A half-precision, short or complex tensor does not cross: the judge holds a handle that names it."""
    kept = Kept()
    tensor = torch.zeros(2, dtype=dtype)
    frame = wire.pack({"v": tensor}, kept)
    arrived = as_judge(frame)["v"]
    assert type(arrived) is Remote
    assert str(dtype).removeprefix("torch.") in repr(arrived)
    assert wire.unpack(frame, kept)["v"] is tensor


@pytest.mark.parametrize(
    "tensor",
    [torch.eye(2).to_sparse(), torch.empty(2, device="meta"), torch.zeros([1] * 9)],
    ids=["sparse", "meta", "nine axes"],
)
def test_odd_tensors_stay_behind_a_handle(tensor: Tensor) -> None:
    """A sparse tensor, one without numbers and one with nine axes are handles, too."""
    assert there_and_back(tensor) is tensor


@pytest.mark.parametrize("value", [np.zeros(2), np.int64(3), {1, 2}, len, nn.Linear(1, 1), 2**64, 1j, b"bytes"])
def test_anything_else_stays_behind_a_handle(value: object) -> None:
    """Arrays, sets, functions, modules and huge numbers cross as handles and go back as themselves."""
    assert there_and_back(value) is value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float64(0.5), 0.5),
        (Loud("quiet"), "quiet"),
        (Color.RED, "red"),
        (Kind.A, 7),
        (Odd(5), 5),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (True, True),
    ],
)
def test_subclasses_of_plain_types_cross_as_plain(value: object, plain: object) -> None:
    """A subclass of float, str, int or dict arrives as the plain value that it is, whatever it says of itself."""
    arrived = there_and_back(value)
    assert arrived == plain
    assert type(arrived) is type(plain)


def test_views_gradients_and_parameters_cross_as_values() -> None:
    """A transposed, sliced, negated-by-flag, tied or differentiable tensor arrives as its numbers, detached."""
    x = torch.arange(6.0).reshape(2, 3)
    shown = [x.T, x[:, ::2], torch._neg_view(x), nn.Parameter(x), (x.clone().requires_grad_() * 2), x[0, 0]]
    for tensor, arrived in zip(shown, there_and_back(shown), strict=True):
        assert torch.equal(arrived, tensor.detach())
        assert type(arrived) is Tensor
        assert not arrived.requires_grad
        arrived.add_(1)  # writable, and nobody else's memory
    assert torch.equal(x, torch.arange(6.0).reshape(2, 3))


# --- caps ------------------------------------------------------------------------------------------------------------


def nested(depth: int) -> list[Any]:
    """Lists in lists."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_depth_has_a_cap() -> None:
    """As deep as may be arrives; one level more is refused where it is packed, and where it is read."""
    assert there_and_back(nested(wire.MAX_DEPTH)) == nested(wire.MAX_DEPTH)
    with pytest.raises(WireError, match="deep"):
        wire.pack({"v": nested(wire.MAX_DEPTH + 1)}, wire.Plain())
    for document in (nested(wire.MAX_DEPTH + 5), nested(900)):
        with pytest.raises(WireError, match="deep"):
            wire.unpack(frame_of({"v": document}), wire.Plain())


def test_deeper_than_python_goes_is_refused_as_well() -> None:
    """A hundred thousand brackets are refused like a few too many."""
    for text in (b'{"v":' + b"[" * 100_000, b'{"v":' + b'{"t":[' * 100_000):
        with pytest.raises(WireError):
            wire.unpack(frame_of(text), wire.Plain())


def test_elements_have_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tensors of a message together may have so many elements, on the way out and on the way in."""
    frame = wire.pack({"v": [torch.zeros(6), torch.zeros(5)]}, wire.Plain())
    monkeypatch.setattr(wire, "MAX_ELEMENTS", 10)
    monkeypatch.setattr(blob, "MAX_ELEMENTS", 10)
    with pytest.raises(WireError, match="10 elements"):
        wire.pack({"v": [torch.zeros(6), torch.zeros(5)]}, wire.Plain())
    with pytest.raises(WireError, match="10 elements"):
        wire.unpack(frame, wire.Plain())


def test_text_has_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands beside the tensors may have so many bytes, on the way out and on the way in."""
    frame = wire.pack({"v": "x" * 100}, wire.Plain())
    monkeypatch.setattr(wire, "MAX_JSON_BYTES", 100)
    with pytest.raises(WireError, match="100"):
        wire.pack({"v": "x" * 100}, wire.Plain())
    with pytest.raises(WireError, match="larger than may cross"):
        wire.body_length(frame[: wire.HEADER.size])


def test_a_huge_length_is_refused_before_anything_is_read() -> None:
    """A header that promises gigabytes is refused at once."""
    with pytest.raises(WireError, match="larger than may cross"):
        wire.body_length(wire.HEADER.pack(10, 2**32 - 1))


def test_objects_have_no_place_in_plain_messages() -> None:
    """Orders hold plain values only, both ways."""
    with pytest.raises(WireError, match="no place"):
        wire.pack({"v": object()}, wire.Plain())
    with pytest.raises(WireError, match="no place"):
        wire.unpack(frame_of({"v": {"h": {"id": 1}}}), wire.Plain())


# --- bytes that nobody of ours wrote ---------------------------------------------------------------------------------

F64 = {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}

MALFORMED = {
    "nothing": b"",
    "half a header": b"\0\0\0",
    "shorter than promised": wire.HEADER.pack(100, 0) + b"{}",
    "longer than promised": wire.HEADER.pack(2, 0) + b"{}{}",
    "no JSON": frame_of(b"{'v': 1}"),
    "no text": frame_of(b"\xff\xfe\xfa"),
    "a number of a million digits": frame_of(b'{"v":' + b"9" * 1_000_000 + b"}"),
    "a list": frame_of([1, 2]),
    "null": frame_of(None),
    "an unknown tag": frame_of({"v": {"q": 1}}),
    "two tags": frame_of({"v": {"x": "0", "t": []}}),
    "no tag": frame_of({"v": {}}),
    "a tensor that is not there": frame_of({"v": {"x": "0"}}),
    "a tensor without a name": frame_of({"v": {"x": []}}),
    "a tuple of a number": frame_of({"v": {"t": 1}}),
    "a dict of a dict": frame_of({"v": {"d": {"a": 1}}}),
    "a dict of triples": frame_of({"v": {"d": [[1, 2, 3]]}}),
    "a list as a key": frame_of({"v": {"d": [[[1], 2]]}}),
    "a list in a tuple as a key": frame_of({"v": {"d": [[{"t": [[1]]}, 2]]}}),
    "a dict as a key": frame_of({"v": {"d": [[{"d": []}, 2]]}}),
    "a generator of text": frame_of({"v": {"g": ["a", "cpu"]}}),
    "a generator of nothing": frame_of({"v": {"g": []}}),
    "a handle without a number": frame_of({"v": {"h": {"type": "x"}}}),
    "a handle that is a number": frame_of({"v": {"h": 3}}),
    "a handle whose type is a nest": frame_of({"v": {"h": {"id": 1, "type": nested(900)}}}),
    "a record whose names are lists": frame_of({"v": {"h": {"id": 1, "type": "", "fields": [[]], "values": [1]}}}),
    "no safetensors": frame_of({"v": 1}, b"nothing of the kind"),
    "a header of nothing": frame_of({"v": 1}, blob_of([])),
    "a tensor of a dtype that does not cross": frame_of(
        {"v": 1}, blob_of({"0": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]}}, bytes(8))
    ),
    "a tensor of a dtype that does not exist": frame_of({"v": 1}, blob_of({"0": {**F64, "dtype": "F7"}}, bytes(8))),
    "a tensor with fewer bytes than its shape": frame_of({"v": 1}, blob_of({"0": {**F64, "shape": [2]}}, bytes(8))),
    "a tensor of nine axes": frame_of({"v": 1}, blob_of({"0": {**F64, "shape": [1] * 9}}, bytes(8))),
    "a tensor with a negative axis": frame_of({"v": 1}, blob_of({"0": {**F64, "shape": [-1]}}, bytes(8))),
    "a tensor of nothing with a huge axis": frame_of(
        {"v": 1}, blob_of({"0": {"dtype": "F64", "shape": [0, 2**40], "data_offsets": [0, 0]}})
    ),
}


@pytest.mark.parametrize("frame", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_frame_is_a_wire_error(frame: bytes) -> None:
    """Whatever is wrong with a frame, the judge hears of it in one way."""
    with pytest.raises(WireError):
        as_judge(frame)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_a_generator_on_a_device_that_is_not_here_is_a_wire_error() -> None:
    """A generator of a GPU cannot be made where there is none, and that is said in the same way."""
    with pytest.raises(WireError, match="cuda"):
        as_judge(frame_of({"v": {"g": [1, "cuda:77"]}}))


def is_refused_or_read(frame: bytes) -> bool:
    """Read a frame as the judge; any exception but a WireError is this test's failure."""
    try:
        as_judge(frame)
    except WireError:
        return False
    return True


@st.composite
def mutated_frames(draw: st.DrawFn) -> bytes:
    """Frames of ours in which some bytes are changed, put in, cut out or repeated."""
    kept = Kept()
    frame = bytearray(wire.pack({"n": 1, "answer": draw(VALUES), "more": [Pair(torch.ones(2), torch.ones(1))]}, kept))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(frame) - 1))
        end = min(len(frame), place + draw(st.integers(0, 3)))
        frame[place:end] = draw(st.binary(max_size=3) | st.just(bytes(frame[place : place + 20])))
    if draw(st.booleans()) and len(frame) > wire.HEADER.size:  # make the lengths right again: the body is what is wrong
        json_bytes = min(wire.HEADER.unpack(frame[: wire.HEADER.size])[0], len(frame) - wire.HEADER.size)
        frame[: wire.HEADER.size] = wire.HEADER.pack(json_bytes, len(frame) - wire.HEADER.size - json_bytes)
    return bytes(frame)


@QUICK
@given(mutated_frames())
def test_a_mutated_frame_is_read_or_is_a_wire_error(frame: bytes) -> None:
    """Changed bytes give another value or a WireError, never any other exception."""
    is_refused_or_read(frame)


TAGS = st.sampled_from(["x", "t", "d", "g", "h", "id", "type", "fields", "values", "0", "cuda"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TAGS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TAGS, inner, max_size=4),
    max_leaves=12,
)


@QUICK
@given(st.dictionaries(TAGS, JSON, max_size=3))
def test_any_json_is_read_or_is_a_wire_error(document: dict[str, Any]) -> None:
    """JSON that is no value of the wire is refused as a WireError, whatever it holds."""
    is_refused_or_read(frame_of(document, blob_of({"0": F64}, bytes(8))))


ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*blob.DTYPES, "F16", "C64", "I16", "x"]),
        "shape": st.lists(st.integers(-1, 5) | st.sampled_from([2**26, 2**40, 2**63, 2**64]), max_size=9),
        "data_offsets": st.tuples(st.integers(0, 64), st.integers(0, 64)),
    }
)


@QUICK
@given(st.dictionaries(st.sampled_from(["0", "1", "__metadata__"]), ENTRIES, max_size=2), st.integers(0, 64))
def test_any_tensor_header_is_read_or_is_a_wire_error(header: dict[str, Any], size: int) -> None:
    """A safetensors header that lies about dtypes, shapes or places is refused as a WireError."""
    is_refused_or_read(frame_of({"v": 1}, blob_of(header, bytes(size))))
