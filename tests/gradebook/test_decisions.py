"""What people decide stands in marks.jsonl, survives every run of the grader, and is never passed over in silence."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.errors import LedgerError
from autograder.gradebook.decided import Decided, decided, open_requests, scored
from autograder.gradebook.journal import add_entries, read_journal
from autograder.gradebook.regrading import preview
from autograder.ledger import read_grade
from autograder.records import (
    CheckResult,
    Confinement,
    EntryKind,
    Grade,
    JournalEntry,
    Outcome,
    RunInfo,
)

Type = Callable[..., Result]
AT = datetime(2027, 4, 1, 12, tzinfo=UTC)
NAIVE = json.dumps(
    {"format": 1, "at": "2027-04-01T12:00:00", "who": "x", "kind": "points", "assignment": "t", "student": "k"}
    | {"check": "", "value": "1", "old": None, "measured": None, "why": ""}
)
"""An entry whose time has no offset."""
linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")


def entry(kind: EntryKind, value: str | None, check: str = "", **changes: Any) -> JournalEntry:
    """An entry of lee's about kim's t1."""
    fields: dict[str, Any] = {"number": 0, "old": None, "measured": None, "why": "looked", "about": 0, **changes}
    return JournalEntry(at=AT, who="lee", kind=kind, assignment="t1", student="kim", check=check, value=value, **fields)


def grade(*earned: int) -> Grade:
    """A grade whose checks a, b, ... of 50 points each earned so much."""
    results = tuple(
        CheckResult(f"test_{'abcdef'[n]}", Outcome.PASSED if points else Outcome.FAILED, points, 50)
        for n, points in enumerate(earned)
    )
    run = RunInfo(Confinement.REQUIRED, (), (), "cpu", "2.9", "1", "0" * 64)
    return Grade("kim", "t1", sum(earned), 100, results, (), (), run, "0")


def in_force(*entries: JournalEntry) -> Decided:
    """What is in force for kim's t1."""
    return decided(entries).get(("t1", "kim"), Decided())


# --- the file --------------------------------------------------------------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8"), max_size=30)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(EntryKind), WORDS, WORDS), max_size=4))
def test_what_is_added_is_read(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[EntryKind, str, str]]
) -> None:
    """Line by line, whatever stands in it; nothing that was there before changes."""
    root = tmp_path_factory.mktemp("course")
    before = b""
    for number, (kind, value, why) in enumerate(texts, 1):
        add_entries(root, [entry(kind, value, why=why)])
        content = (root / "marks.jsonl").read_bytes()
        assert content.startswith(before)
        assert content.count(b"\n") == number
        before = content
    expected = [(n, kind, value, why) for n, (kind, value, why) in enumerate(texts, 1)]
    assert [(each.number, each.kind, each.value, each.why) for each in read_journal(root)] == expected


def test_a_last_line_without_its_end_is_completed(tmp_path: Path) -> None:
    """An editor may leave it so; the next entry begins on a line of its own."""
    add_entries(tmp_path, [entry(EntryKind.COMMENT, "a")])
    file = tmp_path / "marks.jsonl"
    file.write_bytes(file.read_bytes().rstrip(b"\n"))
    add_entries(tmp_path, [entry(EntryKind.COMMENT, "b")])
    assert [each.value for each in read_journal(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b'{"format": 2}',
        b"\xff\xfe",
        b"[]",
        NAIVE.encode(),
    ],
)
def test_a_line_that_is_none_stops_everything(tmp_path: Path, line: bytes) -> None:
    """It may have been a mark: it is named, nothing is worked out without it, and nothing is added behind it."""
    add_entries(tmp_path, [entry(EntryKind.POINTS, "3")])
    file = tmp_path / "marks.jsonl"
    file.write_bytes(file.read_bytes() + line + b"\n")
    with pytest.raises(LedgerError, match=r"marks\.jsonl:2 is no entry"):
        read_journal(tmp_path)
    with pytest.raises(LedgerError, match=r"marks\.jsonl:2"):
        add_entries(tmp_path, [entry(EntryKind.POINTS, "4")])


# --- what counts -----------------------------------------------------------------------------------------------------


def test_points_by_hand_stand_in_for_a_checks() -> None:
    """The last word counts, a withdrawn one does not, and the calculation names who and why."""
    kept = in_force(entry(EntryKind.POINTS, "20", "test_a"), entry(EntryKind.POINTS, "30.5", "test_a"))
    found = scored(grade(0, 50), kept)
    assert found.points == Decimal("80.5")
    assert found.steps == ("checks: 50 of 100", "test_a: 30.5 instead of 0 of 50, by lee (looked)")
    gone = in_force(entry(EntryKind.POINTS, "20", "test_a"), entry(EntryKind.POINTS, None, "test_a"))
    assert scored(grade(0, 50), gone).points == 50


def test_all_points_and_extra_points() -> None:
    """Points for the whole replace the sum; extra ones go on top, or take off, but never below nothing."""
    whole = in_force(entry(EntryKind.POINTS, "70"), entry(EntryKind.EXTRA, "2.5"))
    assert scored(grade(0, 50), whole).points == Decimal("72.5")
    assert scored(None, whole).points == Decimal("72.5")
    assert scored(grade(0, 50), in_force(entry(EntryKind.EXTRA, "-60"))).points == 0


