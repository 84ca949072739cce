"""Signals, traces and reads other processes by raw system calls."""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def call(number, *args):
    """The raw system call; OSError where it is refused."""
    answer = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in args))
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer


for who in ("victim", "judge"):
    pid = FACTS[who]
    attempt(f"kill {who}", lambda: call(62, pid, 9))
    attempt(f"tkill {who}", lambda: call(200, pid, 9))
    attempt(f"tgkill {who}", lambda: call(234, pid, pid, 9))
    attempt(f"rt_sigqueueinfo {who}", lambda: call(129, pid, 9, bytes(128)))
    attempt(f"pidfd_open {who}", lambda: call(434, pid, 0))
    attempt(f"ptrace {who}", lambda: call(101, 16, pid, None, None))
    attempt(f"process_vm_readv {who}", lambda: call(310, pid, bytes(16), 1, bytes(16), 1, 0))
    attempt(f"kcmp {who}", lambda: call(312, pid, os.getpid(), 0, 1, 1))
attempt("reach all", lambda: call(62, -1, 0))  # 9 would end them, where it gets through
attempt("kill the parent", lambda: call(62, os.getppid(), 9) if os.getppid() else 1 / 0)
attempt("the own memory file", lambda: open("/proc/self/mem", "r+b").fileno())
