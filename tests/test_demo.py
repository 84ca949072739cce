"""The sample class of `demo`: who is in it, and that it is handed in as real classes are."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from autograder import demo
from autograder.course import load_assignment
from autograder.errors import UsageError
from autograder.intake import read_submissions
from autograder.records import Assignment
from autograder.variants import Variant

Write = Callable[..., Path]

CHEATS = """
- {id: cheat.one, edits: [{replace: "2 * x", with: "x + x + 0"}], caught_by: [test_double]}
- {id: cheat.two, edits: [{replace: "2 * x", with: "x - -x"}], caught_by: [test_double]}
- {id: cheat.three, edits: [{replace: "2 * x", with: "x + x"}], caught_by: [test_double]}
"""


@pytest.fixture
def assignment(write_tiny: Write, tmp_path: Path) -> Assignment:
    """The tiny assignment with three cheats."""
    return load_assignment(write_tiny(tmp_path / "course", cheats__yml=CHEATS))


def ids(variants: Iterable[Variant]) -> list[str]:
    """The names of programs."""
    return [variant.id for variant in variants]


def test_a_class_has_all_sorts_of_work(assignment: Assignment) -> None:
    """Right work in several styles, known mistakes, a cheat, a stub, and three disasters; each name once."""
    found = ids(demo.sample(assignment))
    assert found[:3] == ["never_ends", "solution", "adds"]  # what takes long comes first
    assert [name for name in found if name.startswith("tiny.")] == ["tiny.triples", "tiny.stuck"]
    assert [name for name in found if name.startswith("cheat.")] == ["cheat.one"]
    assert found[-3:] == ["stub", "crashes", "syntax_error"]
    assert len(set(found)) == len(found) <= len(demo.NAMES)


def test_long_lists_are_sampled_evenly() -> None:
    """Of many mistakes a few are taken from all over the list."""
    many = [Variant(str(n), {}) for n in range(50)]
    assert ids(demo._spread(many, 6)) == ["0", "8", "16", "24", "32", "40"]
    assert ids(demo._spread(many[:3], 6)) == ["0", "1", "2"]
    assert demo._spread([], 6) == []


def test_disasters_fit_the_assignment(assignment: Assignment) -> None:
    """A crash and an endless loop sit in the assignment's own first part; the third is no Python."""
    made = {variant.id: variant.files["tiny.py"].decode() for variant in demo.sample(assignment)}
    assert made["crashes"].endswith("def rnn_cell(*args, **kwargs):\n    ctypes.string_at(0)  # reads address 0\n")
    assert "while True" in made["never_ends"]
    for name in ("crashes", "never_ends", "solution"):
        compile(made[name], name, "exec")
    with pytest.raises(SyntaxError):
        compile(made["syntax_error"], "x", "exec")


def test_a_class_hands_in_folders_zips_and_files(assignment: Assignment, tmp_path: Path) -> None:
    """All three forms occur, each can be read by intake as what it is, and a list says who is who."""
    folder = tmp_path / "demo" / "submissions"
    demo.write_class(assignment, folder)
    forms = {path.name: path for path in folder.iterdir()}
    assert forms["ada"].is_dir()
    assert zipfile.is_zipfile(forms["bo.zip"])
    assert forms["chae.py"].is_file()
    submissions = read_submissions(folder, assignment)
    programs = {variant.id: dict(variant.files) for variant in demo.sample(assignment)}
    who = dict(line.split() for line in (tmp_path / "demo" / "class.txt").read_text(encoding="utf-8").splitlines())
    assert list(who) == sorted(who)
    assert len(submissions) == len(programs) == len(who)
    for submission in submissions:
        assert submission.problem == ""
        assert dict(submission.files) == programs[who[submission.student]]


def test_writing_a_class_twice_gives_the_same_class(assignment: Assignment, tmp_path: Path) -> None:
    """A second demo finds its own class again, so that nothing is measured twice."""
    folder = tmp_path / "submissions"
    demo.write_class(assignment, folder)
    before = {s.student: s.digest for s in read_submissions(folder, assignment)}
    demo.write_class(assignment, folder)
    assert {s.student: s.digest for s in read_submissions(folder, assignment)} == before


def test_a_demo_needs_no_preparation(
    assignment: Assignment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It makes the secret, says that the class is made up, grades every assignment and says where to look."""
    graded: list[tuple[str, Path]] = []

    def grade(self: Any, submissions: Sequence[Path], out: Path, *_: object) -> tuple[()]:
        graded.extend((str(self.confinement), folder) for folder in submissions)
        assert out is not None
        return ()

    monkeypatch.setattr("autograder.desk.Desk.grade", grade)
    root = assignment.folder.parents[1]
    demo.run_demo(assignment.folder, (), tmp_path / "out", 1)
    assert graded == [("best-effort", tmp_path / "out" / "t1_tiny" / "submissions")]
    assert len(list(graded[0][1].iterdir())) == 9
    assert (root / ".autograder" / "secret").exists()
    captured = capsys.readouterr()
    assert "made by the kit from its own solution" in captured.err
    assert "Class 1 of 1: t1_tiny" in captured.err
    assert "Who handed in what: " in captured.out


def test_a_demo_of_what_is_not_there_grades_nothing(assignment: Assignment, tmp_path: Path) -> None:
    """A name that the course does not have is told with the nearest one, before any class is made."""
    with pytest.raises(UsageError, match=r"no assignment `t1_tyni`.*t1_tiny"):
        demo.run_demo(assignment.folder, ("t1_tiny", "t1_tyni"), tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()
