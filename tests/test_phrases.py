"""English and Korean phrases: what the snapshot holds, that the split is clean, and that words become ids and back."""

from __future__ import annotations

import ast
import hashlib
import json
from collections import Counter
from dataclasses import astuple
from pathlib import Path

import course_data
import numpy as np
import pytest
from course_data import phrases

BUILD = Path(course_data.__file__).parent / "build" / "build_phrases.py"
TEXTS = ("english", "korean")


def expected(name: str) -> object:
    """The literal that the build script records under `name`, read without importing Babel."""
    for node in ast.parse(BUILD.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


def test_snapshot_is_the_one_that_the_build_script_records() -> None:
    """Counts and digest of the phrases are those that build_phrases.py expects."""
    splits = {split: [astuple(phrase) for phrase in phrases.load(split)] for split in ("train", "test")}
    assert {split: len(rows) for split, rows in splits.items()} == expected("EXPECTED")
    text = json.dumps(splits, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    assert hashlib.sha256(text).hexdigest() == expected("EXPECTED_DIGEST")


@pytest.mark.parametrize("language", TEXTS)
def test_no_test_phrase_stands_in_train_and_each_of_its_words_does(language: str) -> None:
    """The split is clean in both languages, and no word has to be translated that was never seen."""
    train, test = ([getattr(phrase, language) for phrase in phrases.load(split)] for split in ("train", "test"))
    assert not set(train) & set(test)
    counts = Counter(word for text in set(train) for word in phrases.words(text))
    assert min(counts[word] for text in test for word in phrases.words(text)) >= 5


def test_every_kind_is_in_both_splits() -> None:
    """Dates, lists, times and measurements, mixed."""
    for split in ("train", "test"):
        counts = Counter(phrase.kind for phrase in phrases.load(split))
        assert set(counts) == set(phrases.KINDS)
        assert {phrase.kind for phrase in phrases.load(split)[:40]} == set(phrases.KINDS)


@pytest.mark.parametrize("language", TEXTS)
def test_texts_come_back_from_their_words(language: str) -> None:
    """`joined` undoes `words`, for the whole snapshot."""
    for phrase in (*phrases.load("train"), *phrases.load("test")):
        text = getattr(phrase, language)
        assert phrases.joined(phrases.words(text)) == text


def test_words_are_numbers_words_and_signs() -> None:
    """Hangul behind a number is a word of its own."""
    assert phrases.words("Wednesday, June 18, 2025") == ["Wednesday", ",", "June", "18", ",", "2025"]
    assert phrases.words("2025년 6월 18일 수요일") == ["2025", "년", "6", "월", "18", "일", "수요일"]
    assert phrases.joined([]) == ""


def test_vocabulary_encodes_there_and_back() -> None:
    """`decode` undoes `encode`, leaves PAD and START out, and stops at END; an unknown word is a ValueError."""
    english, korean = phrases.vocabularies()
    ids = korean.encode("섭씨 34도")
    assert korean.decode([korean.START, *ids, korean.END, ids[0]]) == ["섭씨", "34", "도"]
    assert min(english.encode("in 34 weeks")) > english.END
    with pytest.raises(ValueError, match="'elephants' of 'in 34 elephants'"):
        english.encode("in 34 elephants")
    every = [*phrases.load("train"), *phrases.load("test")]
    assert max(max(english.encode(phrase.english)) for phrase in every) == len(english) - 1
    assert max(max(korean.encode(phrase.korean)) for phrase in every) == len(korean) - 1


def test_pairs_are_padded_sentences_and_targets_have_start_and_end() -> None:
    """Sources are the words alone; targets stand between START and END."""
    chosen = phrases.load("test")[:20]
    sources, targets = phrases.pairs(chosen)
    english, korean = phrases.vocabularies()
    for phrase, source, target in zip(chosen, sources.tolist(), targets.tolist(), strict=True):
        assert phrases.joined(english.decode(source)) == phrase.english
        assert phrases.joined(korean.decode(target)) == phrase.korean
        assert target[0] == korean.START
        assert target.count(korean.END) == 1
    assert (sources[:, -1] != phrases.Vocabulary.PAD).any()


def test_batches_are_as_wide_as_their_longest_row_and_follow_the_generator() -> None:
    """No column of nothing but padding; the same generator gives the same batches, and no batch repeats another."""
    train = phrases.load("train")
    first, again = (list(phrases.batches(train, 5, 4, np.random.default_rng(1))) for _ in range(2))
    for batch, same in zip(first, again, strict=True):
        for rows, others in zip(batch, same, strict=True):
            assert np.array_equal(rows, others)
            assert len(rows) == 5
            assert (rows[:, -1] != phrases.Vocabulary.PAD).any()
    assert not np.array_equal(first[0][0], first[1][0])
