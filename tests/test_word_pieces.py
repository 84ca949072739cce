"""What a BERT reads: days in eleven languages and the reference manual, in word pieces."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from course_data import calendar_words, manual

BUILD = Path(manual.__file__).parent / "build"
BOTH = pytest.mark.parametrize("module", [calendar_words, manual], ids=["days", "manual"])


def recorded(script: str, name: str) -> object:
    """The literal that a build script records under `name`, read without importing what the script needs."""
    for node in ast.parse((BUILD / script).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


def test_snapshots_are_those_that_the_build_scripts_record() -> None:
    """Digest of the pieces of days; digest and counts of the manual."""
    days = hashlib.sha256(calendar_words.SNAPSHOT.read_bytes()).hexdigest()
    assert days == recorded("build_calendar_pieces.py", "EXPECTED_DIGEST")
    inside = gzip.decompress(manual.SNAPSHOT.read_bytes())
    assert hashlib.sha256(inside).hexdigest() == recorded("build_manual.py", "EXPECTED_DIGEST")
    documents = [*manual.documents("train"), *manual.documents("test")]
    found = {
        "documents": len(documents),
        "sentences": sum(map(len, documents)),
        "pieces": len(json.loads(inside)["pieces"]),
    }
    assert found == recorded("build_manual.py", "EXPECTED")


@BOTH
def test_special_pieces_come_first_and_no_piece_comes_twice(module: ModuleType) -> None:
    """The ids of the assignment: PAD 0 to MASK 4, pieces of words from 5 on, without a gap; nobody can change them."""
    vocabulary: Mapping[str, int] = module.vocabulary()
    assert list(vocabulary)[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert list(vocabulary.values()) == list(range(len(vocabulary)))
    assert any(piece.startswith("##") for piece in vocabulary)
    with pytest.raises(TypeError):
        vocabulary["[PAD]"] = 7  # type: ignore[index]


@BOTH
def test_what_is_read_consists_of_pieces(module: ModuleType) -> None:
    """Every letter of the training texts is a piece, at the start of a word and inside one where it stands there."""
    texts = [day.text for day in calendar_words.load("train")]
    if module is manual:
        texts = [sentence for document in manual.documents("train") for sentence in document]
    words = {word for text in texts for word in module.words(text)}
    assert {word[0] for word in words} <= set(module.vocabulary())
    assert {f"##{letter}" for word in words for letter in word[1:]} <= set(module.vocabulary())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("15. februar", ["15", ".", "februar"]),
        ("2월 15일 금요일", ["2", "월", "15", "일", "금요일"]),
        ("c'est l'été", ["c", "'", "est", "l", "'", "été"]),
        ("", []),
    ],
)
def test_words_are_letters_numbers_or_signs(text: str, words: list[str]) -> None:
    """A number and the letters behind it are two words; a sign is a word."""
    assert calendar_words.words(text) == words
    assert manual.words("a for-loop: x_1") == ["a", "for", "-", "loop", ":", "x", "_", "1"]


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_days_have_no_year_and_every_piece_is_known(split: str) -> None:
    """As many days of each language; no text has four digits in a row; every text can be put together again."""
    days = calendar_words.load(split)
    assert np.ptp(np.bincount([day.language for day in days])) == 0
    assert {day.language for day in days} == set(range(len(calendar_words.LANGUAGES)))
    assert len(calendar_words.LANGUAGES) == len(calendar_words.LOCALES) == 11
    assert {day.month for day in days} == set(range(1, 13))
    pieces = list(calendar_words.vocabulary())
    for day in days:
        assert not any(len(word) > 2 and word.isdigit() for word in calendar_words.words(day.text)), day
        ids = calendar_words.encode(day.text)
        assert min(ids) >= 5
        assert len(ids) <= 12  # two of them and three special ids are a row of 32
        joined = "".join(pieces[number].removeprefix("##") for number in ids)
        assert joined == day.text.replace(" ", "")


def test_a_word_of_unknown_letters_is_one_unknown_piece() -> None:
    """However much of it could be split; its neighbours stay."""
    unknown = calendar_words.vocabulary()["[UNK]"]
    assert calendar_words.encode("marsж 15") == [unknown, calendar_words.vocabulary()["15"]]
    assert calendar_words.encode("") == []


def test_texts_name_their_language() -> None:
    """Hardly a day of one language is written as one of another, so that telling them apart can be learned."""
    languages: dict[str, set[int]] = {}
    for day in (*calendar_words.load("train"), *calendar_words.load("test")):
        languages.setdefault(day.text, set()).add(day.language)
    assert sum(len(found) > 1 for found in languages.values()) < 0.01 * len(languages)


def test_documents_are_runs_of_one_language() -> None:
    """Six days each, none twice, in an order that the generator decides."""
    days = calendar_words.load("valid")
    of_text = {tuple(calendar_words.encode(day.text)): day.language for day in days}
    documents = list(calendar_words.documents(days, np.random.default_rng(1)))
    assert len(documents) == 11 * (60 // 6)
    assert {len(document) for document in documents} == {6}
    twice = 0
    for document in documents:
        languages = {of_text[tuple(ids)] for ids in document}
        twice += len(languages) > 1
    assert twice <= 1  # a text that two languages share
    assert documents == list(calendar_words.documents(days, np.random.default_rng(1)))
    assert documents != list(calendar_words.documents(days, np.random.default_rng(2)))


def test_labelled_days_are_of_their_months_and_languages() -> None:
    """So many of each language and no more, shuffled, other ones for another seed."""
    days = calendar_words.load("train")
    chosen = calendar_words.labelled(days, np.random.default_rng(1), (1, 2), 4)
    assert np.bincount([label for _, label in chosen]).tolist() == [4] * 11
    assert [label for _, label in chosen] != sorted(label for _, label in chosen)
    fitting = {(tuple(calendar_words.encode(day.text)), day.language) for day in days if day.month in (1, 2)}
    assert {(tuple(ids), label) for ids, label in chosen} <= fitting
    assert chosen != calendar_words.labelled(days, np.random.default_rng(2), (1, 2), 4)
    every = calendar_words.labelled(days, np.random.default_rng(1), (1, 2), 10**6)
    assert len(every) == sum(day.month in (1, 2) for day in days)


def test_no_sentence_of_the_manual_stands_in_two_documents() -> None:
    """Else a random sentence of another document could be the next one after all, or a tested one have been read."""
    documents = [*manual.documents("train"), *manual.documents("test")]
    sentences = [sentence for document in documents for sentence in document]
    assert len(sentences) == len(set(sentences))
    assert min(map(len, documents)) >= 2
    assert all(sentence.isascii() and sentence == sentence.lower() and sentence.endswith(".") for sentence in sentences)
    assert len(manual.documents("train")) > 2 * len(manual.documents("test")) > 20
