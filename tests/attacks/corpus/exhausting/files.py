"""Fills disk, inodes and descriptors, and prints 100 MB (nbgrader #874, #1429); then answers rightly."""

import os
import tempfile


def fill():
    with open(os.path.join(tempfile.gettempdir(), "big"), "wb") as file:
        for _ in range(200):
            file.write(bytes(2**20))


def inodes():
    for number in range(10**4):
        open(os.path.join(tempfile.gettempdir(), f"f{number}"), "w").close()


def descriptors():
    kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(10**4)]
    return kept


def in_shift(function, args, kwargs):
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for what in (fill, inodes, descriptors):
        attempt(what.__name__, what)
    os.closerange(4, 256)
    for _ in range(100):
        os.write(1, b"x" * 2**20)
    return function(*args, **kwargs)
