"""What happens in the forked child: prepare, lock, load the submission, serve.

Everything above `lock` is our own code and runs free; from the line after it on, a stranger's code runs in this
process and nothing here is trusted any more: the judge outside believes only bytes that it can check.
"""

from __future__ import annotations

import fcntl
import os
import resource
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import torch

from autograder.sandbox import cards, devices, landlock, loading, namespaces, seccomp, standins, surroundings, wire
from autograder.sandbox.bans import Bans
from autograder.sandbox.described import describe
from autograder.sandbox.order import Order, from_bytes
from autograder.sandbox.worker import Executor

CHANNEL = 3
LOCKED = wire.pack({"locked": True}, wire.Plain())


@dataclass(frozen=True, slots=True)
class Jail:
    """How children of this zygote are locked in; made once, before the first fork."""

    readable: tuple[landlock.Place, ...]
    """Open at successive descriptors, until the child has locked itself."""
    drivable: tuple[landlock.Place, ...]
    """The device files of a GPU's driver, likewise."""
    namespaced: bool
    """The zygote lives in namespaces and a root of its own."""
    uid: int | None
    """The unprivileged user that a child becomes, where the zygote started as root."""
    landlocked: bool
    filter: bytes | None
    memory: int
    """Bytes that the zygote itself has: a child's limit comes on top. Of address space, or on CUDA of data."""
    bans: Mapping[tuple[str, ...], Bans]
    """Bans that are made already; the first ones are in force in the zygote itself, so that children inherit them."""
    on_cuda: bool = False
    """Children compute on a CUDA device, each in a context of its own."""


DRIVERS_OWN_MB = 4096
"""Memory of the machine that CUDA takes for itself in each process; none of it is the submission's."""
OWN_PROCESS = Path("/proc/self")
OWN_THREADS = OWN_PROCESS / "task"
"""CUDA reads where its memory lies and gives its threads names, and does not start where it cannot."""


def run(streams: tuple[int, int, int], jail: Jail, limits: Mapping[str, int], scratch: Path) -> NoReturn:
    """Serve one judge over the channel until it hangs up; never returns."""
    _arrange_descriptors(streams, (*jail.readable, *jail.drivable))
    frame = _read_frame()
    if frame is None:
        os._exit(0)
    executor, answer = _prepare(Order.read(frame), jail, limits, scratch)
    _write(answer)
    while executor is not None and (frame := _read_frame()) is not None:
        _write(executor.reply(frame))
    os._exit(0)


def _prepare(order: Order, jail: Jail, limits: Mapping[str, int], scratch: Path) -> tuple[Executor | None, bytes]:
    if jail.namespaced:
        sizes = limits["scratch_mb"], limits["scratch_files"]
        namespaces.own_scratch(scratch, *sizes, jail.uid, processes=jail.on_cuda)
    else:
        os.chdir(scratch)  # a student's `open("model.pt", "w")` belongs here
        os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
    loading.write_files({name: text.encode() for name, text in order.files.items()}, scratch)
    banned = _enforce_bans(jail, order.bans)
    torch.set_default_dtype(getattr(torch, order.dtype))
    devices.Place().seed(order.seed)
    lock(jail, limits, scratch)
    place = open_place(jail, limits, order.seed, banned)
    stand_ins = [*order.stand_ins, *(name for each in order.earlier for name in each.stand_ins)]
    if (called := standins.all_called(stand_ins)) is not None:
        banned.seal(but=called)  # a switch is left for what a stand-in of ours calls; nothing can lift the rest
    _write(LOCKED)  # until here a failure is ours, from here on the submission's
    try:
        written = [each.name for each in order.earlier if each.written]
        code = order.code or loading.compile_submission(scratch, order.module, *written)
        with surroundings.settled(order.module):
            module = loading.import_submission(
                scratch,
                order.module,
                code,
                order.importable,
                inert=True,
                first=lambda: standins.provide_earlier(order.earlier, banned),
            )
        for name in order.stand_ins:
            standins.set_stand_in(module, name, banned)
    except BaseException as error:  # noqa: BLE001 - importing a submission runs it: whatever it raises is data
        return None, wire.pack({"error": describe(error, str(scratch))}, wire.Plain())
    compiled = None if order.code else from_bytes(code)
    executor = Executor(module, scratch, banned.refused, place=place)
    return executor, wire.pack({"loaded": True, "code": compiled}, wire.Plain())


def _enforce_bans(jail: Jail, names: tuple[str, ...]) -> Bans:
    """Put the bans of this child in the place of those that it inherited."""
    standing = next(iter(jail.bans.values()))
    banned = jail.bans[names]
    if banned is not standing:
        standing.hand_over(banned)
    return banned


def open_place(jail: Jail, limits: Mapping[str, int], seed: int, banned: Bans) -> devices.Place:
    """Return where the submission computes; what opens a device may itself be banned (a backward pass)."""
    if not jail.on_cuda:
        return devices.Place()
    with banned.lifted():
        return devices.start(limits["memory_mb"], seed)


def lock(jail: Jail, limits: Mapping[str, int], scratch: Path) -> None:
    """Give up everything that a submission does not need, for good."""
    namespaces.drop_privileges(jail.uid, barred=True)
    cpu_s = limits["cpu_s"]
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    memory = jail.memory + limits["memory_mb"] * 2**20
    if jail.on_cuda:  # which reserves addresses for all memory of all cards
        resource.setrlimit(resource.RLIMIT_DATA, (memory + DRIVERS_OWN_MB * 2**20,) * 2)
    else:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    disk = limits["scratch_mb"] * 2**20
    resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))
    if jail.landlocked:
        own = (OWN_PROCESS, *map(Path, cards.OF_THE_KERNEL)) if jail.on_cuda else ()
        writable = [scratch, Path("/dev/null"), *([OWN_THREADS] if jail.on_cuda else ())]
        landlock.restrict([*jail.readable, *own], writable, jail.drivable)
        os.closerange(CHANNEL + 1, 4096)
    if jail.filter is not None:
        seccomp.install(jail.filter)


def _arrange_descriptors(streams: tuple[int, int, int], places: Sequence[landlock.Place]) -> None:
    """Leave open: nothing on stdin, the judge's pipes on stdout and stderr, the channel; places until `lock`."""
    channel, stdout, stderr = (fcntl.fcntl(descriptor, fcntl.F_DUPFD, 100) for descriptor in streams)
    nothing = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((nothing, 0), (stdout, 1), (stderr, 2), (channel, CHANNEL)):
        os.dup2(source, target)
    kept = sorted(place.descriptor for place in places)
    for first, last in pairwise([CHANNEL, *kept, 4096]):
        os.closerange(first + 1, last)


def open_streams() -> None:
    """Make the text streams of all children, once and in the zygote: they know a number and not a file."""
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115


def _read_exactly(count: int) -> bytes | None:
    buffer = bytearray()
    while len(buffer) < count:
        chunk = os.read(CHANNEL, count - len(buffer))
        if not chunk:
            return None
        buffer += chunk
    return bytes(buffer)


def _read_frame() -> bytes | None:
    header = _read_exactly(wire.HEADER.size)
    if header is None:
        return None
    body = _read_exactly(wire.body_length(header))
    return None if body is None else header + body


def _write(frame: bytes) -> None:
    rest = memoryview(frame)
    while rest:
        rest = rest[os.write(CHANNEL, rest) :]
