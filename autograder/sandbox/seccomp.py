"""One confinement layer: a seccomp filter lets through the system calls that training needs, and no other.

The list was found by running: lazy imports, convolution, LSTM, attention, AdamW, threads, files in scratch; beside
each call stand the ones that another C library or Python makes in its place.
Two calls stay wider than one would like: `mmap` and `mprotect` may make memory executable, since lazy imports map `.so`
files and oneDNN writes its kernels at run time. Machine code of a student's own is therefore possible, and gains
nothing: it meets the same filter.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import importlib
import os
import struct
import sys
from dataclasses import dataclass
from typing import Any

from autograder.errors import SandboxError

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_MODE_FILTER = 2
_INT, _LONG = 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF
_OWN_PROCESS = 0x5EC0_0001
"""Stands in the program where the child's own process id belongs, which is known only after the fork."""


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that is let through when all of its conditions hold: `argument & mask == value`."""

    name: str
    conditions: tuple[tuple[int, int, int], ...] = ()
    """(number of the argument, mask, value)."""


_FREE = """
    read write readv writev pread64 pwrite64 lseek close dup dup2 dup3
    open openat stat lstat fstat newfstatat statx access faccessat faccessat2 readlink readlinkat getdents64 getcwd
    mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 truncate ftruncate fsync fdatasync
    mmap munmap mremap mprotect madvise brk membarrier
    futex rseq set_robust_list sched_yield exit exit_group restart_syscall
    rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times getrusage getcpu
    select pselect6
    getpid gettid getppid getuid geteuid getgid getegid uname sysinfo getrandom
