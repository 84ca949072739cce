"""The judge's side of the sandbox: how every way to end is told, what a child prints, and that no process stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder.errors import ConfinementMissing, SandboxError, WireError
from autograder.records import Confinement, Limits, Outcome
from autograder.sandbox import host, means, transport
from autograder.sandbox.faults import ChildEnded, StudentError
from autograder.sandbox.host import ZygoteProcess
from autograder.sandbox.order import Order
from autograder.sandbox.patience import LATER, Patience
from autograder.sandbox.remote import Session
from autograder.sandbox.transport import Child, how_it_ended

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

LIMITS = Limits(cpu_s=1, memory_mb=256, output_kb=4, scratch_mb=2)

SOURCE = """
import ctypes, os, sys, threading, time
import torch

print("imported")


def spin():
    while True:
        pass


def compute(cpu_s):
    until = time.process_time() + cpu_s
    while time.process_time() < until:
        pass
    return cpu_s


def grow():
    return bytearray(10**10)


def grow_tensor():
    return torch.ones(2**29)


def write():
    with open("big.bin", "wb") as file:
        for _ in range(64):
            file.write(bytes(2**16))
            file.flush()


def chatter():
    for _ in range(1000):
        print("o" * 1023)
        print("e" * 1023, file=sys.stderr)
    os.write(1, b"\\xff\\xfe")
    return 7


def leave(code):
    os._exit(code)


def read_address_zero():
    ctypes.string_at(0)


def wait():
    threading.Event().wait()


def whisper_for_ever():
    while True:
        threading.Event().wait(0.05)
        print("still here", flush=True)


def hang_up():
    os.close(3)


def hang_up_and_wait():
    os.close(3)
    wait()


def write_to_judge(text):
    os.write(3, text.encode("latin-1"))


def promise(size):
    os.write(3, size.to_bytes(4, "big") + bytes(4))
    wait()


def double(x):
    return 2 * x
"""


@pytest.fixture
def child(sandboxes: Any) -> Iterator[Child]:
    """A child that has loaded `SOURCE`."""
    made = sandboxes.open(SOURCE, limits=LIMITS)
    yield made
    made.close()


def ending(child: Child, name: str, *args: object) -> ChildEnded:
    """How the child ends when this function is called."""
    with pytest.raises(ChildEnded) as caught:
        getattr(Session(child).root, name)(*args)
    return caught.value


def order(source: str = SOURCE) -> Order:
    """What a child is told to prepare."""
    return Order({"tiny.py": source}, "tiny", "float64", 1, (), (), ("torch",))


def descendants(pid: int) -> set[int]:
    """All processes below one, at this moment."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(status.parent.name)] = int(fields[1])
    found: set[int] = set()
    while new := {child for child, parent in parents.items() if parent in {pid, *found}} - found:
        found |= new
    return found


def soon(condition: Callable[[], bool]) -> bool:
    """Whether the condition holds within a while."""
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


# --- an ordinary child -----------------------------------------------------------------------------------------------


def test_a_child_answers_and_is_reaped(sandboxes: Any) -> None:
    """A child answers as the executor does; when `close` returns, its process is gone."""
    zygote = sandboxes.zygote()
    before = descendants(zygote._process.pid)
    child = sandboxes.open(SOURCE, limits=LIMITS)
    during = descendants(zygote._process.pid)
    assert len(during - before) == 1
    assert torch.equal(Session(child).root.double(torch.ones(2)), torch.full((2,), 2.0))
    usage = child.close()
    assert not descendants(zygote._process.pid) & (during - before)
    assert usage.stdout == "imported\n"
    assert 0 <= usage.cpu_s < 30
    assert child.close() is usage
    with pytest.raises(ChildEnded, match="already ended"):
        Session(child).root.double(1)


def test_what_a_child_used_is_told_in_parts(sandboxes: Any) -> None:
    """What is told so far is the child's own CPU time, and all parts together are what it used in the end."""
    child = sandboxes.open(BURNS, cpu_s=60, limits=LIMITS)
    parts = [child.so_far().cpu_s]
    Session(child).root.burn(0.2)
    parts.append(child.so_far().cpu_s)
    idle = child.so_far().cpu_s
    assert parts[1] >= 0.2
    assert 0 <= idle < 0.1
    child.zygote.kill(child.number)
    with pytest.raises(ChildEnded):
        Session(child).root.burn(0.1)
    rest = child.so_far().cpu_s
    assert child.usage is not None
    assert sum(parts) + idle + rest == pytest.approx(child.usage.cpu_s)


