"""One confinement layer: with Landlock a process gives up rights to files, TCP ports and other processes for good.

Landlock needs no privilege, lasts for the life of the process and can only be tightened. What it cannot see (chmod,
stat, limits of other processes) is left to `seccomp.py` and `namespaces.py`.
"""

from __future__ import annotations

import ctypes
import functools
import os
import stat
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import SandboxError

# System call numbers from 5.13 on are the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_QUERY = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_DIR, _MAKE_REGULAR, _REFER, _TRUNCATE, _IOCTL_DEVICE = (1 << bit for bit in (7, 8, 13, 14, 15))

_READING = _READ_FILE | _READ_DIR
_WRITING = _READING | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REGULAR | _REFER | _TRUNCATE
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_DRIVING = _READ_FILE | _WRITE_FILE | _IOCTL_DEVICE
_BIND_AND_CONNECT = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
_LOG_NOTHING = 1
"""A submission must not fill the machine's audit log with its refusals."""


def abi() -> int:
    """The version of Landlock that this kernel speaks; 0 when it speaks none (too old, switched off, not Linux)."""
    if sys.platform != "linux":
        return 0
    try:
        return _syscall(_CREATE_RULESET, None, 0, _VERSION_QUERY)
    except OSError:
        return 0


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder that was opened before it is given to `restrict`, which is quicker there."""

    descriptor: int
    is_folder: bool


def open_places(paths: Sequence[Path], lowest: int) -> tuple[Place, ...]:
    """Return those of the paths that exist, opened for `restrict` alone, as descriptors from `lowest` on."""
    places: list[Place] = []
    for path in paths:
        with suppress(FileNotFoundError, NotADirectoryError):
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            places.append(Place(os.dup2(opened, lowest + len(places), inheritable=False), _is_folder(opened)))
            os.close(opened)
    return tuple(places)


def restrict(read: Sequence[Path | Place], write: Sequence[Path], drive: Sequence[Path | Place] = ()) -> None:
    """Leave the calling thread, for good, with reading below `read` and with reading and writing below `write`.

    `drive` are device files that are read, written and asked by ioctl: those of a GPU's driver.

    Nothing may be executed; no TCP port bound or connected (ABI 4), no other device asked by ioctl (5), no abstract
    socket and no process outside reached (6). A path may be a file; one that does not exist is left out. Takes 0.3 ms
    if `abi` was called before the fork. Raises `SandboxError`.
    """
    version = abi()
    if version == 0:
        raise SandboxError("this kernel has no Landlock: Linux 5.13 or newer with `landlock` among its lsm= is needed")
    try:
        _restrict(version, read, write, drive)
    except OSError as error:
        raise SandboxError(f"Landlock could not confine the process: {error}; its kernel ABI is {version}") from error


def _restrict(version: int, read: Sequence[Path | Place], write: Sequence[Path], drive: Sequence[Path | Place]) -> None:
    attributes = _attributes(version)
    ruleset = _syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for rights, paths in ((_READING, read), (_WRITING, write), (_DRIVING, drive)):
            for path in paths:
                _allow(ruleset, path, rights & _handled(version))
        _no_new_privileges()
        _syscall(_RESTRICT_SELF, ruleset, _LOG_NOTHING if version >= 7 else 0)
    finally:
        os.close(ruleset)


def _handled(version: int) -> int:
    """All rights to files that this version knows; a right that is not handled would stay allowed everywhere."""
    newest = 12 + (version >= 2) + (version >= 3) + (version >= 5)
    return (1 << newest + 1) - 1


def _attributes(version: int) -> bytes:
    """`struct landlock_ruleset_attr`, as long as this version knows it."""
    whole = struct.pack("=QQQ", _handled(version), _BIND_AND_CONNECT, _ABSTRACT_SOCKETS_AND_SIGNALS)
    return whole[: 24 if version >= 6 else 16 if version >= 4 else 8]


def _allow(ruleset: int, path: Path | Place, rights: int) -> None:
    if isinstance(path, Place):
        _add_rule(ruleset, path, rights)
        return
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        _add_rule(ruleset, Place(descriptor, _is_folder(descriptor)), rights)
    finally:
        os.close(descriptor)


def _is_folder(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def _add_rule(ruleset: int, place: Place, rights: int) -> None:
    rights = rights if place.is_folder else rights & _OF_A_FILE
    _syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place.descriptor), 0)


def _no_new_privileges() -> None:
    if _libc().prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_long, (1, 0, 0, 0))) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")


def _syscall(number: int, *args: int | bytes | None) -> int:
    """The raw call; glibc wraps none of Landlock's. Integers go as whole registers."""
    result: int = _libc().syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in args))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), f"system call {number}")
    return result


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
