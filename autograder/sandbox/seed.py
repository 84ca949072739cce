"""A process that imports torch once, for all that need it: grading processes and zygotes are forked from it.

It starts with an empty environment and holds no secret when it forks: it hears names of functions, and what
a grading process is to know goes to that process alone, after the fork. So a zygote that comes from it holds none,
whatever its brothers know. Here is the side of those who ask; `growing.py` is the process itself.
"""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from autograder.errors import SandboxError

ONE_HEAP = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TOP_PAD_": str(64 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""What is allocated through the C library lies in one stretch of memory, on huge pages from the first write on."""
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT"), "1")
ENVIRONMENT = THREADS | ONE_HEAP | {"TORCHDYNAMO_DISABLE": "1", "LANG": "C.UTF-8"}
START = (
    "import gc; gc.disable(); from autograder.sandbox.pages import one_heap; "
    "settle = one_heap(open('/proc/self/maps').read()); "
    "from autograder.sandbox.growing import main; main(settle)"
)
"""Nothing that torch's import makes is garbage: to look for it costs half of what the import does."""
TORCH = "torch"
MAX_MESSAGE = 65536
ENDS_S = 5.0


class Process(Protocol):
    """What can be asked of a process that was started."""

    @property
    def pid(self) -> int:
        """Its number."""

    def kill(self) -> None:
        """End it at once; nothing where it has ended."""

    def wait(self, timeout: float | None = None) -> object:
        """Wait until it has ended. Raises subprocess.TimeoutExpired."""


@dataclass(frozen=True, slots=True)
class Forked:
    """A process that a seed forked, known by a descriptor that means no other one."""

    pid: int
    handle: int

    def kill(self) -> None:
        """End it at once; nothing where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended. Raises subprocess.TimeoutExpired."""
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        if not poll.poll(None if timeout is None else timeout * 1000):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)


@dataclass
class Seed:
    """A line to the process that forks. Whoever started it ends it; all that it forked ends with it."""

    line: socket.socket
    _process: subprocess.Popen[bytes] | None = None
    """None where this process came from the seed itself."""
    _home: tempfile.TemporaryDirectory[str] | None = None
    _prepared: bool = False
    _rehearsed: bool = False

    @classmethod
    def start(cls, environment: Mapping[str, str], home: str | None = None) -> Self:
        """Start one with `environment`, `ENVIRONMENT` and nothing else.

        `home` is where it may write, by default a folder of its own.
        """
        folder = None if home else tempfile.TemporaryDirectory(prefix="autograder-")
        place = home or (folder.name if folder else "")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", START, str(theirs.fileno())],
                env={**ENVIRONMENT, **environment, "TMPDIR": place, "HOME": place},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        return cls(ours, process, folder)

    @classmethod
    def at(cls, descriptor: int) -> Self:
        """Return the line that a forked process was given."""
        return cls(socket.socket(fileno=descriptor))

    def prepare(self) -> None:
        """Have it import torch, for all that it forks from now on; this does not wait for it."""
        if not self._prepared:
            self._prepared = True
            self._send({"do": "prepare"})

    def rehearse(self) -> None:
        """Have it do once what children of zygotes do (`rehearsal.py`)."""
        if not self._rehearsed:
            self._rehearsed = True
            self._send({"do": "rehearse"})

    def fork(self, function: str, descriptors: Sequence[int] = (), *, line: bool = False) -> Forked:
        """Return a process that runs `module:function` with `settle` (see `pages.one_heap`) and these descriptors.

        `line`: the last of its descriptors is a line to the seed, so that it can ask, too.
        """
        self._send({"fork": function, "line": line}, descriptors)
        try:
            message, handles, _, _ = socket.recv_fds(self.line, MAX_MESSAGE, 1)
        except OSError as error:
            raise _gone(error) from error
        if not message or not handles:
            raise _gone(None)
        return Forked(int(json.loads(message)["pid"]), handles[0])

    def become(self, function: str, descriptors: Sequence[int] = ()) -> subprocess.Popen[bytes]:
        """Have it run `module:function` itself, instead of ever forking; return it. The line is closed."""
        assert self._process is not None, "only whoever started it"
        self._send({"become": function}, descriptors)
        self.line.close()
        return self._process

    def close(self) -> None:
        """Hang up; whoever started it waits until it has ended, with all that it forked."""
        self.line.close()
        if self._process is not None:
            try:
                self._process.wait(ENDS_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._home is not None:
            self._home.cleanup()

    def _send(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self.line, [json.dumps(message).encode()], descriptors)
        except OSError as error:
            raise _gone(error) from error


def _gone(error: OSError | None) -> SandboxError:
    what = f" ({type(error).__name__})" if error else ""
    return SandboxError(f"the process that all others are forked from has ended{what}; its own words stand above")
