"""Looks for other students' scratch folders and for descriptors that the grader left open (INGInious #32)."""

import os
import tempfile

here = os.path.dirname(__file__)
print("own", sorted(os.listdir(here)))
for root in (os.path.dirname(here), here, "/tmp", "/var/tmp", "/dev/shm"):
    try:
        names = os.listdir(root)
    except OSError:
        continue
    for name in names:
        path = os.path.join(root, name)
        if path == here or not os.path.isdir(path) or name == "__pycache__":
            continue
        attempt(f"list {name}", lambda path=path: os.listdir(path) or 1 / 0)
if os.path.exists(os.path.join(here, "left_behind")):
    print("<left behind> got it")
open(os.path.join(here, "left_behind"), "w").write("mine")
for number in range(4, 256):
    try:
        os.fstat(number)
    except OSError:
        continue
    attempt(f"descriptor {number}", lambda number=number: os.read(number, 9))
