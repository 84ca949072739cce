"""What was proven about each assignment is about the assignment as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import course_data
import pytest

from autograder.course import load_assignment
from autograder.naming import naming_file
from autograder.proof import digest, measured_file

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = sorted(file.parent for file in (ROOT / "solutions").glob("*/assignment.yml"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_proof_is_of_the_assignment_as_it_stands(folder: Path) -> None:
    """docs/measured holds a proof without faults for this solution, these checks, these mistakes and this data."""
    proof = json.loads(measured_file(ROOT, folder.name).read_text(encoding="utf-8"))
    advice = f"{folder.name} has changed since it was proven: run `make prove` and commit docs/measured"
    assert proof["digest"] == digest(folder), advice
    assert proof["datasets"] == course_data.digest(load_assignment(folder).datasets), advice
    assert proof["faults"] == []
    assert [each["check"] for each in proof["training"]]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_known_mistakes_are_named(folder: Path) -> None:
    """At least 95 % of the mistakes are named first; of random pairs one in 90 % and both in 60 %.

    Two mistakes that no check tells apart, in either's own trial, are one: that one is named is what can be asked.
    """
    file = naming_file(ROOT, folder.name)
    if not file.exists():
        pytest.skip(f"how the mistakes of {folder.name} are named has not been measured yet")
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["digest"] == digest(folder), f"{folder.name} has changed: run `autograder audit --naming` and commit"
    assert found["named_first"] >= 0.95 * found["mistakes"]
    assert found["one_of_pair"] >= 0.9 * found["pairs"]
    assert found["both_of_pair"] >= 0.6 * found["pairs"]


def test_what_one_mistake_costs_was_measured_of_the_assignments_as_they_stand() -> None:
    """docs/measured/follow_through.md has a row for parts of each assignment, and says of which state."""
    text = (ROOT / "docs" / "measured" / "follow_through.md").read_text(encoding="utf-8")
    states = dict(re.findall(r"^- (\w+): `(\w+)`$", text, re.MULTILINE))
    advice = "run `tests/following.py --write docs/measured/follow_through.md` and commit it"
    assert states == {folder.name: digest(folder) for folder in FOLDERS}, advice
    assert all(f"\n| {folder.name} | " in text for folder in FOLDERS)
