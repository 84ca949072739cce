"""Days in the words of eleven languages, as rows of word pieces: what a small BERT learns from.

"freitag, 15. februar", "2월 15일 금요일": the full dates of `dates` (Unicode CLDR) without the year. The vocabulary of
WordPiece, `calendar_pieces.json`, was trained on the train split by `build/build_calendar_pieces.py` with the library
tokenizers; it is only read here. A document is a run of days in one language. Used by a6.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from course_data import dates

SNAPSHOT = Path(__file__).resolve().parent / "calendar_pieces.json"
LOCALES = tuple(locale for locale in dates.LOCALES if locale != "en_GB")
"""One locale a language; the place of a locale is the id of its class."""
LANGUAGES = (
    "english", "korean", "german", "french", "spanish", "italian",
    "portuguese", "dutch", "swedish", "polish", "turkish",
)  # fmt: skip
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""The first pieces of the vocabulary, in the order of their ids."""

_YEAR = re.compile(r"(,| de)?\s*\b\d{4}년?\s*")
_WORD = re.compile(r"\d+|[^\W\d_]+|[^\w\s]")


class Day(NamedTuple):
    """One day in words."""

    text: str
    """Lower case, without a year."""
    month: int
    """1 to 12."""
    language: int
    """Index into LANGUAGES and LOCALES."""


@cache
def vocabulary() -> Mapping[str, int]:
    """Every piece and its id; pieces that go on inside a word begin with ##, the first five are special."""
    pieces = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    return MappingProxyType({piece: number for number, piece in enumerate(pieces)})


def words(text: str) -> list[str]:
    """A text's words, numbers and signs: `15. februar` -> `15`, `.`, `februar`; `15일` -> `15`, `일`."""
    return _WORD.findall(text)


@cache
def _opening(inside: bool) -> re.Pattern[str]:
    """What matches the longest piece at the start of a word, or inside one."""
    pieces = [piece for piece in vocabulary() if piece not in SPECIAL and piece.startswith("##") is inside]
    longest_first = sorted(pieces, key=len, reverse=True)
    return re.compile("|".join(re.escape(piece.removeprefix("##")) for piece in longest_first))


@cache
def _pieces(word: str) -> tuple[int, ...]:
    found, rest = list[int](), word
    while rest:
        hit = _opening(inside=bool(found)).match(rest)
        if hit is None:
            return (SPECIAL.index("[UNK]"),)
        found.append(vocabulary()["##" * bool(found) + hit.group()])
        rest = rest[hit.end() :]
    return tuple(found)


def encode(text: str) -> list[int]:
    """The ids of a text's word pieces, without [CLS] and [SEP]."""
    return [number for word in words(text) for number in _pieces(word)]


@cache
def load(split: str = "train") -> tuple[Day, ...]:
    """All days of a split ("train", "valid" or "test"), sorted by language; always in the same order."""
    return tuple(
        Day(_YEAR.sub(" ", date.text).strip(), int(date.iso[5:7]), number)
        for number, locale in enumerate(LOCALES)
        for date in dates.load(split, [locale], ["full"])
    )


def documents(days: Sequence[Day], rng: np.random.Generator, length: int = 6) -> Iterator[list[list[int]]]:
    """Documents of `length` days, each in one language, every day in one document at most; in random order."""
    order = rng.permutation(len(days)).tolist()
    sorted_days = sorted((days[i] for i in order), key=lambda day: day.language)
    runs = [sorted_days[start : start + length] for start in range(0, len(sorted_days), length)]
    runs = [run for run in runs if len(run) == length and run[0].language == run[-1].language]
    for place in rng.permutation(len(runs)).tolist():
        yield [encode(day.text) for day in runs[place]]


def labelled(
    days: Sequence[Day], rng: np.random.Generator, months: Sequence[int], per_language: int
) -> list[tuple[list[int], int]]:
    """Shuffled pairs (ids, class) of days in these months, at most `per_language` of each language."""
    chosen: list[tuple[list[int], int]] = []
    for language in range(len(LANGUAGES)):
        fitting = [day for day in days if day.language == language and day.month in months]
        chosen += [(encode(fitting[i].text), language) for i in rng.permutation(len(fitting))[:per_language].tolist()]
    return [chosen[i] for i in rng.permutation(len(chosen)).tolist()]
