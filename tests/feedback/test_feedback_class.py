"""The page of a class: who has what, what is hard, what goes wrong, and how the run went."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autograder.errors import UsageError
from autograder.feedback.parts import parts_of
from autograder.ledger import handed_in_file, read_files, write_files
from autograder.records import Confinement, Diagnosis, Finding, Outcome, RunInfo

FAILED = Outcome.FAILED
SOLUTION = "def double(x):\n    return 2 * x\n"
WRONG = {"outcome": FAILED, "finding": Finding("values", "wrong values in 3 of 12 places", "", "Count again.")}
OURS = {"outcome": Outcome.GRADER_ERROR, "finding": Finding("grader", "could not be graded")}


def words_of(page: str) -> str:
    """The text of a page with single blanks."""
    body = page.partition("</style>")[2].partition("<script>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def test_a_class_at_a_glance(results: Any) -> None:
    """Scores, their distribution, each check's count, the most frequent message with its students."""
    results.add("ada")
    results.add("bo", test_double=WRONG)
    results.add("eun", test_double=WRONG, test_run=WRONG)
    words = words_of(results.pages("class")["class"])
    assert "3 submissions" in words
    assert "median 90 mean 83.3 lowest 60 highest 100 all 100 points 1" in words
    assert "60–69 1" in words
    assert "90–100 2" in words
    assert "2× double doubles. wrong values in 3 of 12 places Hint Count again. bo , eun" in words
    assert "1 double doubles. double 10 1 (33 %) 2 0 0" in words
    assert "bo 90 ✗ ✓ ✓ ✓ ✓" in words
    assert "ran out of time: 0; that crashed: 0; that ran out of memory: 0. Sandbox: landlock, seccomp" in words
    assert "waits for a human" not in words


def test_mistakes_with_a_name_are_counted(results: Any) -> None:
    """Once a student, however many checks show it; guesses are not counted."""
    certain = Diagnosis(("tiny.triples",), (), 4, 2, 0.0, "double", {"en": "Count again."})
    guess = replace(certain, mistakes=("guess",), distance=1.0)
    wrong = {**WRONG, "diagnosis": certain}
    results.add("ada", test_double=wrong, test_run=wrong)
    results.add("bo", test_double=wrong, test_run={**WRONG, "diagnosis": guess})
    words = words_of(results.pages("class")["class"])
    assert "2× tiny.triples Count again. ada , bo" in words
    assert "guess" not in words


def test_trouble_of_the_run_is_told(results: Any) -> None:
    """Provisional scores, missing confinement, several versions of torch, limits, and who waits for a human."""
    weak = RunInfo(Confinement.BEST_EFFORT, (), ("Landlock",), "cpu", "2.10.0", "0.1.0", "x")
    results.add("ada", test_fit=OURS, needs_human=("test_fit",), run=weak)
    results.add("bo", test_run={"outcome": Outcome.TIMED_OUT, "finding": Finding("limit", "slow")})
    words = words_of(results.pages("class")["class"])
    for part in (
        "1 score is provisional",
        "1 submission was graded without full confinement; missing: Landlock",
        "Graded in more than one environment: torch 2.10.0 on cpu; torch 2.9.1 on cpu",
        "ran out of time: 1; that crashed: 0",
        "1 thing waits for a human",
        "ada our fault test_ fit could not be graded",
        "70?",
    ):
        assert part in words


def test_a_file_that_cannot_be_run_counts_as_one_message(results: Any) -> None:
    """One broken file is one mistake, not one a check."""
    broken = {"outcome": FAILED, "finding": Finding("loading", "tiny.py cannot be imported")}
    results.add("ada", **{check.id: broken for check in results.assignment.checks})
    assert words_of(results.pages("class")["class"]).count("tiny.py cannot be imported") == 1


def test_what_could_not_be_read_is_in_no_figure(results: Any) -> None:
    """It has no score and fails no check; the page says how many there are."""
    broken = {"outcome": FAILED, "finding": Finding("loading", "two hand-ins")}
    unread = {"needs_human": ("not graded: two hand-ins",)}
    results.add("bo", **{check.id: broken for check in results.assignment.checks}, **unread)
    assert "median 0 mean 0" in words_of(results.pages("class")["class"])
    results.add("ada")
    words = words_of(results.pages("class")["class"])
    assert "lowest 100" in words
    assert "1 double doubles. double 10 1 (100 %) 0 0 0" in words
    assert "1 hand-in could not be read and was not graded" in words
    assert "bo ! – " in words
    assert "What went wrong most often" not in words


def test_students_lead_to_the_pages_of_those_who_grade(results: Any) -> None:
    """A link where there is a page, and never to one that is not there."""
    results.add("ada")
    results.add("bo 박지우")
    assert 'href="ta/' not in results.pages("class")["class"]
    results.pages("ta")
    page = results.pages("class")["class"]
    assert 'href="ta/ada.html"' in page
    assert 'href="ta/bo%20%EB%B0%95%EC%A7%80%EC%9A%B0.html"' in page


