"""Takes more memory than it may, by each of the ways that there are."""

import ctypes
import mmap
import resource

import torch

GIB = 1 << 30
held = []


def grown():
    while True:
        held.append(bytearray(64 << 20))
        if len(held) > 256:
            return len(held)


attempt("16 GiB at once", lambda: len(bytearray(16 * GIB)))
attempt("16 GiB piece by piece", grown)
held.clear()
attempt("16 GiB by torch", lambda: torch.ones(2 * GIB).numel())
attempt("16 GiB mapped", lambda: len(mmap.mmap(-1, 16 * GIB)))
attempt("memory that cannot be paged out", lambda: ctypes.CDLL(None).mlockall(3) == 0 or 1 / 0)
attempt("its own limit raised", lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)) or "raised")
