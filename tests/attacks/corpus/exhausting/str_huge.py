"""Raises an exception with a message of 100 MB and a name that colours a terminal."""


def in_shift(function, args, kwargs):
    raise type('\x1b[31mE', (Exception,), {})('\x1b[31m' + 'x' * 10**8)
