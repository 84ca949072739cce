"""Nests zips thirty deep, each in the next, with the work at the bottom."""

from archives import bytes_of, save


def hand_in(folder, work, targets):
    inside = bytes_of({"line.py": work})
    for depth in range(30):
        inside = bytes_of({f"{depth}.zip": inside, "padding.txt": "x" * 1_000})
    save(folder, inside)


WORTH, WORDS = 0, "zip"
