"""Makes forks of a large process cheap: its memory moves to huge pages, so that there is less to copy and to free.

A process that has imported torch has some 80,000 small pages of its own, and each fork copies an entry for every one of
them and each exit frees it. After `collapse` there are a few hundred entries instead; a child that writes to a page
still gets a small one.
"""

from __future__ import annotations

import atexit
import ctypes
from collections.abc import Callable, Iterable, Iterator

HUGE = 2 << 20
_MADV_NOHUGEPAGE, _MADV_COLLAPSE = 15, 25


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


def one_heap(maps: str) -> Callable[[], None]:
    """Have Python's allocator take its memory from the C library's heap from now on, not from a mapping for each MB.

    Mappings land in the gaps between libraries, where no huge page fits. `maps` is `/proc/self/maps`; call it before
    the large imports. The function that is returned brings the old way back; call it before any code but ours runs,
    which may give back memory of the old mappings. Where there is no such heap, all stays as it is.
    """
    heap = next((line.partition("-")[0] for line in maps.splitlines() if line.endswith("[heap]")), "")
    libc = ctypes.CDLL(None)
    if not heap or not hasattr(libc, "sbrk"):
        return lambda: None
    libc.sbrk.restype, libc.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
    raw, before = _Allocator(), _ArenaAllocator()
    ctypes.pythonapi.PyMem_GetAllocator(_RAW_DOMAIN, ctypes.byref(raw))
    ctypes.pythonapi.PyObject_GetArenaAllocator(ctypes.byref(before))
    aligned = ctypes.cast(libc.aligned_alloc, ctypes.c_void_p)
    arenas = _ArenaAllocator(_POOL, aligned, raw.free)  # the first is an argument of both; `free` takes no notice
    ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(arenas))
    start = int(heap, 16)
    for _ in range(_MOST):  # none of the mappings may be empty meanwhile: it would be given to the wrong allocator
        _HELD.append(bytes(_LARGEST_SMALL))
        if start <= id(_HELD[-1]) < libc.sbrk(0):
            break

    def settle() -> None:
        """Memory of the heap, too, goes back page by page from now on, and the heap never uses that stretch again."""
        ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(before))

    atexit.register(settle)
    return settle


_POOL = 1 << 14
"""Python cuts its memory into pieces of this size, which are aligned to it."""
_RAW_DOMAIN = 0
_LARGEST_SMALL = 512 - bytes(0).__sizeof__()


class _Allocator(ctypes.Structure):
    """`PyMemAllocatorEx`."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("context", "malloc", "calloc", "realloc", "free")]


class _ArenaAllocator(ctypes.Structure):
    """`PyObjectArenaAllocator`. Its `free` is called as that of `_Allocator` is, with a size beside."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("context", "allocate", "free")]


_FRESH = 8
_HELD: list[bytes] = []
_MOST = 200_000


def fill_pools() -> int:
    """Do the same, before `fill_holes`, for the pools of Python's own allocator; return how many objects it took.

    It has a pool of memory for each size of object up to 512 bytes. Objects that follow each other in memory come from
    a pool that was never used.
    """
    empty = bytes(0).__sizeof__()
    before = len(_HELD)
    for size in range(48, 513, 16):
        last, in_a_row = 0, 0
        for _ in range(_MOST):
            _HELD.append(bytes(size - empty))
            in_a_row = in_a_row + 1 if id(_HELD[-1]) - last == size else 0
            last = id(_HELD[-1])
            if in_a_row == _FRESH:
                break
    return len(_HELD) - before


def fill_holes() -> int:
    """Take every free piece of the heap for good, so that what children allocate lies side by side on fresh pages.

    In the holes between old objects each new one would lie on a page of its own, which the child has to copy. Returns
    how many pieces there were; does nothing where the C library is not glibc 2.33 or later.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        return 0
    libc.mallinfo2.restype = _Mallinfo
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    libc.malloc.argtypes, libc.sbrk.argtypes = [ctypes.c_size_t], [ctypes.c_ssize_t]
    fresh = libc.sbrk(0) - libc.mallinfo2().keepcost
    count = 0
    for size in _HOLE_SIZES:
        while (libc.malloc(size) or fresh) < fresh:
            count += 1
    return count


def small_from_here() -> None:
    """What nobody has used of the heap comes in small pages: a child uses little of it, and cleaning 2 MB costs it."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        return
    libc.mallinfo2.restype, libc.sbrk.restype, libc.sbrk.argtypes = _Mallinfo, ctypes.c_void_p, [ctypes.c_ssize_t]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    end = libc.sbrk(0)
    start = -(-(end - libc.mallinfo2().keepcost) // HUGE) * HUGE
    if start < end:
        libc.madvise(start, end - start, _MADV_NOHUGEPAGE)


_HOLE_SIZES = (*(1 << power for power in range(16, 10, -1)), *range(1016, 23, -16))
"""From large to small, in the steps of glibc's free lists."""


class _Mallinfo(ctypes.Structure):
    """`struct mallinfo2`; `keepcost` is what lies free at the top of the heap."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
    )]  # fmt: skip
