"""Closes the channel and answers nobody."""

import os


def in_shift(function, args, kwargs):
    os.close(3)
