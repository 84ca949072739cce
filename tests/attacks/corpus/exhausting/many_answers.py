"""Answers with a million empty lists."""


def in_shift(function, args, kwargs):
    return [[] for _ in range(10**6)]
