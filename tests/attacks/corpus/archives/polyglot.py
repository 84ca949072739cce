"""Is a Python file to one reader and a zip to another."""

from archives import bytes_of


def hand_in(folder, work, targets):
    (folder / "mallory.py").write_bytes(work.encode() + b"\n'''\n" + bytes_of({"line.py": "x = 1\n"}) + b"\n'''\n")


WORTH, WORDS = 0, ""
