"""Calls the kernel by its x32 numbers, which have a bit more (another way around a filter)."""

import ctypes


def in_shift(function, args, kwargs):
    attempt("x32 getpid", lambda: ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 | 39)))
    return function(*args, **kwargs)
