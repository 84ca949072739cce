"""Says in its directory that a file of a gigabyte has ten bytes."""

import struct

from archives import bytes_of, save


def hand_in(folder, work, targets):
    made = bytearray(bytes_of({"line.py": b"#" * (64 << 20)}))
    made[22:26] = struct.pack("<I", 10)
    entry = made.index(b"PK\x01\x02")
    made[entry + 24 : entry + 28] = struct.pack("<I", 10)
    save(folder, bytes(made))


WORTH, WORDS = 0, ""