def test_a_decision_whose_ground_has_moved_is_shown() -> None:
    """The check is gone, worth less, or gives other points than when somebody looked: a human looks again."""
    gone = scored(grade(50), in_force(entry(EntryKind.POINTS, "20", "test_gone")))
    assert gone.points == 50
    assert "are for test_gone, which has no result: not counted" in gone.attention[0]
    assert scored(grade(0), in_force(entry(EntryKind.POINTS, "60", "test_a"))).points == 50
    moved = scored(grade(50), in_force(entry(EntryKind.POINTS, "20", "test_a", measured="0")))
    assert moved.points == 20
    assert moved.attention == ("test_a gave 0 when lee set it, now 50",)
    whole = scored(grade(50), in_force(entry(EntryKind.POINTS, "20", measured="0")))
    assert whole.attention == ("the checks gave 0 when lee set all points, now 50",)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "test_a", "test_b", "test_x"]), st.none() | st.integers(0, 100))))
def test_decisions_never_lead_out_of_bounds(given_: list[tuple[str, int | None]]) -> None:
    """Whatever is decided of checks, a score stays between 0 and what can be had."""
    entries = [entry(EntryKind.POINTS, None if n is None else str(n), check) for check, n in given_]
    assert 0 <= scored(grade(0, 50), in_force(*entries)).points <= 100


def test_requests_wait_until_they_are_answered() -> None:
    """In the order in which they came; an answer closes its own only."""
    asked = [entry(EntryKind.REQUEST, "look", number=number) for number in (1, 2)]
    reply = entry(EntryKind.ANSWER, "done", about=1, number=3)
    assert [each.number for each in open_requests([*asked, reply])] == [2]


# --- the commands ----------------------------------------------------------------------------------------------------


def test_a_ta_marks_by_hand(typed: Type, tiny_course: Path, results: Any) -> None:
    """Points, a comment and extra points; each line says who, when, why and what stood there."""
    results.add("kim", test_run={"outcome": Outcome.FAILED})
    said = typed(
        "mark", "t1_tiny", "kim", "--check", "test_run", "--points", "12.5", "--why", "right idea", "--who", "lee"
    )
    assert said.exit_code == 0, said.stderr
    assert said.stdout.startswith("kim, t1_tiny, test_run: points 12.5 instead of 0\n")
    assert typed("mark", "t1_tiny", "kim", "--comment", "Well written.", "--who", "lee").exit_code == 0
    assert typed("mark", "t1_tiny", "kim", "--extra", "1", "--why", "found a typo", "--who", "ann").exit_code == 0
    lines = [json.loads(line) for line in (tiny_course / "marks.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["who"], line["kind"], line["value"], line["old"], line["measured"]) for line in lines] == [
        ("lee", "points", "12.5", "0", "0"),
        ("lee", "comment", "Well written.", None, None),
        ("ann", "extra", "1", None, None),
    ]
    results.add("kim", test_run={"outcome": Outcome.FAILED}, notes=("graded again",))
    shown = typed("marks", "--student", "kim").stdout
    for words in (
        "test_run: 12.5 instead of 0 of 30, by lee (right idea)",
        "+1 by ann (found a typo)",
        "mark: 83.5 of 100",
        "comment: Well written.",
    ):
        assert words in shown
    assert typed("mark", "t1_tiny", "kim", "--withdraw", "extra", "--why", "no typo", "--who", "ann").exit_code == 0
    (standing,) = json.loads(typed("marks", "--json").stdout)
    assert standing["marks"][0]["points"] == 82.5
    assert standing["marks"][0]["comments"] == [{"check": "", "text": "Well written."}]
    results.add("kim")
    assert "look again: kim, t1_tiny: test_run gave 0 when lee set it, now 30" in " ".join(
        typed("marks").stdout.split()
    )
    (standing,) = json.loads(typed("marks", "--json").stdout)
    assert "look again" not in str(standing["marks"][0]["calculation"])  # it is not for students


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--points", "5"), "points need a reason"),
        (("--check", "test_runn", "--points", "5", "--why", "x"), "did you mean `test_run`?"),
        (("--check", "test_run", "--points", "31", "--why", "x"), "not between 0 and 30; what goes beyond is --extra"),
        (("--points", "-1", "--why", "x"), "not between 0 and 100"),
        (("--points", "much", "--why", "x"), "is no number of points"),
        (("--points", "NaN", "--why", "x"), "cannot be points"),
        (("--points", "1.005", "--why", "x"), "at most two decimals"),
        (("--check", "test_run", "--extra", "1", "--why", "x"), "leave --check out"),
        ((), "what is the decision?"),
    ],
)
def test_what_cannot_be_decided_is_told(typed: Type, tiny_course: Path, results: Any, args: Any, words: str) -> None:
    """And leaves no line."""
    results.add("kim")
    said = typed("mark", "t1_tiny", "kim", *args)
    assert (said.exit_code, words in said.stderr) == (2, True), said.stderr
    assert not (tiny_course / "marks.jsonl").exists()


