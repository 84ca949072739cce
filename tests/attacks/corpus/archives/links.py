"""Hands in links in place of files: to the solution, to the hidden checks, to the secret, to the folder of the class."""

import stat

from archives import zipped


def hand_in(folder, work, targets):
    zipped(folder, {"line.py": targets["solution"], "more/line.py": targets["hidden"], "x": targets["secret"], "class": ".."}, mode=stat.S_IFLNK | 0o777)


WORTH, WORDS = 0, "is a link"
