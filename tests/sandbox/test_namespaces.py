"""Namespaces, and the whole jail in its order: as the user of these tests and, where that is root, an ordinary one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from autograder.sandbox import landlock, namespaces, newroot, seccomp

ROOT = Path(__file__).parents[2]
LAYERS, MISSING = namespaces.probe()

needs_namespaces = pytest.mark.skipif(not {"pid", "mount"} <= set(LAYERS), reason=f"no namespaces here: {MISSING}")
needs_all_layers = pytest.mark.skipif(
    not LAYERS or landlock.abi() == 0 or seccomp.missing() != "",
    reason=f"not every layer here: {MISSING} Landlock ABI {landlock.abi()}, seccomp lacks '{seccomp.missing()}'",
)
as_both_users = pytest.mark.parametrize("user", ["self", "ordinary"] if os.geteuid() == 0 else ["self"])

BECOME_ORDINARY = """
    # Show in a mount namespace of our own what lies in folders closed to others (such as a Python below /root), and
    # become an ordinary user for good by starting the program anew.
    import ctypes, os, sys, sysconfig
    from pathlib import Path
    libc = ctypes.CDLL(None)
    shown = [Path(sys.base_prefix), Path(sysconfig.get_path("purelib")), Path(sys.executable), Path(sys.argv[2])]
    closed = {next((up for up in reversed(path.parents) if not up.stat().st_mode & 1), None) for path in shown} - {None}
    assert libc.unshare(0x20000) == 0 and libc.mount(None, b"/", None, 0x44000, None) == 0
    held = {path: os.open(path, os.O_PATH) for path in shown}
    for folder in closed:
        assert libc.mount(b"shown", os.fsencode(folder), b"tmpfs", 0, b"mode=0755") == 0
    for path, descriptor in held.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if os.path.isdir(f"/proc/self/fd/{descriptor}") else path.touch()
            assert libc.mount(f"/proc/self/fd/{descriptor}".encode(), os.fsencode(path), None, 0x1000, None) == 0
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    os.execv(sys.executable, [sys.executable, "-c", *sys.argv[1:]])
"""

ENTERED = """
    import errno, json, os, resource, signal, socket, sys
    from pathlib import Path
    from autograder.sandbox import landlock, namespaces, seccomp
    from autograder.sandbox import libc as libc_calls
    secret, judge, scratch = Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])

    def tried(action):
        try:
            action()
            return "ok"
        except OSError as error:
            return errno.errorcode[error.errno]

    def fork(work):
        apart, back = namespaces.pid_namespaces()
        if apart:
            assert apart() == 0
        child = os.fork()
        if child == 0:
            try:
                work()
            finally:
                os._exit(1)
        if back:
            assert back() == 0
        return child

    def in_child(work):
        read, write = os.pipe()
        child = fork(lambda: os.write(write, json.dumps(work()).encode()))
        os.close(write)
        with open(read) as answer:
            text = answer.read()
        os.waitpid(child, 0)
        return json.loads(text or '"the child died"')

    program = seccomp.build_filter() if not seccomp.missing() else None
    landlock.abi()
    readable = namespaces.runtime_paths()
    entered = namespaces.enter(readable, scratch)
    uid = namespaces.SANDBOX_UID if "uid" in entered.layers else None
"""

ESCAPES = """
    escapes = {
        "limits of the judge": lambda: resource.prlimit(judge, resource.RLIMIT_CPU, (10**6, 10**6)),
        "processors of the judge": lambda: os.sched_setaffinity(judge, {0}),
        "priority of the judge": lambda: os.setpriority(os.PRIO_PROCESS, judge, 19),
        "a signal to the judge": lambda: os.kill(judge, 0),
        "looking at the solution": lambda: os.stat(secret),
        "reading the solution": lambda: open(secret),
        "entering its folder": lambda: os.chdir(secret.parent),
        "mode of its folder": lambda: os.chmod(secret.parent, 0o777),
        "mode of the solution": lambda: os.chmod(secret, 0o777),
        "time of the solution": lambda: os.utime(secret),
        "attribute of the solution": lambda: os.setxattr(secret, b"user.x", b"1"),
        "the users of this machine": lambda: open("/etc/passwd"),
        "the processes of this machine": lambda: os.listdir("/proc/self"),
        "up and out of the root": lambda: open("../../../../../../../../etc/passwd"),
        "a file beside scratch": lambda: open(scratch.parent / "beside", "w"),
        "a file in the root": lambda: open("/beside", "w"),
        "a file among the libraries": lambda: open(Path(os.__file__).parent / "beside.py", "w"),
        "changing a library": lambda: open(os.__file__, "r+"),
        "becoming root": lambda: os.setresuid(0, 0, 0),
        "a mount": lambda: libc_calls.call("mount", "x", "/", "tmpfs", 0, None),
        "taking scratch away": lambda: libc_calls.call("umount2", scratch, 2),
        "a namespace": lambda: libc_calls.call("unshare", 0x20000),
        "a network": lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
    }
