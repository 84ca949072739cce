"""Build `dates.json.gz` from the CLDR through Babel. Run by maintainers only: `python build/build_dates.py`.

Source: Unicode CLDR, Unicode License V3, as Babel (https://babel.pocoo.org/, BSD-3-Clause) carries it. Grading never
imports Babel: the CLDR changes with its releases, and grades must not.

Which dates are taken, and into which split each goes, is decided by SHA-256, so no random generator has a say in it.
`EXPECTED_DIGEST` records what Babel 2.18.0 gives. The script leaves the snapshot alone and ends with 1 where the result
differs: a change of the data changes grades, so somebody has to decide on it.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from babel.dates import format_date, format_skeleton

LOCALES = (
    "en_US", "en_GB", "ko_KR", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_BR", "nl_NL", "sv_SE", "pl_PL", "tr_TR",
)  # fmt: skip
FORMS = ("full", "long", "medium", "day")
"""CLDR's names; `short` is left out, since 3/7/19 means two dates. `day` is the skeleton MMMMd: no year."""
FIRST, LAST = dt.date(1950, 1, 1), dt.date(2049, 12, 31)
LEAP_YEAR = 2000
SIZES = {"train": 400, "valid": 60, "test": 100}
"""Of each locale and form; all 366 days of the form `day`."""
SPLITS = ("test", "valid", *["train"] * 8)
SPACES = str.maketrans("\u202f\u00a0", "  ")
EXPECTED_DIGEST = "d3d86469c54504c968ec58180989cdf8ab3817a363801c42f4649e8baac131fe"
OUT = Path(__file__).resolve().parent.parent / "dates.json.gz"


def number(*words: str) -> int:
    """A number that the words decide."""
    return int.from_bytes(hashlib.sha256("/".join(words).encode()).digest()[:8])


def split_of(target: str) -> str:
    """The split of a date, the same in all locales: nothing that is tested was seen in another language."""
    return SPLITS[number("split", target) % len(SPLITS)]


def text(date: dt.date, locale: str, form: str) -> str:
    """The date in the words of a language, in lower case, with ordinary spaces."""
    words = format_skeleton("MMMMd", date, locale=locale) if form == "day" else format_date(date, form, locale)
    return words.translate(SPACES).lower()


def target(date: dt.date, form: str) -> str:
    """The date as ISO 8601 writes it; month and day where there is no year."""
    return date.isoformat()[5:] if form == "day" else date.isoformat()


def dates(form: str) -> Sequence[dt.date]:
    """All dates that this form may show."""
    first, last = (dt.date(LEAP_YEAR, 1, 1), dt.date(LEAP_YEAR, 12, 31)) if form == "day" else (FIRST, LAST)
    return [first + dt.timedelta(days) for days in range((last - first).days + 1)]


def chosen(all_dates: Iterable[dt.date], locale: str, form: str) -> dict[str, list[list[str]]]:
    """Pairs [text, target] by split, each in the order of the dates."""
    order = sorted(all_dates, key=lambda date: number(locale, form, target(date, form)))
    by_split: dict[str, list[dt.date]] = {split: [] for split in SIZES}
    for date in order:
        found = by_split[split_of(target(date, form))]
        if form == "day" or len(found) < SIZES[split_of(target(date, form))]:
            found.append(date)
    return {
        split: [[text(date, locale, form), target(date, form)] for date in sorted(found)]
        for split, found in by_split.items()
    }


def main() -> int:
    """Write the snapshot; 1, and nothing written, where it is not the expected one."""
    by_form = {form: dates(form) for form in FORMS}
    snapshot = {locale: {form: chosen(by_form[form], locale, form) for form in FORMS} for locale in LOCALES}
    counts = Counter(
        split for forms in snapshot.values() for splits in forms.values() for split in splits for _ in splits[split]
    )
    raw = json.dumps(snapshot, separators=(",", ":"), ensure_ascii=False).encode()
    packed = gzip.compress(raw, compresslevel=9, mtime=0)  # no time stamp: the same bytes on every run
    digest = hashlib.sha256(raw).hexdigest()
    print(dict(counts), len(packed), digest)
    if digest != EXPECTED_DIGEST:
        return 1
    OUT.write_bytes(packed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