BURNS = """
import time


def burn(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass
"""


def test_what_is_printed_is_kept_up_to_the_cap(child: Child) -> None:
    """Megabytes of output hold nothing up: the first kilobytes are kept, the rest is thrown away."""
    assert Session(child).root.chatter() == 7
    usage = child.close()
    assert usage.stdout.startswith("imported\nooo")
    assert usage.stderr.startswith("eee")
    assert len(usage.stdout) == len(usage.stderr) == 4 * 1024


def test_several_children_live_at_a_time(sandboxes: Any) -> None:
    """Children of one zygote do not hear each other, and end in any order."""
    children = [sandboxes.open(f"def f():\n    return {n}\n") for n in range(3)]
    assert [Session(child).root.f() for child in children] == [0, 1, 2]
    children[1].close()
    assert Session(children[2]).root.f.fetch() is not None
    for child in children:
        child.close()


# --- every limit has its outcome -------------------------------------------------------------------------------------


def test_too_much_cpu_time_is_timed_out(child: Child) -> None:
    """An endless loop ends at the CPU limit, whatever the wall clock says."""
    error = ending(child, "spin")
    assert (error.outcome, error.waited) == (Outcome.TIMED_OUT, False)
    assert "more than 1 s of CPU time" in str(error)


@pytest.mark.parametrize("name", ["grow", "grow_tensor"])
def test_too_much_memory_is_out_of_memory(child: Child, name: str) -> None:
    """Python's and torch's failure to get memory are the limit's outcome."""
    assert ending(child, name).outcome is Outcome.OUT_OF_MEMORY


def test_too_much_disk_is_the_students_error(child: Child) -> None:
    """A file larger than scratch fails in the student's own line; the child lives on."""
    session = Session(child)
    with pytest.raises(StudentError) as caught:
        session.root.write()
    assert caught.value.type_names[0] == "OSError"
    assert caught.value.where.endswith("in write")
    assert session.root.double(2) == 4


@pytest.mark.parametrize("code", [0, 1, 7])
def test_leaving_is_a_crash_with_its_code(child: Child, code: int) -> None:
    """A submission that ends its process is told the code, zero as well."""
    error = ending(child, "leave", code)
    assert error.outcome is Outcome.CRASHED
    assert f"exit code {code};" in str(error)


def test_a_crash_names_its_signal(child: Child) -> None:
    """A segmentation fault is a crash, and the judge lives."""
    error = ending(child, "read_address_zero")
    assert error.outcome is Outcome.CRASHED
    assert "SIGSEGV" in str(error)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall clock of a second and a half."""
    monkeypatch.setattr(transport, "LEAST_WALL_S", 1.5)
    monkeypatch.setattr(transport, "WALL_FACTOR", 1)


@pytest.mark.parametrize(
    ("name", "args"),
    [("wait", ()), ("whisper_for_ever", ()), ("hang_up_and_wait", ()), ("promise", (2**20,))],
    ids=["waits", "prints now and then", "hangs up", "half an answer"],
)
def test_waiting_for_ever_is_ended_by_the_wall_clock(
    impatient: None,
    sandboxes: Any,
    name: str,
    args: tuple[object, ...],
) -> None:
    """A child that uses no CPU is ended by the wall clock, and it is noted that it only waited."""
    before = descendants(sandboxes.zygote()._process.pid)
    child = sandboxes.open(SOURCE, limits=LIMITS)
    error = ending(child, name, *args)
    assert (error.outcome, error.waited) == (Outcome.TIMED_OUT, True)
    assert descendants(sandboxes.zygote()._process.pid) == before


def test_who_may_compute_for_long_may_not_wait_for_long(impatient: None, sandboxes: Any) -> None:
    """A check that trains for a minute is no ten minutes of waiting."""
    child = sandboxes.open(SOURCE, limits=LIMITS, cpu_s=60)
    began = time.monotonic()
    error = ending(child, "wait")
    assert (error.outcome, error.waited) == (Outcome.TIMED_OUT, True)
    assert time.monotonic() - began < 20


def test_who_waited_in_vain_twice_is_waited_for_less(impatient: None, sandboxes: Any) -> None:
    """A submission that waits in all of its checks does not have half a minute in each."""
    patience, took = Patience(), []
    for _ in range(3):
        child = sandboxes.open(SOURCE, limits=LIMITS)
        child.be_awaited(patience)
        began = time.monotonic()
        assert ending(child, "wait").waited
        took.append(time.monotonic() - began)
    assert (patience.in_vain, patience.part) == (3, LATER)
    assert min(took[:2]) > 1.5
    assert took[2] < min(took[:2])


def test_who_computes_has_the_time_that_it_takes(monkeypatch: pytest.MonkeyPatch, sandboxes: Any) -> None:
    """Seconds of CPU time buy more of the wall's, also on a machine that is slow."""
    monkeypatch.setattr(transport, "LEAST_WALL_S", 0.2)
    monkeypatch.setattr(transport, "WALL_FACTOR", 200)
    child = sandboxes.open(SOURCE, limits=LIMITS, cpu_s=9)
    try:
        assert Session(child).root.compute(1.0) >= 1.0
    finally:
        child.close()


