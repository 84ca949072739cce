"""What an audit proved, kept: where training bounds lie, and for which files the figures hold."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder import proof
from autograder.audit import Kind, Trial, Verdict
from autograder.course import load_assignment
from autograder.pipeline import Settings
from autograder.proof import Calibration, calibrate, digest, write
from autograder.records import Assignment, CheckResult, Confinement, Evidence, Grade, Outcome, RunInfo
from autograder.variants import Variant

Write = Callable[..., Path]
RUN = RunInfo(Confinement.BEST_EFFORT, (), (), "cpu", "2", "0", "0")


def lies(*, right: tuple[float, float], bound: float, wrong: float) -> Calibration:
    """A calibration of these figures."""
    return Calibration("test_learns", bound, *right, wrong, "a.mistake", 9)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (lies(right=(0.01, 0.02), bound=0.1, wrong=0.5), ""),
        (lies(right=(0.01, 0.02), bound=0.02, wrong=0.5), "does not lie between 0.02 and 0.5"),
        (lies(right=(0.01, 0.02), bound=0.6, wrong=0.5), "does not lie between 0.02 and 0.5"),
        (lies(right=(0.01, 0.02), bound=0.05, wrong=0.1), "the gap is only 2.3 times the spread; 3 are needed"),
        (lies(right=(0.02, 0.02), bound=0.05, wrong=0.051), ""),
        (lies(right=(0.01, 0.02), bound=0.1, wrong=math.inf), ""),
        (lies(right=(0.01, math.inf), bound=0.1, wrong=0.5), "does not lie between inf and 0.5"),
        (lies(right=(0.0, 0.02), bound=0.1, wrong=0.5), "the gap is only 0.0 times the spread"),
    ],
)
def test_a_bound_lies_between_right_and_wrong_with_room_to_spare(figures: Calibration, words: str) -> None:
    """The bound is above every right program and below every visible mistake, and the gap is thrice the spread."""
    assert words in figures.fault
    assert bool(words) == bool(figures.fault)
    assert figures.fault in figures.in_words()
    assert "a.mistake" in figures.in_words()


def result(id_: str, **figures: float) -> CheckResult:
    """A training check's result; `loss=0.1` with the bound 0.5."""
    named = {f"held-out {name}": value for name, value in figures.items()}
    bounds = {f"held-out {name}, at most": 0.5 for name in figures}
    return CheckResult(id_, Outcome.PASSED, 5, 5, evidence=Evidence(figures={**named, **bounds, "margin": 0.3}))


def verdict(kind: Kind, *results: CheckResult, fault: str = "") -> Verdict:
    """What a trial of this kind left."""
    grade = Grade("x", "t1_tiny", 100, 100, results, (), (), RUN, "d")
    return Verdict(Trial(kind, Variant("v", {}), 1), grade, ("test_b",), fault)


MISTAKES = """
- {id: hidden, edits: [{replace: "2 * x", with: "x"}]}
- {id: seen, edits: [{replace: "2 * x", with: "3 * x"}], training_visible: true}
- {id: seen_too, edits: [{replace: "2 * x", with: "4 * x"}], training_visible: [test_b]}
"""


@pytest.fixture
def assignment(write_tiny: Write, tmp_path: Path) -> Assignment:
    """An assignment with two mistakes that training shows."""
    return load_assignment(write_tiny(tmp_path / "course", mistakes__yml=MISTAKES))


@pytest.fixture
def measured(assignment: Assignment, tmp_path: Path) -> Settings:
    """Settings under which something was measured."""
    return Settings(assignment.folder, Confinement.REQUIRED, ("seccomp",), (), tmp_path / "ledger", "7" * 64)


