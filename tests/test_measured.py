"""What was proven about each assignment is about the assignment as it stands."""

from __future__ import annotations

import json
from pathlib import Path

import course_data
import pytest

from autograder.course import load_assignment
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
