"""A class over several processes: the same grades as by one, and what only waited is graded again alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autograder import fleet
from autograder.pipeline import Job, Settings
from autograder.records import CheckResult, Confinement, Finding, Grade, Outcome, RunInfo, Submission

Write = Callable[..., Path]
SECRET = b"a secret of the tests, thirty-two bytes and more"


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")
def test_two_processes_give_the_grades_of_one(
    write_tiny: Write,
    cheap_hidden: str,
    without_timings: Callable[[Grade], Grade],
    desk_for: Any,
    hand_in: Any,
    edited: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every grade but its timings is the same, and the processes leave no folder behind."""
    folder = write_tiny(tmp_path / "c", test_hidden__py=cheap_hidden)
    sources = {"ada": edited(), "bo": edited(("2 * x", "3 * x")), "eun": "def broken(:\n"}
    jobs = [Job(hand_in(source, student), SECRET) for student, source in sources.items()]
    desk = desk_for(folder)
    alone = {job.submission.student: desk.pipeline(ledger=tmp_path / "one").grade(job) for job in jobs}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    settings = replace(desk.pipeline().settings, ledger=tmp_path / "two")
    together: dict[str, Grade] = {}
    heard: list[list[str]] = []
    keep = {"running": lambda now: heard.append(list(now))}
    fleet.grade_all(settings, jobs, 2, lambda job, grade: together.update({job.submission.student: grade}), **keep)
    assert {name: without_timings(grade) for name, grade in together.items()} == {
        name: without_timings(grade) for name, grade in alone.items()
    }
    assert [alone[name].score for name in sources] == [100, 90, 0]
    assert {type(grade.run.torch) for grade in together.values()} == {str}, "to read torch's own type imports torch"
    started: list[int] = []
    start = fleet.Judge.start
    monkeypatch.setattr(fleet.Judge, "start", lambda *args: started.append(args[1]) or start(*args))
    again: dict[str, Grade] = {}
    fleet.grade_all(settings, jobs, 2, lambda job, grade: again.update({job.submission.student: grade}))
    assert again == together
    assert started == [0], "one process looks up what is kept"
    assert not list(scratch.glob("autograder-*"))
    assert heard[0] == ["ada", "bo"], "two at a time, and it is said who"
    assert max(map(len, heard)) == 2
    assert heard[-1] == []


# --- the order of things ---------------------------------------------------------------------------------------------

RUN = RunInfo(Confinement.BEST_EFFORT, (), (), "cpu", "2", "0", "0")


class FakePipeline:
    """Grades by name: `slow` waits until it is alone, `never` always does, `ill` raises."""

    made: list[FakePipeline]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.graded: list[tuple[str, bool]] = []
        self.closed = False
        type(self).made.append(self)

    def grade(self, job: Job) -> Grade:
        """A grade whose only check may have waited."""
        name = job.submission.student
        self.graded.append((name, job.alone))
        if name == "ill":
            raise KeyboardInterrupt
        waits = name == "never" or (name == "slow" and not job.alone)
        finding = Finding("waited", "") if waits else None
        result = CheckResult("a", Outcome.TIMED_OUT if waits else Outcome.PASSED, 0, 1, finding)
        return Grade(name, "t", 0, 1, (result,), (), (), RUN, "d")

    def close(self) -> None:
        """Remember."""
        self.closed = True


@pytest.fixture
def pipelines(monkeypatch: pytest.MonkeyPatch) -> list[FakePipeline]:
    """The pipelines that were made."""
    FakePipeline.made = []
    monkeypatch.setattr(fleet, "pipeline_for", FakePipeline)
    return FakePipeline.made


