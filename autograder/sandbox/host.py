"""The judge's side of the sandbox: starts zygotes, asks them for children, hears how these ended."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from autograder.errors import SandboxError
from autograder.records import Limits
from autograder.sandbox import cards, cgroups, namespaces, transport
from autograder.sandbox.devices import CPU, CUDA
from autograder.sandbox.order import Order
from autograder.sandbox.scratch import clear_away
from autograder.sandbox.seed import Process, Seed
from autograder.sandbox.transport import Child

SCRATCH_FILES = 512
START_S = 600.0
ZYGOTE = "autograder.sandbox.zygote:main"


class ZygoteProcess:
    """A running zygote; a context manager that takes its children along when it ends."""

    def __init__(
        self,
        layers: Iterable[str],
        *,
        preload: Iterable[str] = (),
        bans: Iterable[Iterable[str]] = ((),),
        device: str = CPU,
        memory_mb: int = Limits().memory_mb,
        seed: Seed | None = None,
    ) -> None:
        """`memory_mb`: what one child may have at most, for the group of all of them where the machine has groups.

        It is forked from `seed`, or from none: then, and on a device that only its own environment names, it is a
        process that imports torch itself.
        """
        place = cgroups.given()
        self._folder = tempfile.TemporaryDirectory(prefix="autograder-")
        scratch = Path(self._folder.name)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        on_cuda = device == CUDA
        readable = (*namespaces.runtime_paths(), *(cards.runtime_paths() if on_cuda else ()))
        settings = {
            "preload": list(preload),
            "bans": [list(names) for names in bans],
            "layers": list(layers),
            "device": device,
            "readable": [str(path) for path in readable],
            "driven": [str(path) for path in cards.devices()] if on_cuda else [],
            "scratch": str(scratch),
        }
        with theirs:
            if seed is None or on_cuda:
                environment = cards.child_environment(os.environ) if on_cuda else cards.NO_DEVICE
                own = Seed.start(environment, str(scratch))
                own.prepare()
                if not on_cuda:
                    own.rehearse()
                self._process: Process = own.become(ZYGOTE, [theirs.fileno()])
            else:
                seed.prepare()
                seed.rehearse()
                self._process = seed.fork(ZYGOTE, [theirs.fileno()])
        self._group: cgroups.Group | None = None
        if place:
            self._join(place, scratch.name, memory_mb)
        self._control.send(json.dumps(settings).encode())
        self._ended: dict[int, tuple[int, float]] = {}
        self._last = 0
        self._ready = False
        self.layers: tuple[str, ...] = ()

    def _join(self, place: Path, name: str, memory_mb: int) -> None:
        try:
            self._group = cgroups.make(place, name, memory_mb)
            self._group.add(self._process.pid)
        except SandboxError:
            self.close()
            raise

    def wait_ready(self) -> None:
        """Wait until it can fork. Raises SandboxError where it cannot start."""
        if not self._ready:
            self._control.settimeout(START_S)
            try:
                self.layers = (*self._receive().get("ready", ()), *(["cgroup"] if self._group else []))
            except TimeoutError as error:
                raise SandboxError(f"the sandbox did not start within {START_S:g} s") from error
            self._ready = True

    def fork(self, order: Order, limits: Limits, cpu_s: float) -> Child:
        """Return a new child that is preparing `order`."""
        self.wait_ready()
        frame = order.frame()
        self._last += 1
        whole_cpu_s = max(1, -int(-cpu_s // 1))
        numbers = {
            "cpu_s": whole_cpu_s,
            "memory_mb": limits.memory_mb,
            "scratch_mb": limits.scratch_mb,
            "scratch_files": SCRATCH_FILES,
        }
        ours, theirs = socket.socketpair()
        out, err = os.pipe(), os.pipe()
        message = json.dumps({"fork": self._last, "limits": numbers}).encode()
        try:
            socket.send_fds(self._control, [message], [theirs.fileno(), out[1], err[1]])
        except OSError as error:
            ours.close()
            os.close(out[0])
            os.close(err[0])
            raise SandboxError(f"the sandbox takes no orders any more ({type(error).__name__})") from error
        finally:
            theirs.close()
            os.close(out[1])
            os.close(err[1])
        child = Child(self, self._last, ours, (out[0], err[0]), limits, whole_cpu_s)
        child.send(frame)
        return child

    def kill(self, number: int) -> None:
        """End a child that does not end by itself."""
        with contextlib.suppress(OSError):
            self._control.send(json.dumps({"kill": number}).encode())

    def ends(self, number: int) -> bool:
        """Whether a child that hung up ends by itself, within the least wall time."""
        try:
            self._control.settimeout(transport.LEAST_WALL_S)
            self._listen(number)
        except TimeoutError:
            return False
        except OSError as error:  # one that was closed in the meantime
            raise SandboxError(f"the sandbox does not answer ({type(error).__name__})") from error
        return True

    def await_end(self, number: int) -> tuple[int, float]:
        """Return wait status and CPU seconds of a child that has ended or was killed."""
        try:
            self._control.settimeout(transport.LEAST_WALL_S)
            self._listen(number)
        except OSError as error:
            raise SandboxError(f"the sandbox does not answer ({type(error).__name__})") from error
        return self._ended.pop(number)

    def _listen(self, number: int) -> None:
        while number not in self._ended:
            self._note(self._receive())

    def _note(self, report: dict[str, Any]) -> None:
        if "ended" in report:
            self._ended[report["ended"]] = report["status"], report["cpu_s"]

    def _receive(self) -> dict[str, Any]:
        try:
            message = self._control.recv(65536)
        except ConnectionError as error:
            raise SandboxError(f"the sandbox does not answer ({type(error).__name__})") from error
        if not message:
            raise SandboxError("the sandbox ended unexpectedly; its own words stand above")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def close(self) -> None:
        """End the zygote and with it whatever still runs in it."""
        self._control.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._group:
            self._group.close()
        with contextlib.suppress(OSError):  # before the folder's own way, which recurses
            clear_away(Path(self._folder.name))
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def zygote(layers: Iterable[str], *, bans: Iterable[Iterable[str]] = ((),)) -> Iterator[ZygoteProcess]:
    """A ready zygote for the length of a block."""
    with ZygoteProcess(layers, bans=bans) as process:
        process.wait_ready()
        yield process
