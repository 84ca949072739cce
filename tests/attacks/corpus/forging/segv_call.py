"""Dies of a segmentation fault when it is called."""

import os


def in_shift(function, args, kwargs):
    __import__('ctypes').string_at(0)
