"""In which order a class is graded: longest first, and what is expected of whom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autograder.desk import Desk
from autograder.gaps import message, unwritten
from autograder.ledger import write_grade
from autograder.records import CheckResult, Confinement, Grade, Outcome, RunInfo, Submission
from autograder.screen import Screen
from autograder.secret import make_secret
from autograder.turns import Took, last_time, longest_first

FILES = ("rnn.py",)
RUN = RunInfo(Confinement.BEST_EFFORT, (), (), "cpu", "2", "0", "0")
GAP = f'    raise NotImplementedError("{message("rnn_cell", "", "handout.md")}")\n'.encode()


def handed_in(student: str, content: bytes = b"x = 1\n", digest: str = "new", problem: str = "") -> Submission:
    """A submission of one file."""
    return Submission(student, "t", {"rnn.py": content}, problem=problem, digest=digest)


def took(digest: str, *cpu_s: float) -> Took:
    """What was measured last time, check by check."""
    results = tuple(CheckResult(str(number), Outcome.PASSED, 0, 0, cpu_s=each) for number, each in enumerate(cpu_s))
    return Took(digest, results)


def order(*submissions: Submission, **last: Took) -> str:
    """The students in their turn."""
    return "".join(each.student for each in longest_first(submissions, FILES, last))


def test_what_was_graded_before_takes_what_it_took() -> None:
    """All checks count; nobody else's figures matter."""
    last = {"a": took("1", 1.0), "b": took("2", 2.0, 3.0), "c": took("3", 4.0)}
    assert order(handed_in("a", digest="1"), handed_in("b", digest="2"), handed_in("c", digest="3"), **last) == "bca"


def test_a_new_program_is_expected_to_be_like_the_class() -> None:
    """Between those who take longer and those who take less than the median."""
    last = {"a": took("1", 1.0), "b": took("2", 5.0), "c": took("3", 9.0)}
    known = (handed_in("a", digest="1"), handed_in("c", digest="3"))
    assert order(*known, handed_in("n"), **last) == "cna"


def test_who_was_slow_is_expected_to_be_slow_again() -> None:
    """A new attempt counts as the last one where that took more than the class does, and as the class otherwise."""
    last = {"a": took("1", 9.0), "b": took("2", 0.1), "c": took("3", 2.0)}
    assert order(handed_in("n"), handed_in("b"), handed_in("a"), **last) == "anb"


def test_what_is_not_written_takes_less() -> None:
    """Where nothing was measured: the fewer gaps, the earlier; what cannot be graded is last."""
    some, many = b"x = 1\n" + GAP, GAP * 3
    told = handed_in("p", problem="it is no zip")
    assert order(told, handed_in("m", many), handed_in("s", some), handed_in("w")) == "wsmp"


def test_gaps_of_earlier_work_do_not_count() -> None:
    """Stand-ins take its place, and all that builds on it trains."""
    whole = Submission("e", "t", {"rnn.py": b"x = 1\n", "earlier.py": GAP * 9}, digest="new")
    assert order(handed_in("s", GAP), whole) == "es"


def test_equals_stay_in_order() -> None:
    """Nothing known of anybody: the order of the hand-ins."""
    assert order(*map(handed_in, "dacb")) == "dacb"
    assert order() == ""


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (GAP, 1),
        (GAP * 4, 4),
        (b"raise NotImplementedError(\n    'write RNN.forward: see handout.md')", 1),
        (b"raise NotImplementedError", 0),
        (b"raise NotImplementedError('not today')", 0),
        (b"\xff\x00", 0),
    ],
)
def test_gaps_are_counted_without_parsing(content: bytes, count: int) -> None:
    """Whatever the bytes are."""
    assert unwritten(content) == count


def test_last_time_is_read_from_results(tmp_path: Path) -> None:
    """Every student's figures; a file that is damaged or something else is no reason to stop."""
    results = tuple(CheckResult(str(number), Outcome.PASSED, 0, 0, cpu_s=1.5) for number in range(2))
    write_grade(tmp_path / "kim.json", Grade("kim", "t", 0, 1, results, (), (), RUN, "digest"))
    (tmp_path / "lee.json").write_bytes(b'{"results": 3}')
    (tmp_path / "odd.json").mkdir()
    found = last_time(tmp_path)
    assert found.keys() == {"kim"}
    assert (found["kim"].submission_digest, found["kim"].cpu_s) == ("digest", 3.0)
    assert last_time(tmp_path / "nothing") == {}


@pytest.mark.parametrize(("workers", "turns"), [(2, "cab"), (1, "abc")])
def test_a_class_is_graded_longest_first(
    tiny_course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, turns: str
) -> None:
    """By what results say that lie where the new ones go; one process alone goes by the alphabet."""
    results, seen = tmp_path / "results", list[str]()
    for number, student in enumerate("abc"):
        (tmp_path / "class" / student).mkdir(parents=True)
        (tmp_path / "class" / student / "tiny.py").write_text(f"# {student}\n" + GAP.decode() * (number == 1))
    for student, cpu_s in (("c", 9.0), ("y", 1.0), ("z", 1.0)):
        took_so_long = (CheckResult("0", Outcome.TIMED_OUT, 0, 0, cpu_s=cpu_s),)
        write_grade(results / f"{student}.json", Grade(student, "t1_tiny", 0, 1, took_so_long, (), (), RUN, "before"))
    monkeypatch.setattr(
        "autograder.fleet.grade_all", lambda _, jobs, *__: seen.extend(j.submission.student for j in jobs)
    )
    make_secret(tiny_course)
    desk = replace(Desk.at(tiny_course, "t1_tiny", Confinement.BEST_EFFORT, 1), workers=workers)
    desk.grade([tmp_path / "class"], results, (), Screen(quiet=True))
    assert "".join(seen) == turns
