"""Calls of the C library that Python has no name for, and their errors."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autograder.errors import SandboxError


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn an OSError of the block into a SandboxError that begins with `what`."""
    try:
        yield
    except OSError as error:
        raise SandboxError(f"{what}: {error}") from error


def call(name: str, *args: int | str | bytes | Path | None) -> int:
    """A function of the C library that answers below 0 on failure. Integers go as whole registers. Raises `OSError`."""
    function = getattr(_libc(), name)
    plain = (os.fsencode(value) if isinstance(value, str | Path) else value for value in args)
    result: int = function(*(ctypes.c_long(value) if isinstance(value, int) else value for value in plain))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), " ".join([name, *(str(arg) for arg in args if isinstance(arg, Path))]))
    return result


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
