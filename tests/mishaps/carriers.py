"""What may happen to the file of a right program: name -> how it is handed in, score, words in problem or notes."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple


class Carried(NamedTuple):
    """A hand-in and what must become of it."""

    write: Callable[[Path], None]
    """Puts it into the class's folder, at this path without a suffix."""
    score: int
    words: str


def zip_of(entries: Mapping[str, bytes | str], mode: int = 0) -> bytes:
    """The bytes of a zip; `mode` is what its entries claim to be on Unix."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def zipped(entries: Mapping[str, bytes | str], score: int, words: str, mode: int = 0) -> Carried:
    """As `NAME.zip`."""
    return Carried(lambda path: _write(path.with_name(f"{path.name}.zip"), zip_of(entries, mode)), score, words)


def folder(entries: Mapping[str, bytes | str], score: int, words: str) -> Carried:
    """As a folder."""

    def write(path: Path) -> None:
        path.mkdir()
        for name, content in entries.items():
            _write(path / name, content)

    return Carried(write, score, words)


def single(suffix: str, content: bytes | str, score: int, words: str) -> Carried:
    """As one file."""
    return Carried(lambda path: _write(path.with_name(path.name + suffix), content), score, words)


def _write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def _linked(path: Path) -> None:
    path.mkdir()
    (path / "tiny.py").symlink_to("/etc/passwd")


def _pipe(path: Path) -> None:
    path.mkdir()
    os.mkfifo(path / "tiny.py")


def notebook(*cells: str) -> str:
    """A notebook's JSON."""
    made = [{"cell_type": "code", "source": cell, "metadata": {}, "outputs": []} for cell in cells]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def carriers(work: str) -> dict[str, Carried]:
    """All of them, for a right program."""
    bomb, code = "x" * (1 << 20), work.encode()
    korean = f"# 순환 신경망\n{work}"
    encrypted = bytearray(zip_of({"tiny.py": work}))
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    cells = work.split("\n\n\n")
    return {
        "nothing": folder({".DS_Store": b"x"}, 0, "tiny.py is missing; nothing was handed in; hand in tiny.py"),
        "empty": single(".py", "", 0, "tiny.py is empty; hand in the file with your code"),
        "nested": folder({"a/b/c/tiny.py": work, "notes.txt": "x"}, 100, "notes.txt was ignored: not asked for"),
        "system files": zipped(
            {
                "__MACOSX/._tiny.py": "x",
                "__pycache__/tiny.pyc": "x",
                ".ipynb_checkpoints/tiny.py": "x",
                "tiny.py": work,
            },
            100,
            "",
        ),
        "two of one name": folder(
            {"a/tiny.py": work, "b/tiny.py": "x = 1"}, 0, "tiny.py was handed in 2 times (a/tiny.py"
        ),
        "twice the same": folder({"a/tiny.py": work, "b/tiny.py": work}, 100, ""),
        "another case": zipped({"TINY.PY": work}, 100, "TINY.PY was taken as tiny.py"),
        "both cases": zipped(
            {"Tiny.py": "x = 1", "tiny.py": work}, 100, "Tiny.py was not taken, since tiny.py is there"
        ),
        "downloaded twice": folder(
            {"tiny (1).py": work, "test_public.py": "x"}, 100, "tiny (1).py was taken as tiny.py"
        ),
        "two downloads": folder({"tiny (1).py": work, "tiny (2).py": "x = 1"}, 0, "2 files could be tiny.py"),
        "another name": folder({"hw1_final.py": work}, 100, "hw1_final.py was taken as tiny.py"),
        "two other names": folder({"a.py": work, "b.py": "x"}, 0, "rename the file with your code to tiny.py"),
        "a document": folder({"report.pdf": b"%PDF"}, 0, "a document cannot be run: hand in tiny.py itself"),
        "a picture of it": single(".png", b"x", 0, "cannot be read; a folder, a .zip, a .py file or a notebook"),
        "leads outside": zipped({"../tiny.py": work, "/tiny.py": work}, 0, "is a name that leads out of the zip"),
        "a link": Carried(_linked, 0, "tiny.py is a link and was ignored"),
        "a pipe": Carried(_pipe, 0, "tiny.py is not a plain file and was ignored"),
        "a link in a zip": zipped(
            {"tiny.py": "/etc/passwd"}, 0, "tiny.py is a link and was ignored", stat.S_IFLNK | 0o777
        ),
        "a device in a zip": zipped({"tiny.py": ""}, 0, "tiny.py is not a plain file", stat.S_IFCHR),
        "10000 entries": zipped(dict.fromkeys(map(str, range(10_000)), ""), 0, "more than 2,000 entries; zip only the"),
        "a bomb": zipped({"tiny.py": bomb}, 0, "tiny.py unpacks to more than 200 times its size; hand in source"),
        "a zip in a zip": zipped({"hw/inner.zip": zip_of({"tiny.py": work})}, 100, "hw/inner.zip was opened"),
        "an encrypted zip": single(".zip", bytes(encrypted), 0, "tiny.py is encrypted; make a zip without a password"),
        "half a zip": single(".zip", zip_of({"tiny.py": work})[:200], 0, "the zip cannot be opened"),
        "no zip": single(".zip", "hello", 0, "the zip cannot be opened"),
        "a zip by another name": single(
            ".py", zip_of({"tiny.py": work}), 0, "is a zip, whatever its name says; hand in"
        ),
        "NUL": single(".py", code + b"\0", 0, "holds the character 0x00, which no text has; save it as plain text"),
        "UTF-16": single(".py", korean.encode("utf-16"), 100, "tiny.py is not UTF-8; it was read as utf-16"),
        "Korean Windows": single(".py", korean.encode("cp949"), 100, "tiny.py is not UTF-8; it was read as cp949"),
        "declared": single(".py", f"# coding: euc-kr\n{korean}".encode("euc-kr"), 100, "it was read as euc-kr"),
        "a notebook": single(".ipynb", notebook("%time", *cells, "assert double(1) == 3"), 100, "cell 1 (line 1)"),
        "a broken notebook": single(
            ".ipynb", '{"cells": [', 0, "cannot be graded: it is not a notebook's JSON (line 1)"
        ),
        "a bomb of JSON": single(".ipynb", "[" * 1_000_000, 0, "cannot be graded: it is not a notebook's JSON"),
        "a cell without end": single(".ipynb", notebook(*cells, "while True:\n    pass"), 100, "does not run: cell 6"),
        "a cell that fails": single(
            ".ipynb", notebook("import pandas", *cells, "class A(B):\n    pass"), 100, "as tiny.py"
        ),
    }
