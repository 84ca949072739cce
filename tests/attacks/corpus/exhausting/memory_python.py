"""Fills the memory with Python objects (nbgrader #874)."""


def in_shift(function, args, kwargs):
    kept = []
    while True:
        kept.append(bytearray(2**24))
