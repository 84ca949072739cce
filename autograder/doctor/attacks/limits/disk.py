"""Fills its scratch folder: with one large file, with many small ones, with folders in folders."""

import os


def large():
    with open("large", "wb") as file:
        for _ in range(512):
            file.write(bytes(1 << 20))
            file.flush()
    return os.path.getsize("large")


def many():
    os.mkdir("many")
    for number in range(100_000):
        open(f"many/{number}", "x").close()
    return number


attempt("half a gigabyte in one file", large)
if FACTS["namespaces"]:
    attempt("a hundred thousand files", many)
