"""Work on text that strangers wrote, in children that can take neither this machine's memory nor its time.

Parsing alone can cost half a gigabyte a megabyte. So a helper process forks for every task; the fork has limits, works,
answers in JSON and is gone. One that runs into a limit answers None, and whoever asked goes on without.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Self

LARGEST = 32 << 20
"""Bytes of a task or an answer."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one task may use."""

    cpu_s: int = 3
    wall_s: int = 20
    memory_mb: int = 768
    """Address space, the interpreter's own included."""


class Helper:
    """A helper process that runs `module`, which calls `serve`; a context manager that ends it."""

    def __init__(self, module: str, bounds: Bounds | None = None) -> None:
        self._module = module
        self._bounds = bounds or Bounds()
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, task: Any) -> Any:
        """Return what the module's work makes of `task`, both in JSON's types; None where it ran into a limit."""
        content = json.dumps(task).encode()
        if len(content) > LARGEST:
            return None
        try:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            _put(process.stdin, content)
            answer = _get(process.stdout)
            return None if answer is None else json.loads(answer)
        except (OSError, ValueError, RecursionError):  # the helper itself is gone, or its answer is none
            self.close()
            return None

    def __enter__(self) -> Self:
        """Start nothing yet: the first task does."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the helper."""
        self.close()

    def close(self) -> None:
        """End the helper and what it works on; the next task starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            bounds = [str(getattr(self._bounds, name)) for name in ("cpu_s", "wall_s", "memory_mb")]
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", self._module, *bounds],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"LANG": "C.UTF-8"},  # and nothing else of ours: no secret
            )
        return self._process


def serve(work: Callable[[Any], Any]) -> None:
    """Answer tasks from stdin until it ends, each in a fork with the bounds that the command line names."""
    bounds = Bounds(*map(int, sys.argv[1:4]))
    while (task := _get(sys.stdin.buffer)) is not None:
        _put(sys.stdout.buffer, _in_a_fork(work, task, bounds) or b"null")


def _in_a_fork(work: Callable[[Any], Any], task: bytes, bounds: Bounds) -> bytes:
    """The answer, or nothing where the fork did not come to its end, or where this system has no forks to limit."""
    if not hasattr(os, "fork"):
        return b""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            _limit(bounds)
            answer = json.dumps(work(json.loads(task))).encode()
            with os.fdopen(theirs, "wb") as pipe:
                pipe.write(answer)
            os._exit(0)
        os._exit(1)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        answer = pipe.read(LARGEST + 1)
    if len(answer) > LARGEST:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return answer if status == 0 and len(answer) <= LARGEST else b""


def _limit(bounds: Bounds) -> None:
    import resource

    signal.alarm(bounds.wall_s)
    memory = bounds.memory_mb << 20
    for kind, amount in (
        (resource.RLIMIT_CPU, bounds.cpu_s),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (amount, amount))


def _put(stream: IO[bytes], content: bytes) -> None:
    stream.write(struct.pack(">Q", len(content)) + content)
    stream.flush()


def _get(stream: IO[bytes]) -> bytes | None:
    """The next message; None at the end of the stream. OSError for one that is cut off or too large."""
    head = stream.read(8)
    if not head:
        return None
    length = struct.unpack(">Q", head)[0] if len(head) == 8 else LARGEST + 1
    content = stream.read(length) if length <= LARGEST else b""
    if len(content) != length:
        raise OSError("a message that is cut off or too large")
    return content
