"""Answers the import with bytes of its own for "what this was compiled to", which later children are given to load."""

import json
import marshal
import os
import struct

CODE = {
    "program": marshal.dumps(compile("print('<poison> got in')", __file__, "exec")),
    "garbage": b"\xff" * 999,
    "large": bytes(2**26 - 100_000),
    "too large": bytes(2**26),
    "nothing": b"",
}[FACTS["what"]]


def leave(code):
    header = json.dumps({"0": {"dtype": "U8", "shape": [len(code)], "data_offsets": [0, len(code)]}}).encode()
    blob = struct.pack("<Q", len(header)) + header + code
    text = json.dumps({"loaded": True, "code": {"x": "0"}}).encode()
    view = memoryview(struct.pack(">II", len(text), len(blob)) + text + blob)
    while view:
        view = view[os.write(3, view) :]
    os._exit(0)


leave(CODE)
