"""Answers with bytes that no honest worker writes, and gives what follows to whoever reads on (measured here; otter #237)."""

import json
import os
import struct


def frame(document, blob=b""):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack(">II", len(text), len(blob)) + text + blob


def tensors(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def send(data):
    view = memoryview(data)
    while view:
        view = view[os.write(3, view) :]

import select
import sys


class Exploit:
    def __reduce__(self):
        return (exec, ("import os; os.system('touch /tmp/pwned')",))


def number():
    """The number of the question that is being answered, from the worker's own frames."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "reply":
            return frame.f_locals["number"]
        frame = frame.f_back
    return 0


KINDS = {
    "n": lambda N: frame({"n": 99, "refused": [], "answer": 1.0}),
    "boolean_n": lambda N: frame({"n": False, "answer": {"d": [[{"t": [1]}, 2]]}}),
    "complex": lambda N: frame({"n": N, "answer": {"x": "0"}}, tensors({"0": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}}, bytes(8))),
    "float8": lambda N: frame({"n": N, "answer": {"x": "0"}}, tensors({"0": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}}, bytes(8))),
    "shape": lambda N: frame({"n": N, "answer": {"x": "0"}}, tensors({"0": {"dtype": "F64", "shape": [2**62, 0], "data_offsets": [0, 0]}})),
    "overflow": lambda N: frame({"n": N, "answer": {"x": "0"}}, tensors({"0": {"dtype": "F64", "shape": [2**62, 2**62], "data_offsets": [0, 0]}})),
    "nested": lambda N: frame(b'{"n": %d, "answer": ' % N + b"[" * 100000 + b"]" * 100000 + b"}"),
    "nested_1000": lambda N: frame(b'{"n": %d, "answer": ' % N + b"[" * 900 + b"]" * 900 + b"}"),
    "integer": lambda N: frame(b'{"n": %d, "answer": ' % N + b"9" * 5000 + b"}"),
    "integer_4000": lambda N: frame(b'{"n": %d, "answer": ' % N + b"9" * 4000 + b"}"),
    "infinities": lambda N: frame(b'{"n": %d, "answer": [1e999, NaN, -Infinity]}' % N),
    "giant_header": lambda N: struct.pack(">II", 2**32 - 1, 2**32 - 1),
    "giant_names": lambda N: frame({"n": N, "answer": 1}, struct.pack("<Q", 2**63) + bytes(64)),
    "pickle": lambda N: __import__("pickle").dumps(Exploit()),
    "framed_pickle": lambda N: frame(__import__("pickle").dumps(Exploit()), __import__("pickle").dumps(Exploit())),
    "tag": lambda N: frame({"n": N, "answer": {"py/object": "os.system"}}),
    "two_tags": lambda N: frame({"n": N, "answer": {"x": "0", "t": []}}),
    "missing_tensor": lambda N: frame({"n": N, "answer": {"x": "17"}}),
    "no_answer": lambda N: frame({"n": N}),
    "list": lambda N: frame([1, 2]),
    "bytes": lambda N: frame(b"\xff\xfe\x00"),
    "surrogate": lambda N: frame(b'{"n": %d, "answer": "\\ud800\\u001b[31m"}' % N),
    "error_nothing": lambda N: frame({"n": N, "error": None}),
    "error_odd": lambda N: frame({"n": N, "error": {"d": [["types", [{"t": []}, 7]], ["message", {"x": "0"}], ["frames", [[1, 2, 3], 4]]]}}),
    "error_ansi": lambda N: frame({"n": N, "error": {"d": [["types", ["\x1b[31mHacked"]], ["message", "\x1b]0;x\x07"], ["frames", [["\x1b[2J", 2, "\x1b"]]]]}}),
    "error_memory": lambda N: frame({"n": N, "error": {"d": [["types", ["E"]], ["message", "\x1b[31m"], ["out_of_memory", True]]}}),
    "unhashable": lambda N: frame({"n": N, "answer": {"d": [[{"t": [[1]]}, 2]]}}),
    "generator": lambda N: frame({"n": N, "answer": {"g": [5, "cuda:99"]}}),
    "handles": lambda N: frame(b'{"n": %d, "answer": [' % N + b",".join([b'{"h":{"id":7,"type":"a"}}'] * 60000) + b"]}"),
    "handle_odd": lambda N: frame({"n": N, "answer": {"h": {"id": -1, "type": "\x1b[31m", "fields": ["a"], "values": [1]}}}),
    "lists": lambda N: frame(b'{"n": %d, "answer": [' % N + b",".join([b"[]"] * 300000) + b"]}"),
    "tensors": lambda N: frame({"n": N, "answer": 1}, tensors({str(i): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(40000)})),
    "hashes": lambda N: frame(b'{"n": %d, "answer": {"d": [' % N + b",".join(b"[%d,0]" % (i * (2**61 - 1)) for i in range(1, 60000)) + b"]}}"),
    "gigabytes": lambda N: b"".join([struct.pack(">II", 2, 8 * 2**26)]),
    "code": lambda N: frame(
        {"loaded": True, "code": {"x": "0"}}, tensors({"0": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}}, b"(((")
    ),
    "partial": lambda N: frame({"n": N, "answer": 1.0})[:-2],
    "half_header": lambda N: b"\x00\x00",
}


STALLS = {"partial", "half_header"}


def attack():
    send(KINDS[FACTS["kind"]](number()))
    if FACTS["kind"] == "gigabytes":
        chunk = bytes(2**20)
        for _ in range(512):
            send(chunk)
    if FACTS["kind"] not in STALLS:
        os._exit(0)
    while True:
        select.select([], [], [], 1000)


if FACTS.get("at_import"):
    attack()


def in_shift(function, args, kwargs):
    attack()