"""

LOCKED = """
    import torch
    from torch import nn
    torch.set_num_threads(1)
    nn.Linear(3, 3)(torch.randn(5, 3)).sum().backward()

    def use():
        Path("relative.txt").write_text("text")
        torch.manual_seed(5)
        torch.set_num_threads(4)
        inputs, answers = torch.randn(64, 9, 8), torch.randn(64, 8)
        convolve, remember = nn.Conv1d(8, 8, 3, padding=1), nn.LSTM(8, 8, batch_first=True)
        optimizer = torch.optim.AdamW([*convolve.parameters(), *remember.parameters()], lr=1e-2)
        losses = []
        for _ in range(12):
            optimizer.zero_grad()
            hidden, _ = remember(convolve(inputs.transpose(1, 2)).transpose(1, 2))
            hidden = nn.functional.scaled_dot_product_attention(hidden, hidden, hidden)
            loss = (hidden[:, -1] - answers).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        import sqlite3
        return losses

    def locked():
        namespaces.own_scratch(scratch, 8, 100, uid)
        (scratch / "submission.py").write_text("answer = 42")
        (scratch / "submission.py").chmod(0o444)
        namespaces.drop_privileges(uid)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        landlock.restrict(readable, [scratch])
        seccomp.install(program)
        sys.path.insert(0, str(scratch))
        import submission
        refused = {name: tried(escape) for name, escape in escapes.items()}
        return {"answer": submission.answer, "refused": refused, "losses": use(), "pid": os.getpid()}
"""


def run(program: str, user: str, secret: Path, keep: tuple[int, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run `program` inside the namespaces in a new process, as this user or an ordinary one; it inherits `keep`."""
    inner = textwrap.dedent(ENTERED) + textwrap.dedent(program)
    begin = ["-c", inner] if user == "self" else ["-c", textwrap.dedent(BECOME_ORDINARY), inner]
    command = [sys.executable, *begin, str(ROOT), str(secret), str(os.getpid()), "/tmp/scratch"]
    names = {"PYTHONPATH": str(ROOT), "TMPDIR": "/tmp/scratch", "USER": "student", "OMP_NUM_THREADS": "1"}
    environment = names | {"PYTHONDONTWRITEBYTECODE": "1", "TORCHDYNAMO_DISABLE": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, pass_fds=keep)


