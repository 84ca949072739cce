"""Tables that spreadsheets and an LMS wrote, as CSV."""

from __future__ import annotations


def delimiter_of(text: str) -> str:
    """What stands between the cells: a comma, or what spreadsheets of other countries write."""
    return max(",;\t", key=text.partition("\n")[0].count)
