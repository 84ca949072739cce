"""One confinement layer: namespaces give the sandbox its own files, processes, network, IPC and uid.

`enter` builds that world once, for the zygote. `pid_namespaces` (around each fork), `own_scratch` and
`drop_privileges` (in the child, in this order) then separate the children from each other. Needs root or unprivileged
user namespaces. A child is PID 1 of its namespace, and such a process ignores signals that it set no handler for, even
the kernel's SIGXCPU and its own SIGABRT: only SIGKILL and faults end it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import struct
import sys
import sysconfig
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from autograder.errors import SandboxError
from autograder.sandbox.libc import call, explained
from autograder.sandbox.newroot import mount_processes, mount_scratch, new_root, own_mounts

SANDBOX_UID = 65_533
"""Another uid for children started as root: below 65,536, so that containers map it, and assigned to nobody."""


_UNSHARE = {"user": 0x1000_0000, "pid": 0x2000_0000, "mount": 0x0002_0000, "network": 0x4000_0000, "ipc": 0x0800_0000}
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 1, 4, 24, 47, 4
_CAPABILITY_VERSION = 0x2008_0522


@dataclass(frozen=True, slots=True)
class Entered:
    """What `enter` put in force for the calling process and all its children."""

    layers: tuple[str, ...]
    """Of "user", "pid", "mount", "network", "ipc", "uid"; the last means that children can become `SANDBOX_UID`."""
    missing: str
    """The layers that this machine does not give and why; empty when nothing is missing."""


def runtime_paths() -> tuple[Path, ...]:
    """What Python, numpy and torch read while they run: libraries, site-packages, a few devices; nothing of a project.

    Without the four files on the CPU torch falls back to its slowest kernels, whose rounding differs from the judge's.
    """
    python = [f"{sys.base_prefix}/lib", *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))]
    system = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo"]
    counts = [f"/sys/devices/system/cpu/{name}" for name in ("possible", "present", "kernel_max")]
    devices = [f"/dev/{name}" for name in ("null", "zero", "urandom", "random")]
    return tuple(Path(name) for name in [*python, *system, "/proc/cpuinfo", *counts, *devices])


def probe() -> tuple[tuple[str, ...], str]:
    """The layers that `enter` would give here, and words on those that are missing; found by a forked trial.

    Root gets "uid" and needs no "user"; others get "user" and cannot have "uid": neither is then called missing.
    """
    if sys.platform != "linux":
        return (), "namespaces exist on Linux only"
    read, write = os.pipe()
    with warnings.catch_warnings():  # of a fork beside threads: the child uses nothing that they may hold
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.write(write, "\n".join(" ".join(part) for part in _trial()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as answer:
        found, separator, words = answer.read().partition("\n")
    os.waitpid(child, 0)
    return tuple(found.split()), words if separator else "the process that tries the namespaces died"


def enter(readable: Sequence[Path], scratch: Path) -> Entered:
    """Go on inside: no network, no IPC, a new root of `readable` alone, PID 1; every layer that `probe` finds.

    Call it once, with a single thread. The root is read-only but for `scratch`; the working folder is `/`. The caller's
    process stays outside to wait, ends as the inner one ends, and takes it along when killed; the inner one keeps all
    descriptors. Without "mount" nothing is hidden and `scratch` is left alone. Raises `SandboxError`.
    """
    layers, missing = probe()
    with explained("the namespaces could not be entered; is the process single-threaded?"):
        _unshare(layers)
        if "mount" in layers:
            new_root(readable, scratch)
        if "pid" in layers:
            go_on_inside()
    return Entered(layers, missing)


def pid_namespaces() -> tuple[Callable[[], int], Callable[[], int]] | tuple[None, None]:
    """Two calls for around a fork, which make its child PID 1 of a namespace: when it dies, all it started dies, too.

    The first has the next fork start a namespace, the second returns to the caller's own; only the parent may call it.
    Both answer below 0 on failure, and write to little memory: who forks shares it with all its children. (None, None)
    where the kernel does not allow it (`Entered.layers` says so). Raises `SandboxError`.
    """
    own = _own_pid_namespace()
    if own is None:
        return None, None
    libc, flag = ctypes.PyDLL(None), ctypes.c_int(_UNSHARE["pid"])
    return partial(libc.unshare, flag), partial(libc.setns, ctypes.c_int(own), flag)


def own_scratch(path: Path, size_mb: int, inodes: int, uid: int | None = None, *, processes: bool = False) -> None:
    """In the child: mount an empty folder of its own at `path`, with a size, for `uid`, and make it the working folder.

    Nothing in it can be executed or mapped as code, and no other process sees it. With `processes` there is a /proc,
    which knows no process but the child's own; that takes root. Raises `SandboxError`.
    """
    owner, group = (os.getuid(), os.getgid()) if uid is None else (uid, uid)
    with explained(f"no scratch folder at {path}"):
        call("unshare", _UNSHARE["mount"])
        own_mounts()
        if processes:
            mount_processes()
        mount_scratch(path, f"size={size_mb}m,nr_inodes={inodes},mode=0700,uid={owner},gid={group}")
        os.chdir(path)  # a student's `open("model.pt", "w")` belongs here


def bar_new_privileges() -> None:
    """Have no program that is started from here on, or by children, gain a capability. Raises `SandboxError`.

    Once in the zygote: `drop_privileges` then need not take away forty, one by one.
    """
    with explained("the capabilities that programs may gain could not be taken away"):
        _empty_bounding_set()


def drop_privileges(uid: int | None, *, barred: bool = False) -> None:
    """In the child: become `uid` (None: stay who we are) and give up every capability for good. Raises `SandboxError`.

    `barred`: `bar_new_privileges` was called. The process also becomes undumpable, since a core dump would run a
    program of the host's as root.
    """
    with explained(f"privileges could not be dropped to those of uid {os.getuid() if uid is None else uid}"):
        if not barred:
            _empty_bounding_set()
        call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
        if uid is not None:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        call("capset", struct.pack("=Ii", _CAPABILITY_VERSION, 0), bytes(24))
        call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)


def _trial() -> tuple[list[str], list[str]]:
    """The layers that work, and words on the others, in a process that is about to end."""
    worlds = ("pid", "network", "ipc", "mount")
    privileged = not _refusal("ipc")
    why = {layer: _refusal(layer) for layer in ((*worlds, "uid") if privileged else ("user", *worlds))}
    if why.get("user"):  # then nothing but another uid can be had, and that only as root
        why = {"user": why["user"], "uid": _refusal("uid")}
    found = [layer for layer, words in why.items() if not words]
    return [] if found == ["user"] else found, [f"{layer}: {words}." for layer, words in why.items() if words]


def _refusal(layer: str) -> str:
    """Why the calling process cannot have `layer`; empty when it now has it."""
    try:
        if layer == "uid":
            drop_privileges(SANDBOX_UID)
        else:
            _unshare([layer])
        if layer == "mount":
            new_root(runtime_paths(), Path("/scratch"))
    except (OSError, SandboxError) as error:
        return f"{error}" + " (CAP_SYS_ADMIN is missing, and so are namespaces without it)" * (layer == "user")
    return ""


def _unshare(layers: Sequence[str]) -> None:
    uid, gid = os.geteuid(), os.getegid()
    if flags := sum(_UNSHARE.get(layer, 0) for layer in layers):  # a container may refuse the call whatever its flags
        call("unshare", flags)
    if "user" in layers:  # our own uid mapped to itself; without "deny" an unprivileged process may map no group
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            Path("/proc/self", name).write_text(text, encoding="ascii")


def go_on_inside() -> None:
    """Fork, into the new PID namespace where there is one; only the inner process returns, with a single thread."""
    outer_lives, held_by_outer = os.pipe()
    inner = os.fork()
    if inner:
        _wait_outside(inner, held_by_outer)
    os.close(held_by_outer)
    call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if select.select([outer_lives], [], [], 0)[0]:  # it died before that request could count
        os._exit(1)
    os.close(outer_lives)


def _wait_outside(inner: int, keep: int) -> None:
    """Hold nothing that the judge may wait on (the control socket, stderr), and end in the same way as `inner`."""
    os.closerange(0, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C reaches the inner process, too, which decides for both
    code = os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
    if code < 0:
        with suppress(OSError, ValueError):  # SIGKILL's action cannot be set, nor need it be
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)


def _own_pid_namespace() -> int | None:
    """A descriptor of the caller's own, to return to. None: children may have no other."""
    try:
        own = os.pidfd_open(os.getpid())  # /proc, which would have one too, is not visible
        call("unshare", _UNSHARE["pid"])
        call("setns", own, _UNSHARE["pid"])
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EINVAL, errno.ENOSYS):
            return None
        raise SandboxError(f"no new PID namespace for a child: {error}") from error
    return own


def _empty_bounding_set() -> None:
    """EINVAL is the end of the kernel's list; EPERM is said to an ordinary user, who has no capability to lose."""
    for capability in range(64):
        try:
            call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EPERM):
                return
            raise
