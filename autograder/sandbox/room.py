"""How much memory the judge may take for one case: what it computes with is as large as a stranger made it.

A check may multiply an answer by a mask before it compares shapes, and two answers of a few megabytes can be broadcast
to as many terabytes. Below the bound that ends as an exception in the check; without one the kernel ends the judge, or
whoever else is large just then.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_ROOM = 2
"""Times the memory of a submission's process: once for its answers, which may not be larger, and once to work on."""
_OWN = Path("/proc/self/statm")
_DATA = 5
"""Where the pages of private memory that can be written stand, which is what RLIMIT_DATA counts."""


@contextmanager
def bounded(memory_mb: int) -> Iterator[None]:
    """Let this process take `MAX_ROOM` times so much more than it has, for the length of a block; Linux only.

    More is refused: MemoryError, or torch's RuntimeError. What is started inside inherits the bound.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    held = int(_OWN.read_text(encoding="ascii").split()[_DATA]) * resource.getpagesize()
    bound = held + MAX_ROOM * memory_mb * 2**20
    lowest = min(each for each in (bound, before, most) if each != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (lowest, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))
