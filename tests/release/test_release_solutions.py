"""Solutions go out when nobody can hand in on time any more, and not before."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from autograder.errors import ReleaseError, UsageError
from autograder.release import release_solutions

GRANTED = """extensions:
  - {student: kim, assignment: t1_tiny, until: 2027-03-25T23:59, why: ill}
  - {student: lee, assignment: t1_tiny, excused: true, why: away}
"""


def at(text: str) -> datetime:
    """A moment in Seoul."""
    return datetime.fromisoformat(f"{text}+09:00")


def test_a_solution_waits_for_the_last_extension(tiny_course: Path) -> None:
    """With the grace of ten minutes; it says until when and for whom, and writes nothing."""
    (tiny_course / "extensions.yml").write_text(GRANTED, encoding="utf-8")
    for early in ("2027-03-22T23:00", "2027-03-23T12:00", "2027-03-26T00:08"):
        with pytest.raises(ReleaseError, match="until 2027-03-26 00:09"):
            release_solutions(tiny_course, ["t1_tiny"], at(early), environment={})
    with pytest.raises(ReleaseError, match="kim may hand in later"):
        release_solutions(tiny_course, ["t1_tiny"], at("2027-03-23T12:00"), environment={})
    assert not (tiny_course / "assignments").exists()
    (made,) = release_solutions(tiny_course, ["t1_tiny"], at("2027-03-26T00:09"), environment={})
    assert made.files == ("README.md", "tiny.py")
    assert made.folder == tiny_course / "assignments/t1_tiny_solution"


def test_it_is_the_solution_without_markers(tiny_course: Path) -> None:
    """It runs as it is, and could be handed in; no hidden check lies beside it."""
    (made,) = release_solutions(tiny_course, ["t1_tiny"], at("2027-04-01T00:00"), environment={})
    text = (made.folder / "tiny.py").read_text()
    assert "SOLUTION" not in text
    original = (tiny_course / "solutions/t1_tiny/tiny.py").read_text()
    assert text == "".join(line for line in original.splitlines(keepends=True) if "SOLUTION" not in line)
    compile(text, "tiny.py", "exec")
    assert sorted(path.name for path in made.folder.iterdir()) == [".released", "README.md", "tiny.py"]
    release_solutions(tiny_course, ["t1_tiny"], at("2027-04-01T00:00"), environment={})
    (made.folder / "tiny.py").write_text("mine")
    with pytest.raises(ReleaseError, match=r"tiny\.py changed"):
        release_solutions(tiny_course, ["t1_tiny"], at("2027-04-01T00:00"), environment={})


def test_assignments_are_named(tiny_course: Path) -> None:
    """Nobody gives away a whole course by leaving a word out; what is in no term has no end."""
    with pytest.raises(UsageError, match="Name the assignments"):
        release_solutions(tiny_course, [], at("2027-04-01T00:00"))
    (tiny_course / "course.yml").write_text("title: x\ntimezone: Asia/Seoul\nassignments: []\n")
    with pytest.raises(ReleaseError, match="no due date"):
        release_solutions(tiny_course, ["t1_tiny"], at("2027-04-01T00:00"))
