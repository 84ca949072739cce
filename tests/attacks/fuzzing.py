"""Bytes that nobody of ours wrote, by the million, for the judge's end of the wire.

    .venv/bin/python tests/attacks/fuzzing.py --cases 1000000 [--seed 1]

Frames that `pack` writes are damaged: bytes, lengths, JSON nodes, the blob's list of tensors, pieces of other frames.
Each must be read or refused with WireError; what is read must be of the wire's own kinds, its tensors whole. A frame
that does anything else is a finding: it is written to `tests/attacks/frames/`, where a test keeps it for ever.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from autograder.errors import WireError
from autograder.sandbox import wire
from autograder.sandbox.blob import MAX_DIMENSIONS
from autograder.sandbox.remote import Remote, Session

KEPT = Path(__file__).with_name("frames")
SLOW_S = 1.0
"""A frame of some hundred bytes must not keep the judge for so long."""
KINDS = (bool, int, float, str, list, tuple, dict, torch.Tensor, torch.Generator, Remote, type(None))
NODES: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 2**64, 10**19, 1.5, 1e308, "", "x", "\ud800", [], {}, {"x": "0"}, {"x": "7"},
    {"x": 0}, {"t": []},
    {"t": {}}, {"d": [[1, 2]]}, {"d": [[[], 2]]}, {"d": [[{"t": [1, {"x": "0"}]}, 2]]}, {"d": [1]}, {"g": [1, "cpu"]},
    {"g": [2**64, "cuda"]}, {"g": [True, 5]}, {"h": {"id": 1}}, {"h": {"id": "1"}}, {"h": {"id": 1, "type": 5}},
    {"h": {"id": 1, "type": "T", "fields": ["a"], "values": [1]}},
    {"h": {"id": 1, "type": "T", "fields": 3, "values": []}},
    {"h": None}, {"a": 1, "b": 2}, {"": 0},
)  # fmt: skip
SHAPES: tuple[Any, ...] = ([], [0], [1], [2, 3], [2**62, 0], [-1], [1] * 9, [2**31], "2", [1.5], None)
DTYPES: tuple[Any, ...] = ("F64", "F32", "I64", "I32", "U8", "BOOL", "F16", "BF16", "F8_E4M3", "C64", "", 5, None)


class Nowhere:
    """A transport to nobody."""

    def exchange(self, frame: bytes) -> bytes:
        """Refuse."""
        raise AssertionError(frame)


class Kept:
    """What the worker keeps, in the seeds."""

    def put(self, value: object) -> Any:
        """A handle."""
        return {"h": {"id": 3, "type": type(value).__name__}}

    def get(self, document: Any) -> object:
        """Nothing."""
        raise WireError(str(document))


def seeds() -> list[bytes]:
    """Frames as a worker writes them."""
    values: tuple[Any, ...] = (
        None, 3, -2.5, float("inf"), "words", [1, [2, (3, {"a": 4, (5, "b"): 6})]], torch.ones(2, 3),
        torch.zeros(0, 4, dtype=torch.int64), torch.tensor(True),
        [torch.arange(4), torch.ones((), dtype=torch.float64)],
        {"weight": torch.randn(2, 2), "n": 1}, torch.Generator().manual_seed(5), object(), [[[[[[[[]]]]]]]],
    )  # fmt: skip
    answers = [{"n": number, "value": value} for number, value in enumerate(values)]
    errors = {"n": 0, "error": {"types": ["ValueError", "Exception"], "message": "no", "frames": [["rnn.py", 3, "f"]]}}
    others = (errors, {"locked": True}, {"n": 1, "refused": ["lstm"]})
    return [wire.pack(document, Kept()) for document in (*answers, *others)]


Mutation = Callable[[bytes, random.Random, Sequence[bytes]], bytes]


def flipped(frame: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Some bytes are others."""
    damaged = bytearray(frame)
    for _ in range(rng.randint(1, 4)):
        damaged[rng.randrange(len(damaged))] = rng.choice((0, 1, 0x7F, 0xFF, 0x22, 0x5B, 0x7B, rng.randrange(256)))
    return bytes(damaged)


