"""Starts threads of sixteen bytes of stack each, as many as there are numbers (nbgrader #874, fork bombs)."""

import ctypes
import mmap

CODE = bytes.fromhex(
    "b838000000 4989ca 0f05 85c0 7513"  # clone(flags, stack, 0, 0, 0); the parent goes on behind
    "4889e7 31f6 31d2 4531d2 b8ca000000 0f05 ebed c3"  # the thread waits on its own stack for ever
)
calls = []
FLAGS = 0x10000 | 0x100 | 0x800 | 0x200 | 0x400  # a thread that shares everything


def in_shift(function, args, kwargs):
    calls.append(args)
    if len(calls) > 1:
        return function(*args, **kwargs)
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(CODE)
    stacks = mmap.mmap(-1, 2**20)
    start = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * 5)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    base = ctypes.addressof(ctypes.c_char.from_buffer(stacks))
    started = 0
    while started < 20_000 and start(FLAGS, base + 32 * started + 16, 0, 0, 0) > 0:
        started += 1
    print(f"<threads> {started}")
    return function(*args, **kwargs)
