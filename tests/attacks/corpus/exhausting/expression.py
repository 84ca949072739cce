"""Matches a regular expression that takes longer than the universe."""

import re


def in_shift(function, args, kwargs):
    return re.fullmatch("(a*)*b", "a" * 60)