def cut(frame: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """A piece is missing or stands there twice."""
    start, end = sorted(rng.randrange(len(frame) + 1) for _ in range(2))
    return frame[:start] + (frame[end:] if rng.random() < 0.6 else frame[start:end] + frame[start:])


def spliced(frame: bytes, rng: random.Random, frames: Sequence[bytes]) -> bytes:
    """The text of one frame, the blob of another, with lengths that fit."""
    text, _ = parts(frame)
    _, blob = parts(rng.choice(frames))
    return joined(text, blob)


def renoded(frame: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """A node of the document is another one, perhaps many times nested."""
    text, blob = parts(frame)
    document = json.loads(text)
    node = rng.choice(NODES)
    for _ in range(rng.choice((0, 0, 0, 1, 5, 40))):
        node = rng.choice(([node], {"t": [node]}, {"d": [["k", node]]}, [node, node][: rng.randint(1, 2)]))
    place = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = rng.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.7:
            place = place[key]
            continue
        place[key] = node
        break
    return joined(json.dumps(document).encode(), blob)


def retyped(frame: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """The blob's list names other dtypes, shapes, offsets or tensors."""
    text, blob = parts(frame)
    if len(blob) < 8:
        return renoded(frame, rng, _)
    length = int.from_bytes(blob[:8], "little")
    listed, data = json.loads(blob[8 : 8 + length]), blob[8 + length :]
    entry = listed[rng.choice(list(listed))]
    what = rng.choice(("dtype", "shape", "data_offsets", "name", "length"))
    if what == "dtype":
        entry["dtype"] = rng.choice(DTYPES)
    elif what == "shape":
        entry["shape"] = rng.choice(SHAPES)
    elif what == "data_offsets":
        entry["data_offsets"] = [rng.choice((0, 1, 8, len(data), 2**63, -1)) for _ in range(rng.randint(0, 3))]
    elif what == "name":
        listed[rng.choice(("0", "1", "__metadata__", "", "x" * 300))] = dict(entry)
    else:
        data = data[: rng.randrange(len(data) + 1)] + bytes(rng.randrange(9))
    head = json.dumps(listed).encode()
    return joined(text, len(head).to_bytes(8, "little") + head + data)


MUTATIONS: tuple[Mutation, ...] = (flipped, cut, spliced, renoded, renoded, retyped, retyped)


def parts(frame: bytes) -> tuple[bytes, bytes]:
    """The text and the blob of a frame of ours."""
    length, _ = wire.HEADER.unpack_from(frame)
    return frame[wire.HEADER.size : wire.HEADER.size + length], frame[wire.HEADER.size + length :]


def joined(text: bytes, blob: bytes) -> bytes:
    """A frame whose lengths fit."""
    return wire.HEADER.pack(len(text), len(blob)) + text + blob


def judged(frame: bytes) -> str:
    """`read` or `refused`. Raises AssertionError, or whatever the judge should never see, for a finding."""
    start = time.process_time()
    try:
        document = wire.unpack(frame, Session(Nowhere()))
    except WireError:
        document = None
    assert time.process_time() - start < SLOW_S, "it took too long"
    if document is None:
        return "refused"
    whole(list(document.values()), 0)
    return "read"


def whole(value: object, depth: int) -> None:
    """Fail unless a value is of the wire's own kinds all through, and every tensor can be read to its end."""
    assert type(value) in KINDS or isinstance(value, Remote), type(value)
    assert depth <= wire.MAX_DEPTH + 3
    if isinstance(value, torch.Tensor):
        assert value.dim() <= MAX_DIMENSIONS
        assert value.is_contiguous()
        value.clone()
    inner = (*value, *value.values()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for item in inner:
        whole(item, depth + 1)


def run(cases: int, seed: int, progress: Callable[[int], object] = lambda _: None) -> tuple[Counter[str], list[bytes]]:
    """Judge so many damaged frames; return how many were read and refused, and the findings."""
    rng, frames = random.Random(seed), seeds()
    counts: Counter[str] = Counter()
    findings: list[bytes] = []
    for number in range(cases):
        frame = rng.choice(frames)
        for _ in range(rng.choice((1, 1, 1, 2))):
            try:
                frame = rng.choice(MUTATIONS)(frame, rng, frames)
            except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError, struct.error):
                break  # damaged beyond the next mutation's understanding
        try:
            counts[judged(frame)] += 1
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding
            counts["findings"] += 1
            findings.append(frame)
        if number % 50_000 == 0:
            progress(number)
    return counts, findings


def main() -> None:
    """Run, print the counts, keep the findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()
    counts, findings = run(options.cases, options.seed, lambda done: sys.stderr.write(f"  {done}\n"))
    for frame in findings:
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{hashlib.sha256(frame).hexdigest()[:16]}.frame").write_bytes(frame)
    words = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    sys.stdout.write(f"wire: {options.cases} frames: {words}; {time.process_time() - start:.0f} s of CPU\n")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
