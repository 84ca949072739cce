"""What a6 reads: days in eleven languages as word pieces, and the reference manual of Python as documents."""

from __future__ import annotations

import ast
import gzip
import hashlib
from pathlib import Path

import course_data
import numpy as np
import pytest
from course_data import calendar_words, manual

BUILD = Path(course_data.__file__).parent / "build"


def expected(script: str, name: str) -> object:
    """The literal that a build script records under `name`, read without importing tokenizers."""
    for node in ast.parse((BUILD / script).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


def test_snapshots_are_those_that_the_build_scripts_record() -> None:
    """Their digests, and how much there is."""
    days = hashlib.sha256(calendar_words.SNAPSHOT.read_bytes()).hexdigest()
    assert days == expected("build_calendar_pieces.py", "EXPECTED_DIGEST")
    text = gzip.decompress(manual.SNAPSHOT.read_bytes())
    assert hashlib.sha256(text).hexdigest() == expected("build_manual.py", "EXPECTED_DIGEST")
    every = [*manual.documents("train"), *manual.documents("test")]
    assert {
        "documents": len(every),
        "sentences": sum(map(len, every)),
        "pieces": len(manual.vocabulary()),
    } == expected("build_manual.py", "EXPECTED")


@pytest.mark.parametrize("vocabulary", [calendar_words.vocabulary(), manual.vocabulary()], ids=["days", "manual"])
def test_the_first_pieces_are_special(vocabulary: dict[str, int]) -> None:
    """Five ids that are no words, then pieces, each once."""
    assert list(vocabulary)[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert list(vocabulary.values()) == list(range(len(vocabulary)))


def test_no_sentence_stands_in_two_documents() -> None:
    """So none that was read is in a document that was not."""
    every = [text for split in ("train", "test") for document in manual.documents(split) for text in document]
    assert len(every) == len(set(every))
    assert min(len(document) for split in ("train", "test") for document in manual.documents(split)) >= 2
    assert all(text == text.lower() and text.endswith(".") for text in every)


def test_words_are_numbers_words_and_signs() -> None:
    """Nothing of a text is lost but its spaces."""
    assert manual.words("a for-loop, 2 times.") == ["a", "for", "-", "loop", ",", "2", "times", "."]
    for document in manual.documents("test"):
        for text in document:
            assert "".join(manual.words(text)) == "".join(text.split())


def test_days_are_spelled_without_unknown_words() -> None:
    """In all splits, and no day of the test split is in the train split."""
    splits = {split: calendar_words.load(split) for split in ("train", "valid", "test")}
    for days in splits.values():
        assert {day.language for day in days} == set(range(len(calendar_words.LANGUAGES)))
        for day in days[::7]:
            ids = calendar_words.encode(day.text)
            assert ids
            assert min(ids) >= len(calendar_words.SPECIAL)


def test_documents_have_one_language_and_labelled_days_their_months() -> None:
    """A document is six days of one language; few days are labelled, and never of another month."""
    days = calendar_words.load("test")
    written = {(tuple(calendar_words.encode(day.text)), day.language) for day in days}
    documents = list(calendar_words.documents(days, np.random.default_rng(1)))
    assert documents
    for document in documents:
        assert len(document) == 6
        languages = [{i for i in range(11) if (tuple(ids), i) in written} for ids in document]  # some share a spelling
        assert set.intersection(*languages)
    labelled = calendar_words.labelled(days, np.random.default_rng(1), (1, 2), 3)
    counts = np.bincount([label for _, label in labelled], minlength=11)
    assert counts.tolist() == [3] * 11
    winter = {(tuple(calendar_words.encode(day.text)), day.language) for day in days if day.month in (1, 2)}
    assert {(tuple(ids), label) for ids, label in labelled} <= winter
