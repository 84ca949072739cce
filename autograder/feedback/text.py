"""Text that students made, as something that can only be read: nothing hidden in it, nothing endless."""

from __future__ import annotations

import re
import unicodedata

MOST_MARKS = 4
"""Accents on one letter; more climb over the lines above."""

_JOINT = re.compile(r"(?<=_)(?=\w)|(?<=\.)(?=[A-Za-z])|(?<=[a-z0-9])(?=[A-Z])")
_TICKED = re.compile(r"`([^`\n]+)`")


def visible(text: str) -> str:
    """`text` with all that would not be seen spelled out as Python does: controls, turns of direction, odd blanks.

    Line ends and tabs stay.
    """
    if text.isprintable():
        return _without_towers(text)
    return _without_towers("".join(c if c.isprintable() or c in "\n\t" else _spelled(c) for c in text))


def clipped(text: str, most: int) -> str:
    """The first `most` characters of `text`, made visible; where that is not all, it says how long it was."""
    shown = visible(text[:most])
    if len(text) <= most and len(shown) <= 2 * most:
        return shown
    return f"{shown[: 2 * most]}… (cut: {len(text):,} characters)"


def joints(text: str) -> tuple[str, ...]:
    """`text` in pieces between which a name may go on in the next line: `Attn`, `Decoder.`, `step`."""
    return tuple(_JOINT.split(text))


def ticked(text: str) -> tuple[tuple[bool, str], ...]:
    """`text` in pieces, each with whether it stood between backticks: it is code."""
    return tuple((bool(n % 2), piece) for n, piece in enumerate(_TICKED.split(text)) if piece)


def _spelled(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _without_towers(text: str) -> str:
    """`text` with the accents beyond MOST_MARKS on one letter spelled out."""
    if text.isascii():
        return text
    letters, marks = list[str](), 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in {"Mn", "Me"} else 0
        letters.append(_spelled(letter) if marks > MOST_MARKS else letter)
    return "".join(letters)
