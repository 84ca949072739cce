"""Asks the kernel for new ground: mounts, namespaces, programs, keys, modules, io_uring, bpf, other uids."""

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


CALLS = {
    "mount": (165, b"none", b"/tmp", b"tmpfs", 0, None), "umount2": (166, b"/tmp", 2), "pivot_root": (155, b"/", b"/tmp"),
    "unshare": (272, 0x10000000), "setns": (308, 3, 0), "open_tree": (428, -100, b"/", 1), "fsopen": (430, b"tmpfs", 0),
    "io_uring_setup": (425, 8, bytes(120)), "bpf": (321, 0, bytes(64), 64), "keyctl": (250, 0, -3, 1),
    "add_key": (248, b"user", b"a", b"b", 1, -3), "perf_event_open": (298, bytes(128), 0, -1, -1, 0),
    "userfaultfd": (323, 0), "memfd_create": (319, b"a", 0), "execve": (59, b"/bin/sh", None, None),
    "execveat": (322, -100, b"/bin/sh", None, None, 0), "fork": (57,), "vfork": (58,),
    "clone3": (435, bytes(88), 88), "clone with a namespace": (56, 0x10000011, None, None, None, None),
    "setuid": (105, 0), "setresuid": (117, 0, 0, 0), "setgroups": (116, 0, None), "capset": (126, bytes(8), bytes(24)),
    "reboot": (169, 0, 0, 0), "sethostname": (170, b"a", 1), "init_module": (175, b"", 0, b""),
    "name_to_handle_at": (303, -100, b"/", bytes(64), bytes(8), 0), "open_by_handle_at": (304, -100, bytes(64), 0),
    "shmget": (29, 0, 4096, 0o1600), "msgget": (68, 0, 0o1600), "mq_open": (240, b"a", 0o102, 0o600, None),
    "inotify_init": (253,), "fanotify_init": (300, 0, 0), "signalfd": (282, -1, bytes(8), 8), "timer_create": (222, 0, None, bytes(8)),
    "seccomp": (317, 1, 0, None), "landlock_create_ruleset": (444, None, 0, 1), "personality": (135, 0x0400000),
    "mknod": (133, b"disk", 0o60600, 0x800), "symlink": (88, b"/etc", b"link"), "link": (86, b"/etc/passwd", b"link"),
    "quotactl": (179, 0, None, 0, None), "syslog": (103, 3, bytes(99), 99), "swapon": (167, b"/a", 0), "acct": (163, None),
    "ioctl TIOCSTI": (16, 1, 0x5412, b"x"), "fcntl F_SETOWN": (72, 1, 8, FACTS["victim"]), "prctl dumpable": (157, 4, 1, 0, 0, 0),
}
for name, arguments in CALLS.items():
    attempt(name, lambda: call(*arguments))
