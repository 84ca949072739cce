"""Dates in the words of twelve locales and as ISO 8601 writes them, from the snapshot `dates.json.gz`.

"freitag, 15. februar 2019" -> "2019-02-15". The form "day" has no year: "15. februar" -> "02-15". Texts are in lower
case. `build/build_dates.py` made the snapshot from the Unicode CLDR (Unicode License V3).
Used by a3 (short dates, which fit into a vector, and longer ones, which do not) and a4 (all of them, with attention).

Splits are by date and the same in every locale: no date of "valid" or "test" stands in "train", in whatever language;
for the form "day", no day of the year does.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

SNAPSHOT = Path(__file__).resolve().parent / "dates.json.gz"
LOCALES = (
    "en_US", "en_GB", "ko_KR", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_BR", "nl_NL", "sv_SE", "pl_PL", "tr_TR",
)  # fmt: skip
FORMS = ("full", "long", "medium", "day")
"""From "friday, february 15, 2019" to "february 15"; the names are those of the CLDR, but for "day"."""
SPLITS = ("train", "valid", "test")
"""Of each locale and form 400, 60 and 100 dates; of "day" 302, 34 and 30."""


class Date(NamedTuple):
    """One date."""

    text: str
    """In words, lower case."""
    iso: str
    """`2019-02-15`, or `02-15` for the form "day"."""
    locale: str
    form: str


@cache
def _snapshot() -> Mapping[str, Mapping[str, Mapping[str, list[list[str]]]]]:
    """Pairs [text, iso] by locale, form and split."""
    snapshot: Mapping[str, Mapping[str, Mapping[str, list[list[str]]]]]
    snapshot = json.loads(gzip.decompress(SNAPSHOT.read_bytes()))
    return snapshot


def load(split: str, locales: Sequence[str] = LOCALES, forms: Sequence[str] = FORMS) -> list[Date]:
    """All dates of a split in these locales and forms, always in the same order: locale, form, date.

    Raises ValueError for a name that is not among SPLITS, LOCALES or FORMS.
    """
    for names, known in (((split,), SPLITS), (locales, LOCALES), (forms, FORMS)):
        for name in names:
            if name not in known:
                raise ValueError(f"{name!r} is not among {', '.join(known)}")
    return [
        Date(text, iso, locale, form)
        for locale in locales
        for form in forms
        for text, iso in _snapshot()[locale][form][split]
    ]


def characters(locales: Sequence[str] = LOCALES, forms: Sequence[str] = FORMS) -> tuple[str, ...]:
    """Every character that the texts of these locales and forms have, in any split; sorted."""
    return tuple(sorted({letter for split in SPLITS for date in load(split, locales, forms) for letter in date.text}))


ISO_CHARACTERS = tuple("-0123456789")
"""Every character of a target."""
