"""Dates in twelve locales, rows to reverse, and pairs of texts as batches."""

from __future__ import annotations

import ast
import datetime as dt
import gzip
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from course_data import dates, pairs, reversal

BUILD = Path(dates.__file__).parent / "build" / "build_dates.py"


def test_snapshot_is_the_one_that_the_build_script_records() -> None:
    """The digest of the dates is the one that build_dates.py expects, read without importing Babel."""
    recorded = [
        ast.literal_eval(node.value)
        for node in ast.parse(BUILD.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXPECTED_DIGEST"
    ]
    assert recorded == [hashlib.sha256(gzip.decompress(dates.SNAPSHOT.read_bytes())).hexdigest()]


def test_no_date_of_one_split_stands_in_another() -> None:
    """In no locale and no form."""
    train, valid, test = ({date.iso for date in dates.load(split)} for split in dates.SPLITS)
    assert not train & valid
    assert not train & test
    assert not valid & test


def test_every_locale_and_form_has_its_dates() -> None:
    """400, 60 and 100 of each form with a year; of the form without one all 366 days of a leap year."""
    for locale in dates.LOCALES:
        for form in dates.FORMS:
            sizes = tuple(len(dates.load(split, [locale], [form])) for split in dates.SPLITS)
            assert sizes == ((302, 34, 30) if form == "day" else (400, 60, 100))


@pytest.mark.parametrize("split", dates.SPLITS)
def test_targets_are_the_dates_that_the_texts_name(split: str) -> None:
    """Where a text spells the date in digits it can be read without a list of months; every target is a date."""
    for date in dates.load(split):
        year, month, day = (int(part) for part in ("2000-" * (date.form == "day") + date.iso).split("-"))
        dt.date(year, month, day)
        assert date.text == date.text.lower()
        numbers = [int(number) for number in re.findall(r"\d+", date.text)]
        if date.form != "day":
            assert year in numbers
        assert day in numbers
        if date.locale == "ko_KR":
            assert numbers == ([month, day] if date.form == "day" else [year, month, day])


def test_no_text_names_two_dates() -> None:
    """A text has one target in all locales together, so that a model can be right."""
    targets: dict[str, set[str]] = {}
    for split in dates.SPLITS:
        for date in dates.load(split):
            targets.setdefault(date.text, set()).add(date.iso)
    assert all(len(found) == 1 for found in targets.values())


def test_characters_are_those_of_the_texts() -> None:
    """In a stable order, and of the chosen locales and forms alone."""
    every = dates.characters()
    assert list(every) == sorted(set(every))
    assert {"년", "ş", "é"} <= set(every)
    assert "년" not in dates.characters(["de_DE"])
    assert set("".join(date.iso for date in dates.load("train"))) == set(dates.ISO_CHARACTERS)


@pytest.mark.parametrize(
    ("split", "locales", "forms"),
    [("dev", ["ko_KR"], ["day"]), ("train", ["ko"], ["day"]), ("train", ["ko_KR"], ["short"])],
)
def test_unknown_names_are_refused(split: str, locales: list[str], forms: list[str]) -> None:
    """A split, locale or form that is not there is a ValueError that lists what is."""
    with pytest.raises(ValueError, match="is not among"):
        dates.load(split, locales, forms)


def test_pairs_become_padded_batches() -> None:
    """Sources with their lengths, targets between SOS and EOS, UNK for strangers; decoding goes back."""
    source, target = pairs.Vocabulary.of(["ab", "ca"]), pairs.Vocabulary(("x", "y"))
    src, lengths, tgt = pairs.encoded([("abc", "y"), ("z", "xxy")], source, target)
    assert src.tolist() == [[4, 5, 6], [3, 0, 0]]
    assert lengths.tolist() == [3, 1]
    assert tgt.tolist() == [[1, 5, 2, 0, 0], [1, 4, 4, 5, 2]]
    assert target.decode(tgt[1]) == ["x", "x", "y"]
    assert source.decode([4, 3, 0, 6]) == ["a", "?", "c"]


def test_batches_are_no_wider_than_they_have_to_be() -> None:
    """Rows are not repeated within a batch, and no column is nothing but padding."""
    whole = reversal.reversal(30, 1, 9, 5, np.random.default_rng(1))
    for src, lengths, tgt in pairs.batches(whole, 3, 5, np.random.default_rng(2)):
        assert src.shape == (3, lengths.max())
        assert tgt.shape == (3, lengths.max() + 2)


def test_reversal_is_the_source_backwards() -> None:
    """SOS, the row from its last symbol to its first, EOS; ids from 4 on."""
    src, lengths, tgt = reversal.reversal(20, 2, 5, 3, np.random.default_rng(1))
    for source, length, aim in zip(src.tolist(), lengths.tolist(), tgt.tolist(), strict=True):
        assert aim[: length + 2] == [pairs.SOS, *reversed(source[:length]), pairs.EOS]
        assert set(source[:length]) <= {4, 5, 6}
        assert not any(source[length:])
    with pytest.raises(ValueError, match="choose 1 <="):
        reversal.reversal(2, 0, 3, 5, np.random.default_rng(1))