def test_hanging_up_is_a_crash(child: Child) -> None:
    """A submission that closes the channel to the judge and returns has crashed its process."""
    assert ending(child, "hang_up").outcome is Outcome.CRASHED


@pytest.mark.parametrize("text", ["\xff" * 8, "\0\0\0\2\0\0\0\0[]", "\0\0\0\2\0\0\0\0{}"])
def test_bytes_of_the_submissions_own_are_malformed(child: Child, text: str) -> None:
    """What a submission writes to the channel itself is no answer, and is a fault of its own."""
    with pytest.raises(WireError):
        Session(child).root.write_to_judge(text)
    child.close()


def test_a_file_that_cannot_be_imported_is_an_answer(sandboxes: Any) -> None:
    """What an import raises, or how it ends the process, comes out of `wait_loaded`."""
    with pytest.raises(StudentError, match="ZeroDivisionError") as caught:
        sandboxes.open("x = 1\ny = x / 0\n")
    assert caught.value.where == "tiny.py, line 2"
    with pytest.raises(ChildEnded, match="exit code 4"):
        sandboxes.open("import os\nos._exit(4)\n")
    with pytest.raises(WireError):
        sandboxes.open("import os\nos.write(3, b'\\0\\0\\0\\2\\0\\0\\0\\0[]')\n")


@pytest.mark.parametrize(
    ("status", "cpu_s", "stderr", "outcome"),
    [
        (signal.SIGXCPU, 1.0, "", Outcome.TIMED_OUT),
        (signal.SIGKILL, 1.9, "", Outcome.TIMED_OUT),
        (signal.SIGKILL, 0.1, "", Outcome.OUT_OF_MEMORY),
        (signal.SIGABRT, 0.1, "terminate called: std::bad_alloc", Outcome.OUT_OF_MEMORY),
        (signal.SIGABRT, 0.1, "", Outcome.CRASHED),
        (signal.SIGFPE, 0.1, "", Outcome.CRASHED),
        (3 << 8, 0.1, "", Outcome.CRASHED),
    ],
)
def test_every_wait_status_has_an_outcome(status: int, cpu_s: float, stderr: str, outcome: Outcome) -> None:
    """A signal or an exit code, with the CPU time that was used, is one of the outcomes."""
    assert how_it_ended(status, cpu_s, 2, stderr).outcome is outcome


@pytest.mark.parametrize(("cpu_s", "outcome"), [(116.5, Outcome.TIMED_OUT), (60.0, Outcome.OUT_OF_MEMORY)])
def test_time_that_the_kernel_counts_otherwise_is_no_memory(cpu_s: float, outcome: Outcome) -> None:
    """Whoever was killed near the end of the CPU time had used it up, although less of it is told afterwards."""
    assert how_it_ended(signal.SIGKILL, cpu_s, 120, "").outcome is outcome


# --- zygotes ---------------------------------------------------------------------------------------------------------


