"""Raises SystemExit when it is called (terminal-bench #1127)."""

import os


def in_shift(function, args, kwargs):
    raise SystemExit(0)
