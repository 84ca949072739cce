"""The audit proves an assignment, and says what is wrong with one that it cannot prove."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder import audit as audit_module
from autograder import fleet
from autograder.audit import Kind, Trial, Verdict, audit, audit_secret, trials, verdict
from autograder.course import load_assignment
from autograder.pipeline import Job, Settings
from autograder.records import Assignment, CheckResult, Confinement, Finding, Grade, Outcome, RunInfo
from autograder.variants import Variant

torch.set_num_threads(1)

Write = Callable[..., Path]
Run = Callable[..., dict[str, Verdict]]


@pytest.fixture
def audited(desk_for: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that audits an assignment with the session's sandboxes; verdicts come by program and round."""

    def run(folder: Path, rounds: int = 1, only: tuple[str, ...] = ()) -> dict[str, Verdict]:
        desk, assignment = desk_for(folder), load_assignment(folder)
        monkeypatch.setattr(fleet, "pipeline_for", lambda _: desk.pipeline())
        chosen = [trial for trial in trials(assignment, rounds) if not only or trial.variant.id in only]
        heard: list[Verdict] = []
        found = audit(desk.pipeline().settings, assignment, chosen, 1, heard.append)
        assert tuple(heard) == found
        return {f"{v.trial.kind}: {v.trial.variant.id} {v.trial.round}": v for v in found}

    return run


linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")


@linux
def test_a_sound_assignment_has_no_faults(audited: Run, tiny_folder: Path) -> None:
    """Right work has 100 points on every secret, missing work none, and every mistake is caught where it should be."""
    found = audited(tiny_folder, rounds=2)
    assert {name: v.fault for name, v in found.items() if v.fault} == {}
    scores = {name: v.grade.score for name, v in found.items()}
    right = {"solution: solution 0", "solution: solution 1", "fair play: adds 0", "fair play: adds 1"}
    assert {name for name, score in scores.items() if score == 100} == right
    assert {name for name, score in scores.items() if score == 0 and not name.startswith("mistake")} == {
        "stub: stub 0",
        "lazy: lazy_zeros 0",
        "lazy: lazy_random 0",
        "lazy: lazy_echo 0",
        "lazy: lazy_value_error 0",
        "lazy: lazy_exit 0",
    }
    assert found["mistake: tiny.no_tanh 0"].caught_by == ("test_rnn_cell",)
    assert {v.named for v in found.values() if v.trial.kind is Kind.MISTAKE} == {"alone"}
    assert {v.named for v in found.values() if v.trial.kind is not Kind.MISTAKE} == {""}


UNSOUND_MISTAKES = """
- id: equivalent
  edits: [{replace: "return 2 * x", with: "return x * 2.0"}]
  caught_by: [test_double]
- id: too_small
  edits: [{replace: "return 2 * x", with: "return 2.00001 * x"}]
  caught_by: [test_double]
- id: wrong_check
  edits: [{replace: "return 2 * x", with: "return 3 * x"}]
  caught_by: [test_double, test_run]
- id: no_check
  edits: [{replace: "return 2 * x", with: "return 4 * x"}]
"""
UNSOUND_FAIR_PLAY = """
- id: not_so_fair
  edits: [{replace: "return 2 * x", with: "return 2 * x + 1"}]
"""


@linux
def test_what_an_assignment_cannot_prove_is_a_fault(audited: Run, write_tiny: Write, tmp_path: Path) -> None:
    """An edit that changes nothing or too little, a wrong or missing caught_by, and right work that fails are told."""
    folder = write_tiny(tmp_path / "c", mistakes__yml=UNSOUND_MISTAKES, fair_play__yml=UNSOUND_FAIR_PLAY)
    only = ("equivalent", "too_small", "wrong_check", "no_check", "not_so_fair")
    faults = {v.trial.variant.id: v.fault for v in audited(folder, only=only).values()}
    assert faults["equivalent"] == "no check caught it in both precisions, or the edit changes nothing"
    assert faults["too_small"] == faults["equivalent"]
    assert faults["wrong_check"] == "test_run passed it although caught_by names it; these caught it: test_double"
    assert faults["no_check"] == "caught_by names no check; these caught it: test_double"
    assert faults["not_so_fair"].startswith("right work was not passed by test_double: ")


# --- verdicts --------------------------------------------------------------------------------------------------------

RUN = RunInfo(Confinement.BEST_EFFORT, (), (), "cpu", "2", "0", "0")


def graded(**outcomes: Outcome) -> Grade:
    """A grade of these outcomes, ten points each."""
    results = tuple(
        CheckResult(
            id_,
            outcome,
            10 if outcome is Outcome.PASSED else 0,
            10,
            None if outcome is Outcome.PASSED else Finding("values", "differs"),
        )
        for id_, outcome in outcomes.items()
    )
    score = sum(result.earned for result in results)
    return Grade("x", "t", score, 10 * len(results), results, (), (), RUN, "d")


