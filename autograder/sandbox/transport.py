"""The judge's end of one child: carries frames, drains what it prints, enforces the wall clock, says how it ended."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import struct
import time
from dataclasses import dataclass, field, replace
from typing import Protocol

from autograder.errors import SandboxError, WireError
from autograder.records import Limits, Outcome
from autograder.sandbox import wire
from autograder.sandbox.faults import ChildEnded, student_fault
from autograder.sandbox.order import to_bytes
from autograder.sandbox.patience import Patience

WALL_FACTOR = 10
LEAST_WALL_S = 30.0
"""What a child may wait in all; with each second of CPU time that it uses it may take WALL_FACTOR more."""
READ_AT_ONCE = 1 << 20
READ_AT_LEAST = 1 << 16
"""What is read of a channel if it is there: a whole answer, mostly, where its header alone would be a call more."""
CREDENTIALS = struct.Struct("=iII")
"""What the kernel attaches to what a process sends: its number, as the receiver counts processes, and its ids."""
PROCESS_CLOCK = 2
"""Of a clock's number: CPU time of all threads of a process; above it the process' number, inverted."""
MISCOUNTED = 0.9
"""Part of its CPU seconds that a child may seem to have used which the kernel ended for all of them: the limit counts
ticks of the clock, the sum that is told afterwards what truly ran, and on a busy machine 116 of 120 were seen."""


class Keeper(Protocol):
    """The zygote that a child comes from."""

    def kill(self, number: int) -> None:
        """End a child that does not end by itself."""

    def ends(self, number: int) -> bool:
        """Whether a child that hung up ends by itself, within the least wall time."""

    def await_end(self, number: int) -> tuple[int, float]:
        """Return wait status and CPU seconds of a child that has ended or was killed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a child used, and what it printed."""

    cpu_s: float
    stdout: str
    stderr: str


@dataclass
class Child:
    """One child, from the judge's side: a transport that also drains what it prints."""

    zygote: Keeper
    number: int
    channel: socket.socket
    pipes: tuple[int, int]
    limits: Limits
    cpu_s: int
    printed: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    usage: Usage | None = None
    received: int = 0
    code: bytes = b""
    """What the submission's module was compiled to, if this child compiled it."""
    _read: bytearray = field(default_factory=bytearray)
    """What came beyond the frames that were asked for."""
    _patience: Patience = field(default_factory=Patience)
    _told: float = 0.0
    """CPU seconds that `so_far` has told."""
    _clock: int | None = None
    """The number of the clock that the kernel keeps of its CPU time."""

    def __post_init__(self) -> None:
        self.channel.setblocking(False)
        for pipe in self.pipes:
            os.set_blocking(pipe, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.channel, selectors.EVENT_READ)
        self._awaited = selectors.EVENT_READ
        for index, pipe in enumerate(self.pipes):
            self._selector.register(pipe, selectors.EVENT_READ, index)
        self._start_clock()

    def _start_clock(self) -> None:
        self._began = time.monotonic()
        self._deadline = self._began + LEAST_WALL_S * self._patience.part

    def be_awaited(self, patience: Patience) -> None:
        """Share the patience with the submission's other children."""
        self._patience = patience
        self._start_clock()

    def wait_loaded(self) -> None:
        """Wait until the submission is imported. Raises StudentFault, or SandboxError for a fault of ours."""
        try:
            self._find_clock()
            locked = wire.unpack(self._receive(), wire.Plain())
        except ChildEnded as error:
            words = self.usage.stderr.strip() if self.usage else ""
            raise SandboxError(f"a child ended before it was locked: {words or error}") from error
        if locked.get("locked") is not True:
            raise SandboxError("a child did not lock itself")
        answer = wire.unpack(self._receive(), wire.Plain())
        if "error" in answer:
            raise student_fault(answer["error"])
        self.code = b"" if answer.get("code") is None else to_bytes(answer["code"])

    def _find_clock(self) -> None:
        """Note which clock is the child's, by whom the kernel says that its first words come from."""
        self.channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        while self._clock is None:
            try:
                words, sent, _, _ = self.channel.recvmsg(1, socket.CMSG_SPACE(CREDENTIALS.size), socket.MSG_PEEK)
            except BlockingIOError:
                self._wait(selectors.EVENT_READ)
                continue
            except ConnectionResetError:
                return  # who reads what comes next says how it ended
            if not words:
                return
            pid, _, _ = CREDENTIALS.unpack(sent[0][2])
            self._clock = ~pid << 3 | PROCESS_CLOCK
        self.channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)

    def exchange(self, frame: bytes) -> bytes:
        """Return the child's answer to a frame. Raises ChildEnded, or WireError for bytes that are no frame."""
        if self.usage is not None:
            raise ChildEnded(Outcome.CRASHED, "the process had already ended")
        self.send(frame)
        return self._receive()

    def send(self, frame: bytes) -> None:
        """Send a frame; a child that does not read is ended by the clock."""
        rest = memoryview(frame)
        while rest:
            try:
                rest = rest[self.channel.send(rest) :]
            except BlockingIOError:
                self._wait(selectors.EVENT_WRITE)  # not for reading: what a child wrote in advance is always there
            except (BrokenPipeError, ConnectionResetError):
                raise self._post_mortem() from None

    def _receive(self) -> bytes:
        header = self._read_exactly(wire.HEADER.size)
        try:
            length = self._allowed(wire.body_length(header))
        except WireError:
            self.close()
            raise
        return header + self._read_exactly(length)

    def _allowed(self, length: int) -> int:
        self.received += length
        if self.received > self.limits.memory_mb * 2**20:  # the judge keeps every answer in its own memory
            raise WireError(f"answers of {self.received} bytes in one check are more than may cross")
        return length

    def _read_exactly(self, count: int) -> bytes:
        while len(self._read) < count:
            try:
                chunk = self.channel.recv(max(READ_AT_LEAST, min(count - len(self._read), READ_AT_ONCE)))
            except BlockingIOError:
                self._wait(selectors.EVENT_READ)
                continue
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                raise self._post_mortem()
            self._read += chunk
        taken = bytes(memoryview(self._read)[:count])
        del self._read[:count]
        return taken

    def _wait(self, events: int) -> None:
        """Wait for the channel, draining what the child prints meanwhile; past the deadline the child is killed."""
        if events != self._awaited:
            self._selector.modify(self.channel, events)
            self._awaited = events
        rest = self._deadline - time.monotonic()
        ready = self._selector.select(max(rest, 0))
        late = not ready or rest < -LEAST_WALL_S  # a child that prints without end is always ready
        if late and not self._computes():
            raise self._post_mortem(waited=True)
        for key, _ in ready:
            if key.data is not None:
                self._drain(key.data)

    def _computes(self) -> bool:
        """Whether it has used so much CPU time since the clock was started that it gets more time of the wall's."""
        used = self._cpu_s() - self._told
        self._deadline = self._began + LEAST_WALL_S * self._patience.part + WALL_FACTOR * min(used, self.cpu_s)
        return self._deadline > time.monotonic()

    def _drain(self, index: int) -> None:
        """Keep the first of what was printed, throw the rest away."""
        try:
            chunk = os.read(self.pipes[index], READ_AT_ONCE)
        except BlockingIOError:
            return
        if not chunk:
            with contextlib.suppress(KeyError):
                self._selector.unregister(self.pipes[index])
        room = self.limits.output_kb * 1024 - len(self.printed[index])
        self.printed[index].extend(chunk[: max(room, 0)])

    def _post_mortem(self, *, waited: bool = False) -> ChildEnded:
        """End the child and say how it ended; one that hung up and lives on is one that only waits."""
        waited = waited or not self.zygote.ends(self.number)
        if waited:
            self.zygote.kill(self.number)
        status = self._end()
        assert self.usage is not None
        if waited:
            self._patience.in_vain += 1
            return ChildEnded(Outcome.TIMED_OUT, "it waited for something that never came", waited=True)
        return how_it_ended(status, self.usage.cpu_s, self.cpu_s, self.usage.stderr)

    def _end(self) -> int:
        self.channel.close()
        cpu_s = 0.0
        try:
            status, cpu_s = self.zygote.await_end(self.number)
        finally:
            self._clear_away(cpu_s)
        return status

    def _clear_away(self, cpu_s: float) -> None:
        self._drain_all()
        for pipe in self.pipes:
            os.close(pipe)
        self._selector.close()
        self.usage = Usage(cpu_s, *self._texts())

    def _drain_all(self) -> None:
        for index in range(len(self.pipes)):
            with contextlib.suppress(OSError):
                self._drain(index)

    def _texts(self) -> tuple[str, str]:
        out, err = (bytes(text).decode("utf-8", "replace") for text in self.printed)
        return out, err

    def so_far(self) -> Usage:
        """Return what it used and printed since this was last asked; what it may answer, and when, counts from now."""
        if self.usage is None:
            self._drain_all()
            cpu_s = self._cpu_s()
            used, self._told = cpu_s - self._told, cpu_s
            usage = Usage(used, *self._texts())
            self.received = 0
            self._start_clock()
        else:
            usage = replace(self.usage, cpu_s=max(0.0, self.usage.cpu_s - self._told))
            self._told = self.usage.cpu_s
        for text in self.printed:
            text.clear()
        return usage

    def _cpu_s(self) -> float:
        """CPU seconds of a child so far; of one that has ended what was told before, since its end tells the rest."""
        with contextlib.suppress(OSError):
            if self._clock is not None:
                return time.clock_gettime(self._clock)
        return self._told

    def close(self) -> Usage:
        """End the child if it lives, and return what it used. It is reaped when this returns."""
        if self.usage is None:
            self.zygote.kill(self.number)
            with contextlib.suppress(SandboxError):  # a zygote that died took its children along
                self._end()
        assert self.usage is not None
        return self.usage


def how_it_ended(status: int, used_cpu_s: float, limit_s: int, stderr: str) -> ChildEnded:
    """Return, as an outcome with words for the student, how a child ended that was not told to."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU or (number == signal.SIGKILL and used_cpu_s >= MISCOUNTED * limit_s - 0.5):
            return ChildEnded(Outcome.TIMED_OUT, f"it used more than {limit_s} s of CPU time")
        if number == signal.SIGKILL or "MemoryError" in stderr or "bad_alloc" in stderr:
            return ChildEnded(Outcome.OUT_OF_MEMORY, "it asked for more memory than it may use")
        known = {each.value for each in signal.Signals}
        name = signal.Signals(number).name if number in known else f"signal {number}"  # the real-time ones have no name
        return ChildEnded(Outcome.CRASHED, f"the process was ended by {name}")
    code = os.WEXITSTATUS(status)
    return ChildEnded(Outcome.CRASHED, f"the process ended itself with exit code {code}; a submission must not exit")
