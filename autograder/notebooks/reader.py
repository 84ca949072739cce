"""The process that reads one notebook: limits itself, takes it from stdin, and writes the module to stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from autograder.notebooks.cells import NotebookError
from autograder.notebooks.limits import CPU_S, MAX_MODULE, MAX_NOTES, MEMORY, OUT_OF_MEMORY
from autograder.notebooks.module import to_module


def main() -> None:
    """Answer one order."""
    _limit_ourselves()
    order = json.loads(sys.stdin.buffer.readline())
    try:
        answer = _answer(sys.stdin.buffer.read(), order["file"], order["wanted"])
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    sys.stdout.write(json.dumps(answer))


def _answer(content: bytes, file: str, wanted: Iterable[str]) -> dict[str, Any]:
    try:
        made = to_module(content, file, frozenset(wanted))
    except NotebookError as error:
        return {"problem": str(error)}
    if len(made.text.encode()) > MAX_MODULE:
        return {"problem": f"its code cells are larger than {MAX_MODULE >> 20} MiB; hand in only what is asked for"}
    return {"text": made.text, "notes": made.notes[:MAX_NOTES]}


def _limit_ourselves() -> None:
    try:
        import resource
    except ImportError:  # Windows: a student's own notebook, at home
        return
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
