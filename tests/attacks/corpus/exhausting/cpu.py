"""Computes without end (every grader)."""


def in_shift(function, args, kwargs):
    while True:
        pass
