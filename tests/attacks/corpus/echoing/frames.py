"""Says a hidden input in bytes that the judge's reader complains about: a dtype, a tag, a name, a nested error."""

import json
import os
import struct
import sys


def frame(document, blob=b""):
    text = json.dumps(document).encode()
    return struct.pack(">II", len(text), len(blob)) + text + blob


def in_call(function, args, kwargs):
    words = f"LEAK {first(args)} \x1b[31m"
    header = json.dumps({"0": {"dtype": words, "shape": [0], "data_offsets": [0, 0]}}).encode()
    question = sys._getframe()
    while question.f_code.co_name != "reply":
        question = question.f_back
    number = question.f_locals["number"]
    os.write(3, {
        "dtype": frame({"n": number, "answer": {"x": "0"}}, struct.pack("<Q", len(header)) + header),
        "tag": frame({"n": number, "answer": {words: 1}}),
        "error": frame({"n": number, "error": {"d": [["types", [words]], ["frames", [[words, 1, words], ["a.py", 10**9, "f"]]]]}}),
        "refused": frame({"n": number, "refused": [words + str(i) for i in range(10000)], "answer": None}),
    }[FACTS["what"]])  # fmt: skip
    os._exit(0)
