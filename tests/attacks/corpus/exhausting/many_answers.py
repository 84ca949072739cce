"""Answers with 300,000 empty lists."""


def in_shift(function, args, kwargs):
    return [[] for _ in range(3 * 10**5)]
