"""Where a cluster may be, what is shipped to it and kept of it, and which machines may grade together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autograder import memory
from autograder.before import Before
from autograder.cluster import address
from autograder.cluster.offer import Offer, offer, sources, unlike
from autograder.cluster.order import Answer
from autograder.cluster.parcel import Parcel, pack, unpack
from autograder.cluster.run import Writer
from autograder.course import load_assignment
from autograder.errors import LedgerError, UsageError
from autograder.ledger import Ledger, grade_to_bytes
from autograder.pipeline import Job
from autograder.records import Confinement, Grade, Limits, Outcome

Write = Callable[..., Path]
SECRET = b"a secret of the tests, thirty-two bytes and more"
OFFER = Offer("node", "0", "0", "0", "0")


@pytest.mark.parametrize(
    "where",
    [
        "tls://scheduler.example.edu:8786",
        "tls://10.0.0.1:1",
        "tcp://127.0.0.1:8786",
        "tcp://[::1]:8786",
        "tcp://localhost:1",
    ],
)
def test_encrypted_or_on_this_machine(where: str) -> None:
    """TLS anywhere, plain TCP on loopback."""
    assert address.checked(where) == where


@pytest.mark.parametrize(
    "where",
    [
        "tcp://scheduler.example.edu:8786",
        "tcp://10.0.0.1:8786",
        "tcp://0.0.0.0:8786",
        "tcp://127.0.0.1.example.edu:8786",
        "tcp://localhost.example.edu:1",
        "ucx://127.0.0.1:8786",
        "ws://127.0.0.1:8786",
    ],
)
def test_nothing_goes_out_unencrypted(where: str) -> None:
    """The message says what would have been sent, and what is expected."""
    with pytest.raises(UsageError, match="would send the solutions and the course secret unencrypted"):
        address.checked(where)


@pytest.mark.parametrize(
    "where", ["", "scheduler:8786", "tls://", "tls://host", "tls://host:port", "tls://me@host:1", "tls://h:1/x"]
)
def test_what_is_no_address(where: str) -> None:
    """A slip of the pen is said to be one."""
    with pytest.raises(UsageError, match="is no address; such as tls://"):
        address.checked(where)


def test_the_same_course_is_the_same_parcel(write_tiny: Write, tmp_path: Path) -> None:
    """Whatever the clock says and wherever it lies; a changed file is another. Nothing else of the course is in it."""
    parcels: list[Parcel] = []
    for name in ("a", "b", "c"):
        folder = write_tiny(tmp_path / name)
        if name == "c":
            (folder / "test_hidden.py").write_text((folder / "test_hidden.py").read_text() + "# x\n")
        for private in (
            ".autograder/secret",
            "results/t1_tiny/ada.json",
            "solutions/t1_tiny/__pycache__/x.pyc",
            "roster.csv",
        ):
            (tmp_path / name / private).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / private).write_text("private")
        parcels.append(pack(tmp_path / name, load_assignment(folder)))
    assert parcels[0] == parcels[1] != parcels[2]
    there = unpack(parcels[0], tmp_path / "shelf")
    found = {path.relative_to(there).as_posix() for path in there.rglob("*") if path.is_file()}
    here = {
        path.relative_to(tmp_path / "a").as_posix() for path in (tmp_path / "a" / "solutions" / "t1_tiny").glob("*.*")
    }
    assert found == {"course.yml", *here}
    assert (tmp_path / "shelf").stat().st_mode & 0o077 == 0
    assert unpack(parcels[0], tmp_path / "shelf") == there
    assert len(list((tmp_path / "shelf").iterdir())) == 1
    with pytest.raises(ValueError, match="damaged"):
        unpack(replace(parcels[0], content=parcels[2].content), tmp_path / "shelf")


def test_machines_that_measure_alike() -> None:
    """This machine is like itself; another kit, engine or torch is named with both versions."""
    here = offer(Confinement.BEST_EFFORT, "cpu")
    assert here.sources == sources()
    assert unlike(here, replace(here, node="another", free_mb=1)) == ""
    assert unlike(here, replace(here, torch="1.0")) == f"torch is 1.0 there and {here.torch} here"
    for name in ("version", "engine", "sources"):
        assert unlike(here, replace(here, **{name: "another"}))


def test_places_of_a_worker() -> None:
    """One a thread, as far as memory reaches, one a CUDA device, and never none."""
    limits = Limits(memory_mb=1000, scratch_mb=0)
    assert OFFER.places(8, limits) == 8
    assert replace(OFFER, free_mb=3 * memory.needed_mb(limits) + 99).places(8, limits) == 3
    assert replace(OFFER, free_mb=10).places(8, limits) == 1
    assert replace(OFFER, cards=("a", "b")).places(8, limits) == 2  # type: ignore[arg-type]


# --- the one writer --------------------------------------------------------------------------------------------------


class Class:
    """A writer over a ledger, and a pipeline that measures into another one, as a worker's does."""

    def __init__(self, desk: Any, here: Path, there: Path) -> None:
        self.desk = desk
        self.here, self.there = Ledger(here), Ledger(there)
        self.pipeline = desk.pipeline(ledger=there)
        self.before = Before(desk.pipeline(ledger=here).settings)
        self.done: dict[str, Grade] = {}
        self.writer = Writer(self.before, self.here, lambda job, grade: self.done.update({grade.student: grade}))

    def measured(self, job: Job) -> Answer:
        """What a worker would answer that has everything the writer knows of."""
        for name, content in self.writer.kept_of(job).items():
            self.there.take(name, content)
        root, known = self.there.root, set(self.writer.kept_of(job))
        grade = self.pipeline.grade(job)
        files = [path for path in root.rglob("*") if path.is_file()]
        made = {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
        return Answer(grade_to_bytes(grade), {name: content for name, content in made.items() if name not in known})


@pytest.fixture
def one_class(desk: Any, tmp_path: Path) -> Class:
    """An empty ledger here and there."""
    return Class(desk, tmp_path / "here", tmp_path / "there")


def test_what_is_kept_goes_to_no_worker(one_class: Class, hand_in: Any, edited: Any) -> None:
    """The first time it is measured elsewhere; then the grade, diagnosis included, is here, and no job is left."""
    job = Job(hand_in(edited(("2 * x", "3 * x"))), SECRET)
    (sent,) = one_class.writer.unsettled([job])
    assert one_class.writer.kept_of(sent) == {}
    assert not one_class.writer.settled(sent, one_class.measured(sent), ())
    first = one_class.done.pop("ada")
    assert first.results[0].diagnosis is not None
    assert list(one_class.writer.unsettled([job])) == []
    assert one_class.done["ada"] == first


def test_only_what_is_not_kept_is_measured_there(one_class: Class, hand_in: Any, edited: Any) -> None:
    """Of an interrupted run, a worker gets what was measured; it measures the rest, and that alone comes back."""
    job = Job(hand_in(edited(("2 * x", "3 * x"))), SECRET)
    (sent,) = one_class.writer.unsettled([job])
    whole = one_class.measured(sent)
    one_class.writer.settled(sent, whole, ())
    files = sorted(path for path in one_class.here.root.rglob("measurements/*/*.json"))
    files[0].unlink()
    for path in one_class.there.root.rglob("*.*"):
        path.unlink()
    (sent,) = one_class.writer.unsettled([job])
    kept = one_class.writer.kept_of(sent)
    assert 0 < len(kept) < len(whole.entries)
    one_class.desk.forks.clear()
    answer = one_class.measured(sent)
    assert len(set(one_class.desk.forks)) < len(one_class.before.assignment.checks)
    assert not answer.entries.keys() & kept.keys()
    assert not one_class.writer.settled(sent, answer, ())
    assert {each.id: each.outcome for each in one_class.done["ada"].results}["test_double"] is Outcome.FAILED


def test_a_submission_that_ends_every_grader_is_nobodys_zero(one_class: Class, hand_in: Any) -> None:
    """It is a fault of ours with a line for a human, and nothing of it is kept: the next run tries again."""
    job = Job(hand_in(), SECRET)
    (sent,) = one_class.writer.unsettled([job])
    assert not one_class.writer.settled(sent, Answer(lost="signal 9"), ("a: signal 9", "b: signal 9", "c: signal 9"))
    grade = one_class.done["ada"]
    assert {result.outcome for result in grade.results} == {Outcome.GRADER_ERROR}
    assert set(grade.needs_human) == {check.id for check in one_class.before.assignment.checks}
    assert "provisional" in grade.notes[0]
    finding = grade.results[0].finding
    assert finding is not None
    assert finding.message.startswith("could not be graded: grading it ended 3 grading processes")
    assert finding.detail == "a: signal 9\nb: signal 9\nc: signal 9"
    assert not list(one_class.here.root.rglob("*.json"))


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.json",
        f"measurements/aa/../../{'a' * 64}.json",
        f"measurements/ab/{'a' * 64}.json",
        f"elsewhere/aa/{'a' * 64}.json",
        f"measurements/aa/{'a' * 64}.kept",
        "measurements/aa/x.json",
        "/etc/passwd",
        "",
    ],
)
def test_a_ledger_takes_nothing_but_its_own_files(tmp_path: Path, name: str) -> None:
    """Whatever a worker sends, nothing is written outside the ledger, nor under a name that it would not have."""
    with pytest.raises(LedgerError):
        Ledger(tmp_path / "ledger").take(name, b"{}")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_ledger_takes_no_damaged_measurement(tmp_path: Path) -> None:
    """The digest of what came must fit."""
    with pytest.raises(LedgerError, match="damaged on its way"):
        Ledger(tmp_path).take(f"measurements/aa/{'a' * 64}.json", b'{"format":1,"key":"x","result":{},"sha256":"0"}')


def test_a_worker_without_an_answer_that_is_a_grade(one_class: Class, hand_in: Any) -> None:
    """What is no grade ends the run in words, and nobody has it for a result."""
    (sent,) = one_class.writer.unsettled([Job(hand_in(), SECRET)])
    with pytest.raises(LedgerError, match="answer about ada is no grade"):
        one_class.writer.settled(sent, Answer(b'{"student": 1}'), ())
    assert one_class.done == {}