def test_without_any_layer_a_child_works_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Best effort on a machine that offers nothing: answers, limits and clearing away are as elsewhere."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with host.zygote(()) as zygote:
        assert zygote.layers == ()
        child = zygote.fork(order(), LIMITS, 1)
        child.wait_loaded()
        assert Session(child).root.double(2) == 4
        assert len(list(tmp_path.glob("autograder-*/submission-*"))) == 1
        child.close()
        assert list(tmp_path.glob("autograder-*/submission-*")) == []
        crashed = zygote.fork(order(), LIMITS, 1)
        crashed.wait_loaded()
        assert ending(crashed, "leave", 3).outcome is Outcome.CRASHED
        pids = {zygote._process.pid, *descendants(zygote._process.pid)}
    assert list(tmp_path.iterdir()) == []
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


JUDGE = """
import sys, threading
from autograder.records import Limits
from autograder.sandbox.host import ZygoteProcess
from autograder.sandbox.order import Order
from autograder.sandbox.patience import LATER, Patience
from autograder.sandbox.means import survey

zygote = ZygoteProcess(survey().layers)
source = "import threading\\ndef f():\\n    threading.Event().wait()\\n"
child = zygote.fork(Order({"tiny.py": source}, "tiny", "float64", 1, (), (), ()), Limits(), 5)
child.wait_loaded()
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_zygote_dies_with_its_judge(tmp_path: Path) -> None:
    """When the judge is killed without a chance to clear up, its zygote and the children are gone soon after."""
    judge = subprocess.Popen(
        [sys.executable, "-c", JUDGE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    with judge:
        assert judge.stdout is not None
        assert judge.stdout.readline() == b"ready\n", judge.stderr and judge.stderr.read()
        below = descendants(judge.pid)
        assert len(below) >= 2
        judge.kill()
        judge.wait()
        assert soon(lambda: not [pid for pid in below if is_running(pid)]), below


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_zygote_that_died_is_the_sandboxs_fault(sandboxes: Any) -> None:
    """When a zygote is lost, whoever asks it, or a child of it, hears of the sandbox and never of the student."""
    zygote = ZygoteProcess(sandboxes.layers)
    with zygote:
        zygote.wait_ready()
        child = zygote.fork(order(), LIMITS, 1)
        child.wait_loaded()
        threading.Timer(0.3, zygote._process.kill).start()
        with pytest.raises(SandboxError):
            Session(child).root.wait()
        with pytest.raises(SandboxError):
            zygote.fork(order(), LIMITS, 1)
        usage = child.close()  # nothing is left to end, and nothing is raised
        assert usage.stdout == "imported\n"


# --- what grading insists on -----------------------------------------------------------------------------------------


def test_required_refuses_and_names_the_missing_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a layer that grading insists on there is an error that names it and says what to do."""
    monkeypatch.setattr("autograder.sandbox.landlock.abi", lambda: 0)
    monkeypatch.setattr("autograder.sandbox.namespaces.probe", lambda: ((), "user: not allowed."))
    monkeypatch.setattr("autograder.sandbox.seccomp.missing", lambda: "the library libseccomp.so.2")
    found = means.survey()
    assert found.layers == ()
    with pytest.raises(ConfinementMissing) as caught:
        means.choose_layers(Confinement.REQUIRED, found)
    words = str(caught.value)
    assert "Landlock" in words
    assert "libseccomp" in words
    assert "--sandbox best-effort" in words
    assert caught.value.exit_code == 3
    assert means.choose_layers(Confinement.BEST_EFFORT, found) == ()


def test_what_is_there_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layer that the machine offers is used, required or not; one that would be better still is a remark."""
    monkeypatch.setattr("autograder.sandbox.landlock.abi", lambda: 4)
    monkeypatch.setattr("autograder.sandbox.namespaces.probe", lambda: ((), "user: not allowed."))
    monkeypatch.setattr("autograder.sandbox.seccomp.missing", lambda: "")
    found = means.survey()
    assert found.remarks == ("user: not allowed.",)
    for confinement in Confinement:
        assert set(means.choose_layers(confinement, found)) == {"landlock", "seccomp"}


def test_elsewhere_there_is_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """On another system the missing piece is Linux."""
    monkeypatch.setattr(sys, "platform", "win32")
    assert means.survey().missing == ("the sandbox needs Linux; this is win32",)
