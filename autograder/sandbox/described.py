"""An exception of a submission as data: what crosses, and what is shown, of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from autograder.errors import WireError

MESSAGE_CHARACTERS = 2000
FRAMES = 12


def describe(error: BaseException, folder: str) -> dict[str, Any]:
    """An exception as data: its types, its message, and the frames in the submission's own files."""
    try:
        message = str(error)[:MESSAGE_CHARACTERS]
    except BaseException:  # noqa: BLE001 - a submission's exception may have a __str__ of its own
        message = "(its message could not be read)"
    return {
        "types": [kind.__name__ for kind in type(error).__mro__[:-1]],
        "message": message,
        "frames": list(_frames(error.__traceback__, folder))[-FRAMES:] or _syntax_frame(error),
        "out_of_memory": isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in message,
        "cannot_cross": type(error) is WireError,
    }


def _frames(traceback: TracebackType | None, folder: str) -> Iterator[list[Any]]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename.startswith(folder):
            yield [Path(code.co_filename).name, traceback.tb_lineno, code.co_name]
        traceback = traceback.tb_next


def _syntax_frame(error: BaseException) -> list[list[Any]]:
    if isinstance(error, SyntaxError) and error.filename:
        return [[Path(str(error.filename)).name, error.lineno or 0, "<module>"]]
    return []