def test_calibration_trains_the_visible_mistakes(
    assignment: Assignment, measured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right figures come from the verdicts, wrong ones from three secrets of each mistake that training shows."""
    runs: list[tuple[str, bytes]] = []
    closed: list[bool] = []

    class Trainer:
        def __init__(self, _: Settings) -> None:
            pass

        def train_regardless(self, job: Any) -> tuple[CheckResult, ...]:
            runs.append((job.submission.student, job.secret))
            loss = {"seen": 2.0, "seen_too": -3.0}[job.submission.student]  # test_a does not show the second one
            return (result("test_a", loss=loss + len(runs)), result("test_b", loss=math.nan))

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr(proof, "Pipeline", Trainer)
    verdicts = [
        verdict(Kind.SOLUTION, result("test_a", loss=0.1), result("test_b", loss=0.2), result("test_c")),
        verdict(Kind.FAIR_PLAY, result("test_a", loss=0.12), result("test_b", loss=0.2)),
        verdict(Kind.STUB, result("test_a", loss=7.0)),
    ]
    heard: list[str] = []
    found = calibrate(measured, assignment, verdicts, heard.append)
    assert heard == ["seen", "seen_too"]
    assert closed == [True]
    assert [student for student, _ in runs] == ["seen"] * 3 + ["seen_too"] * 3
    assert len({secret for _, secret in runs}) == 3
    assert found == (
        Calibration("test_a", 0.5, 0.1, 0.12, 3.0, "seen", 2),
        Calibration("test_b", 0.5, 0.2, 0.2, math.inf, "seen", 2),
    )


def test_a_bound_that_no_mistake_has_tried_is_a_fault() -> None:
    """Where training is said to show mistakes and none left a figure, nothing was calibrated."""
    untried = Calibration("test_a", 0.5, 0.1, 0.12, math.inf, "", 2)
    assert "no mistake" in untried.fault
    assert untried.fault in untried.in_words()


def test_figures_are_written_for_others_to_read(assignment: Assignment, measured: Settings, tmp_path: Path) -> None:
    """The file holds every program's score, the bounds, the faults, and for which files it holds; it is plain JSON."""
    verdicts = [
        verdict(Kind.MISTAKE, result("test_a"), fault="nobody caught it"),
        verdict(Kind.SOLUTION, result("test_a")),
    ]
    bounds = [lies(right=(0.01, 0.02), bound=0.1, wrong=math.inf)]
    path = write(tmp_path, assignment, verdicts, bounds, measured)
    assert path == tmp_path / "docs" / "measured" / "t1_tiny.json"

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    document = json.loads(path.read_text(encoding="utf-8"), parse_constant=no_constant)
    assert document["digest"] == digest(assignment.folder)
    assert (document["torch"], document["datasets"]) == (torch.__version__, "7" * 64)
    assert document["faults"] == ["mistake v: nobody caught it"]
    assert [row["kind"] for row in document["programs"]] == ["mistake", "solution"]
    assert document["programs"][0]["did_not_pass"] == ["test_b"]
    assert document["training"][0]["bound"] == 0.1
    assert document["training"][0]["best_wrong"] is None
    assert document["diagnosis"] == {"mistakes": 1, "not named": 1, "behind": {"v": "not named"}}
    before = path.read_bytes()
    assert write(tmp_path, assignment, verdicts[::-1], bounds, measured).read_bytes() == before


def test_the_digest_is_of_what_a_proof_depends_on(assignment: Assignment) -> None:
    """Solutions, checks, mistakes and settings change it; texts and byte code do not."""
    before = digest(assignment.folder)
    (assignment.folder / "handout.md").write_text("# Other words\n", encoding="utf-8")
    (assignment.folder / "handout.ko.md").write_text("# ...\n", encoding="utf-8")
    (assignment.folder / "checks.ko.yml").write_text("A title.: 제목\n", encoding="utf-8")
    (assignment.folder / "__pycache__").mkdir()
    (assignment.folder / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert digest(assignment.folder) == before
    seen = {before}
    for name in ("tiny.py", "test_hidden.py", "mistakes.yml", "assignment.yml", "fair_play/a.py"):
        file = assignment.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(file.read_text(encoding="utf-8") + "\n" if file.exists() else "x", encoding="utf-8")
        seen.add(digest(assignment.folder))
    assert len(seen) == 6


def test_a_round_without_figures_calibrates_nothing(
    assignment: Assignment, measured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An assignment whose checks leave no bounds has none to calibrate."""

    class Idle:
        def __init__(self, _: Settings) -> None:
            pass

        def train_regardless(self, _: Any) -> tuple[CheckResult, ...]:
            return ()

        def close(self) -> None:
            pass

    monkeypatch.setattr(proof, "Pipeline", Idle)
    plain = replace(result("test_a"), evidence=Evidence())
    assert calibrate(measured, assignment, [verdict(Kind.SOLUTION, plain)], lambda _: None) == ()
