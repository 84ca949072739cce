"""A process that has imported torch once and forks a fresh, locked child for every test function.

Started by `host.py` with an empty environment; holds no secret: it never sees a submission, a check or an answer,
only "fork, with these limits" and the descriptors that the child shall have. Single-threaded, and asserts so before
each fork. Children are reaped here and reported with their CPU time.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import select
import selectors
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.sandbox import landlock, namespaces, pages, rehearsal, seccomp, surroundings
from autograder.sandbox.bans import Bans, install
from autograder.sandbox.child import Jail, open_streams, run
from autograder.sandbox.scratch import clear_away, clear_few

MAX_MESSAGE = 65536
CLEAR_S = 2.0
OPTIMIZERS_IMPORT = ("torch._dynamo", "torch._subclasses.fake_tensor")
"""What torch imports with the first optimizer: 1.1 s, and from where a locked child may not read."""
MAX_TASKS = 512
"""Processes and threads of one user at a time: a bomb of threads must not take all numbers that the machine has."""


def main() -> None:
    """Serve the judge that holds the other end of the control socket; return when it hangs up."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(control.recv(MAX_MESSAGE))
    _leave_interrupts_to_judge()
    warm_up(settings["preload"], trains=settings["trains"])
    surroundings.accommodate()
    rehearsal.rehearse(Path(settings["scratch"]), trains=settings["trains"])
    process = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    jail, layers = build_jail(settings, process)
    open_streams()
    gc.collect()
    gc.freeze()
    gc.enable()
    pages.fill_pools()
    pages.fill_holes()
    pages.collapse(read_own(process, "self/maps"))
    control.send(json.dumps({"ready": layers}).encode())
    Zygote(control, jail, process, Path(settings["scratch"])).serve()


PR_SET_PDEATHSIG = 1
_LIBC = ctypes.PyDLL(None)  # made once: each of these is a new class


def _die_with_parent() -> None:
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _fork() -> int:
    """Fork without what Python does for the child's other threads, of which there are none: that costs 1 ms."""
    pid: int = _LIBC.fork()
    if pid < 0:
        raise OSError("the zygote cannot fork: too many processes, or no memory")
    return pid


def _leave_interrupts_to_judge() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is the judge's to handle; it closes us in order


def warm_up(preload: list[str], *, trains: bool) -> None:
    """Import and run once what every submission will use, so that no child pays for it."""
    import torch

    torch.set_num_threads(1)
    answer = torch.randn(5, 3, requires_grad=True).tanh()
    torch.autograd.backward([answer], [torch.ones_like(answer)])  # with cotangents: this path imports sympy
    for name in (*(OPTIMIZERS_IMPORT if trains else ()), *preload):
        importlib.import_module(name)


def build_jail(settings: dict[str, Any], process: int) -> tuple[Jail, list[str]]:
    """Enter the namespaces and compile the filter; return the jail and the names of its layers."""
    readable = tuple(Path(path) for path in settings["readable"])
    wanted = settings["layers"]
    program = seccomp.build_filter() if "seccomp" in wanted else None
    layers = [f"landlock-{landlock.abi()}"] if "landlock" in wanted else []
    layers += ["seccomp"] if program else []
    bans = make_bans(settings["bans"])
    uid = None
    if "namespaces" in wanted:
        entered = namespaces.enter(readable, Path(settings["scratch"]))
        uid = namespaces.SANDBOX_UID if "uid" in entered.layers else None
        if {"user", "uid"} & {*entered.layers}:  # else the judge's own processes would count
            resource.setrlimit(resource.RLIMIT_NPROC, (MAX_TASKS, MAX_TASKS))
        layers += [f"{name} namespace" for name in entered.layers if name != "uid"] + ["uid"] * (uid is not None)
    mapped = int(read_own(process, "self/statm").split()[0]) * resource.getpagesize()
    return Jail(readable, "namespaces" in wanted, uid, "landlock" in wanted, program, mapped, bans), layers


def read_own(process: int, name: str) -> str:
    """Return a file of /proc about this process, through a descriptor that outlives the old root."""
    with open(os.open(name, os.O_RDONLY, dir_fd=process), encoding="utf-8") as file:
        return file.read()


