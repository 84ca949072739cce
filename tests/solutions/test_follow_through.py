"""One mistake costs its points once: a slip in the lowest part of an assignment keeps all that is built on it."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from autograder.course import load_assignment
from autograder.desk import Desk
from autograder.pipeline import Pipeline
from autograder.records import CheckResult, Confinement, Finding, Outcome
from autograder.sandbox.standins import STAND_INS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

ROOT = Path(__file__).parents[2]
OPEN = sorted(file.parent.name for file in (ROOT / "solutions").glob("*/assignment.yml"))


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


following = _loaded(ROOT / "tests" / "following.py")


@pytest.mark.parametrize("id_", OPEN)
def test_a_slip_in_the_lowest_part_costs_its_own_points_alone(id_: str, tmp_path: Path) -> None:
    """The first part that others build on is wrong: checks of that part fail or wait, and none above it.

    `make prove` tries every part, and earlier work with a mistake in it (docs/measured/follow_through.md).
    """
    assignment = load_assignment(ROOT / "solutions" / id_)
    settings = Desk.at(ROOT, id_, Confinement.BEST_EFFORT, 1).settings(tmp_path / "ledger")
    with closing(Pipeline(settings)) as pipeline:
        cost = following.cost(pipeline, next(following.slips(assignment)))
    assert not cost.above
    assert cost.fault == ""
    assert cost.inside > 0


def test_every_part_that_others_build_on_is_tried() -> None:
    """A part without a known mistake in it would be one whose follow-through nobody has seen."""
    for id_ in OPEN:
        assignment = load_assignment(ROOT / "solutions" / id_)
        tried = {slip.part for slip in following.slips(assignment)}
        needed = {name for check in assignment.checks for name in check.needs} & {*assignment.parts} & {*STAND_INS}
        assert needed <= tried, id_
        below = {slip.part for slip in following.slips_below(assignment)}
        assert {part for used in assignment.builds_on for part in used.parts} <= below, id_


def test_points_lost_above_are_told_with_their_reason() -> None:
    """What must not happen is written down where it does."""
    assignment = load_assignment(ROOT / "solutions" / "a1_rnn")
    slip = next(following.slips(assignment))
    lost = CheckResult("test_rnn", Outcome.FAILED, 0, 4, Finding("values", "another number"))
    fine, bad = following.Cost(slip, 3, (), 9), following.Cost(slip, 3, (lost,), 9)
    assert following.Cost(slip, 0, (), 9).fault
    assert following.Cost(slip, 3, (), 0).fault
    assert (fine.fault, bad.fault) == ("", "test_rnn: another number")
    there_to_catch_it = replace(slip, caught_by=(lost.id,))
    assert following.Cost(there_to_catch_it, 3, (lost,), 9).fault == ""
    text = following.document([fine, bad], trainings=False)
    assert "2 programs lost 6 points in the part that is wrong, and 4 above it." in text
    assert "| 4 | 9 | test_rnn: another number |" in text
