"""Raises an exception whose message raises."""


def in_shift(function, args, kwargs):
    class E(Exception):
        def __str__(self):
            raise SystemExit
    raise E
