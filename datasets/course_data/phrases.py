"""Phrases in English and Korean: dates, countries, times and measurements, from the snapshot `phrases.json.gz`.

`build/build_phrases.py` made the snapshot from Unicode's CLDR (Unicode License V3) with Babel. Both languages are split
into words, numbers and punctuation. What stands in the test split stands in no training pair, in neither language, but
each of its words does, at least five times. Used by a5 (a Transformer translates) and a4 (an attention map).
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SNAPSHOT = Path(__file__).resolve().parent / "phrases.json.gz"
KINDS = ("date", "list", "time", "unit")

Ids = NDArray[np.int64]
Split = Literal["train", "test"]

_WORD = re.compile(r"\d+|[^\W\d_]+(?:[-'.][^\W\d_]+)*\.?|[^\w\s]")
"""A number, a word, or one sign."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrase in both languages."""

    kind: str
    """One of `KINDS`."""
    english: str
    korean: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one language and their ids; the first three ids are no words."""

    words: tuple[str, ...]
    """Sorted; the word at place i has the id 3 + i."""
    _ids: Mapping[str, int] = field(init=False, repr=False, compare=False)

    PAD = 0
    """Fills short rows; never a target."""
    START = 1
    """Stands before a sentence that is written."""
    END = 2
    """Stands after a sentence that is written."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {word: 3 + place for place, word in enumerate(self.words)})

    def __len__(self) -> int:
        """How many ids there are."""
        return 3 + len(self.words)

    def encode(self, text: str) -> list[int]:
        """The ids of a text's words; ValueError for a word that is not in the vocabulary."""
        try:
            return [self._ids[word] for word in words(text)]
        except KeyError as error:
            raise ValueError(f"the word {error} of {text!r} is not in the vocabulary") from None

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The words that the ids stand for, up to the first END; PAD and START are left out."""
        found = []
        for number in ids:
            if number == self.END:
                break
            if number > self.END:
                found.append(self.words[number - 3])
        return found


def words(text: str) -> list[str]:
    """A text's words, numbers and signs: `in 34 weeks`, `34주 후` -> `34`, `주`, `후`."""
    return _WORD.findall(text)


def joined(tokens: Sequence[str]) -> str:
    """The text that `words` splits into these tokens: no space before a comma or between a number and Hangul."""
    text = ""
    for before, word in zip(("", *tokens), tokens, strict=False):
        close = word == "," or (before.isdigit() and "가" <= word[0] <= "힣")
        text += word if close or not text else f" {word}"
    return text


@cache
def _snapshot() -> Mapping[str, tuple[Phrase, ...]]:
    splits = json.loads(gzip.decompress(SNAPSHOT.read_bytes()))
    return MappingProxyType({split: tuple(Phrase(*row) for row in rows) for split, rows in splits.items()})


def load(split: Split = "train") -> tuple[Phrase, ...]:
    """The phrases of one split, kinds mixed; always in the same order."""
    return _snapshot()[split]


@cache
def vocabularies() -> tuple[Vocabulary, Vocabulary]:
    """The vocabularies of English and Korean, over both splits."""
    every = [*load("train"), *load("test")]
    texts = ([phrase.english for phrase in every], [phrase.korean for phrase in every])
    english, korean = (Vocabulary(tuple(sorted({word for text in side for word in words(text)}))) for side in texts)
    return english, korean


def padded(rows: Sequence[Sequence[int]], value: int = Vocabulary.PAD) -> Ids:
    """The rows as one array (rows, longest row), filled up on the right with `value`."""
    array = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for line, row in zip(array, rows, strict=True):
        line[: len(row)] = row
    return array


def pairs(phrases: Sequence[Phrase]) -> tuple[Ids, Ids]:
    """Sources (rows, S): English words; targets (rows, T): START, Korean words, END; both padded with PAD."""
    english, korean = vocabularies()
    sources = [english.encode(phrase.english) for phrase in phrases]
    targets = [[korean.START, *korean.encode(phrase.korean), korean.END] for phrase in phrases]
    return padded(sources), padded(targets)


def batches(phrases: Sequence[Phrase], size: int, count: int, rng: np.random.Generator) -> Iterator[tuple[Ids, Ids]]:
    """`count` batches of `pairs`, each of `size` phrases drawn without repetition and as wide as its longest row."""
    sources, targets = pairs(phrases)  # spelled once
    for _ in range(count):
        rows = rng.choice(len(phrases), size, replace=False)
        yield _trimmed(sources[rows]), _trimmed(targets[rows])


def _trimmed(rows: Ids) -> Ids:
    return rows[:, : int((rows != Vocabulary.PAD).sum(axis=1).max())]
