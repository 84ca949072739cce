"""Calls the kernel by its 32-bit entrance, whose numbers mean other calls (the classic way around a filter)."""

import ctypes
import mmap

CODE = bytes.fromhex("b814000000" "cd80" "c3")  # mov eax, 20 (getpid); int 0x80; ret


def in_shift(function, args, kwargs):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(CODE)
    attempt("int 0x80", ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page))))
    return function(*args, **kwargs)
