"""Conversion in a process of its own: what a stranger wrote is parsed where it can use up no memory or time of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection

from autograder.notebooks.cells import NotebookError
from autograder.notebooks.limits import CPU_S, MEMORY, OUT_OF_MEMORY
from autograder.notebooks.module import Module

MAX_NOTEBOOK = 16 << 20
"""Bytes; plots and outputs stand in it beside the code."""
COMMAND = (sys.executable, "-I", "-m", "autograder.notebooks.reader")
WALL_S = 120.0
_NEEDED = ("SYSTEMROOT",)
"""Of the environment: without it Windows starts no program."""


def convert(content: bytes, file: str, wanted: Collection[str] = ()) -> Module:
    """As `to_module`, in a limited process. Raises NotebookError, also where the limits end it."""
    order = json.dumps({"file": file, "wanted": sorted(wanted)}).encode() + b"\n"
    try:
        ended = subprocess.run(
            COMMAND,
            input=order + content,
            capture_output=True,
            env={
                name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ
            },  # Windows starts nothing without
            timeout=WALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotebookError(_too_much(f"{WALL_S:g} s")) from None
    if ended.returncode:
        raise NotebookError(_why(ended.returncode))
    answer = json.loads(ended.stdout)
    if problem := answer.get("problem"):
        raise NotebookError(problem)
    return Module(answer["text"], tuple(answer["notes"]))


def _why(code: int) -> str:
    if code in {-9, -24}:  # SIGKILL, SIGXCPU
        return _too_much(f"{CPU_S} s of CPU time")
    if code == OUT_OF_MEMORY:
        return _too_much(f"{MEMORY >> 30} GiB of memory")
    return f"it cannot be read (the reader ended with code {code}); export it as a .py file, and hand in that"


def _too_much(limit: str) -> str:
    return f"reading it takes more than {limit}; clear all outputs, or export it as a .py file, and hand in that"
