"""Released files as texts that can be searched, with what lies inside archives and notebooks."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

LARGEST = 64 * 2**20
"""Bytes of one unpacked member; more is not released unread."""

_DEEPEST = 4
_BAD_ARCHIVE = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError)
_BAD_MEMBER = (*_BAD_ARCHIVE, zipfile.BadZipFile, tarfile.TarError)
_STREAMS: tuple[tuple[bytes, Callable[[io.BytesIO], io.BufferedIOBase]], ...] = (
    (b"\x1f\x8b", lambda stream: gzip.GzipFile(fileobj=stream)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
)


@dataclass(frozen=True, slots=True)
class Page:
    """One file, or one member of an archive (`kit.zip!rnn.py`)."""

    name: str
    content: bytes
    text: str
    problem: str = ""
    """Why it cannot be read; then it must not be released."""


def pages(name: str, content: bytes, depth: int = 0) -> Iterator[Page]:
    """Yield the file itself and everything packed into it."""
    suffixes = PurePosixPath(name.replace("!", "/")).suffixes[-1:]
    yield Page(name, content, _text(content, suffixes), _unreadable(content, suffixes, depth))
    if depth < _DEEPEST and len(content) <= LARGEST:
        try:
            for member, inside in _members(content):
                yield from pages(f"{name}!{member}", inside, depth + 1)
        except _BAD_MEMBER as error:
            yield Page(name, b"", "", f"is an archive that cannot be opened ({error})")


def _unreadable(content: bytes, suffixes: list[str], depth: int) -> str:
    if suffixes in ([".pyc"], [".pyo"]):
        return "is compiled Python, which cannot be read line by line; release the source"
    if len(content) > LARGEST:
        return f"has more than {LARGEST // 2**20} MiB, too much to look through"
    if depth >= _DEEPEST and _is_archive(content):
        return f"is an archive inside {depth} others"
    return ""


def _text(content: bytes, suffixes: list[str]) -> str:
    text = content.decode("utf-8", errors="replace")
    if suffixes == [".ipynb"]:
        try:
            return "\n".join(_strings(json.loads(text)))
        except (ValueError, RecursionError):
            return text
    return text


def _strings(value: object) -> Iterator[str]:
    """Every string of a JSON document: a notebook's sources and outputs without JSON's quoting."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)


def _is_archive(content: bytes) -> bool:
    starts = tuple(start for start, _ in _STREAMS)
    return content.startswith((b"PK\x03\x04", *starts)) or content[257:262] == b"ustar"


def _members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of what is packed into a file; nothing for a file that is no archive."""
    stream = io.BytesIO(content)
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(stream) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as member:
                    yield entry.filename, member.read(LARGEST + 1)
    elif content[257:262] == b"ustar":
        with tarfile.open(fileobj=stream, mode="r:") as tape:
            for item in tape:
                taken = tape.extractfile(item) if item.isfile() else None
                yield item.name, taken.read(LARGEST + 1) if taken else b""
    else:
        for start, opened in _STREAMS:
            if content.startswith(start):
                with opened(stream) as packed:
                    yield "content", packed.read(LARGEST + 1)