def test_results_of_another_version_of_the_checks_have_their_columns(results: Any) -> None:
    """A result without a check that there is now has an empty cell; a check that there was has a column."""
    grade = results.add("ada")
    old = replace(grade.results[0], id="test_of_old")
    results.add("bo", results=(old, *grade.results[1:]))
    words = words_of(results.pages("class")["class"])
    assert "test_of_old" in words
    assert "1 2 3 4 5 6 ada 100 ✓ ✓ ✓ ✓ ✓ bo 100 ✓ ✓ ✓ ✓ ✓" in words


# --- what an instructor does tomorrow --------------------------------------------------------------------------------


def test_a_check_separates_strong_from_weak(results: Any) -> None:
    """Near 1 where the strong pass it, below 0 where the weak do; nothing is said of few, or where all are alike."""
    for n in range(10):
        strong = n % 2 == 0
        changes = {} if strong else {"test_run": WRONG, "test_rnn_cell": WRONG}
        results.add(f"s{n}", test_double=WRONG if strong else {}, **changes)
    columns = class_columns(results)
    assert columns["test_run"] == 1.0
    assert columns["test_double"] == -1.0
    assert columns["test_fit"] is None  # everybody passed it
    assert 'class="num bad">-1.00' in results.pages("class")["class"]
    for n in range(3, 10):
        (results.folder / f"s{n}.json").unlink()
    assert set(class_columns(results).values()) == {None}


def class_columns(results: Any) -> dict[str, float | None]:
    """What the class page says of how well checks separate."""
    from datetime import UTC, datetime

    from autograder.feedback import Audience, setting_for
    from autograder.feedback.classroom import Around, class_page_of
    from autograder.ledger import read_results

    setting = setting_for(results.root, results.assignment, Audience.CLASS, datetime.now(UTC), published=True)
    page = class_page_of(setting, read_results(results.folder)[0], Around())
    return {column.id: column.discrimination for column in page.columns}


def test_a_frequent_mistake_has_a_paragraph_for_the_lecture(results: Any) -> None:
    """How many, where, the question to ask, the formula, and how the code differs: ready to be read out."""
    handout = results.root / "solutions" / "t1_tiny" / "handout.md"
    handout.write_text("# T\n\n## 1. `double`\n\n    double(x) = 2 x\n", encoding="utf-8")
    certain = Diagnosis(("tiny.triples",), (), 4, 2, 0.0, "double", {"en": "Count again."})
    for n in range(4):
        results.add(f"s{n}", test_double={**WRONG, "diagnosis": certain} if n else {})
    words = words_of(results.pages("class")["class"])
    assert "For the lecture In 1. double, 3 of you (75 %) made the same mistake. Ask yourselves: Count again." in words
    assert "double(x) = 2 x" in words
    assert "- return 2 * x + return 3 * x" in words


def test_what_waits_leaves_the_page_when_it_is_decided(results: Any) -> None:
    """The page has the queue of `review`."""
    from datetime import UTC, datetime

    from autograder.gradebook import open_book
    from autograder.gradebook.deciding import Author, Decision, decide

    results.add("ada", test_fit=OURS, needs_human=("test_fit",))
    assert "autograder review t1_tiny" in words_of(results.pages("class")["class"])
    author = Author("lee", datetime(2027, 3, 24, tzinfo=UTC))
    decide(open_book(results.root), "t1_tiny", "ada", Decision("test_fit", "30", None, None, "by hand"), author)
    assert "autograder review" not in words_of(results.pages("class")["class"])


def program(seed: int) -> str:
    """A program as nobody else writes it: the task's functions, with a long helper of its own."""
    import random

    rng = random.Random(seed)
    lines = ["def helper(a, b, c):"]
    for _ in range(40):
        op, other = rng.choice("+-*/"), rng.choice(["abs(a)", "(b if c else a)", "c[0]", "max(a, b)", "not b", "a @ c"])
        lines.append(f"    a = b {op} {other} {rng.choice('+-*')} {rng.choice(['1', 'c', '(a, b)', '[c]', '{a: b}'])}")
    return SOLUTION + "\n\n" + "\n".join([*lines, "    return a", ""])


