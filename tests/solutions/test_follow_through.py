"""One mistake costs its points once: a slip in the lowest part of an assignment keeps all that is built on it."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import pytest

from autograder.audit import audit_secret
from autograder.course import load_assignment
from autograder.desk import Desk
from autograder.diagnosis import Catalogue
from autograder.feedback.parts import parts_of
from autograder.pipeline import Job, Pipeline
from autograder.records import Confinement, Outcome
from autograder.sandbox.standins import STAND_INS
from autograder.variants import as_submission

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

ROOT = Path(__file__).parents[2]
OPEN = sorted(file.parent.name for file in (ROOT / "solutions").glob("*/assignment.yml"))
LONG_S = 60.0
"""A check that may compute for longer is a training; it tells nothing here and takes most of the time."""


@pytest.mark.parametrize("id_", OPEN)
def test_a_slip_in_the_lowest_part_costs_its_own_points_alone(id_: str, tmp_path: Path) -> None:
    """The first part that others build on is wrong: checks of that part fail or wait, and none above it."""
    assignment = load_assignment(ROOT / "solutions" / id_)
    lowest = next(part for part in assignment.parts if part in STAND_INS)
    catalogue = Catalogue(assignment, [ROOT / "solutions" / used.id for used in assignment.builds_on])
    known = [(name, each) for name, each in catalogue.mistakes.items() if each.caught_by]
    slip = next(each for name, each in known if catalogue.part_of(name).partition(".")[0] == lowest)
    catalogue.close()
    trainings = frozenset(check.id for check in assignment.checks if (check.trains_cpu_s or 0) > LONG_S)
    settings = Desk.at(ROOT, id_, Confinement.BEST_EFFORT, 1).settings(tmp_path / "ledger")
    job = Job(as_submission(assignment, "low", slip.files), audit_secret(0), untried=trainings)
    with closing(Pipeline(settings)) as pipeline:
        grade = pipeline.grade(job)
    own = {check for part in parts_of(assignment) if part.name == lowest for check in part.checks}
    lost = {result.id for result in grade.results if result.outcome is not Outcome.PASSED} - trainings
    assert lost, f"{slip.id} is not seen"
    assert lost <= own | {*assignment.parts[lowest]}, f"{slip.id} costs points above {lowest}"
    assert any(result.stand_ins for result in grade.results)
