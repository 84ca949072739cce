"""What an instructor sees: tables and progress in which nothing of a student's is markup, or JSON."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from rich.console import Console

from autograder.audit import Kind, Trial, Verdict
from autograder.progress import line
from autograder.proof import Calibration
from autograder.records import (
    Assignment,
    CheckResult,
    Confinement,
    Diagnosis,
    Evidence,
    Finding,
    Grade,
    Limits,
    Outcome,
    RunInfo,
)
from autograder.screen import Screen
from autograder.variants import Variant
from autograder.wording import wording_in

RUN = RunInfo(Confinement.BEST_EFFORT, ("seccomp",), (), "cpu", "2", "0", "0")
ASSIGNMENT = Assignment(
    "t1_tiny",
    "Something [b]tiny[/b]",
    Path("t1_tiny"),
    ("tiny.py",),
    (),
    (),
    (),
    (),
    Limits(),
    MappingProxyType({}),
    (),
)
PAINT = "\x1b[31m\x07[red]x[/red] [/nothing] \\"
SHOWN = "\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}[red]x[/red] [/nothing] \\"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal on which nothing is folded."""
    monkeypatch.setenv("COLUMNS", "400")


def grade(student: str = "ada", *results: CheckResult, **changes: object) -> Grade:
    """A grade with one check that passed and the given ones."""
    passed = CheckResult("test_a", Outcome.PASSED, 10, 10, cpu_s=0.25)
    made = Grade(student, "t1_tiny", 10, 10 + 5 * len(results), (passed, *results), (), (), RUN, "d")
    return replace(made, **changes)  # type: ignore[arg-type]


def failed(message: str, outcome: Outcome = Outcome.FAILED) -> CheckResult:
    """A check that did not pass."""
    return CheckResult("test_b", outcome, 0, 5, Finding("values", message))


def test_a_class_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a student: score, counts, the first thing to mend, CPU seconds; then notes and what a human must see."""
    grades = [
        grade("ada"),
        grade("bo", failed("shape (3, 5) expected\nand more"), notes=("late",)),
        grade("eun", failed("lost", Outcome.GRADER_ERROR), needs_human=("test_b",)),
    ]
    Screen().grades(ASSIGNMENT, grades, Path("results/t1_tiny"))
    lines = capsys.readouterr().out.splitlines()
    bo = next(line for line in lines if "│ bo" in line)
    assert "10/15" in bo
    assert "1 passed, 1 failed" in bo
    assert "test_b: shape (3, 5) expected " in bo
    assert "and more" not in bo
    assert "3 results in results/t1_tiny, one JSON file a student" in lines
    assert "bo: late" in lines
    assert "a human must look at eun: test_b" in lines
    assert any("Something [b]tiny[/b] (t1_tiny)" in line for line in lines)


def test_what_could_not_be_read_has_no_score(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither in the table of `grade`, nor in a night's line, nor in the range and the counts of `status`."""
    unread = grade("bo", failed("two"), score=0, needs_human=("not graded: two hand-ins",))
    Screen().grades(ASSIGNMENT, [unread], Path("results"))
    row = next(each for each in capsys.readouterr().out.splitlines() if "│ bo" in each)
    assert [cell.strip() for cell in row.split("│")[2:5]] == ["not graded", "", "two hand-ins"]
    assert json.loads(line(unread))["score"] is None
    Screen().status([grade("ada"), unread], Path("results"))
    out = capsys.readouterr().out
    assert "1 graded in results: from 10 to 10, median 10" in out
    assert "not graded, since what was handed in could not be read: 1" in out
    assert "test_b" not in out
    Screen().grades(ASSIGNMENT, [], Path("results"))
    assert not capsys.readouterr().out


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SKIPPED])
def test_a_bonus_is_nothing_to_mend(capsys: pytest.CaptureFixture[str], outcome: Outcome) -> None:
    """What may stay empty is counted apart, and is never the first thing to mend; a fault of ours is always said."""
    bonus = CheckResult("test_bonus", outcome, 0, 0, Finding("missing", "not there"))
    ours = replace(bonus, outcome=Outcome.GRADER_ERROR, finding=Finding("grader", "lost"))
    grades = [grade("ada", bonus, out_of=10), grade("bo", bonus, failed("wrong")), grade("eun", ours, out_of=10)]
    Screen().grades(ASSIGNMENT, grades, Path("results"))
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if line.startswith("│")}
    assert "1 passed, 1 bonus not passed" in lines["ada"]
    assert "test_" not in lines["ada"]
    assert "1 passed, 1 failed, 1 bonus not passed" in lines["bo"]
    assert "test_b: wrong" in lines["bo"]
    assert "1 grader error" in lines["eun"]
    assert "test_bonus: lost" in lines["eun"]


