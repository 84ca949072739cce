"""Pairs of texts as padded arrays of ids: what every task from one sequence to another has in common.

Ids are those of assignment 3: 0 fills short rows, 1 stands before a target, 2 behind it, 3 is for what is not in the
vocabulary, and the tokens follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

PAD, SOS, EOS, UNK = 0, 1, 2, 3
FIRST = 4
"""The id of a vocabulary's first token."""

Ids = NDArray[np.int64]
Batch = tuple[Ids, Ids, Ids]
"""Sources (B, S), their lengths (B,), and targets (B, T): SOS y1 .. yn EOS; both padded with PAD."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens, characters or words, and their ids."""

    tokens: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {token: FIRST + index for index, token in enumerate(self.tokens)})

    @classmethod
    def of(cls, texts: Iterable[Sequence[str]]) -> Vocabulary:
        """The tokens of some texts, each once and sorted; a string is a text of characters."""
        return cls(tuple(sorted({token for text in texts for token in text})))

    def __len__(self) -> int:
        """How many ids there are, the special ones among them."""
        return FIRST + len(self.tokens)

    def encode(self, text: Sequence[str]) -> list[int]:
        """The ids of a text's tokens, UNK for one that is not in the vocabulary."""
        return [self._ids.get(token, UNK) for token in text]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The tokens of some ids up to the first EOS; PAD and SOS are left out, UNK is a question mark."""
        tokens = []
        for number in ids:
            if number == EOS:
                break
            if number >= UNK:
                tokens.append("?" if number == UNK else self.tokens[number - FIRST])
        return tokens


def padded(rows: Sequence[Sequence[int]]) -> Ids:
    """The rows as one array (rows, longest row), filled up on the right with PAD."""
    array = np.full((len(rows), max(map(len, rows))), PAD, dtype=np.int64)
    for line, row in zip(array, rows, strict=True):
        line[: len(row)] = row
    return array


def encoded(pairs: Sequence[tuple[Sequence[str], Sequence[str]]], source: Vocabulary, target: Vocabulary) -> Batch:
    """All pairs (source text, target text) as one batch."""
    sources = [source.encode(text) for text, _ in pairs]
    targets = [[SOS, *target.encode(text), EOS] for _, text in pairs]
    return padded(sources), np.array([len(row) for row in sources], dtype=np.int64), padded(targets)


def batches(whole: Batch, size: int, count: int, rng: np.random.Generator) -> Iterator[Batch]:
    """`count` batches of `size` pairs each, drawn from `whole` without repetition, no wider than they have to be."""
    src, lengths, tgt = whole
    for _ in range(count):
        rows = rng.choice(len(src), size, replace=False)
        width, steps = lengths[rows].max(), (tgt[rows] != PAD).sum(axis=1).max()
        yield src[rows, :width], lengths[rows], tgt[rows, :steps]