def graded(tmp_path: Path, *names: str) -> list[tuple[str, bool, Outcome]]:
    """Who was handed out as done, whether alone, and how."""
    settings = Settings(tmp_path, Confinement.BEST_EFFORT, (), (), tmp_path, "0")
    done: list[tuple[str, bool, Outcome]] = []

    def hear(job: Job, grade: Grade) -> None:
        done.append((grade.student, job.alone, grade.results[0].outcome))

    fleet.grade_all(settings, [Job(Submission(name, "t", {}), SECRET) for name in names], 1, hear)
    return done


def test_what_only_waited_is_graded_again_alone(pipelines: list[FakePipeline], tmp_path: Path) -> None:
    """Its first grade is never heard of; after all others it is graded once more, and that counts."""
    assert graded(tmp_path, "slow", "quick", "never", "last") == [
        ("quick", False, Outcome.PASSED),
        ("last", False, Outcome.PASSED),
        ("slow", True, Outcome.PASSED),
        ("never", True, Outcome.TIMED_OUT),
    ]
    (only,) = pipelines
    assert [name for name, _ in only.graded] == ["slow", "quick", "never", "last", "slow", "never"]
    assert only.closed


def test_nothing_to_do_starts_nothing(pipelines: list[FakePipeline], tmp_path: Path) -> None:
    """Without jobs there is no pipeline, and no process."""
    assert graded(tmp_path) == []
    assert pipelines == []


def test_an_interrupt_closes_the_sandbox(pipelines: list[FakePipeline], tmp_path: Path) -> None:
    """Ctrl-C comes through, and the pipeline is closed on the way."""
    with pytest.raises(KeyboardInterrupt):
        graded(tmp_path, "quick", "ill", "last")
    assert pipelines[0].closed


# --- memory ----------------------------------------------------------------------------------------------------------


SEED = ("prepare", "rehearse", "close")


class SlowJudge:
    """A grading process that needs two looks for each submission."""

    at_work = 0
    at_most = 0

    def __init__(self) -> None:
        self.connection, self.job, self.looks = self, Job(Submission("", "t", {}), SECRET), 0

    def give(self, job: Job, **_: object) -> None:
        """Begin."""
        self.job, self.looks = job, 0
        SlowJudge.at_work += 1
        SlowJudge.at_most = max(SlowJudge.at_most, SlowJudge.at_work)

    def answer(self) -> Grade:
        """What came of it."""
        SlowJudge.at_work -= 1
        passed = CheckResult("a", Outcome.PASSED, 1, 1)
        return Grade(self.job.submission.student, "t", 1, 1, (passed,), (), (), RUN, "d")

    def close(self) -> None:
        """Nothing to end."""

    hang_up = close


def looked(judges: list[SlowJudge], _: float) -> list[SlowJudge]:
    """Those that are done by this look."""
    for judge in judges:
        judge.looks += 1
    return [judge for judge in judges if judge.looks == 2]


@pytest.mark.parametrize(("free_mb", "at_most"), [(None, 3), (5_000, 3), (900, 1)])
def test_nothing_is_started_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_mb: int | None, at_most: int
) -> None:
    """Beside others a submission starts only where its memory is free; one is always graded, so all are in the end."""
    monkeypatch.setattr(SlowJudge, "at_work", 0)
    monkeypatch.setattr(SlowJudge, "at_most", 0)
    monkeypatch.setattr(fleet.Seed, "start", lambda _: SimpleNamespace(**dict.fromkeys(SEED, lambda *_, **__: None)))
    monkeypatch.setattr(fleet.Judge, "start", lambda *_: SlowJudge())
    monkeypatch.setattr(fleet, "wait", looked)
    monkeypatch.setattr(fleet.memory, "available_mb", lambda: free_mb)
    settings = Settings(tmp_path, Confinement.BEST_EFFORT, (), (), tmp_path, "0", memory_mb=1000)
    jobs = [Job(Submission(str(number), "t", {}), SECRET) for number in range(6)]
    done: list[str] = []
    fleet.grade_all(settings, jobs, 3, lambda _, grade: done.append(grade.student))
    assert sorted(done) == list("012345")
    assert SlowJudge.at_most == at_most
