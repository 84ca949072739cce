"""The nine calls that a path-only jail let through: limits, priority and files of others (a trial of this project)."""

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


low = (ctypes.c_ulong * 2)(0, 0)
mask = (ctypes.c_ulong * 16)(1)
solution, folder = FACTS["solution"].encode(), FACTS["folder"].encode()
for who in ("victim", "judge"):
    pid = FACTS[who]
    for kind in (0, 9, 7):
        attempt(f"prlimit {who} {kind}", lambda: call(302, pid, kind, low, None))
    attempt(f"sched_setaffinity {who}", lambda: call(203, pid, 128, mask))
    attempt(f"sched_getaffinity {who}", lambda: call(204, pid, 128, mask))
    attempt(f"sched_setscheduler {who}", lambda: call(144, pid, 5, (ctypes.c_int * 1)(0)))
    attempt(f"setpriority {who}", lambda: call(141, 0, pid, 19))
    attempt(f"ioprio_set {who}", lambda: call(251, 1, pid, 3 << 13))
attempt("setpriority of the whole user", lambda: call(141, 2, 0, 19))
for name, path in (("file", solution), ("folder", folder)):
    attempt(f"stat {name}", lambda: os.stat(path) and 1 if FACTS["hidden_files"] else 1 / 0)
    attempt(f"chmod {name}", lambda: call(90, path, 0o777))
    attempt(f"fchmodat {name}", lambda: call(268, -100, path, 0o777))
    attempt(f"fchmodat2 {name}", lambda: call(452, -100, path, 0o777, 0))
    attempt(f"chown {name}", lambda: call(92, path, 65533, 65533))
    attempt(f"utime {name}", lambda: call(132, path, None))
    attempt(f"utimensat {name}", lambda: call(280, -100, path, None, 0))
    attempt(f"setxattr {name}", lambda: call(188, path, b"user.mine", b"1", 1, 0))
    attempt(f"truncate {name}", lambda: call(76, path, 0))
    attempt(f"rename {name}", lambda: call(82, path, path + b"2"))
    attempt(f"unlink {name}", lambda: call(87, path))
attempt("chdir", lambda: call(80, folder))
attempt("chroot", lambda: call(161, folder))
