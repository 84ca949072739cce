"""The system call filter alone: what it refuses and what training needs, tried by a process of its own."""

from __future__ import annotations

import importlib
import json
import platform
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from autograder.errors import SandboxError
from autograder.sandbox import seccomp

ROOT = Path(__file__).parents[2]

needs_seccomp = pytest.mark.skipif(seccomp.missing() != "", reason=f"missing: {seccomp.missing()}")
needs_x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="this call exists on x86-64 only")

REFUSED = """
    acct add_key adjtimex alarm bind bpf capget capset chdir chmod chown chroot clock_adjtime clock_settime connect
    copy_file_range delete_module epoll_create1 eventfd2 execve execveat fallocate fanotify_init fchdir fchmod
    fchmodat fchown fchownat fgetxattr finit_module flistxattr flock fork fremovexattr fsconfig fsetxattr fsmount
    fsopen fspick futimesat get_mempolicy get_robust_list getpriority getxattr init_module inotify_init1 io_submit
    io_uring_enter io_uring_register io_uring_setup ioperm iopl ioprio_set kcmp kexec_load keyctl kill
    landlock_restrict_self lchown lgetxattr link linkat listen listxattr llistxattr lookup_dcookie lremovexattr
    lsetxattr mbind memfd_create memfd_secret migrate_pages mknod mknodat mlock mlockall modify_ldt mount
    mount_setattr move_mount move_pages msgget name_to_handle_at open_by_handle_at open_tree perf_event_open
    personality pidfd_getfd pidfd_open pidfd_send_signal pipe pipe2 pivot_root pkey_mprotect poll process_madvise
    process_vm_readv process_vm_writev ptrace quotactl reboot recvfrom recvmsg remap_file_pages removexattr
    request_key rt_sigqueueinfo rt_tgsigqueueinfo sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    seccomp semget sendmsg sendto set_mempolicy setdomainname setfsuid setgid setgroups sethostname setitimer setns
    setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid settimeofday setuid setxattr shmat
    shmget signalfd4 socket socketpair splice swapon symlink symlinkat sync_file_range sysfs syslog tee timer_create
    timerfd_create tkill umask umount2 unshare uselib userfaultfd utime utimensat utimes vfork vhangup vmsplice
    wait4 waitid
"""

BESIDE = {
    "limits of another process": "resource.prlimit(judge, resource.RLIMIT_CPU, (1, 1))",
    "own limits": "raw('prlimit64', 0, resource.RLIMIT_AS, ctypes.addressof(ctypes.c_longlong()), 0)",
    "processors of another process": "os.sched_setaffinity(judge, {0})",
    "looking at another's processors": "os.sched_getaffinity(judge)",
    "priority of another process": "os.setpriority(os.PRIO_PROCESS, judge, 19)",
    "a signal to another process": "os.kill(judge, 0)",
    "a signal to a thread of another process": "raw('tgkill', judge, judge, 0)",
    "mode of a file": "os.chmod(file, 0o777)",
    "mode of a folder": "os.chmod(file.parent, 0o777)",
    "owner of a file": "os.chown(file, os.getuid(), os.getgid())",
    "time of a file": "os.utime(file)",
    "attribute of a file": "os.setxattr(file, b'user.x', b'1')",
    "entering a folder": "os.chdir(file.parent)",
    "a process by fork": "os.fork()",
    "a process by clone": "raw('clone', signal.SIGCHLD, 0, 0, 0, 0)",
    "a thread in a new user namespace": "raw('clone', 0x10000 | 0x10000000, 0, 0, 0, 0)",
    "a program": "os.execv('/bin/true', ['true'])",
    "being traced": "raw('ptrace', 0, 0, 0, 0)",
    "typing on the terminal": "fcntl.ioctl(0, termios.TIOCSTI, b'x')",
    "ioctl with bits above its number": "raw('ioctl', 0, 0x1_0000_5412, 0)",
    "having signals sent": "fcntl.fcntl(0, fcntl.F_SETOWN, judge)",
    "asking for signals": "fcntl.fcntl(0, fcntl.F_SETFL, os.O_ASYNC)",
    "being dumped": "raw('prctl', 4, 1, 0, 0, 0)",
    "another filter": "raw('prctl', 22, 2, 0, 0, 0)",
    "switching off address randomisation": "raw('personality', 0x40000)",
    "a memory file": "os.memfd_create('x')",
}
"""What stands beside the attack, and the attack, on the judge's pid or a file of ours."""

SOCKETS = ("AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_ALG", "AF_VSOCK")

