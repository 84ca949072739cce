"""Names that students chose: student ids that may stand in a path, and file names that may stand on a terminal."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata

MAX_STUDENT = 64
MAX_SHOWN = 80


def shown(name: str, most: int = MAX_SHOWN) -> str:
    """`name` without anything that could move a cursor or turn text around, cut to `most` characters."""
    text = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in name)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def json_on_a_terminal(text: str) -> str:
    """The same JSON with everything spelled out in its strings that could move a cursor or turn text around."""
    return "".join(letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1] for letter in text)


def safe_student(name: str) -> tuple[str, str]:
    """An id that is safe in paths, tables and terminals, and why `name` itself is not; empty: they are the same.

    Letters of every script, digits and `._@+-` and spaces inside are fine. macOS writes letters with accents and
    Hangul in pieces; they are put together, so that one student is one id.
    """
    whole = unicodedata.normalize("NFC", name)
    safe = "".join(_escaped(letter, first=position == 0) for position, letter in enumerate(whole)) or "%"
    if safe[-1] in ". ":  # Windows drops these at the end of a name
        safe = f"{safe[:-1]}%{ord(safe[-1]):02X}"
    if len(safe) > MAX_STUDENT:
        safe = f"{safe[: MAX_STUDENT - 9]}%{hashlib.sha256(whole.encode(errors='surrogatepass')).hexdigest()[:8]}"
    if safe == whole:
        return safe, ""
    expected = f"at most {MAX_STUDENT} letters, digits and ._@+- with a letter or digit first"
    return safe, f"`{shown(name)}` cannot be a student id; expected {expected}; rename it and grade again"


def _escaped(letter: str, *, first: bool) -> str:
    if letter.isalnum() or (not first and letter in "._@+- "):
        return letter
    return f"%{ord(letter):02X}"


def student_id(words: str) -> str:
    """The nearest thing to `words` that is a student id as it stands: for what an LMS calls somebody."""
    safe, why = safe_student(words)
    return re.sub(r"%[0-9A-Fa-f]{2,8}", "-", safe).strip("-._@+ ") or "nobody" if why else safe
