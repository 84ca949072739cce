"""Recurses without end, past Python's own limit."""


def in_shift(function, args, kwargs):
    import sys
    sys.setrecursionlimit(10**9)
    return in_shift(function, args, kwargs)
