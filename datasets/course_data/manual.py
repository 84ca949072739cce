"""Sentences of the reference manual of Python, by document: real text for BERT's two tasks.

`build/build_manual.py` made the snapshot `manual.json.gz` from `pydoc_data.topics`, what `help("FOR")` shows (Python
Software Foundation License V2). A document is a topic of the manual, its sentences in their order, without code and
tables; no sentence stands in two documents. The pieces of its vocabulary were trained on the train split with the
library tokenizers; they are only read here. Used by the experiments of a6; nothing is graded on it.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

SNAPSHOT = Path(__file__).resolve().parent / "manual.json.gz"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""The first pieces of the vocabulary, in the order of their ids."""

Split = Literal["train", "test"]

_WORD = re.compile(r"\d+|[^\W\d_]+|[^\w\s]|_")


def words(text: str) -> list[str]:
    """A text's words, numbers and signs: `a for-loop.` -> `a`, `for`, `-`, `loop`, `.`."""
    return _WORD.findall(text)


@cache
def _snapshot() -> Mapping[str, Any]:
    return MappingProxyType(json.loads(gzip.decompress(SNAPSHOT.read_bytes())))


def documents(split: Split = "train") -> tuple[tuple[str, ...], ...]:
    """The documents of one split, each a row of at least two sentences in lower case; always in the same order."""
    return tuple(tuple(sentences) for sentences in _snapshot()[split].values())


@cache
def vocabulary() -> Mapping[str, int]:
    """Every piece and its id; pieces that go on inside a word begin with ##, the first five are special."""
    return MappingProxyType({piece: number for number, piece in enumerate(_snapshot()["pieces"])})
