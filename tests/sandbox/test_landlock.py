"""Landlock alone: what a restricted process may still do, tried by a process of its own for each test."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.errors import SandboxError
from autograder.sandbox import landlock

ROOT = Path(__file__).parents[2]

needs_landlock = pytest.mark.skipif(landlock.abi() == 0, reason="this kernel has no Landlock")


def needs_abi(version: int, right: str) -> pytest.MarkDecorator:
    """Skip a test about a `right` that this kernel's Landlock does not know."""
    return pytest.mark.skipif(landlock.abi() < version, reason=f"Landlock restricts {right} from ABI {version} on")


def tried(lines: str, read: Path, write: Path) -> dict[str, str]:
    """Restrict a new process to `read` and `write`, run each line in it; line -> "ok" or the name of its error."""
    program = """
        import errno, fcntl, json, os, socket, sys, termios
        from pathlib import Path
        from autograder.sandbox import landlock
        read, write = map(Path, sys.argv[1:3])
        null = open("/dev/null")
        (write / "old").write_text("old")
        opened = landlock.open_places([read / "absent", read], 50)
        assert [place.descriptor for place in opened] == [50]
        landlock.restrict(opened, [write])
        answers = {}
        for line in sys.argv[3].splitlines():
            try:
                exec(line)
                answers[line] = "ok"
            except OSError as error:
                answers[line] = errno.errorcode[error.errno]
        print(json.dumps(answers))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(read), str(write), textwrap.dedent(lines).strip()]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


@pytest.fixture
def readable(tmp_path: Path) -> Path:
    """A folder to read, with one file in it."""
    folder = tmp_path / "readable"
    folder.mkdir()
    (folder / "file").write_text("text")
    return folder


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder to write."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of a server on the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_abi_is_a_version_number() -> None:
    """The version is 0 or more on any system and asking for it changes nothing."""
    assert landlock.abi() == landlock.abi() >= 0


def test_a_kernel_without_landlock_is_named(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    """Where there is no Landlock the error says so and names the kernel that has it."""
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    with pytest.raises(SandboxError, match=r"Linux 5\.13"):
        landlock.restrict([], [scratch])


@needs_landlock
def test_only_the_given_folders_can_be_read(readable: Path, scratch: Path) -> None:
    """Files below `read` open; every other file and folder, also the parent of `read`, is refused."""
    lines = """
        open(read / "file").read()
        os.listdir(read)
        open("/etc/passwd")
        os.listdir("/")
        os.listdir(read.parent)
    """
    assert list(tried(lines, readable, scratch).values()) == ["ok", "ok", "EACCES", "EACCES", "EACCES"]


@needs_landlock
def test_a_single_file_can_be_given(readable: Path, scratch: Path) -> None:
    """A path that is a file opens that file and nothing beside it."""
    (readable / "other").write_text("text")
    answers = tried("""open(read).read()\nopen(read.parent / "other")""", readable / "file", scratch)
    assert list(answers.values()) == ["ok", "EACCES"]


@needs_landlock
def test_what_may_be_read_may_not_be_changed(readable: Path, scratch: Path) -> None:
    """Below `read` nothing is written, made, cut short, renamed or removed."""
    lines = """
        open(read / "file", "w")
        open(read / "new", "w")
        os.truncate(read / "file", 0)
        os.mkdir(read / "folder")
        os.unlink(read / "file")
        os.rename(read / "file", write / "file")
    """
    assert set(tried(lines, readable, scratch).values()) <= {"EACCES", "EXDEV"}


@needs_landlock
def test_scratch_can_be_used_as_a_folder(readable: Path, scratch: Path) -> None:
    """Below `write` files and folders are made, read, cut short, renamed and removed."""
    lines = """
        (write / "new").write_text("text")
        (write / "new").read_text()
        os.truncate(write / "new", 1)
        os.makedirs(write / "a" / "b")
        os.rename(write / "new", write / "newer")
        os.listdir(write)
        os.unlink(write / "newer")
        os.rmdir(write / "a" / "b")
    """
    assert set(tried(lines, readable, scratch).values()) == {"ok"}


@needs_abi(2, "moving between folders")
def test_files_move_between_folders_of_scratch(readable: Path, scratch: Path) -> None:
    """A rename from one folder of scratch to another works, as `os.replace` of a finished file needs it."""
    lines = """os.mkdir(write / "a")\nos.rename(write / "old", write / "a" / "old")"""
    assert set(tried(lines, readable, scratch).values()) == {"ok"}


@needs_landlock
def test_scratch_takes_no_special_files(readable: Path, scratch: Path) -> None:
    """Links, pipes and sockets cannot be made: a link would lead whoever reads scratch out of it."""
    lines = """
        os.symlink("/etc/passwd", write / "link")
        os.mkfifo(write / "pipe")
        socket.socket(socket.AF_UNIX).bind(str(write / "socket"))
    """
    assert set(tried(lines, readable, scratch).values()) == {"EACCES"}


@needs_landlock
def test_nothing_can_be_executed(scratch: Path) -> None:
    """A program in a readable folder does not start."""
    lines = """os.execv("/usr/bin/env", ["env"])"""
    assert list(tried(lines, Path("/usr"), scratch).values()) == ["EACCES"]


@needs_abi(4, "TCP")
def test_no_tcp_port_can_be_used(readable: Path, scratch: Path, listening: int) -> None:
    """Neither a server nor a connection, not even to a server that listens on this machine."""
    lines = f"""
        socket.socket().bind(("127.0.0.1", 0))
        socket.socket().connect(("127.0.0.1", {listening}))
    """
    assert set(tried(lines, readable, scratch).values()) == {"EACCES"}


@needs_abi(5, "device queries")
def test_a_device_opened_later_takes_no_ioctl(scratch: Path) -> None:
    """A device opened after the lock is not driven by ioctl, while one opened before is as before."""
    lines = """
        fcntl.ioctl(null, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(open("/dev/null"), termios.TIOCGWINSZ, bytes(8))
    """
    assert list(tried(lines, Path("/dev/null"), scratch).values()) == ["ENOTTY", "EACCES"]


@needs_abi(6, "signals and abstract sockets")
def test_no_process_outside_can_be_reached(readable: Path, scratch: Path) -> None:
    """Neither a signal to the parent nor a connection to an abstract socket of somebody else's."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0autograder-test-{os.getpid()}")
        server.listen()
        lines = f"""
            os.kill(os.getppid(), 0)
            socket.socket(socket.AF_UNIX).connect("\\0autograder-test-{os.getpid()}")
        """
        assert set(tried(lines, readable, scratch).values()) == {"EPERM"}


@needs_landlock
def test_a_restricted_process_cannot_free_itself(readable: Path, scratch: Path) -> None:
    """Asking once more, for more, leaves everything refused that was refused before."""
    lines = """
        landlock.restrict([read], [read, write])
        open(read / "file", "w")
    """
    assert list(tried(lines, readable, scratch).values()) == ["ok", "EACCES"]


@needs_landlock
def test_no_descriptor_is_left_open(readable: Path, scratch: Path) -> None:
    """The lowest free descriptor is the same before and after: the ruleset and the paths are closed."""
    lines = """
        before = os.dup(0); os.close(before)
        landlock.restrict([read, read / "absent"], [write])
        after = os.dup(0)
        assert before == after
    """
    assert set(tried(lines, readable, scratch).values()) == {"ok"}