def make_bans(every: list[list[str]]) -> dict[tuple[str, ...], Bans]:
    """Return the bans that children will ask for; the first ones stay in force, which a child need only seal."""
    bans = {}
    for names in every:
        bans[tuple(names)] = install(names, switchable=True)
        bans[tuple(names)].lift()
    next(iter(bans.values())).enforce()
    return bans


@dataclass
class Zygote:
    """The loop: forks on request, reaps, reports."""

    control: socket.socket
    jail: Jail
    process: int
    scratch: Path
    children: dict[int, tuple[int, int, Path | None]] = field(default_factory=dict)
    """Number of the child -> its pid, its pidfd, the folder to clear away after it."""
    cleaners: list[int] = field(default_factory=list)
    """Processes that still clear folders away."""

    def serve(self) -> None:
        """Answer the judge until it hangs up, then take every child along."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.control, selectors.EVENT_READ)
            while self._step(selector):
                pass
        for pid, _, _ in self.children.values():
            os.kill(pid, signal.SIGKILL)

    def _step(self, selector: selectors.BaseSelector) -> bool:
        for key, _ in selector.select():
            if key.data is not None:
                selector.unregister(key.fileobj)
                self._reap(key.data)
            elif not self._obey(selector):
                return False
        return True

    def _obey(self, selector: selectors.BaseSelector) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self.control, MAX_MESSAGE, 3)
        if not message:
            return False
        order = json.loads(message)
        if "fork" in order:
            self._fork(order["fork"], order["limits"], (descriptors[0], descriptors[1], descriptors[2]))
            selector.register(self.children[order["fork"]][1], selectors.EVENT_READ, order["fork"])
        elif order["kill"] in self.children:
            os.kill(self.children[order["kill"]][0], signal.SIGKILL)
        return True

    def _fork(self, number: int, limits: dict[str, int], streams: tuple[int, int, int]) -> None:
        threads = os.open("self/task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.process)
        alone = len(os.listdir(threads)) == 1
        assert alone, "the zygote must be single-threaded to fork safely"
        os.close(threads)
        folder = None if self.jail.namespaced else Path(tempfile.mkdtemp(prefix="submission-", dir=self.scratch))
        with namespaces.own_pid_namespace() if self.jail.namespaced else contextlib.nullcontext():
            pid = _fork()
            if pid == 0:
                self._become_child(streams, limits, folder)
        for descriptor in streams:
            os.close(descriptor)
        self.children[number] = (pid, os.pidfd_open(pid), folder)

    def _become_child(self, streams: tuple[int, int, int], limits: dict[str, int], folder: Path | None) -> None:
        try:
            _die_with_parent()
            _prefer_for_oom(self.process)
            run(streams, self.jail, limits, folder or self.scratch)
        except BaseException as error:  # noqa: BLE001 - nothing may return into the zygote's loop from here
            os.write(2, f"sandbox: {type(error).__name__}: {error}\n".encode())
            os._exit(1)

    def _reap(self, number: int) -> None:
        pid, descriptor, folder = self.children.pop(number)
        _, status, usage = os.wait4(pid, 0)
        os.close(descriptor)
        if folder is not None:
            self._clear_away(folder)
        report = {"ended": number, "status": status, "cpu_s": usage.ru_utime + usage.ru_stime}
        self.control.send(json.dumps(report).encode())

    def _clear_away(self, folder: Path) -> None:
        """Remove a child's folder; what takes long goes on by itself, so that the next child need not wait for it."""
        with contextlib.suppress(OSError):
            if clear_few(folder):
                return
        cleaner = os.fork()
        if cleaner == 0:
            _die_with_parent()
            with contextlib.suppress(OSError):  # what cannot be removed now goes with the zygote's own folder
                clear_away(folder)
            os._exit(0)
        descriptor = os.pidfd_open(cleaner)
        select.select([descriptor], [], [], CLEAR_S)
        os.close(descriptor)
        self.cleaners = [pid for pid in [*self.cleaners, cleaner] if os.waitpid(pid, os.WNOHANG)[0] == 0]


def _prefer_for_oom(process: int) -> None:
    """When the machine runs out of memory, this child is to die and not the judge."""
    try:
        score = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=process)
    except OSError:
        return
    os.write(score, b"1000")
    os.close(score)


if __name__ == "__main__":
    main()
