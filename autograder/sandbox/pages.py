"""Makes forks of a large process cheap: its memory moves to huge pages, so that there is less to copy and to free.

A process that has imported torch has some 80,000 small pages of its own, and each fork copies an entry for every one of
them and each exit frees it. After `collapse` there are a few hundred entries instead; a child that writes to a page
still gets a small one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator

HUGE = 2 << 20
_MADV_COLLAPSE = 25


def collapse(maps: str) -> int:
    """Move the private writable memory that `/proc/self/maps` lists to huge pages; return how many were asked for.

    Where the kernel cannot (before 6.1, or no memory for it), the pages stay as they are: nothing but speed is lost.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    count = 0
    for start, end in _aligned(_private_ranges(maps.splitlines())):
        libc.madvise(start, end - start, _MADV_COLLAPSE)
        count += (end - start) // HUGE
    return count


def _private_ranges(lines: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Address ranges of the heap and of anonymous memory that can be written."""
    for line in lines:
        addresses, rights, _, _, inode, *name = line.split(maxsplit=5)
        if rights == "rw-p" and inode == "0" and (not name or name == ["[heap]"]):
            start, _, end = addresses.partition("-")
            yield int(start, 16), int(end, 16)


def _aligned(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for start, end in ranges:
        first, last = -(-start // HUGE) * HUGE, end // HUGE * HUGE
        if last > first:
            yield first, last