FILTERED = """
    import ctypes, errno, fcntl, json, os, resource, signal, socket, sys, termios
    from pathlib import Path
    from autograder.sandbox import seccomp
    import pyseccomp
    judge, file = os.getppid(), Path(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)

    def raw(name, *args):
        number = name if isinstance(name, int) else pyseccomp.resolve_syscall(0, name)
        if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, args)) < 0:
            raise OSError(ctypes.get_errno(), name)

    def tried(action):
        try:
            action()
            return "ok"
        except OSError as error:
            return errno.errorcode[error.errno]

    seccomp.install(seccomp.build_filter())
"""

TRAINING = """
    import importlib, tempfile, threading, traceback
    import numpy as np
    import torch
    from torch import nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(11, 16)
            self.convolve = nn.Conv1d(16, 16, 3, padding=1)
            self.remember = nn.LSTM(16, 16, batch_first=True)
            self.attend = nn.MultiheadAttention(16, 4, batch_first=True)
            self.encode = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
            self.decide = nn.Linear(16, 11)

        def forward(self, tokens):
            hidden = self.convolve(self.embed(tokens).transpose(1, 2)).transpose(1, 2)
            hidden, _ = self.remember(hidden)
            hidden = hidden + self.attend(hidden, hidden, hidden)[0]
            hidden = hidden + nn.functional.scaled_dot_product_attention(hidden, hidden, hidden, is_causal=True)
            return self.decide(self.encode(hidden))

    def train(steps=12):
        torch.manual_seed(5)
        torch.set_num_threads(4)
        model, tokens = Model(), torch.randint(0, 11, (16, 9))
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        return losses, model

    losses, model = train()
    image = nn.Conv2d(3, 8, 3)(torch.randn(4, 3, 32, 32))
    image.mean().backward()
    torch.linalg.svd(torch.randn(64, 64))
    with tempfile.TemporaryDirectory() as folder:
        torch.save(model.state_dict(), folder + "/weights.pt")
        model.load_state_dict(torch.load(folder + "/weights.pt", weights_only=True))
        np.save(folder + "/array.npy", np.linalg.inv(np.eye(200)))
        np.load(folder + "/array.npy", mmap_mode="r")
        os.replace(folder + "/array.npy", folder + "/renamed.npy")
    thread = threading.Thread(target=train, args=(1,))
    thread.start()
    thread.join()
    importlib.import_module("sqlite3")  # a lazy import of a shared library
    try:
        raise ValueError("shown")
    except ValueError:
        traceback.print_exc()
    print(json.dumps(losses), flush=True)
    os._exit(0)
"""


