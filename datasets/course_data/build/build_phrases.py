"""Build `phrases.json.gz` from Babel's copy of the CLDR. Run by maintainers only: `python build/build_phrases.py`.

Source: Unicode CLDR (https://cldr.unicode.org), Unicode License V3, as shipped by Babel (BSD-3-Clause). The phrases are
composed by Babel from CLDR's patterns and names, once with the English and once with the Korean locale. Grading never
imports Babel: CLDR's wording changes with its releases, and grades must not.

`EXPECTED` and `EXPECTED_DIGEST` record what Babel 2.18.0 gives. The script leaves the snapshot alone and ends with 1
where the result differs: a change of the data changes grades, so somebody has to decide on it.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from babel import Locale
from babel.dates import format_date, format_timedelta
from babel.lists import format_list
from babel.units import format_unit

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_data.phrases import joined, words

EXPECTED = {"train": 5400, "test": 1080}
EXPECTED_DIGEST = "dbc69b80d29958115e6938ec91afa37c0a2eacfd95bb67b1b1b08e117182a863"
TAKEN = {"date": 1800, "list": 1800, "time": 1080, "unit": 1800}
"""Pairs of each kind in both splits together."""
TEST_SHARE = 1 / 6
SEEN_AT_LEAST = 5
"""How often every word of the snapshot stands in the training pairs."""

EN, KO = Locale("en"), Locale("ko")
NUMBERS = range(2, 100)  # one of something would leave 30 singulars that hardly occur
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2592000, "year": 31536000}
UNITS = (
    "temperature-celsius", "temperature-fahrenheit", "speed-kilometer-per-hour", "speed-mile-per-hour",
    "speed-meter-per-second", "length-kilometer", "length-meter", "length-centimeter", "length-mile", "length-foot",
    "length-light-year", "length-nautical-mile", "mass-kilogram", "mass-gram", "mass-tonne", "mass-pound", "mass-carat",
    "volume-liter", "volume-cubic-meter", "volume-gallon", "volume-tablespoon", "volume-drop", "area-square-kilometer",
    "area-square-meter", "area-hectare", "power-kilowatt", "power-horsepower", "energy-kilowatt-hour",
    "digital-gigabyte", "consumption-mile-per-gallon",
)  # fmt: skip
COUNTRIES = (
    "AR", "AU", "AT", "BE", "BR", "CA", "CL", "CN", "DK", "EG", "FI", "FR", "DE", "GR", "HU", "IS", "IN", "ID", "IE",
    "IT", "JP", "KE", "MY", "MX", "MA", "NP", "NL", "NO", "PE", "PL", "PT", "SG", "ES", "SE", "CH", "TH", "TR", "VN",
)  # fmt: skip
FIRST_DAY, DAYS = date(2020, 1, 1), 3653
OUT = Path(__file__).resolve().parent.parent / "phrases.json.gz"

Pair = tuple[str, str]


def dates() -> Iterator[Pair]:
    """Every day of ten years in the full form: weekday, month, day and year change places."""
    for day in (FIRST_DAY + timedelta(days) for days in range(DAYS)):
        yield format_date(day, "full", locale=EN), format_date(day, "full", locale=KO)


def lists() -> Iterator[Pair]:
    """Two or three countries, with `and` or `or`."""
    styles: tuple[Literal["standard", "or"], ...] = ("standard", "or")
    for size, style in itertools.product((2, 3), styles):
        for codes in itertools.permutations(COUNTRIES, size):
            names = [[locale.territories[code] for code in codes] for locale in (EN, KO)]
            yield format_list(names[0], style, locale=EN), format_list(names[1], style, locale=KO)


def times() -> Iterator[Pair]:
    """2 to 99 seconds, minutes, ... years from now and ago."""
    for unit, number, sign in itertools.product(SECONDS, NUMBERS, (1, -1)):
        delta = timedelta(seconds=sign * number * SECONDS[unit])
        yield tuple(  # type: ignore[misc] # mypy cannot count the locales
            format_timedelta(delta, granularity=unit, threshold=10**9, add_direction=True, locale=locale)  # type: ignore[arg-type]
            for locale in (EN, KO)
        )


def units() -> Iterator[Pair]:
    """2 to 99 of a unit of measurement."""
    for unit, number in itertools.product(UNITS, NUMBERS):
        yield format_unit(number, unit, "long", locale=EN), format_unit(number, unit, "long", locale=KO)


def chosen() -> dict[str, list[list[str]]]:
    """Both splits, each a shuffled list of [kind, English, Korean]; no phrase of either language stands in both."""
    rng = random.Random(20261126)  # noqa: S311 - a fixed choice, not a secret
    kinds = {"date": dates, "list": lists, "time": times, "unit": units}
    splits: dict[str, list[list[str]]] = {"train": [], "test": []}
    for kind, make in kinds.items():
        pairs = rng.sample(sorted(set(make())), TAKEN[kind])
        test = round(TEST_SHARE * len(pairs))
        splits["test"] += [[kind, *pair] for pair in pairs[:test]]
        splits["train"] += [[kind, *pair] for pair in pairs[test:]]
    for rows in splits.values():
        rng.shuffle(rows)
    return splits


def check(splits: dict[str, list[list[str]]]) -> None:
    """Raise AssertionError unless the split is clean, every text comes back from its words, and no word is rare."""
    for column in (1, 2):
        train, test = ({row[column] for row in splits[name]} for name in ("train", "test"))
        assert not train & test, sorted(train & test)[:5]
        counts = Counter(word for text in train for word in words(text))
        used = {word for text in train | test for word in words(text)}
        assert not (rare := sorted(word for word in used if counts[word] < SEEN_AT_LEAST)), rare
        for text in train | test:
            assert joined(words(text)) == text, (text, joined(words(text)))


def main() -> int:
    """Write the snapshot; 1, and nothing written, where it is not the expected one."""
    splits = chosen()
    check(splits)
    counts = {name: len(rows) for name, rows in splits.items()}
    text = json.dumps(splits, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    digest = hashlib.sha256(text).hexdigest()
    print(counts, digest)
    if counts != EXPECTED or digest != EXPECTED_DIGEST:
        return 1
    OUT.write_bytes(gzip.compress(text, mtime=0))  # no time stamp: the same bytes on every run
    return 0


if __name__ == "__main__":
    sys.exit(main())