@pytest.mark.parametrize("where", ["student", "message", "id", "note", "human"])
def test_nothing_of_a_students_is_markup(capsys: pytest.CaptureFixture[str], where: str) -> None:
    """Brackets in names and messages are shown as they are, and what would move the cursor is replaced."""
    made = {
        "student": grade(PAINT, failed("x"), notes=("late",), needs_human=("x",)),
        "message": grade("ada", failed(PAINT)),
        "id": grade("ada", replace(failed("x"), id=PAINT)),
        "note": grade("ada", notes=(PAINT,)),
        "human": grade("ada", needs_human=(PAINT,)),
    }[where]
    screen = Screen()
    screen.grades(ASSIGNMENT, [made], Path("results"))
    screen.status([made], Path("results"))
    out = capsys.readouterr().out
    assert SHOWN in out
    assert "\x1b" not in out
    assert "\x07" not in out


def test_an_empty_message_is_shown_as_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A finding without words does not stop the table."""
    Screen().grades(ASSIGNMENT, [grade("ada", failed(""))], Path("results"))
    assert "test_b:" in capsys.readouterr().out


def test_progress_shows_names_as_they_are() -> None:
    """On a terminal the last student is shown; brackets in the name are no markup and raise nothing."""
    screen = Screen()
    shown = io.StringIO()
    screen._errors = Console(file=shown, force_terminal=True, width=200, highlight=False)
    with screen.progress(ASSIGNMENT, 2, ("Landlock [a kernel]",)):
        screen.advance(grade("[/x] \x1b]0;title\x07"))
        screen.advance(grade("[bold]bo"))
    out = shown.getvalue()
    assert "[bold]bo 10/10" in out
    assert "missing Landlock [a kernel]" in out
    assert "\x1b]0;title" not in out


def test_progress_says_who_is_graded_and_what_went_wrong() -> None:
    """Rate, faults for a person, and names, of which a cluster has too many for a line."""
    screen = Screen()
    shown = io.StringIO()
    screen._errors = Console(file=shown, force_terminal=True, width=200, highlight=False)
    with screen.progress(ASSIGNMENT, 3, ()):
        screen.running(["kim", "[b]lee"])
        screen.advance(grade("ada"))
        screen.running(list("abcdefg"))
        screen.advance(replace(grade("bo"), needs_human=("test_a",)))
    out = shown.getvalue()
    assert "now: kim, [b]lee" in out or "now: a, b, c, d and 3 more" in out
    assert "now: a, b, c, d and 3 more" in out
    assert "1 for a person" in out
    assert "/min" in out
    assert "2/3" in out


def test_quiet_is_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    """As soon as it is graded, and at the end neither a table nor the whole grades."""
    screen = Screen(quiet=True)
    with screen.progress(ASSIGNMENT, 2, ()):
        screen.advance(grade("ada"))
        first = capsys.readouterr()
        screen.advance(grade("bo\x1b[31m", failed(PAINT)))
    screen.grades(ASSIGNMENT, [grade("ada")], Path("results"))
    second = capsys.readouterr()
    assert first.err + second.err == ""
    assert json.loads(first.out) == {
        "student": "ada",
        "assignment": "t1_tiny",
        "score": 10,
        "out_of": 10,
        "failed": [],
        "skipped": [],
        "needs_human": [],
        "handed_in": None,
        "attempt": 1,
        "cpu_s": 0.25,
    }
    (line,) = second.out.splitlines()
    assert json.loads(line)["failed"] == ["test_b"]
    assert "\x1b" not in line


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe there is no bar; a weak sandbox is said aloud all the same, beside the data."""
    screen = Screen()
    with screen.progress(ASSIGNMENT, 1, ()):
        screen.advance(grade())
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    with screen.progress(ASSIGNMENT, 1, ("seccomp",)):
        pass
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "best effort: not confined as it should be; missing seccomp" in captured.err


