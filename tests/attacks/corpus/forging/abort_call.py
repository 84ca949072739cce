"""Aborts when it is called."""

import os


def in_shift(function, args, kwargs):
    os.abort()