"""
"""Let through whatever their arguments. `open` and its kind are for Landlock and the new root to judge."""

_CLONE_THREAD = 0x0001_0000
_CLONE_FORBIDDEN = 0x7E02_0000 | 0x2000 | 0x1000 | 0x4000 | 0x8000
"""All namespaces, being traced, a pidfd, vfork's halt, and a sibling instead of a child."""
_TERMINAL_QUERIES = (0x5401, 0x802C_542A, 0x5413, 0x541B, 0x5451, 0x5450)
"""TCGETS, TCGETS2 (isatty), TIOCGWINSZ, FIONREAD, FIOCLEX, FIONCLEX; not TIOCSTI, which types for the user."""
_DESCRIPTOR_DUTIES = (0, 1, 2, 3, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC. F_SETOWN, which has signals sent, is not here."""
_NAMING = (15, 16, 0x5356_4D41)
"""PR_SET_NAME and PR_GET_NAME (of threads), PR_SET_VMA (allocators name their memory)."""
_MATRIX_UNIT = (0x1021, 0x1022, 0x1023)
"""ARCH_GET_XCOMP_SUPP, _GET_XCOMP_PERM, _REQ_XCOMP_PERM: without them oneDNN takes another path than the judge's."""

_NARROW = (
    Call("clone", ((0, _CLONE_THREAD | _CLONE_FORBIDDEN, _CLONE_THREAD),)),
    Call("prlimit64", ((0, _INT, 0), (2, _LONG, 0))),
    Call("sched_getaffinity", ((0, _INT, 0),)),
    Call("tgkill", ((0, _INT, _OWN_PROCESS),)),
    Call("fcntl", ((1, _INT, 4), (2, 0x2000, 0))),
    *(Call("fcntl", ((1, _INT, command),)) for command in _DESCRIPTOR_DUTIES),
    *(Call("ioctl", ((1, _INT, command),)) for command in _TERMINAL_QUERIES),
    *(Call("prctl", ((0, _INT, option),)) for option in _NAMING),
    *(Call("arch_prctl", ((0, _INT, code),)) for code in _MATRIX_UNIT),
)
"""`prlimit64` only asks, and only about itself; `tgkill` (how `abort` raises) reaches only the own process; `fcntl`
F_SETFL may not ask for signals (O_ASYNC). The channel is read and written as a file; no socket call is needed."""

_TREE = 2
"""Search for a call's number, do not walk a list: the kernel tries every number when a child installs the filter."""

_NOT_IMPLEMENTED = ("clone3",)
"""Its flags lie in memory, where a filter cannot read them; glibc falls back to `clone` on ENOSYS."""

_UNIX = 1
_DRIVERS_WAYS = """
    poll ppoll eventfd2 pipe2 get_mempolicy sched_get_priority_max sched_get_priority_min setsockopt bind listen
"""
_OF_A_DRIVER = (
    Call("ioctl", ((1, 0xFF00, 0x4600),)),
    Call("ioctl", ((1, 0xFFFF_FF00, 0),)),
    *(Call("ioctl", ((1, _INT, command),)) for command in (0x3000_0001, 0x3000_0002)),
    Call("sched_getaffinity", ((0, _INT, _OWN_PROCESS),)),
    Call("socket", ((0, _INT, _UNIX),)),
    *(Call(name) for name in _DRIVERS_WAYS.split()),
)
"""What NVIDIA's driver is asked: its own commands (type F), those of its unified memory (bare numbers, and the two that
begin and end it), and how its threads wait. Which files may be asked at all is Landlock's affair. CUDA does not start
without its socket, but it starts without `connect`: a socket that cannot connect, send or receive reaches nobody."""


def allowed(*, driver: bool = False) -> tuple[Call, ...]:
    """What the filter lets through, in one list; a call may stand in it several times, once for each alternative."""
    return tuple(Call(name) for name in _FREE.split()) + _NARROW + (_OF_A_DRIVER if driver else ())


def missing() -> str:
    """The piece that this machine lacks for a filter, in words; empty when nothing is missing."""
    if sys.platform != "linux":
        return "Linux (seccomp exists only there)"
    try:
        importlib.import_module("pyseccomp")
    except ImportError:
        return "the Python package pyseccomp (pip install pyseccomp)"
    except RuntimeError:
        return "the library libseccomp.so.2 (Debian and Ubuntu: apt install libseccomp2)"
    return "" if _kernel_filters() else "a kernel with CONFIG_SECCOMP_FILTER"


def build_filter(*, driver: bool = False) -> bytes:
    """The filter as a BPF program for `install`, compiled for this machine's architecture.

    Anything that is not on the list answers EPERM; a call of another architecture (32 bit, x32) kills the process.
    Call it before the jail closes: pyseccomp looks for its library on disk. Raises `SandboxError` if `missing`.
    """
    if piece := missing():
        raise SandboxError(f"the system call filter cannot be built without {piece}")
    library: Any = importlib.import_module("pyseccomp")
    rules = library.SyscallFilter(library.ERRNO(errno.EPERM))
    rules.set_attr(library.Attr.ACT_BADARCH, library.KILL_PROCESS)
    with contextlib.suppress(OSError, ValueError, AttributeError):  # libseccomp before 2.5 knows lists only
        rules.set_attr(library.Attr.CTL_OPTIMIZE, _TREE)
    for call in allowed(driver=driver):
        _add(library, rules, library.ALLOW, call)
    for name in _NOT_IMPLEMENTED:
        _add(library, rules, library.ERRNO(errno.ENOSYS), Call(name))
    with os.fdopen(os.memfd_create("filter"), "rb+") as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def install(program: bytes) -> None:
    """Put the calling thread, and all threads it will start, under `program` for good. Raises `SandboxError`."""
    own = _for_own_process(program)
    buffer = ctypes.create_string_buffer(own, len(own))
    header = struct.pack("@HP", len(own) // 8, ctypes.addressof(buffer))  # struct sock_fprog
    for option, *values in ((_PR_SET_NO_NEW_PRIVS, 1, 0), (_PR_SET_SECCOMP, _MODE_FILTER, header)):
        if code := _prctl(option, *values):
            raise SandboxError(f"the kernel refused the system call filter (prctl {option}): {os.strerror(code)}")


def _for_own_process(program: bytes) -> bytes:
    """`program` with the caller's process id, as its own PID namespace counts, in the places left open for it."""
    mark = struct.pack("=I", _OWN_PROCESS)
    if not program or len(program) % 8 or mark not in program:
        raise SandboxError("not a program of `build_filter`: expected whole instructions with a place for a PID")
    return program.replace(mark, struct.pack("=I", os.getpid()))


def _add(library: Any, rules: Any, action: int, call: Call) -> None:
    number = library.resolve_syscall(library.Arch.NATIVE, call.name)
    if number < 0:  # unknown to this architecture (`open` on arm64) or to an old libseccomp: then it stays refused
        return
    arguments = (library.Arg(which, library.MASKED_EQ, mask, value) for which, mask, value in call.conditions)
    rules.add_rule(action, number, *arguments)


def _kernel_filters() -> bool:
    """Whether the kernel knows filters: it looks at a null program (EFAULT) instead of refusing the mode (EINVAL)."""
    return _prctl(_PR_SET_SECCOMP, _MODE_FILTER, None) == errno.EFAULT


def _prctl(option: int, first: int, second: int | bytes | None) -> int:
    """0, or the error number."""
    last = ctypes.c_long(second) if isinstance(second, int) else second
    zero = ctypes.c_long(0)
    return ctypes.get_errno() if _libc().prctl(option, ctypes.c_long(first), last, zero, zero) else 0


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
