"""The process that others are forked from: what they have of it and of each other, and that none outlives it."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from autograder import fleet
from autograder.errors import SandboxError
from autograder.jobs import Job
from autograder.sandbox import seed as seeds
from autograder.sandbox.seed import ENVIRONMENT, Seed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

SECRET = "a secret of the tests, thirty-two bytes and more"
FORKED = """
import json, os, signal, sys
from autograder.sandbox.seed import Seed


def look(settle, descriptors):
    found = [int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]
    said = {"descriptors": found, "given": descriptors, "environment": dict(os.environ), "pid": os.getpid()}
    os.write(descriptors[0], json.dumps(said).encode())


def stay(settle, descriptors):
    os.write(descriptors[0], json.dumps({"pid": os.getpid(), "parent": os.getppid()}).encode())
    signal.pause()


def ask(settle, descriptors):
    Seed.at(descriptors[1]).fork("forked:stay", descriptors[:1])
    signal.pause()
"""


@pytest.fixture
def seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seed]:
    """A seed that has imported nothing, of a process that has a secret in its environment."""
    (tmp_path / "forked.py").write_text(FORKED)
    monkeypatch.setenv("AUTOGRADER_SECRET", SECRET)
    monkeypatch.setattr(seeds, "START", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {seeds.START}")
    started = Seed.start({})
    yield started
    started.close()


def forked(seed: Seed, name: str, **line: bool) -> dict[str, Any]:
    """What a process that runs this function says."""
    read, write = os.pipe()
    seed.fork(f"forked:{name}", [write], **line)
    os.close(write)
    with os.fdopen(read, "rb", buffering=0) as said:
        found: dict[str, Any] = json.loads(said.read(65536))
        return found


def gone(pid: int) -> bool:
    """Whether a process has ended, within a while; a zombie has."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_a_forked_process_has_what_it_was_given_and_nothing_else(seed: Seed) -> None:
    """No line and no pipe of the seed, of a brother or of whoever asked reaches it, and nothing of our environment."""
    forked(seed, "stay", line=True)
    said = forked(seed, "look")
    assert set(said["descriptors"]) <= {0, 1, 2, *said["given"]}
    assert said["given"] == [3]
    assert set(said["environment"]) == {*ENVIRONMENT, "HOME", "TMPDIR"}
    assert len(forked(seed, "look", line=True)["given"]) == 2


def test_who_has_a_line_can_ask_too(seed: Seed) -> None:
    """What it asks for is its brother and not its child."""
    first, second = forked(seed, "stay"), forked(seed, "ask", line=True)
    assert second["parent"] == first["parent"]


@pytest.mark.parametrize("line", [True, False])
def test_none_outlives_its_owner(seed: Seed, line: bool) -> None:
    """When whoever started the seed is gone, so are the seed and all that came from it, busy or not."""
    said = forked(seed, "stay", line=line)
    seed.line.close()
    assert gone(said["pid"])
    assert gone(said["parent"])


def test_none_outlives_the_seed(seed: Seed) -> None:
    """When the seed is killed, the kernel ends what came from it, and whoever asks hears of it."""
    said = forked(seed, "stay")
    os.kill(said["parent"], signal.SIGKILL)
    assert gone(said["pid"])
    with pytest.raises(SandboxError, match="has ended"):
        forked(seed, "look")


def test_nothing_is_forked_beside_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread's locks would be held for ever in what is forked: rather nothing is graded, and it is said."""
    thread = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start(); "
    monkeypatch.setattr(seeds, "START", thread + seeds.START)
    with closing(Seed.start({})) as seed, pytest.raises(SandboxError, match="has ended"):
        seed.fork("autograder.judging:main")


def test_only_the_grading_process_has_the_secret(
    tiny_folder: Path, hand_in: Callable[..., Any], desk: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It stands in the memory of the judge, and nowhere in that of the seed, the zygote and the template."""
    monkeypatch.setenv("AUTOGRADER_SECRET", SECRET)
    settings = desk.pipeline(ledger=tmp_path / "fresh").settings
    with closing(fleet.Crew(settings, 1)) as crew:
        ((_, grade),) = crew.grade([Job(hand_in(), SECRET.encode())], lambda _: None)
        assert grade.score > 0
        assert crew._seed is not None
        assert crew._seed._process is not None
        root = crew._seed._process.pid
        holders = {name(pid): holds(pid) for pid in (root, *below(root))}
    assert holders.pop("judge")
    assert len(holders) >= 1
    assert not any(holders.values()), holders


def below(pid: int) -> Iterator[int]:
    """All processes below one."""
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        yield child
        yield from below(child)


def name(pid: int) -> str:
    """What a process is called; those that are called alike are told apart."""
    called = Path(f"/proc/{pid}/comm").read_text().strip()
    return called if called == "judge" else f"{called} {pid}"


def holds(pid: int) -> bool:
    """Whether the secret stands anywhere in what a process can write, or in its environment."""
    words = SECRET.encode()
    if words in Path(f"/proc/{pid}/environ").read_bytes():
        return True
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found and "[vv" not in line:
                start, end = (int(edge, 16) for edge in found.groups())
                memory.seek(start)
                try:
                    if words in memory.read(end - start):
                        return True
                except OSError:
                    continue  # nothing that could be read lies there
    return False
