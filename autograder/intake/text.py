"""Bytes that a student's editor wrote -> UTF-8 source text: other encodings are read as what they are, and said.

Python's grammar is ASCII: an encoding decides only about comments, texts and rare names. So a guess that keeps every
ASCII byte cannot change what a program does, and nobody loses points for the editor of their country.
"""

from __future__ import annotations

import codecs
import re

from autograder.errors import SubmissionError

_COOKIE = re.compile(rb"^([ \t\f]*#.*?coding[:=][ \t]*)([-\w.]+)", re.ASCII)
"""PEP 263, as Python reads it."""
_DECLARABLE = re.compile(
    r"ascii|us-ascii|latin|latin-?1|l1|(iso-?)?8859-\d\d?|iso-?8859-\d\d?|cp\d{3,4}|windows-\d{4}|euc-?(kr|jp)|johab|uhc|ks-?c-?5601"
    r"|(shift-?|s)jis|gbk|gb2312|gb18030|big5|koi8-[rtu]|mac-?roman"
)
"""What a file may declare: encodings that map bytes to letters one after the other, and no codec that computes."""
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_BINARY = (
    (b"PK\x03\x04", "a zip"),
    (b"%PDF", "a PDF"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"{\\rtf", "a document of a word processor"),
    (b"\xd0\xcf\x11\xe0", "a document of a word processor"),
)
_NUL = re.compile(r"\x00")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def source_text(name: str, content: bytes) -> tuple[bytes, str]:
    """The text of a Python file as UTF-8 without a mark, and a note where it was not UTF-8; empty: it was.

    Raises SubmissionError for an empty file and for one that is no text. Lines stay where they are.
    """
    if not content.strip():
        raise SubmissionError(f"{name} is empty; hand in the file with your code")
    if kind := next((kind for start, kind in _BINARY if content.startswith(start)), ""):
        raise SubmissionError(f"{name} is {kind}, whatever its name says; hand in the Python file itself")
    text, encoding = _decoded(content)
    if found := (_NUL if encoding == "utf-8" else _CONTROL).search(
        text
    ):  # Python takes all but NUL; a guess must be text
        line = text.count("\n", 0, found.start()) + 1
        seen = f"line {line} holds the character 0x{ord(found[0]):02x}, which no text has"
        raise SubmissionError(f"{name} is no text: {seen}; save it as plain text, encoding UTF-8, and hand in that")
    if not text.strip():
        raise SubmissionError(f"{name} is empty; hand in the file with your code")
    note = f"{name} is not UTF-8; it was read as {encoding}" if encoding != "utf-8" else ""
    return _with_true_cookie(text.encode("utf-8")), note


def _decoded(content: bytes) -> tuple[str, str]:
    """Text and encoding: what a mark says, UTF-8, what a comment says, Korean Windows (cp949); latin-1 reads the rest.

    cp949 fails on nearly all that is not Korean, and no byte of its letters means a quote, a bracket or a line's end.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            with_mark = content if encoding == "utf-16" else content[len(mark) :]
            if (text := _try(with_mark, encoding)) is not None:
                return text, encoding
    if wide := _wide(content):
        return wide
    for encoding in ("utf-8", *_declared(content), "cp949"):
        if (text := _try(content, encoding)) is not None:
            return text, encoding
    return content.decode("latin-1"), "latin-1"


def _wide(content: bytes) -> tuple[str, str] | None:
    """The text of UTF-16 without a mark: ASCII in it has a zero in every other byte."""
    half = len(content) // 2
    for encoding, zeros in (("utf-16-le", content[1::2]), ("utf-16-be", content[0::2])):
        if zeros.count(0) > 0.5 * half and (text := _try(content, encoding)) is not None and "\0" not in text:
            return text, encoding
    return None


def _try(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _declared(content: bytes) -> list[str]:
    """The encoding in a comment in one of the first two lines, where it is one of letters."""
    for line in content.split(b"\n", 2)[:2]:
        if found := _COOKIE.match(line):
            name = found[2].decode("ascii").lower().replace("_", "-")
            return [name] if _DECLARABLE.fullmatch(name) else []
    return []


def _with_true_cookie(content: bytes) -> bytes:
    """`content`, which is UTF-8 now, without a comment that says otherwise."""
    lines = content.split(b"\n", 2)
    for number, line in enumerate(lines[:2]):
        if _COOKIE.match(line):
            lines[number] = _COOKIE.sub(rb"\1utf-8", line)
            return b"\n".join(lines)
    return content