def test_copies_are_found_though_names_and_comments_differ(results: Any) -> None:
    """A renamed copy is the first pair; who wrote alone is in none, however much of the stub and the task is shared."""
    for n in range(12):
        results.add(f"own{n}", source=program(n))
    copied = program(3).replace("helper", "my_function").replace("(a, b, c)", "(a, b,   c)").replace("h = ", "state = ")
    certain = Diagnosis(("tiny.triples",), (), 4, 2, 0.0, "double", {"en": "Count again."})
    rare = {"test_double": {**WRONG, "diagnosis": certain}}
    results.add("own3", source=program(3), **rare)
    results.add("copy", source="# mine\n" + copied.replace("    a = b", "    # a step\n    a = b"), **rare)
    words = words_of(results.pages("class")["class"])
    found = words.partition("Similar code Pairs")[2].partition("Checks “")[0]
    assert re.search(r"copy own3 \d+ % tiny\.triples", found)
    assert not re.search(r"own[0-24-9]\b|own1\d", found)
    (results.folder / "copy.json").unlink()
    assert "13 submissions" not in words_of(results.pages("class")["class"])
    assert "12 submissions were compared; no two share passages" in words_of(results.pages("class")["class"])


def test_a_file_that_goes_round_the_class_is_found(results: Any) -> None:
    """Passages that many have count as everybody's, but not where it is one file: that stands in one line."""
    for n in range(8):
        results.add(f"own{n}", source=program(n))
    for n in range(12):
        results.add(f"ring{n:02}", source=f"# copy {n}\n" + program(99).replace("helper", f"helper_{n}"))
    page = results.pages("class")["class"]
    found = words_of(page).partition("Similar code Pairs")[2].partition("Checks “")[0]
    rest = ", ".join(f"ring{n:02}" for n in range(2, 12))
    assert f"ring00 ring01 and 10 more with the very same code: {rest} 100 %" in found.replace(" ,", ",")
    assert not re.search(r"own\d", found)


def test_code_that_nothing_can_read_is_compared_with_nothing(results: Any) -> None:
    """Binary rubbish, an endless line, nothing at all: the page is made."""
    for n, source in enumerate(("\x00\ud800" * 50, "x = (" * 200_000, "", "def f(:\n")):
        results.add(f"s{n}", source=source)
    assert "Similar code" in words_of(results.pages("class")["class"])


# --- the verb's work -------------------------------------------------------------------------------------------------


def test_each_audience_has_a_folder_of_its_own(results: Any, tmp_path: Path) -> None:
    """Pages of TAs and students never lie together, wherever they are written; `only` picks students."""
    results.add("ada")
    results.add("bo")
    out = tmp_path / "out"
    assert set(results.pages(out=out)) == {"ada", "bo"}
    assert set(results.pages("ta", out=out, only=("bo",))) == {"bo"}
    results.pages("class", out=out)
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.html")) == [
        "class.html",
        "student/ada.html",
        "student/bo.html",
        "ta/bo.html",
    ]


def test_one_broken_result_stops_no_other(results: Any) -> None:
    """It is told, and the rest have their pages."""
    from datetime import UTC, datetime

    from autograder.feedback import Audience, setting_for, write_report

    results.add("ada")
    (results.folder / "bo.json").write_text("{", encoding="utf-8")
    setting = setting_for(results.root, results.assignment, Audience.STUDENT, datetime.now(UTC), published=False)
    written = write_report(setting, results.folder, results.folder / "pages", frozenset(), lambda _: None)
    assert [path.name for path in written.pages] == ["ada.html"]
    assert "bo.json is not a grade" in written.problems[0]
    assert "checks worth 65 points are not on students' pages: --published" in written.remarks[0]


def test_nothing_to_report_is_told(results: Any) -> None:
    """An empty folder, and a student who is not in it."""
    with pytest.raises(UsageError, match="holds no result that can be read; `autograder grade t1_tiny FOLDER` makes"):
        results.pages()
    results.add("ada")
    with pytest.raises(UsageError, match="holds no result of bo"):
        results.pages(only=("bo",))


def test_what_was_handed_in_is_kept_as_data(tmp_path: Path) -> None:
    """It comes back as it was, and lies as JSON: nothing imports or serves it."""
    files = {"a.py": "print('é')\r\n# \u2028\n".encode(), "b.py": b"x = 1"}
    path = handed_in_file(tmp_path, "ada")
    write_files(path, files)
    assert read_files(path) == files
    assert path.suffix == ".json"


def test_parts_are_found_without_a_list(results: Any) -> None:
    """Titles name the parts; what names none goes with what it needs; order is that of the file."""
    parts = {part.name: part for part in parts_of(results.assignment)}
    assert list(parts) == ["double", "rnn_cell", "run", "fit"]
    assert parts["rnn_cell"].checks == ("test_rnn_cell", "test_rnn_cell_repeats")
    assert parts["double"].promise == "Return x twice."
    checks = tuple(
        replace(check, title="Nothing named") if check.id in {"test_rnn_cell_repeats", "test_run"} else check
        for check in results.assignment.checks
    )
    others = {part.name: part.checks for part in parts_of(replace(results.assignment, checks=checks))}
    assert others["rnn_cell"] == ("test_rnn_cell", "test_rnn_cell_repeats")
    assert others[""] == ("test_run",)