@pytest.mark.parametrize(
    ("kind", "outcomes", "fault"),
    [
        (Kind.SOLUTION, {"a": Outcome.PASSED}, ""),
        (Kind.SOLUTION, {"a": Outcome.TIMED_OUT}, "right work was not passed by a: differs"),
        (Kind.FAIR_PLAY, {"a": Outcome.PASSED, "b": Outcome.SKIPPED}, "right work was not passed by b: differs"),
        (Kind.STUB, {"a": Outcome.FAILED, "b": Outcome.SKIPPED}, ""),
        (Kind.STUB, {"a": Outcome.PASSED, "b": Outcome.SKIPPED}, "missing work was passed by a"),
        (Kind.LAZY, {"a": Outcome.PASSED, "b": Outcome.PASSED}, "missing work was passed by a, b"),
        (Kind.LAZY, {"a": Outcome.CRASHED}, ""),
        (Kind.MISTAKE, {"a": Outcome.FAILED, "b": Outcome.PASSED}, ""),
        (Kind.MISTAKE, {"a": Outcome.CRASHED, "b": Outcome.SKIPPED}, ""),
        (
            Kind.MISTAKE,
            {"a": Outcome.SKIPPED, "b": Outcome.PASSED},
            "no check caught it in both precisions, or the edit changes nothing",
        ),
        (
            Kind.CHEAT,
            {"a": Outcome.PASSED, "b": Outcome.FAILED},
            "a passed it although caught_by names it; these caught it: b",
        ),
        (Kind.MISTAKE, {"a": Outcome.GRADER_ERROR}, "the grader failed in a"),
        (Kind.SOLUTION, {"a": Outcome.GRADER_ERROR}, "the grader failed in a"),
        (Kind.STUB, {"a": Outcome.GRADER_ERROR}, "the grader failed in a"),
    ],
)
def test_every_kind_of_trial_has_its_own_verdict(kind: Kind, outcomes: dict[str, Outcome], fault: str) -> None:
    """Right work must pass, missing work must not, a mistake must be caught; our own failure is never a success."""
    trial = Trial(kind, Variant("v", {}, caught_by=("a",)), 0)
    assert verdict(trial, graded(**outcomes)).fault == fault


def test_right_work_is_tried_on_every_secret(tiny: Assignment) -> None:
    """Solution and fair play run once a round, everything else once; what is no edit is no trial."""
    tried = list(trials(tiny, 3))
    rounds = {kind: sorted(trial.round for trial in tried if trial.kind is kind) for kind in Kind}
    assert rounds[Kind.SOLUTION] == rounds[Kind.FAIR_PLAY] == [0, 1, 2]
    assert rounds[Kind.STUB] == [0]
    assert rounds[Kind.LAZY] == [0] * 5
    assert rounds[Kind.MISTAKE] == [0] * 4
    assert rounds[Kind.CHEAT] == []


def test_the_secrets_of_rounds_differ_and_stay() -> None:
    """Each round has its own secret, the same at every audit."""
    secrets = [audit_secret(number) for number in range(5)]
    assert len(set(secrets)) == 5
    assert secrets == [audit_secret(number) for number in range(5)]
    assert all(len(secret) >= 32 for secret in secrets)


def test_a_mistake_is_tried_on_the_checks_that_tell_of_it(
    tiny: Assignment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that `caught_by` names and what they need; whoever names none, and every cheat, is tried on all."""
    checks = tuple(replace(check, needs=()) for check in tiny.checks)
    first, second, *others = (check.id for check in checks)
    assignment = replace(tiny, checks=(replace(checks[0], needs=(second,)), *checks[1:]), parts={})
    given: dict[str, frozenset[str]] = {}

    def grade_all(_: Settings, jobs: list[Job], workers: int, judge: Callable[..., None]) -> None:
        given.update({job.submission.student: job.untried for job in jobs})

    monkeypatch.setattr(audit_module, "grade_all", grade_all)
    chosen = [
        Trial(Kind.MISTAKE, Variant("named", {"tiny.py": b""}, (first,)), 0),
        Trial(Kind.MISTAKE, Variant("nameless", {"tiny.py": b""}), 0),
        Trial(Kind.CHEAT, Variant("cheat", {"tiny.py": b""}, (first,)), 0),
    ]
    audit(Settings(tiny.folder, Confinement.REQUIRED, (), (), tmp_path, "0"), assignment, chosen, 1, lambda _: None)
    assert given == {
        "mistake.named.0": frozenset(others),
        "mistake.nameless.0": frozenset(),
        "cheat.cheat.0": frozenset(),
    }
