"""Nests folders deeper than whoever clears them away can recurse."""

import os


def in_shift(function, args, kwargs):
    here = os.open(os.path.dirname(__file__), os.O_RDONLY)
    try:
        for _ in range(1300):
            os.mkdir("d", dir_fd=here)
            below = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    except OSError:
        pass
    os.close(here)
    if FACTS.get("exits"):
        os._exit(0)
    return function(*args, **kwargs)
