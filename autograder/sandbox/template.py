"""The process that children are forked from: it does nothing else, so that its memory stays on huge pages.

Whatever a process writes while a child of it lives goes to a small page of its own, and the huge page around it falls
apart into 512 entries, which each later fork copies and each child's exit frees. So the zygote (`zygote.py`) hears the
judge, watches the children and counts; this one forks and reaps. It speaks to the C library with memory that is made
once: what Python itself would touch on the way lies all over its heap.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from autograder.sandbox import namespaces, pages
from autograder.sandbox.child import Jail, run

MAX_ORDER = 4096
STREAMS = 3
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.PyDLL(None)  # made once: each of these is a new class
_ANSWER = struct.Struct("=qi4x4q")
"""Pid, wait status, and the first two fields of `struct rusage`: seconds and microseconds of user and system time."""


@dataclass(frozen=True, slots=True)
class Template:
    """The zygote's end of the process that is forked."""

    channel: socket.socket
    pid: int

    def fork(self, order: dict[str, Any], streams: Sequence[int]) -> int:
        """Return the pid of a new child, which owns the streams and has the order."""
        socket.send_fds(self.channel, [json.dumps(order).encode()], streams)
        pid: int = _ANSWER.unpack_from(self._answer())[0]
        if pid < 0:
            raise OSError("the zygote cannot fork: too many processes, or no memory")
        return pid

    def reap(self, pid: int) -> tuple[int, float]:
        """Return wait status and CPU seconds of a child that has ended."""
        self.channel.send(pid.to_bytes(4, "little"))
        _, status, user_s, user_us, system_s, system_us = _ANSWER.unpack_from(self._answer())
        return status, user_s + system_s + (user_us + system_us) / 1e6

    def close(self) -> None:
        """End it; it is gone when this returns."""
        self.channel.close()
        os.waitpid(self.pid, 0)

    def _answer(self) -> bytes:
        answer = self.channel.recv(MAX_ORDER)
        if not answer:
            raise OSError("the process that children are forked from has ended")
        return answer


def start(jail: Jail, process: int) -> Template:
    """Fork the template, for good; it ends with the calling process. Call it with a single thread."""
    assert count_threads(process) == 1, "the zygote must be single-threaded to fork safely"
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid: int = _LIBC.fork()
    if pid == 0:
        die_with_parent()
        ours.close()
        _serve(theirs.fileno(), jail, process)
    theirs.close()
    return Template(ours, pid)


def read_own(process: int, name: str) -> str:
    """Return a file of /proc about this process, through a descriptor that outlives the old root."""
    with open(os.open(name, os.O_RDONLY, dir_fd=process), encoding="utf-8") as file:
        return file.read()


def count_threads(process: int) -> int:
    """Return how many threads this process has, through a descriptor of /proc."""
    threads = os.open("self/task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=process)
    try:
        return len(os.listdir(threads))
    finally:
        os.close(threads)


def die_with_parent() -> None:
    """Have the kernel end this process when the one that forked it ends."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class _Vector(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """`struct msghdr`."""

    _fields_ = (
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint),
        ("vectors", ctypes.POINTER(_Vector)), ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int),
    )  # fmt: skip


class _Control(ctypes.Structure):
    """`struct cmsghdr` with descriptors."""

    _fields_ = (("length", ctypes.c_size_t), ("level", ctypes.c_int), ("type", ctypes.c_int),
                ("descriptors", ctypes.c_int * STREAMS))  # fmt: skip


class _Answer(ctypes.Structure):
    """What goes back: `_ANSWER`, with the whole of `struct rusage`."""

    _fields_ = (("pid", ctypes.c_int64), ("status", ctypes.c_int), ("usage", ctypes.c_long * 18))


def _serve(channel: int, jail: Jail, process: int) -> NoReturn:
    """Fork where a message brings streams, reap the pid that another one names; end when the zygote hangs up."""
    libc = ctypes.PyDLL(None)  # `fork` without what Python does for the child's other threads: that costs 1 ms
    receive, send, close, fork, wait = libc.recvmsg, libc.send, libc.close, libc.fork, libc.wait4
    apart, back = namespaces.pid_namespaces() if jail.namespaced else (None, None)
    order, control, answer = (ctypes.c_char * MAX_ORDER)(), _Control(), _Answer()
    vector = _Vector(ctypes.addressof(order), MAX_ORDER)
    room = ctypes.sizeof(control)
    header = _Header(None, 0, ctypes.pointer(vector), 1, ctypes.addressof(control), room, 0)
    named = ctypes.c_int32.from_buffer(order)
    message, status, usage = ctypes.byref(header), ctypes.byref(answer, 8), ctypes.byref(answer, 16)
    reply, size, streams = ctypes.byref(answer), ctypes.sizeof(answer), control.descriptors
    pages.collapse(read_own(process, "self/maps"))
    while (length := receive(channel, message, 0)) > 0:
        if header.control_length:
            if apart:
                apart()
            answer.pid = pid = fork()
            if pid == 0:
                _become_child((streams[0], streams[1], streams[2]), jail, process, order.raw[:length])
            if back:
                back()
            close(streams[0])
            close(streams[1])
            close(streams[2])
        else:
            wait(named.value, status, 0, usage)
        header.control_length = room
        send(channel, reply, size, 0)
    os._exit(0)


def _become_child(streams: tuple[int, int, int], jail: Jail, process: int, message: bytes) -> NoReturn:
    try:
        die_with_parent()
        _prefer_for_oom(process)
        order = json.loads(message)
        run(streams, jail, order["limits"], Path(order["scratch"]))
    except BaseException as error:  # noqa: BLE001 - nothing may return into the loop from here
        os.write(2, f"sandbox: {type(error).__name__}: {error}\n".encode())
        os._exit(1)


def _prefer_for_oom(process: int) -> None:
    """When the machine runs out of memory, this child is to die and not the judge."""
    try:
        score = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=process)
    except OSError:
        return
    os.write(score, b"1000")
    os.close(score)
