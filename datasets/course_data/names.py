"""Surnames of twelve languages: lower case, without accents, from the snapshot `surnames.json.gz`.

A name stands in one language only. `build/build_names.py` made the snapshot from Faker (MIT licence).
Used by a1 (a character language model) and a2 (which language is it?).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

SNAPSHOT = Path(__file__).resolve().parent / "surnames.json.gz"
LANGUAGES = ("english", "french", "german", "italian", "spanish", "polish", "finnish", "irish")
"""The eight that the assignments use, in the order of their class ids."""
MORE_LANGUAGES = ("dutch", "croatian", "slovak", "swedish")

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Characters and their ids; the first three ids are no characters."""

    characters: str = " '-abcdefghijklmnopqrstuvwxyz"

    PAD = 0
    """Fills short rows; never a target."""
    START = 1
    """Stands before a name."""
    END = 2
    """Stands after a name."""

    def __len__(self) -> int:
        """How many ids there are."""
        return 3 + len(self.characters)

    def encode(self, name: str) -> list[int]:
        """The ids of a name's characters; ValueError for a character that is not in the vocabulary."""
        return [3 + self.characters.index(character) for character in name]

    def decode(self, ids: Iterable[int]) -> str:
        """The name that the ids spell, up to the first END; PAD and START are left out."""
        letters = []
        for number in ids:
            if number == self.END:
                break
            if number > self.END:
                letters.append(self.characters[number - 3])
        return "".join(letters)


VOCABULARY = Vocabulary()


@cache
def load() -> Mapping[str, tuple[str, ...]]:
    """All names by language, each list sorted."""
    lists = json.loads(gzip.decompress(SNAPSHOT.read_bytes()))
    return MappingProxyType({language: tuple(names) for language, names in lists.items()})


def labelled(
    rng: np.random.Generator, languages: Sequence[str] = LANGUAGES, per_language: int = 400
) -> list[tuple[str, int]]:
    """Shuffled pairs (name, index of its language), at most `per_language` of each language."""
    chosen: list[tuple[str, int]] = []
    for label, language in enumerate(languages):
        names = load()[language]
        chosen += [(names[i], label) for i in rng.permutation(len(names))[:per_language]]
    return [chosen[i] for i in rng.permutation(len(chosen))]


def padded(rows: Sequence[Sequence[int]], value: int = Vocabulary.PAD) -> Ids:
    """The rows as one array (rows, longest row), filled up on the right with `value`."""
    array = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for line, row in zip(array, rows, strict=True):
        line[: len(row)] = row
    return array


def next_character(names: Sequence[str], vocabulary: Vocabulary = VOCABULARY) -> tuple[Ids, Ids]:
    """Inputs START c1 .. cn and targets c1 .. cn END, both (names, longest + 1), padded with PAD."""
    spelled = [vocabulary.encode(name) for name in names]
    inputs = padded([[vocabulary.START, *ids] for ids in spelled])
    return inputs, padded([[*ids, vocabulary.END] for ids in spelled])


def next_character_batches(
    names: Sequence[str], size: int, count: int, rng: np.random.Generator
) -> Iterator[tuple[Ids, Ids]]:
    """`count` batches of `next_character`, each of `size` names drawn without repetition."""
    inputs, targets = next_character(names)  # spelled once; a batch is as wide as its own longest name
    widths = np.array([len(name) + 1 for name in names])
    for _ in range(count):
        rows = rng.choice(len(names), size, replace=False)
        width = widths[rows].max()
        yield inputs[rows, :width], targets[rows, :width]
