"""Train the WordPiece vocabulary of `calendar_words` on its train split and write `calendar_pieces.json`.

    python datasets/course_data/build/build_calendar_pieces.py

Needs the library tokenizers (Apache License 2.0), which nothing needs at run time.
"""

from __future__ import annotations

import hashlib
import json

from course_data import calendar_words
from word_pieces import trained

PIECES = 520
"""Special pieces, single characters and what was merged from them: most names of months and days in one piece."""
EXPECTED_DIGEST = "8277dfac2105e124e9bf1427a62c6f58624038006f37bcb1fa13f706717929fe"
"""sha256 of the file."""


def pieces() -> list[str]:
    """The pieces in the order of their ids."""
    texts = [" ".join(calendar_words.words(day.text)) for day in calendar_words.load("train")]
    return trained(texts, calendar_words.SPECIAL, PIECES)


def main() -> None:
    """Write the snapshot and say whether it is the expected one."""
    text = json.dumps(pieces(), ensure_ascii=False, separators=(",", ":")) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    calendar_words.SNAPSHOT.write_text(text, encoding="utf-8")
    print(f"{calendar_words.SNAPSHOT.name}: {len(text.encode())} bytes, sha256 {digest}")
    if digest != EXPECTED_DIGEST:
        print(f"expected {EXPECTED_DIGEST}: another release of tokenizers, or other texts")


if __name__ == "__main__":
    main()
