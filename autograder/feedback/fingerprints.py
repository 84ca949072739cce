"""Fingerprints of a student's code, by winnowing (Schleimer, Wilkerson, Aiken 2003); runs in a limited child.

`python -m autograder.feedback.fingerprints`, started by limited.Helper. Comments, strings and layout are left out and
names are made alike, so that renaming changes nothing. What goes back are numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Name, Number, Punctuation, String, Text, _TokenType

from autograder.limited import serve

LENGTH, WINDOW = 16, 8
"""Tokens of a passage, and passages of which one is kept: what is LENGTH + WINDOW - 1 tokens long is always found."""
MOST_TOKENS = 40_000
_KEPT_NAMES = (Name.Builtin, Name.Decorator)


def work(task: Any) -> list[int]:
    """For `{"files": {name: text}}`: the fingerprints of all files together, each once."""
    return sorted({print_ for _, text in sorted(task["files"].items()) for print_ in winnowed(tokens(text))})


def tokens(text: str) -> list[str]:
    """The code as words, names alike, without what does not run."""
    found: list[str] = []
    for kind, piece in PythonLexer().get_tokens(text):
        if word := _word(kind, piece):
            found.append(word)
            if len(found) >= MOST_TOKENS:
                break
    return found


def _word(kind: _TokenType, piece: str) -> str:
    if kind in Comment or kind in Text or kind in String or not piece.strip():
        return ""
    if kind in Name and not any(kind in kept for kept in _KEPT_NAMES):
        return "n"
    if kind in Number:
        return "0"
    if kind in Punctuation and piece in ",:":
        return ""
    return piece


def winnowed(words: Sequence[str]) -> Iterator[int]:
    """The smallest hash of every WINDOW neighbouring passages."""
    hashes = [_hash(words[at : at + LENGTH]) for at in range(max(0, len(words) - LENGTH + 1))]
    for at in range(max(0, len(hashes) - WINDOW + 1)):
        yield min(hashes[at : at + WINDOW])


def _hash(words: Sequence[str]) -> int:
    digest = hashlib.blake2b(" ".join(words).encode("utf-8", "backslashreplace"), digest_size=6).digest()
    return int.from_bytes(digest, "big")


if __name__ == "__main__":
    PythonLexer()  # reads its own rules, which would cost every fork 23 ms
    serve(work)