def test_json_is_all_that_a_machine_gets(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole grades as JSON, whatever stands in them: infinities, escape sequences, other alphabets."""
    odd = replace(failed(PAINT), evidence=Evidence(figures={"loss": math.inf}, curve=(math.nan,), stdout="한\x00"))
    screen = Screen(as_json=True)
    screen.grades(ASSIGNMENT, [grade("ada", odd)], Path("results"))
    (document,) = json.loads(capsys.readouterr().out)
    assert (document["student"], document["score"]) == ("ada", 10)
    assert document["results"][1]["finding"]["message"] == PAINT
    assert document["results"][1]["outcome"] == "failed"
    screen.status([], Path("results"))
    assert json.loads(capsys.readouterr().out) == []


def test_status_in_korean(capsys: pytest.CaptureFixture[str]) -> None:
    """Sentences, heads of columns and the engine's own reasons are put into words; ids and names stay."""
    screen = Screen(wording=wording_in("ko"))
    waits = "the score is provisional: 1 check worth 5 points could not be graded yet"
    screen.status([grade("ada", failed("x"), needs_human=(waits,))], Path("results"))
    screen.status([], Path("results"))
    out = capsys.readouterr().out
    for words in ("채점 결과 1건", "사람이 확인해야 함: ada", "실행 안 함", "test_b", "아직 채점한 것이 없습니다"):
        assert words in out
    for words in ("graded", "passed", "provisional"):
        assert words not in out


def test_status_tells_how_a_class_stands(capsys: pytest.CaptureFixture[str]) -> None:
    """Range and median of the scores, a line for every check, what waits for a human, and a weak sandbox."""
    weak = replace(RUN, missing=("namespaces",))
    grades = [
        grade("ada"),
        grade("bo", failed("x"), score=3, run=weak),
        grade("eun", failed("x", Outcome.GRADER_ERROR), needs_human=("test_b",), score=7),
    ]
    Screen().status(grades, Path("results"))
    out = capsys.readouterr().out
    assert "3 graded in results: from 3 to 10, median 7" in out
    assert "waits for a human: eun: test_b" in out
    assert "graded without full confinement: namespaces" in out
    numbers = [line.split() for line in out.splitlines() if "test_b" in line and "│" in line]
    assert [cell for cell in numbers[0] if cell != "│"] == ["test_b", "0", "1", "0", "1"]


def test_status_of_nothing_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is graded yet, the command that does it is named."""
    Screen().status([], Path("results"))
    assert "autograder grade ASSIGNMENT FOLDER" in capsys.readouterr().out


def test_an_audit_is_a_table_and_its_faults(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a program in a fixed order, every fault in full, and how many; as JSON the same."""
    verdicts = [
        Verdict(Trial(Kind.STUB, Variant("stub", {}), 0), grade(), tuple(f"test_{n}" for n in range(12)), ""),
        Verdict(Trial(Kind.MISTAKE, Variant("[x]", {}), 0), grade(), ("test_a",), "test_b passed it [although]"),
    ]
    Screen().audit(ASSIGNMENT, verdicts)
    out = capsys.readouterr().out
    assert "✗ mistake: [x]" in out
    assert "✓ stub: stub" in out
    assert out.index("mistake: [x]") < out.index("stub: stub")
    assert "12 checks" in out
    assert "mistake [x]: test_b passed it [although]" in out
    assert "2 programs, 1 faults" in out
    Screen(as_json=True).audit(ASSIGNMENT, verdicts)
    rows = json.loads(capsys.readouterr().out)
    assert [row["fault"] for row in rows] == ["", "test_b passed it [although]"]


def test_a_calibration_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Where a bound lies, with a mark and, where it is wrong, why."""
    good = Calibration("test_learns", 0.1, 0.01, 0.02, 0.5, "a.mistake", 9)
    Screen().calibration([good, replace(good, bound=0.01)])
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("✓ test_learns: right 0.01 to 0.02 (9 runs), bound 0.1, best mistake 0.5 (a.mistake)")
    assert second.startswith("✗ test_learns")
    assert second.endswith("does not lie between 0.02 and 0.5")


def test_only_our_own_faults_fail_the_grader() -> None:
    """A submission that cannot be read waits for a human, but the grader did its work."""
    unread = grade("ada", failed("x"), needs_human=("not graded: x",))
    ours = grade("bo", failed("x", Outcome.GRADER_ERROR))
    assert not Screen().grader_failed([unread])
    assert Screen().grader_failed([unread, ours])


def test_mistakes_are_named_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """The table of a class names what was found in each submission; status counts, and only what is certain."""

    def wrong(*mistakes: str, also: tuple[str, ...] = (), distance: float = 0.0) -> CheckResult:
        return replace(failed("other values"), diagnosis=Diagnosis(mistakes, also, 3, 1, distance, "cell"))

    grades = [
        grade("ada", wrong("no_bias"), wrong("no_bias")),
        grade("bo", wrong("no_bias", "no_tanh")),
        grade("eun", wrong("no_tanh", also=("stuck",))),
        grade("ivo", wrong("near", distance=0.3)),
    ]
    Screen().grades(ASSIGNMENT, grades, Path("results"))
    said = capsys.readouterr().out
    assert "other values [no_bias]" in said
    assert "other values [no_bias and no_tanh]" in said
    assert "other values [no_tanh or stuck]" in said
    assert "near" not in said
    Screen().status(grades, Path("results"))
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "no_" in line]
    assert [(row[1], row[3]) for row in rows] == [("no_bias", "2"), ("no_tanh", "1")]
