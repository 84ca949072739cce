"""Promises a large answer and sends it byte by byte, or prints a byte now and then, for ever."""

import os
import select
import struct


def in_shift(function, args, kwargs):
    if FACTS["what"] == "answer":
        os.write(3, struct.pack(">II", 2**20, 2**20))
    while True:
        os.write(3 if FACTS["what"] == "answer" else 1, b" ")
        select.select([], [], [], 0.002)