def answers(program: str, user: str, secret: Path) -> dict[str, object]:
    """What `program` printed as JSON."""
    done = run(program, user, secret)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A solution that everybody on this machine may read."""
    path = tmp_path / "solution.py"
    path.write_text("secret")
    return path


@needs_all_layers
@needs_namespaces
@as_both_users
def test_the_whole_jail_in_its_order(user: str, secret: Path) -> None:
    """Scratch, files, privileges, limits, Landlock, filter, in this order: a model trains and nothing gets out."""
    program = textwrap.dedent(ESCAPES) + textwrap.dedent(LOCKED) + "print(json.dumps(in_child(locked)))"
    found = answers(program, user, secret)
    refused, losses = found["refused"], found["losses"]
    assert isinstance(refused, dict)
    assert isinstance(losses, list)
    assert {name for name, answer in refused.items() if answer == "ok"} == set()
    assert losses[-1] < losses[0]
    assert (found["answer"], found["pid"]) == (42, 1)
    assert secret.read_text() == "secret"


@needs_namespaces
@as_both_users
def test_namespaces_alone_hide_and_refuse(user: str, secret: Path) -> None:
    """Without Landlock and filter the judge and its files do not exist in there, and nothing shown can be changed."""
    program = """
        def jailed():
            namespaces.own_scratch(scratch, 8, 100, uid)
            namespaces.drop_privileges(uid)
            return {name: tried(escape) for name, escape in escapes.items()}

        print(json.dumps(in_child(jailed)))
    """
    found = answers(textwrap.dedent(ESCAPES) + textwrap.dedent(program), user, secret)
    assert {name for name, answer in found.items() if answer == "ok"} == set()
    assert {answer for name, answer in found.items() if "solution" in name or "its folder" in name} == {"ENOENT"}
    assert {answer for name, answer in found.items() if "judge" in name} == {"ESRCH"}
    assert found["a network"] == "ENETUNREACH"


@needs_namespaces
@as_both_users
def test_only_what_was_named_is_visible(user: str, secret: Path) -> None:
    """The site-packages of a venv inside a project are there; the project, /home and /proc are not."""
    program = """
        import sysconfig
        print(json.dumps({
            "packages": os.path.isdir(sysconfig.get_path("purelib")),
            "project": os.listdir(sys.argv[1]) if os.path.isdir(sys.argv[1]) else [],
            "processes": os.listdir("/proc"),
            "null": os.stat("/dev/null").st_mode == os.stat("/dev/zero").st_mode and len(open("/dev/zero").read(3)),
            "hidden": [name for name in ("/home", "/etc/passwd", "/usr/bin", str(secret)) if os.path.exists(name)],
            "here": os.getcwd(),
        }))
    """
    found = answers(program, user, secret)
    inside = Path(sys.prefix).is_relative_to(ROOT)
    expected = [Path(sys.prefix).relative_to(ROOT).parts[0]] if inside else []
    assert found == {
        "packages": True,
        "project": expected,
        "processes": ["cpuinfo"],
        "null": 3,
        "hidden": [],
        "here": "/",
    }


@needs_namespaces
@as_both_users
def test_each_layer_is_a_namespace_of_its_own(user: str, secret: Path) -> None:
    """The zygote is PID 1, each child is PID 1 in turn, and another namespace is around each of them."""
    program = """
        print(json.dumps({
            "zygote": os.getpid(),
            "children": [in_child(os.getpid) for _ in range(3)],
            "interfaces": [name for _, name in socket.if_nameindex()],
            "missing": entered.missing,
        }))
    """
    expected = {"zygote": 1, "children": [1, 1, 1], "interfaces": ["lo"], "missing": ""}
    assert answers(program, user, secret) == expected


@needs_namespaces
@as_both_users
def test_scratch_is_private_and_bounded(user: str, secret: Path) -> None:
    """A child's scratch is empty at first, full at its size and its number of files, and gone with the child."""
    program = """
        (scratch / "of the zygote").touch()

        def fill():
            namespaces.own_scratch(scratch, 1, 20, uid)
            namespaces.drop_privileges(uid)
            before = os.listdir(scratch)
            size = tried(lambda: (scratch / "big").write_bytes(bytes(2**21)))
            number = tried(lambda: [(scratch / str(n)).touch() for n in range(30)])
            return [before, size, number, oct(os.stat(scratch).st_mode & 0o777), os.stat(scratch).st_uid == os.getuid()]

        first, second = in_child(fill), in_child(fill)
        print(json.dumps({"first": first, "same": first == second, "left": os.listdir(scratch)}))
    """
    expected = {"first": [[], "ENOSPC", "ENOSPC", "0o700", True], "same": True, "left": ["of the zygote"]}
    assert answers(program, user, secret) == expected


@needs_namespaces
@as_both_users
def test_what_a_child_started_dies_with_it(user: str, secret: Path) -> None:
    """A process that a child left behind, in a session of its own, is gone when the child has ended."""
    program = """
        alive, held = os.pipe()

        def leave():
            if os.fork() == 0:
                os.setsid()
                signal.pause()
            os._exit(0)

        os.waitpid(fork(leave), 0)
        os.close(held)
        print(json.dumps({"left": os.read(alive, 1).decode()}))  # an end of file: nobody holds the other end
    """
    assert answers(program, user, secret) == {"left": ""}


@needs_namespaces
@as_both_users
def test_privileges_are_gone_for_good(user: str, secret: Path) -> None:
    """After `drop_privileges` no capability is left, and root became another uid."""
    program = """
        import struct

        def drop():
            namespaces.drop_privileges(uid)
            held = bytearray(24)
            libc = libc_calls._libc()
            libc.capget(struct.pack("=Ii", 0x20080522, 0), (libc_calls.ctypes.c_char * 24).from_buffer(held))
            bounding = [number for number in range(41) if libc.prctl(23, number, 0, 0, 0) == 1]
            return [any(held), bounding, os.getuid(), os.geteuid()]

        print(json.dumps({"dropped": in_child(drop)}))
    """
    uid = 65534 if user == "ordinary" else namespaces.SANDBOX_UID if os.geteuid() == 0 else os.getuid()
    assert answers(program, user, secret) == {"dropped": [False, [], uid, uid]}