def test_a_request_is_asked_and_answered(typed: Type, results: Any) -> None:
    """It waits in a list until somebody answers, once."""
    results.add("kim")
    assert "request #1 waits" in typed("request", "t1_tiny", "kim", "my bias is there", "--check", "test_run").stdout
    assert typed("request", "t1_tiny", "lee", "?").exit_code == 2
    assert "#1 kim, t1_tiny, test_run" in typed("answer").stdout
    assert [each["text"] for each in json.loads(typed("answer", "--json").stdout)] == ["my bias is there"]
    assert typed("answer", "1").exit_code == 2
    assert "answered: #1 kim" in typed("answer", "1", "it is, but it is added twice").stdout
    assert typed("answer").stdout == "no request waits for an answer\n"
    said = {"check": "test_run", "text": '"my bias is there": it is, but it is added twice'}
    assert json.loads(typed("marks", "--student", "kim", "--json").stdout)[0]["marks"][0]["comments"] == [said]
    page = results.pages()["kim"]
    assert "it is, but it is added twice" in page
    again = typed("answer", "1", "once more")
    assert (again.exit_code, "no request #1 waits" in again.stderr) == (2, True)


@linux
def test_a_regrade_shows_what_it_changes_and_asks(
    typed: Type, tiny_course: Path, lent: None, edited: Callable[..., str]
) -> None:
    """A check is mended: who gains, where and why; nothing is written without a word, and marks by hand stay."""
    folder = tiny_course / "handed_in"
    folder.mkdir()
    for name, text in (("ada", edited()), ("bo", edited(("return 2 * x", "return 3 * x")))):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "eun.pdf").write_bytes(b"%PDF")
    sandbox = ("--sandbox", "best-effort", "--jobs", "1")
    assert typed("grade", "t1_tiny", folder, *sandbox).exit_code == 0
    assert typed("mark", "t1_tiny", "bo", "--extra", "3", "--why", "kind", "--who", "lee").exit_code == 0
    file = tiny_course / "results" / "t1_tiny" / "bo.json"
    same = typed("regrade", "t1_tiny", *sandbox)
    assert "regrade of t1_tiny: 0 up, 0 down, 2 the same" in same.stdout
    assert "not graded again: eun: " in same.stdout
    public = tiny_course / "solutions" / "t1_tiny" / "test_public.py"
    strict = public.read_text(encoding="utf-8")
    mild = strict.replace("same(student.double(x), x + x)", "same(0 * student.double(x), 0 * x)")
    public.write_text(mild, encoding="utf-8")
    before = file.read_bytes()
    seen = typed("regrade", "t1_tiny", *sandbox)
    assert seen.stdout.startswith(
        "regrade of t1_tiny: 1 up, 0 down, 1 the same\n  test_double: 1 up, 0 down\nbo: 90 -> 100\n"
        "  test_double: 0 -> 10, since failed is now passed\n"
    )
    assert "nothing was written; --yes writes it" in seen.stderr
    assert file.read_bytes() == before
    only_ada = typed("regrade", "t1_tiny", "--student", "ada", "--json", *sandbox)
    assert json.loads(only_ada.stdout) == {"up": 0, "down": 0, "same": 1, "differences": [], "not_graded_again": {}}
    assert typed("regrade", "t1_tiny", "--yes", *sandbox).exit_code == 0
    assert read_grade(file).score == 100
    assert "+3 by lee (kind)" in typed("marks", "--student", "bo").stdout
    said = typed("regrade", "t1_tiny", "--student", "adda", *sandbox)
    assert (said.exit_code, "did you mean `ada`?" in said.stderr) == (2, True)


def test_a_preview_tells_of_every_kind_of_change() -> None:
    """Points that go up and down, checks that are new, gone or worth something else, and another torch."""
    old, new = grade(50, 0), grade(0, 50)
    assert preview({"kim": old}, {"kim": old}).same == 1
    (found,) = preview({"kim": old}, {"kim": new}).differences
    assert [change.words for change in found.changes] == [
        "test_a: 50 -> 0, since passed is now failed",
        "test_b: 0 -> 50, since failed is now passed",
    ]
    assert (found.before, found.after, found.under) == (50, 50, ())
    assert preview({"kim": old}, {"kim": new}).by_check() == {"test_a": (0, 1), "test_b": (1, 0)}
    gone = preview({"kim": old}, {"kim": replace(grade(), run=replace(old.run, torch="2.10"))})
    assert (gone.up, gone.down) == (0, 1)
    assert gone.differences[0].under == ("another torch: 2.9 -> 2.10",)
    assert [change.words for change in gone.differences[0].changes] == [
        "test_a: 50 -> none, the check is gone",
        "test_b: 0 -> none, the check is gone",
    ]
    less = replace(old, results=(replace(old.results[0], earned=20, points=20), old.results[1]))
    assert "worth 20 points, no longer 50" in preview({"kim": old}, {"kim": less}).differences[0].changes[0].why
