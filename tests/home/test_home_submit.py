"""`submit`: what goes into the zip, and what is refused."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autograder.course import load_assignment
from autograder.errors import SubmissionError
from autograder.home.check import check
from autograder.home.reading import read_sources
from autograder.home.run import Hands
from autograder.home.submit import pack, refuse_unfinished
from autograder.intake import read_submission

Edited = Callable[..., str]
Desk = Callable[..., Path]
NOW = datetime(2027, 3, 1, 12, 30, 1, tzinfo=UTC)
GAP = "    raise NotImplementedError(\"write double: see handout.md, '1. Doubling'\")"


def packed(folder: Path, hands: Hands | None = None) -> Path:
    """The zip of what lies in a folder."""
    assignment = load_assignment(folder, complete=False)
    report = check(folder, (), hands, lambda _: None) if hands else None
    return pack(assignment, read_sources(assignment), report, NOW).zip


def test_the_zip_holds_the_files_and_says_what_they_are(desk: Desk, hands: Hands, edited: Edited) -> None:
    """Files as they are, and a manifest with digests, versions, the time, and which public checks pass."""
    folder = desk(edited(("return 2 * x", "return 3 * x")))
    path = packed(folder, hands)
    assert path == folder.parents[1] / "handin" / "t1_tiny.zip"
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["tiny.py", "manifest.json"]
        content = archive.read("tiny.py")
        manifest: dict[str, Any] = json.loads(archive.read("manifest.json"))
    assert content == (folder / "tiny.py").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert manifest["files"] == [{"name": "tiny.py", "sha256": digest, "bytes": len(content)}]
    assert manifest["assignment"] == "t1_tiny"
    assert manifest["made"] == "2027-03-01T12:30:01+00:00"
    assert {"kit", "python", "torch", "numpy", "system"} == set(manifest["versions"])
    assert manifest["public_checks"]["passed"] == ["test_rnn_cell", "test_run_one_step"]
    assert manifest["public_checks"]["others"] == {"test_double": "failed"}


def test_grade_takes_the_zip_without_a_word(desk: Desk, edited: Edited, tiny: Any) -> None:
    """Intake finds the file in it and has nothing to note about the rest."""
    submission = read_submission(packed(desk(edited())), tiny, "ada")
    assert (submission.problem, submission.notes) == ("", ())
    assert submission.files == {"tiny.py": edited().encode()}


def test_a_second_zip_takes_the_place_of_the_first(desk: Desk, edited: Edited) -> None:
    """One zip an assignment, the newest; nothing half written beside it."""
    folder = desk(edited())
    packed(folder)
    (folder / "tiny.py").write_text(edited(("return 2 * x", "return x + x")), encoding="utf-8")
    path = packed(folder)
    assert [file.name for file in path.parent.iterdir()] == ["t1_tiny.zip"]
    with zipfile.ZipFile(path) as archive:
        assert b"return x + x" in archive.read("tiny.py")


@pytest.mark.parametrize(
    ("content", "words"),
    [("def f(:\n", "line 1 is not valid Python"), ("", "empty"), ("x = 1\0", "null bytes")],
    ids=["syntax", "empty", "null"],
)
def test_what_nobody_can_grade_is_refused_always(desk: Desk, content: str, words: str) -> None:
    """`--anyway` does not help where the file would get nothing."""
    assignment = load_assignment(desk(content), complete=False)
    with pytest.raises(SubmissionError, match=words):
        refuse_unfinished(assignment, read_sources(assignment), anyway=True)


@pytest.mark.parametrize("source", [GAP, "import pandas"], ids=["gap", "import"])
def test_what_is_not_finished_is_refused_unless_told(desk: Desk, edited: Edited, source: str) -> None:
    """A stub left empty and an import that would be refused stop it; `--anyway` lets them pass and repeats them."""
    text = edited(("    return 2 * x", GAP)) if source == GAP else f"{edited()}\n{source}\n"
    assignment = load_assignment(desk(text), complete=False)
    sources = read_sources(assignment)
    with pytest.raises(SubmissionError, match="--anyway"):
        refuse_unfinished(assignment, sources, anyway=False)
    assert len(refuse_unfinished(assignment, sources, anyway=True)) == 1


def test_a_bonus_may_stay_empty(desk: Desk, edited: Edited) -> None:
    """A gap whose section says bonus stops nobody."""
    text = edited(("    return 2 * x", GAP.replace("1. Doubling", "1. Bonus: doubling")))
    assignment = load_assignment(desk(text), complete=False)
    assert refuse_unfinished(assignment, read_sources(assignment), anyway=False) == ()
