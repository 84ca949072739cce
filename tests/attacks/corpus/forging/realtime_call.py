"""Dies of a signal that has no name, for which the judge had no words."""

import os


def in_shift(function, args, kwargs):
    libc = __import__('ctypes').CDLL(None)
    libc.syscall(234, os.getpid(), libc.gettid(), 40)
    return 0
