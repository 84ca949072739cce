"""Raises what invalid arguments should raise, always (a lazy student)."""


def in_call(function, args, kwargs):
    raise ValueError("x and weight do not fit")
