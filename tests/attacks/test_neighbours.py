"""Attacks across submissions: nothing passes from one child to another, and no child can tell whose it is and why."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import pytest

from autograder.pipeline import Job
from autograder.sandbox.order import Order

needs_proc = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks at zygotes through /proc")
CHUNK = 2**24
WAITING = "import threading\n\n\ndef wait():\n    threading.Event().wait()\n"
LOOKING = """
import os

here = os.path.dirname(__file__)


def look():
    found = []
    for root in (here, os.path.dirname(here), "/proc", "/dev/shm", "/tmp"):
        try:
            found += [os.path.join(root, name) for name in os.listdir(root)]
        except OSError:
            pass
    return [path for path in found if "own" not in path and not path.endswith(("line.py", "cpuinfo", "__pycache__"))]
"""


def zygote_pids(arena: Any) -> list[int]:
    """The processes of the arena's zygote, which has no child now."""
    return [arena.zygote()._process.pid, *arena.look()["processes"]]


def mappings(pid: int) -> list[tuple[range, str, str]]:
    """Address ranges of a process with permissions and file name."""
    lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    fields = [line.split(maxsplit=5) for line in lines]
    ranges = [range(*(int(end, 16) for end in field[0].split("-"))) for field in fields]
    return [(where, field[1], field[5] if len(field) > 5 else "") for where, field in zip(ranges, fields, strict=True)]


@needs_proc
def test_no_zygote_shares_memory_with_its_children(arena: Any) -> None:
    """A mapping that is shared and writable would let one child change what the next one starts from."""
    for pid in zygote_pids(arena):
        assert [name for _, permissions, name in mappings(pid) if "w" in permissions and "s" in permissions] == []


@needs_proc
def test_no_zygote_holds_a_secret(arena: Any, secrets_of_the_host: dict[str, str]) -> None:
    """What is not in the zygote's memory cannot be read out of a child's, by whatever means."""
    arena.grade(arena.right)
    needles = {needle[:12].encode() for needle in secrets_of_the_host.values()}  # most of them begin alike
    pid = zygote_pids(arena)[-1]
    try:
        memory = open(f"/proc/{pid}/mem", "rb", buffering=0)  # noqa: SIM115 - closed below
    except PermissionError:
        pytest.skip("this user may not look into the memory of its own zygote")
    with memory:
        for where, permissions, _ in mappings(pid):
            for start in where[::CHUNK] if permissions.startswith("rw") else ():
                memory.seek(start)
                held = memory.read(min(CHUNK + 20, where.stop - start))
                assert [needle for needle in needles if needle in held] == []


def order(source: str) -> Order:
    """What a child is told to prepare."""
    return Order({"line.py": source}, "line", "float64", 1, ("recurrent",), (), ("torch",))


@needs_proc
@pytest.mark.parametrize("which", ["arena", "bare_arena"])
def test_children_of_one_moment_do_not_see_each_other(request: pytest.FixtureRequest, which: str) -> None:
    """Two students' children that live at the same time: neither's files nor processes are the other's to see."""
    from autograder.sandbox.remote import Session

    arena = request.getfixturevalue(which)
    zygote, limits = arena.pipeline._workshop.zygote(), arena.pipeline.assignment.limits
    children = [zygote.fork(order(source), limits, 1) for source in (WAITING, LOOKING)]
    try:
        for child in children:
            child.wait_loaded()
        seen = Session(children[1]).root.look()
        assert seen == []
        below = arena.look()["processes"]
        inner = [pid for pid in below if Path(f"/proc/{pid}/stat").exists()]
        descriptors = [sorted(map(int, os.listdir(f"/proc/{pid}/fd"))) for pid in inner[-2:]]
        assert descriptors == [[0, 1, 2, 3]] * 2
    finally:
        for child in children:
            child.close()


@pytest.mark.parametrize("which", ["arena", "bare_arena"])
def test_no_note_reaches_the_next_child(request: pytest.FixtureRequest, which: str) -> None:
    """Each check's child starts from the same state, whatever the ones before it, of anybody, left."""
    arena = request.getfixturevalue(which)
    for _ in range(2):
        stood = arena.stand("neighbours/remember", forges=False)
        assert {how for how, what in stood.attempts.items() if what.startswith("got")} == set()


@pytest.mark.parametrize("what", ["program", "garbage", "large", "too large", "nothing"])
def test_compiled_bytes_are_a_submissions_own(arena: Any, what: str) -> None:
    """Bytes that pose as compiled code ruin their own submission, need no human, and reach nobody else's."""
    before = arena.look()
    graded = arena.grade(arena.source("neighbours/code", arena.right, what=what))
    assert (graded.needs_human, graded.score) == ((), 0)
    after = arena.grade(arena.right)
    assert after.score == 100
    assert not any("poison" in result.evidence.stdout for result in after.results)
    assert arena.look() == before


def test_no_child_can_tell_whose_it_is(arena: Any) -> None:
    """The same file sees the same from a student, in an audit, alone or not, and before or after others."""
    submission = arena.submission(arena.source("neighbours/landscape", arena.right))
    seen = []
    for number, (student, alone) in enumerate([("mallory", False), ("solution.0", True), ("audit", False)]):
        job = Job(dataclasses.replace(submission, student=student), bytes([number]) * 40, alone=alone)
        graded = arena.pipeline.grade(job)
        assert graded.score == 100
        seen.append([re.sub(r"submission-\w+", "", result.evidence.stdout) for result in graded.results])
        arena.grade(arena.right)
    assert seen[0] == seen[1] == seen[2]
    assert "mallory" not in "".join(seen[0])


def test_the_ledger_keeps_each_to_itself(arena: Any) -> None:
    """An attack adds measurements of its own checks and changes none that is there."""
    ledger = arena.folder.parents[1] / "ledger"

    def kept() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in ledger.rglob("*.json")}

    arena.grade(arena.right)
    before = kept()
    graded = arena.grade(arena.source("forging/frames", arena.right))
    after = kept()
    assert {path: after[path] for path in before} == before
    assert len(graded.results) == len(arena.pipeline.assignment.checks)
    assert len(after) - len(before) == sum(str(result.outcome) != "skipped" for result in graded.results)