@needs_namespaces
@pytest.mark.parametrize(
    ("ending", "code"), [("os._exit(7)", 7), ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV)]
)
def test_the_outer_process_ends_as_the_inner_one(ending: str, code: int, secret: Path) -> None:
    """The judge, which sees the outer process alone, learns how the zygote ended."""
    assert run(ending, "self", secret).returncode == code


@needs_namespaces
def test_the_inner_process_dies_with_the_outer_one(secret: Path) -> None:
    """When the judge kills the process that it knows, the zygote inside dies, too, and with it all its children."""
    program = textwrap.dedent(ENTERED) + 'print("ready", flush=True)\nfork(signal.pause)\nsignal.pause()\n'
    command = [sys.executable, "-c", program, str(ROOT), str(secret), str(os.getpid()), "/tmp/scratch"]
    with subprocess.Popen(command, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True) as outer:
        assert outer.stdout is not None
        assert outer.stdout.readline() == "ready\n"
        outer.kill()
        assert outer.stdout.read() == ""  # an end of file: every holder of the other end is gone


@needs_namespaces
def test_an_inherited_socket_survives(secret: Path) -> None:
    """A socket opened before `enter`, as the zygote's control socket is, works inside and in nobody else's hands."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        run(f'socket.socket(fileno={theirs.fileno()}).sendall(b"from inside")', "self", secret, (theirs.fileno(),))
        theirs.close()
        assert (ours.recv(100), ours.recv(100)) == (b"from inside", b"")


@pytest.mark.skipif(seccomp.missing() != "", reason=f"missing: {seccomp.missing()}")
def test_a_container_that_refuses_namespaces_is_named(secret: Path) -> None:
    """Where `unshare` is refused, `probe` says so, and what is left (another uid for root) still works."""
    refusing = """
        import errno, os, pyseccomp
        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        rules.add_rule(pyseccomp.ERRNO(errno.EPERM), "unshare")
        rules.load()
    """
    program = """
        def drop():
            namespaces.drop_privileges(uid)
            return os.getuid()

        print(json.dumps([entered.layers, entered.missing, in_child(drop)]))
    """
    whole = textwrap.dedent(refusing) + textwrap.dedent(ENTERED) + textwrap.dedent(program)
    command = [sys.executable, "-c", whole, str(ROOT), str(secret), str(os.getpid()), "/tmp/scratch"]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    layers, missing, uid = json.loads(done.stdout)
    assert (layers, uid) == ((["uid"], namespaces.SANDBOX_UID) if os.geteuid() == 0 else ([], os.getuid()))
    assert missing.startswith("user: ")


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces exist on Linux only")
def test_probing_changes_nothing() -> None:
    """Asking for the layers leaves the asking process where it was, and gives the same answer twice."""
    names = ("pid", "mnt", "net", "ipc", "user", "pid_for_children")
    before = [Path("/proc/self/ns", name).readlink() for name in names]
    assert namespaces.probe() == namespaces.probe()
    assert before == [Path("/proc/self/ns", name).readlink() for name in names]


def test_links_are_mirrored_with_their_targets(tmp_path: Path) -> None:
    """A path through links keeps its name: each link on the way is repeated and its real target is shown."""
    tmp_path = tmp_path.resolve()
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "far").symlink_to(tmp_path / "link" / "inner")
    links, shown = newroot.mirror([tmp_path / "far", tmp_path / "absent"])
    assert links == {tmp_path / "far": str(tmp_path / "link" / "inner"), tmp_path / "link": "real"}
    assert shown == (tmp_path / "real" / "inner",)


def test_a_path_inside_another_is_shown_once(tmp_path: Path) -> None:
    """A folder below one that is shown anyway needs no mount of its own; a loop of links is left out."""
    tmp_path = tmp_path.resolve()
    (tmp_path / "inner").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    assert newroot.mirror([tmp_path / "inner", tmp_path, tmp_path / "loop"])[1] == (tmp_path,)
