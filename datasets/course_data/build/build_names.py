"""Build `surnames.json.gz` from Faker's name lists. Run by maintainers only: `python build/build_names.py`.

Source: Faker (https://github.com/joke2k/faker), MIT licence, Copyright (c) 2012 Daniele Faraglia.
Only the lists of surnames in its person providers are taken. Grading never imports Faker: its lists change with its
releases, and grades must not.

`EXPECTED` and `EXPECTED_DIGEST` record what Faker 40.54.0 gives. The script leaves the snapshot alone and ends with 1
where the result differs: a change of the data changes grades, so somebody has to decide on it.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
import re
import sys
import unicodedata
from collections import Counter
from pathlib import Path

LOCALES = {
    "english": ("en_GB",),
    "french": ("fr_FR",),
    "german": ("de_DE", "de_AT"),
    "italian": ("it_IT",),
    "spanish": ("es_ES",),
    "polish": ("pl_PL",),
    "finnish": ("fi_FI",),
    "irish": ("ga_IE",),
    "dutch": ("nl_NL",),
    "croatian": ("hr_HR",),
    "slovak": ("sk_SK",),
    "swedish": ("sv_SE",),
}
EXPECTED = {
    "english": 457,
    "french": 326,
    "german": 1167,
    "italian": 1149,
    "spanish": 968,
    "polish": 3726,
    "finnish": 371,
    "irish": 2117,
    "dutch": 961,
    "croatian": 768,
    "slovak": 1419,
    "swedish": 448,
}
EXPECTED_DIGEST = "3d3894bdf8a610435f9cb2053a8bc31e9467225b49c1481d3785171ee830a488"

ATTRIBUTE = re.compile(r"last_names?|.*_last_names|last_names_.*")
LETTERS_WITHOUT_DECOMPOSITION = str.maketrans(
    {"ß": "ss", "ł": "l", "Ł": "l", "ø": "o", "Ø": "o", "æ": "ae", "Æ": "ae", "đ": "d", "Đ": "d", "ı": "i", "’": "'"}
)
ALLOWED = re.compile(r"[a-z][a-z' -]{1,13}")
OUT = Path(__file__).resolve().parent.parent / "surnames.json.gz"


def plain(name: str) -> str:
    """The name in lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", name.translate(LETTERS_WITHOUT_DECOMPOSITION))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).lower().strip()


def surnames(locale: str) -> set[str]:
    """All surnames of one Faker locale that fit the alphabet and have 2 to 14 characters."""
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
    lists = (getattr(provider, key) for key in dir(provider) if ATTRIBUTE.fullmatch(key))
    names = {plain(str(name)) for values in lists if not callable(values) for name in values}
    return {name for name in names if ALLOWED.fullmatch(name)}


def without_shared(lists: dict[str, set[str]]) -> dict[str, list[str]]:
    """The lists, sorted, without the names that two languages share: their label would be a coin toss."""
    seen = Counter(name for names in lists.values() for name in names)
    return {language: sorted(name for name in names if seen[name] == 1) for language, names in lists.items()}


def main() -> int:
    """Write the snapshot; 1, and nothing written, where it is not the expected one."""
    lists = without_shared({language: set().union(*map(surnames, at)) for language, at in LOCALES.items()})
    counts = {language: len(names) for language, names in lists.items()}
    text = json.dumps(lists, separators=(",", ":")).encode("ascii")
    digest = hashlib.sha256(text).hexdigest()
    print(counts, sum(counts.values()), digest)
    if counts != EXPECTED or digest != EXPECTED_DIGEST:
        return 1
    OUT.write_bytes(gzip.compress(text, mtime=0))  # no time stamp: the same bytes on every run
    return 0


if __name__ == "__main__":
    sys.exit(main())
