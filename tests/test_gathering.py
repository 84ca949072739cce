"""Which hand-ins are graded: by name, and by when they came or whether they changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from autograder.course import load_assignment, load_course
from autograder.errors import UsageError
from autograder.gathering import Wanted, gather, moment
from autograder.grading import grade
from autograder.ledger import write_grade
from autograder.records import Confinement, RunInfo

NOW = datetime(2027, 3, 20, 12, tzinfo=UTC)
RUN = RunInfo(Confinement.BEST_EFFORT, (), (), "cpu", "2", "0", "0")
Gathered = Callable[..., list[str]]


@pytest.fixture
def gathered(tiny_course: Path, tmp_path: Path, edited: Any) -> Gathered:
    """A function that returns who is to be graded, of three who handed in three, two and one days before NOW."""
    folder, results = tmp_path / "in", tmp_path / "results"
    folder.mkdir()
    rows = ["student,time"]
    for days, student in ((3, "ada"), (2, "bo"), (1, "eun")):
        (folder / f"{student}.py").write_text(edited(), encoding="utf-8")
        rows.append(f"{student},{(NOW - timedelta(days=days)).isoformat()}")
    times = tmp_path / "times.csv"
    times.write_text("\n".join(rows) + "\n")
    course, assignment = load_course(tiny_course), load_assignment(tiny_course / "solutions" / "t1_tiny")

    def gather_them(since: str, *only: str, graded: bool = False) -> list[str]:
        def ask(moment: datetime | None, only: frozenset[str]) -> Any:
            wanted = Wanted([folder], only, [times], moment)
            return gather(course, assignment, wanted, results, lambda _: None)

        if graded:
            for submission in ask(None, frozenset()):
                write_grade(results / f"{submission.student}.json", grade(assignment, submission, (), RUN))
        return [each.student for each in ask(moment(since, course, NOW) if since else None, frozenset(only))]

    return gather_them


def test_since_a_moment(gathered: Gathered) -> None:
    """What came at that moment or later."""
    assert gathered("") == ["ada", "bo", "eun"]
    assert gathered("36h") == ["eun"]
    assert gathered("2d") == ["bo", "eun"]
    assert gathered("1w", "ada", "bo") == ["ada", "bo"]
    assert gathered("2027-03-18T21:00") == ["bo", "eun"]  # course time: 12:00 UTC, to the second
    assert gathered("2027-03-18T21:00:01") == ["eun"]
    assert gathered("1min") == [], "nobody is no error: tonight nobody handed in"


def test_what_was_changed_in_place_is_graded_whatever_its_time(gathered: Gathered, tmp_path: Path) -> None:
    """Its manifest or the LMS has the old time; its files are not those of the result."""
    assert gathered("1h", graded=True) == []
    with (tmp_path / "in" / "ada.py").open("a") as file:
        file.write("# mended\n")
    assert gathered("1h") == ["ada"]


@pytest.mark.parametrize("words", ["yesterday", "3 fortnights", "2027-13-01", "h", "-1d", ""])
def test_what_is_no_moment(tiny_course: Path, words: str) -> None:
    """The message shows both forms."""
    with pytest.raises(UsageError, match=r"is no moment; 2027-03-22T18:00, or 36h or 2d for that long ago"):
        moment(words, load_course(tiny_course), NOW)


def test_nobody_of_that_name_is_an_error(gathered: Gathered) -> None:
    """A slip of the pen in --only is told, with or without --since."""
    with pytest.raises(UsageError, match="holds no submission of `adda`; did you mean `ada`\\?"):
        gathered("1h", "adda")
    with pytest.raises(UsageError, match="holds no submission of `xu`; known here: `ada`, `bo`, `eun`"):
        gathered("", "ada", "xu")


def test_one_students_folder_is_no_class(tiny_course: Path, tmp_path: Path, edited: Any) -> None:
    """It is told what to name instead, and nobody called like the file has a result."""
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "tiny.py").write_text(edited(), encoding="utf-8")
    course, assignment = load_course(tiny_course), load_assignment(tiny_course / "solutions" / "t1_tiny")
    with pytest.raises(UsageError, match=r"looks like the hand-in of one student: tiny\.py does not say whose it is"):
        gather(course, assignment, Wanted([tmp_path / "ada"]), tmp_path / "results", lambda _: None)
