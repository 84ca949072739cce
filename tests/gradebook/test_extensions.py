"""extensions.yml: read with its problems, added to by `extend` and `excuse`, and seen by `marks`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from autograder.course import load_course, load_extensions
from autograder.errors import ConfigurationError
from autograder.ledger import read_grade
from autograder.records import Moment

Type = Callable[..., Result]


def granted(root: Path, text: str) -> list[tuple[str, str]]:
    """What extensions.yml with this text grants: student and until."""
    (root / "extensions.yml").write_text(text, encoding="utf-8")
    return [(each.student, str(each.until)) for each in load_extensions(load_course(root))]


def test_entries_become_aware_and_the_last_one_counts(tiny_course: Path) -> None:
    """A time without an offset is course time; an excuse has none."""
    text = """extensions:
  - {student: kim, assignment: t1_tiny, until: 2027-03-24T23:59, why: ill}
  - {student: lee, assignment: t1_tiny, excused: true}
  - {student: kim, assignment: t1_tiny, until: 2027-03-26T12:00+01:00}
"""
    assert granted(tiny_course, text) == [("kim", "2027-03-26 12:00:00+01:00"), ("lee", "None")]
    assert granted(tiny_course, "extensions: []\n") == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{student: kim, assignment: t1_tinny, until: 2027-03-24T23:59}", "did you mean `t1_tiny`?"),
        ("{student: kim, assignment: t1_tiny}", "needs either `until:` or `excused: true`"),
        ("{student: kim, assignment: t1_tiny, until: 2027-03-24T23:59, excused: true}", "needs either"),
        ("{student: kim, assignment: t1_tiny, until: 2027-03-20T23:59}", "is before 2027-03-22 23:59 +0900"),
        ("{student: kim, assignment: t1_tiny, until: 2027-03-24}", "expected a date with a time"),
        ("{student: 20270123, assignment: t1_tiny, excused: true}", "`extensions.0.student` is 20270123; expected"),
        ("{student: kim, assignment: t1_tiny, untill: x}", "did you mean `until`?"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_line(tiny_course: Path, entry: str, words: str) -> None:
    """Nobody gets an extension that nobody meant, and nobody loses one in silence."""
    with pytest.raises(ConfigurationError) as caught:
        granted(tiny_course, f"extensions:\n  - {entry}\n")
    assert "extensions.yml:2: " in str(caught.value)
    assert words in str(caught.value)


def test_commands_grant_and_marks_follow(typed: Type, tiny_course: Path, results: Any) -> None:
    """`extend` and `excuse` write entries beside those written by hand; `marks` shows what they change."""
    course = tiny_course / "course.yml"
    policy = "late_policy: {grace_minutes: 10, penalty_percent_per_day: 10}"
    course.write_text(course.read_text(encoding="utf-8").replace("late_policy: {grace_minutes: 10}", policy), "utf-8")
    when = Moment(datetime(2027, 3, 23, 13, tzinfo=UTC), "Moodle")
    for student in ("kim", "lee", 'o\'neil "x"'):
        results.add(student, handed_in=when)
    assert read_grade(results.folder / "kim.json").handed_in == when
    before = {each["student"]: each["total"] for each in json.loads(typed("marks", "--json").stdout)}
    assert before == {"kim": 90.0, "lee": 90.0, 'o\'neil "x"': 90.0}
    said = typed("extend", "t1_tiny", "kim", 'o\'neil "x"', "--days", "3", "--why", 'ill: "flu"')
    assert said.exit_code == 0, said.stderr
    assert "t1_tiny is due 2027-03-25 23:59 +0900 for kim" in said.stdout
    by_hand = (tiny_course / "extensions.yml").read_text(encoding="utf-8") + "  # a note\n"
    (tiny_course / "extensions.yml").write_text(by_hand, encoding="utf-8")
    assert typed("excuse", "t1_tiny", "lee", "--why", "military service").exit_code == 0
    assert (tiny_course / "extensions.yml").read_text(encoding="utf-8").startswith(by_hand)
    after = {each["student"]: each["total"] for each in json.loads(typed("marks", "--json").stdout)}
    assert after == {"kim": 100.0, "lee": None, 'o\'neil "x"': 100.0}
    shown = typed("marks", "--student", "kim").stdout
    assert 'due 2027-03-25 23:59 +0900 instead of 2027-03-22 23:59 +0900 (ill: "flu")' in shown
    assert "total: (1 x 100/100) / (1) = 100 %" in shown
    assert "excused" in typed("marks").stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("extend", "t1_tinny", "kim", "--days", "1", "--why", "x"), "did you mean `t1_tiny`?"),
        (("extend", "t1_tiny", "kim", "--why", "x"), "Give either --until"),
        (("extend", "t1_tiny", "kim", "--days", "1", "--until", "2027-04-01T00:00", "--why", "x"), "Give either"),
        (("extend", "t1_tiny", "kim", "--until", "tomorrow", "--why", "x"), "is no date with a time"),
        (("extend", "t1_tiny", "kim", "--until", "2027-04-01", "--why", "x"), "such as 2027-04-01T23:59"),
        (("extend", "t1_tiny", "kim", "--until", "2027-01-01T00:00", "--why", "x"), "nothing was added"),
        (("extend", "t1_tiny", "kim", "--days", "1"), "--why"),
        (("marks", "--student", "kim"), "nothing is known of a student `kim`"),
    ],
)
def test_what_cannot_be_granted_is_told(typed: Type, tiny_course: Path, args: tuple[str, ...], words: str) -> None:
    """With what to do, and without a trace in the file."""
    said = typed(*args)
    assert said.exit_code == 2
    assert words in said.stderr
    file = tiny_course / "extensions.yml"
    assert not file.exists() or "kim" not in file.read_text(encoding="utf-8")


def test_nobody_is_granted_what_was_meant_for_another(typed: Type, tiny_course: Path) -> None:
    """Where there is a roster, who does not stand in it is a slip of the pen; nobody else gets it either."""
    (tiny_course / "roster.csv").write_text("student,name\n20240001,Kim\n20240002,Lee\n", encoding="utf-8")
    for verb in (("extend", "--days", "1"), ("excuse",)):
        said = typed(verb[0], "t1_tiny", "20240001", "2024002", *verb[1:], "--why", "x")
        assert (said.exit_code, "did you mean `20240002`" in said.stderr) == (2, True), said.stderr
    assert not (tiny_course / "extensions.yml").exists()


def test_a_file_in_another_style_is_not_broken(typed: Type, tiny_course: Path) -> None:
    """Where an entry cannot be added to the end, the file stays as it was and it is said why."""
    text = "extensions: [{student: kim, assignment: t1_tiny, excused: true}]\n"
    (tiny_course / "extensions.yml").write_text(text, encoding="utf-8")
    said = typed("excuse", "t1_tiny", "lee", "--why", "x")
    assert said.exit_code == 2
    assert "write its entries as a list" in said.stderr
    assert (tiny_course / "extensions.yml").read_text(encoding="utf-8") == text