def run(program: str, file: Path) -> subprocess.CompletedProcess[str]:
    """Run `program` under the filter in a new process, with `file` to reach for."""
    environment = {"PYTHONPATH": str(ROOT), "TMPDIR": str(file.parent), "USER": "student", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", textwrap.dedent(FILTERED) + textwrap.dedent(program), str(file)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def answers(program: str, file: Path) -> dict[str, str]:
    """What `program` printed as JSON."""
    done = run(program, file)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that the filtered process owns."""
    path = tmp_path / "file"
    path.write_text("text")
    return path


@needs_seccomp
def test_training_works_under_the_filter(file: Path) -> None:
    """Convolution, LSTM, attention, AdamW, threads, lazy imports, files, tracebacks: all work, and the model learns."""
    done = run(TRAINING, file)
    assert done.returncode == 0, done.stderr
    losses = json.loads(done.stdout)
    assert losses[-1] < losses[0] / 2
    assert "ValueError: shown" in done.stderr


@needs_seccomp
def test_calls_off_the_list_are_refused(file: Path) -> None:
    """Each dangerous system call, made directly past Python and the C library, answers EPERM."""
    program = f"""
        known = [name for name in {REFUSED!r}.split() if pyseccomp.resolve_syscall(0, name) >= 0]
        print(json.dumps({{name: tried(lambda: raw(name, 0, 0, 0, 0, 0)) for name in known}}))
    """
    found = answers(program, file)
    assert len(found) > 100  # the others do not exist on this architecture
    assert {name for name, answer in found.items() if answer != "EPERM"} == set()


@needs_seccomp
def test_calls_newer_than_the_list_are_refused(file: Path) -> None:
    """A system call that this kit has never heard of is refused, as every one that is not on the list."""
    program = "print(json.dumps({str(n): tried(lambda: raw(n, 0, 0, 0, 0, 0)) for n in range(450, 600)}))"
    assert set(answers(program, file).values()) == {"EPERM"}


@needs_seccomp
def test_allowed_calls_refuse_dangerous_arguments(file: Path) -> None:
    """What reaches out of a jail that only looks at paths, and its relatives, answers EPERM."""
    program = f"""
        attacks = {BESIDE}
        print(json.dumps({{name: tried(lambda: exec(attack)) for name, attack in attacks.items()}}))
    """
    assert {name for name, answer in answers(program, file).items() if answer != "EPERM"} == set()


@needs_seccomp
def test_sockets_of_every_family_are_refused(file: Path) -> None:
    """No socket can be made, whatever its family."""
    program = f"""
        families = [getattr(socket, name) for name in {SOCKETS}]
        kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW)
        print(json.dumps({{str(f): tried(lambda: [socket.socket(f, kind) for kind in kinds]) for f in families}}))
    """
    assert set(answers(program, file).values()) == {"EPERM"}


@needs_seccomp
def test_clone3_looks_unimplemented(file: Path) -> None:
    """The C library has to fall back to `clone`, whose flags a filter can read."""
    assert answers("print(json.dumps({'clone3': tried(lambda: raw('clone3', 0, 0))}))", file) == {"clone3": "ENOSYS"}


@needs_seccomp
def test_a_process_may_ask_about_itself(file: Path) -> None:
    """Own limits, processors, terminal and thread names can be read, and a signal raised in oneself."""
    program = """
        import threading
        seen = []
        signal.signal(signal.SIGUSR1, lambda *_: seen.append("signal"))
        signal.raise_signal(signal.SIGUSR1)
        resource.getrlimit(resource.RLIMIT_AS)
        os.sched_getaffinity(0)
        os.isatty(0)
        thread = threading.Thread(target=lambda: libc.prctl(15, b"name", 0, 0, 0) or seen.append("thread"))
        thread.start()
        thread.join()
        print(json.dumps({name: "ok" for name in seen}))
    """
    assert answers(program, file) == {"signal": "ok", "thread": "ok"}


@needs_seccomp
def test_abort_ends_the_process(file: Path) -> None:
    """A crash of native code (a failed assertion of torch's) still ends the process by a signal."""
    assert run("os.abort()", file).returncode == -signal.SIGABRT


@needs_seccomp
def test_the_filter_is_for_good(file: Path) -> None:
    """A second filter cannot be installed, so the first cannot be replaced."""
    program = """
        from autograder.errors import SandboxError
        try:
            seccomp.install(b"x" * 8)
        except SandboxError:
            pass
        print(json.dumps({"again": tried(lambda: raw("prctl", 22, 2, 0, 0, 0)), "fork": tried(os.fork)}))
    """
    assert answers(program, file) == {"again": "EPERM", "fork": "EPERM"}


@needs_seccomp
@needs_x86_64
@pytest.mark.parametrize("way", ["x32", "int 0x80"])
def test_calls_of_another_architecture_kill(file: Path, way: str) -> None:
    """The same kernel under other call numbers (x32, 32 bit) would walk past the list: the process dies of SIGSYS."""
    program = """
        import mmap
        if sys.argv[-1] == "x32":
            raw(39 | 0x40000000)
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(bytes.fromhex("b814000000" "cd80" "c3"))  # mov eax, 20 (getpid); int 0x80; ret
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
    """
    command = program.replace("sys.argv[-1]", repr(way))
    assert run(command, file).returncode == -signal.SIGSYS


@needs_seccomp
def test_every_name_on_the_list_is_a_call() -> None:
    """A typing error in the list would quietly refuse a call: each name is known on one of the two architectures."""
    library = importlib.import_module("pyseccomp")
    architectures = (library.Arch.X86_64, library.Arch.AARCH64)
    unknown = [
        call.name
        for call in seccomp.allowed(driver=True)
        if all(library.resolve_syscall(architecture, call.name) < 0 for architecture in architectures)
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("error", "word"), [(ImportError, "pip install pyseccomp"), (RuntimeError, r"libseccomp\.so\.2")]
)
def test_the_missing_piece_is_named(monkeypatch: pytest.MonkeyPatch, error: type[Exception], word: str) -> None:
    """Without the Python package or the C library, `missing` says which, and `build_filter` refuses with its words."""

    def fail(_: str) -> ModuleType:
        raise error

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(importlib, "import_module", fail)
    assert seccomp.missing() != ""
    with pytest.raises(SandboxError, match=word):
        seccomp.build_filter()


@pytest.mark.parametrize("program", [b"", b"1234567", bytes(16)])
def test_bytes_that_are_no_filter_are_refused(program: bytes) -> None:
    """A program that does not come from `build_filter` is refused before the kernel sees it."""
    with pytest.raises(SandboxError, match="build_filter"):
        seccomp.install(program)
