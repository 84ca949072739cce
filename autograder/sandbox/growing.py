"""The process of a seed (`seed.py`): it imports what it is told to, and forks.

It has a single thread and does nothing else, so it can be forked at any time. A forked process keeps the standard
streams and the descriptors that it was given and closes all others: no line and no connection of a brother reaches it.
"""

from __future__ import annotations

import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from autograder.sandbox import namespaces, pages
from autograder.sandbox.libc import call
from autograder.sandbox.seed import ENDS_S, MAX_MESSAGE

Settle = Callable[[], None]
FIRST_GIVEN = 3
MOST_GIVEN = 4
PARKED = 512
"""Where descriptors lie while those below are put in order: above all that this process has open."""
PR_SET_PDEATHSIG = 1
SINGLE = "a process that is forked must have a single thread"


def main(settle: Settle) -> NoReturn:
    """Serve the owner, whose line is the first argument, until it hangs up; `settle` is for the forked (`pages`)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for whoever started us, who closes us in order
    owner = int(sys.argv[1])
    Grower(settle, owner).serve()
    os._exit(0)  # there is nothing to take down, and Python's own way takes a third of a second


@dataclass
class Grower:
    """The loop. Descriptors are plain numbers here: a forked process closes them all and has nothing to forget."""

    settle: Settle
    owner: int
    children: dict[int, int] = field(default_factory=dict)
    """Descriptor of a process -> its number."""
    asking: set[int] = field(default_factory=set)
    """Numbers of those that have a line of their own."""
    rehearsed: bool = False

    def serve(self) -> None:
        """Do what lines ask for until the owner hangs up, then see to it that all ends."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.owner, selectors.EVENT_READ, "line")
            while self._step(selector):
                pass
        self._end()

    def _step(self, selector: selectors.BaseSelector) -> bool:
        for key, _ in selector.select():
            descriptor = key.fd
            if key.data == "child":
                selector.unregister(descriptor)
                self._reap(descriptor)
            elif not self._obey(descriptor, selector):
                selector.unregister(descriptor)
                os.close(descriptor)
                if descriptor == self.owner:
                    return False
        return True

    def _reap(self, handle: int) -> None:
        os.close(handle)
        pid = self.children.pop(handle)
        os.waitpid(pid, 0)
        self.asking.discard(pid)

    def _obey(self, line: int, selector: selectors.BaseSelector) -> bool:
        """Do what a message asks for; False where the line is dead."""
        asked = socket.socket(fileno=line)
        try:
            message, given, _, _ = socket.recv_fds(asked, MAX_MESSAGE, MOST_GIVEN)
            if not message:
                return False
            order = json.loads(message)
            if order.get("do") == "prepare":
                _prepare()
            elif order.get("do") == "rehearse":
                self._rehearse()
            elif "become" in order:
                _run(order["become"], self.settle, given)
            else:
                self._fork(asked, order, given, selector)
        except ConnectionError:
            return False
        finally:
            asked.detach()
        return True

    def _rehearse(self) -> None:
        """Do once what children will do, and what they need no more than once: the less is written after a fork."""
        if self.rehearsed:
            return
        from autograder.sandbox import rehearsal

        self.rehearsed = True
        rehearsal.rehearse(Path(os.environ["HOME"]))
        pages.fill_pools()  # all over the heap: after a fork, each of these writes would take a huge page apart
        pages.fill_holes()
        pages.collapse(Path("/proc/self/maps").read_text(encoding="ascii"))
        if count_threads() > 1:  # where there is a GPU, torch's first backward pass starts some
            namespaces.go_on_inside()

    def _fork(
        self, asked: socket.socket, order: dict[str, Any], given: list[int], selector: selectors.BaseSelector
    ) -> None:
        assert count_threads() == 1, SINGLE
        if order["line"]:
            ours, theirs = (end.detach() for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            given = [*given, theirs]
        pid = os.fork()
        if pid == 0:
            call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # we have one thread, which lives as long as we do
            _run(order["fork"], self.settle, given)
        for descriptor in given:
            os.close(descriptor)
        if order["line"]:
            selector.register(ours, selectors.EVENT_READ, "line")
            self.asking.add(pid)
        handle = os.pidfd_open(pid)
        self.children[handle] = pid
        selector.register(handle, selectors.EVENT_READ, "child")
        socket.send_fds(asked, [json.dumps({"pid": pid}).encode()], [handle])

    def _end(self) -> None:
        """The owner has closed those that it asked for, or was killed: then nobody wants their work any more.

        Zygotes end by themselves when their judge is gone.
        """
        for pid in self.asking:
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + ENDS_S / 2
        while self.children and time.monotonic() < deadline:
            for handle, pid in list(self.children.items()):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del self.children[handle]
            time.sleep(0.002)
        for pid in self.children.values():
            os.kill(pid, signal.SIGKILL)


def count_threads() -> int:
    """Return how many threads this process has."""
    return len(os.listdir("/proc/self/task"))


def _prepare() -> None:
    """Import torch as grading uses it."""
    import torch

    from autograder.sandbox.uncompiled import keep_compiler_out

    torch.set_num_threads(1)
    keep_compiler_out()


def _run(function: str, settle: Settle, given: list[int]) -> NoReturn:
    """Go on as `module:function`, with nothing open but what was given, at successive numbers from 3 on."""
    try:
        module, _, name = function.partition(":")
        for number, descriptor in enumerate(given):
            os.dup2(descriptor, PARKED + number)
        os.closerange(FIRST_GIVEN, PARKED)
        for number in range(len(given)):
            os.dup2(PARKED + number, FIRST_GIVEN + number)
        os.closerange(FIRST_GIVEN + len(given), os.sysconf("SC_OPEN_MAX"))
        getattr(importlib.import_module(module), name)(settle, list(range(FIRST_GIVEN, FIRST_GIVEN + len(given))))
    except BaseException as error:  # noqa: BLE001 - nothing may return into the loop from here
        import traceback

        traceback.print_exception(error)
        os._exit(1)
    os._exit(0)
