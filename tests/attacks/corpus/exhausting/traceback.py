"""Raises from two hundred thousand frames whose names, files and lines are made up as they go (compiled text)."""

import sys

sys.setrecursionlimit(10**6)
TEXT = "\n" * 50_000 + "def {0}(depth):\n    return {0}(depth - 1) if depth else 1 / 0\n"


def in_shift(function, args, kwargs):
    name = "f" * 10_000
    space = {}
    exec(compile(TEXT.format(name), "\x1b[31m" + "/x" * 2_000 + ".py", "exec"), space)
    return space[name](200_000)
