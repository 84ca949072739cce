"""A process that has imported torch once and forks a fresh, locked child for every test function.

Forked from a seed (`seed.py`), whose environment is empty; holds no secret: it never sees a submission, a check or an
answer, only "fork, with these limits" and the descriptors that the child shall have. A process of its own forks and
reaps the children (`template.py`); here they are watched, killed and reported with their CPU time.
"""

from __future__ import annotations

import contextlib
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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from autograder.sandbox import devices, landlock, namespaces, pages, seccomp, surroundings, template
from autograder.sandbox.bans import Bans, install
from autograder.sandbox.child import Jail, open_streams
from autograder.sandbox.scratch import clear_away, clear_few
from autograder.sandbox.template import Template, count_threads, die_with_parent, read_own

MAX_MESSAGE = 65536
CLEAR_S = 2.0
FIRST_PLACE = 200
"""Above the descriptors that a child arranges."""
MAX_TASKS = 512
"""Processes and threads of one user at a time: a bomb of threads must not take all numbers that the machine has."""
WHOLE, DATA = 0, 5
"""Fields of /proc/self/statm: all that is mapped, and what of it is the process' own data."""


def main(settle: Callable[[], None], descriptors: list[int]) -> NoReturn:
    """Serve the judge that holds the other end of the control socket, the only descriptor; end when it hangs up.

    `settle` ends what `pages.one_heap` began. A zygote of children that compute on CUDA computes nothing itself: with
    the first backward pass torch opens every device that it finds, and whoever has one open cannot fork for it.
    """
    control = socket.socket(fileno=descriptors[0])
    settings = json.loads(control.recv(MAX_MESSAGE))
    sys.argv[1:] = []
    tempfile.tempdir = os.environ["TMPDIR"] = os.environ["HOME"] = settings["scratch"]
    warm_up(settings["preload"])
    surroundings.accommodate()
    process = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    leave_threads(process)
    jail, layers = build_jail(settings, process)
    open_streams()
    gc.freeze()
    gc.enable()
    pages.fill_pools()
    pages.fill_holes()
    pages.small_from_here()
    settle()
    serving = Zygote(control, template.start(jail, process), jail.namespaced, Path(settings["scratch"]))
    control.send(json.dumps({"ready": layers}).encode())
    serving.serve()
    os._exit(0)  # there is nothing to take down, and Python's own way takes a third of a second


def warm_up(preload: list[str]) -> None:
    """Import what every submission of these assignments will use, so that no child pays for it."""
    import torch

    torch.set_num_threads(1)
    with devices.untouched():
        for name in preload:
            importlib.import_module(name)


def leave_threads(process: int) -> None:
    """Go on in a process with a single thread: where there is a GPU, torch's first backward pass starts some."""
    if count_threads(process) > 1:
        namespaces.go_on_inside()


def build_jail(settings: dict[str, Any], process: int) -> tuple[Jail, list[str]]:
    """Enter the namespaces and compile the filter; return the jail and the names of its layers."""
    readable, driven = (tuple(Path(path) for path in settings[name]) for name in ("readable", "driven"))
    wanted, on_cuda = settings["layers"], settings["device"] == devices.CUDA
    program = seccomp.build_filter(driver=on_cuda) if "seccomp" in wanted else None
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
    namespaces.bar_new_privileges()
    landlocked = "landlock" in wanted
    places = landlock.open_places(readable, FIRST_PLACE) if landlocked else ()
    drivable = landlock.open_places(driven, FIRST_PLACE + len(places)) if landlocked else ()
    memory = int(read_own(process, "self/statm").split()[DATA if on_cuda else WHOLE]) * resource.getpagesize()
    return Jail(places, drivable, "namespaces" in wanted, uid, landlocked, program, memory, bans, on_cuda), layers


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
    """The loop: has children forked on request, waits for their ends, reports."""

    control: socket.socket
    template: Template
    namespaced: bool
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
        self.template.close()

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
            self._fork(order["fork"], order["limits"], descriptors)
            selector.register(self.children[order["fork"]][1], selectors.EVENT_READ, order["fork"])
        elif order["kill"] in self.children:
            os.kill(self.children[order["kill"]][0], signal.SIGKILL)
        return True

    def _fork(self, number: int, limits: dict[str, int], streams: list[int]) -> None:
        folder = None if self.namespaced else Path(tempfile.mkdtemp(prefix="submission-", dir=self.scratch))
        pid = self.template.fork({"limits": limits, "scratch": str(folder or self.scratch)}, streams)
        for descriptor in streams:
            os.close(descriptor)
        self.children[number] = (pid, os.pidfd_open(pid), folder)

    def _reap(self, number: int) -> None:
        pid, descriptor, folder = self.children.pop(number)
        status, cpu_s = self.template.reap(pid)
        os.close(descriptor)
        if folder is not None:
            self._clear_away(folder)
        self.control.send(json.dumps({"ended": number, "status": status, "cpu_s": cpu_s}).encode())

    def _clear_away(self, folder: Path) -> None:
        """Remove a child's folder; what takes long goes on by itself, so that the next child need not wait for it."""
        with contextlib.suppress(OSError):
            if clear_few(folder):
                return
        cleaner = os.fork()
        if cleaner == 0:
            die_with_parent()
            with contextlib.suppress(OSError):  # what cannot be removed now goes with the zygote's own folder
                clear_away(folder)
            os._exit(0)
        descriptor = os.pidfd_open(cleaner)
        select.select([descriptor], [], [], CLEAR_S)
        os.close(descriptor)
        self.cleaners = [pid for pid in [*self.cleaners, cleaner] if os.waitpid(pid, os.WNOHANG)[0] == 0]
