"""Answers with a million objects."""


def in_shift(function, args, kwargs):
    return [object() for _ in range(10**6)]
