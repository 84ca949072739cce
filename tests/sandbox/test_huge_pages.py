"""Memory of a process that is forked often: one heap, on huge pages where the kernel gives them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from autograder.sandbox.seed import ONE_HEAP

PROGRAM = """
from autograder.sandbox.pages import one_heap
def maps():
    with open("/proc/self/maps") as file:
        return file.read().splitlines()
settle = one_heap("\\n".join(maps()))
many = [bytes(400) for _ in range(200_000)]
start, end = (int(edge, 16) for edge in next(l for l in maps() if l.endswith("[heap]")).split()[0].split("-"))
inside = sum(start <= id(each) < end for each in many) / len(many)
settle()
del many
again = [str(number) for number in range(200_000)]
assert again[-1] == "199999"
print(inside)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")
def test_python_takes_its_memory_from_the_heap() -> None:
    """After `one_heap` new objects lie in the C library's heap, and what is given back is used again."""
    ran = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM], env=ONE_HEAP, capture_output=True, text=True, check=True
    )
    assert float(ran.stdout) > 0.99
