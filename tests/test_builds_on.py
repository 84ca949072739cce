"""An assignment that builds on an earlier one: whose work is in use, what it costs, and that the student is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import course_data
import pytest

from autograder.checks.home import home_bench
from autograder.checks.judge import run_checks
from autograder.course import load_assignment
from autograder.errors import ConfigurationError
from autograder.intake import files_digest, read_submission, read_submissions
from autograder.pipeline import Job
from autograder.records import BuildsOn, Grade, Outcome, Submission
from autograder.release import release
from autograder.sandbox import transport
from autograder.variants import fair_play, lazy_students, mistakes, solution, stub

SECRET = b"a secret of the tests, thirty-two bytes and more"

SETTINGS = """title: "On something tiny"
files: [more.py]
builds_on: {t1_tiny: [rnn_cell]}
bans: [recurrent]
limits: {cpu_s: 1, memory_mb: 512, output_kb: 4, scratch_mb: 2}
"""
HANDOUT = "# On something tiny\n\n## 1. Two steps\n\n## 2. Four times\n"
MORE = '''"""Two steps of the cell, and four times."""

from __future__ import annotations

from tiny import double, rnn_cell


def two_steps(x, h, *weights):
    """Return the state (B, H) after reading x (B, I) twice from h (B, H)."""
    ### BEGIN SOLUTION
    return rnn_cell(x, rnn_cell(x, h, *weights), *weights)
    ### END SOLUTION


def four_times(x):
    """Return x four times."""
    ### BEGIN SOLUTION
    return double(double(x))
    ### END SOLUTION
'''
PUBLIC = '''"""The checks that you have."""

from __future__ import annotations

import torch

from autograder.checks import points, same


@points(40)
def test_two_steps(student, draw):
    """`two_steps` steps twice."""
    x, h, *weights = draw(3, 5), draw(3, 7), draw(7, 5), draw(7, 7), draw(7), draw(7)
    once = torch.rnn_tanh_cell(x, h, *weights)
    same(student.two_steps(x, h, *weights), torch.rnn_tanh_cell(x, once, *weights))
'''
HIDDEN = '''"""The checks that only the course has."""

from __future__ import annotations

from autograder.checks import points, same


@points(30)
def test_two_steps_as_the_reference(student, reference, draw):
    """`two_steps` gives the reference's numbers."""
    args = [draw(2, 3), draw(2, 4), draw(4, 3), draw(4, 4), draw(4), draw(4)]
    same(student.two_steps(*args), reference.two_steps(*args))


@points(30)
def test_four_times(student, reference, draw):
    """`four_times` is four times."""
    x = draw(3)
    same(student.four_times(x), reference.four_times(x))
'''
RIGHT_CELL = "return torch.tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)"
OWN = "rnn_cell: your own, from tiny.py"

Edited = Callable[..., str]


@pytest.fixture
def course(write_tiny: Callable[..., Path], tmp_path: Path) -> Path:
    """The folder of `t2_more`, which builds on `t1_tiny` beside it."""
    return write_two(write_tiny, tmp_path / "course")


def write_two(write_tiny: Callable[..., Path], root: Path) -> Path:
    """Write both assignments into `root` and return the second one's folder."""
    folder = write_tiny(root).parent / "t2_more"
    folder.mkdir()
    files = {"assignment.yml": SETTINGS, "handout.md": HANDOUT, "more.py": MORE, "test_public.py": PUBLIC}
    for name, text in {**files, "test_hidden.py": HIDDEN}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def desk(course: Path, desk_for: Callable[[Path], Any]) -> Any:
    """Grading of `t2_more`, with an empty ledger."""
    return desk_for(course)


@pytest.fixture
def both(edited: Edited) -> Callable[..., Submission]:
    """A function that hands in more.py and an earlier tiny.py, or none for None."""

    def make(tiny: str | None = edited(), more: str = MORE) -> Submission:
        files = {"more.py": more.encode()} | ({} if tiny is None else {"tiny.py": tiny.encode()})
        return Submission("ada", "t2_more", files, digest=files_digest(files))

    return make


Both = Callable[..., Submission]


def words(grade: Grade) -> list[str]:
    """What the grade says about earlier work."""
    return [part.words for part in grade.earlier]


# --- whose work is in use --------------------------------------------------------------------------------------------


def test_right_earlier_work_is_used(desk: Any, both: Both, edited: Edited) -> None:
    """The student's own cell is what the submission imports: an edit that shows in it shows in the later work."""
    grade = desk.grade(both())
    assert (grade.score, words(grade)) == (100, [OWN])
    assert OWN in grade.notes
    elsewhere = edited(("return 2 * x", "return 3 * x"))  # `double` is no part that is named: it stays the student's
    grade = desk.grade(both(elsewhere))
    assert words(grade) == [OWN]
    assert [result.id for result in grade.results if result.outcome is not Outcome.PASSED] == ["test_four_times"]


WRONG = {
    "wrong": ("return torch.sin(x @ weight_ih.T)", "yours did not pass test_rnn_cell of t1_tiny"),
    "not written": ("raise NotImplementedError", "yours is not written yet"),
    "crashing": ("__import__('os')._exit(3)", "yours did not pass test_rnn_cell of t1_tiny"),
    "never ending": ("while True: pass", "yours did not pass test_rnn_cell of t1_tiny"),
    "banned": ("return torch.rnn_tanh_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh)", "yours did not pass test_"),
}


@pytest.mark.parametrize(("line", "why"), WRONG.values(), ids=WRONG.keys())
def test_wrong_earlier_work_is_replaced_and_costs_nothing(
    desk: Any, both: Both, edited: Edited, line: str, why: str
) -> None:
    """Its stand-in is what `from tiny import rnn_cell` gives, whatever is banned; the rest stays the student's."""
    grade = desk.grade(both(edited((RIGHT_CELL, line))))
    assert grade.score == 100
    assert words(grade)[0].startswith(f"rnn_cell: a stand-in, since {why}")
    assert words(grade)[0] in grade.notes
    assert grade.needs_human == ()


USELESS = {
    "missing": (None, "tiny.py was not handed in"),
    "a syntax error": ("def rnn_cell(:\n", "your tiny.py cannot be imported"),
    "raising": ("raise RuntimeError(1)\n", "your tiny.py cannot be imported"),
    "exiting": ("import os\nos._exit(0)\n", "your tiny.py cannot be imported"),
    "null bytes": ("x = 1\0", "your tiny.py cannot be imported"),
}


@pytest.mark.parametrize(("tiny", "why"), USELESS.values(), ids=USELESS.keys())
def test_useless_earlier_files_sink_nothing(desk: Any, both: Both, tiny: str | None, why: str) -> None:
    """The stub with stand-ins in it takes their place: every name is there, and what has a stand-in works."""
    grade = desk.grade(both(tiny))
    assert words(grade) == [f"rnn_cell: a stand-in, since {why}"]
    assert {result.id: str(result.outcome) for result in grade.results} == {
        "test_two_steps": "passed",
        "test_two_steps_as_the_reference": "passed",
        "test_four_times": "failed",  # `double` has no stand-in: builds_on does not name it
    }


def test_earlier_work_that_breaks_the_later_import_is_replaced(desk: Any, both: Both, edited: Edited) -> None:
    """A file that is right where it belongs and cannot be imported beside the later one: stand-ins, and the points."""
    tiny = edited() + "\nif 'more' in __import__('sys').modules:\n    raise RuntimeError\n"
    grade = desk.grade(both(tiny))
    assert words(grade) == ["rnn_cell: a stand-in, since with your tiny.py more.py cannot be imported"]
    assert grade.results[0].outcome is Outcome.PASSED
    count = len(desk.forks)
    assert desk.grade(both(tiny)) == grade
    assert len(desk.forks) - count <= 2  # the two trials of importing it; nothing is measured again


def test_a_later_file_that_cannot_be_imported_is_its_own_fault(desk: Any, both: Both) -> None:
    """Stand-ins change nothing about it: the finding is the later file's, and earlier work is in use as it is."""
    grade = desk.grade(both(more="import tiny\nraise RuntimeError\n"))
    assert grade.score == 0
    assert words(grade) == [OWN]
    assert {result.finding.kind for result in grade.results if result.finding} == {"loading"}


def test_a_right_part_over_a_wrong_one_has_the_stand_in_below_it(
    course: Path, desk_for: Callable[[Path], Any], both: Both, edited: Edited
) -> None:
    """`run` passed with a stand-in for the cell: so it comes with that stand-in into the later assignment, too."""
    tiny = course.parent / "t1_tiny" / "assignment.yml"
    tiny.write_text(tiny.read_text(encoding="utf-8") + "  run: [test_run]\n", encoding="utf-8")
    settings = course / "assignment.yml"
    settings.write_text(SETTINGS.replace("[rnn_cell]", "[run]"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="builds on run of t1_tiny, for which there is no stand-in"):
        desk_for(course).pipeline()
    settings.write_text(SETTINGS.replace("[rnn_cell]", "[RNN]"), encoding="utf-8")
    tiny.write_text(tiny.read_text(encoding="utf-8").replace("  run:", "  RNN:"), encoding="utf-8")
    grade = desk_for(course).grade(both(edited((RIGHT_CELL, "return torch.sin(x @ weight_ih.T)"))))
    assert words(grade) == [
        "RNN: your own, from tiny.py",
        "rnn_cell: a stand-in, since yours did not pass test_rnn_cell of t1_tiny",
    ]
    assert grade.score == 100


# --- the ledger ------------------------------------------------------------------------------------------------------


def test_earlier_work_that_was_graded_costs_nothing(
    course: Path, desk_for: Callable[[Path], Any], both: Both, edited: Edited
) -> None:
    """What the earlier assignment's own grading measured is found in the ledger."""
    submission = both()
    tiny = {"tiny.py": submission.files["tiny.py"]}
    first = desk_for(course.parent / "t1_tiny")
    no_data = {"datasets_digest": course_data.digest(())}
    first.grade(Submission("ada", "t1_tiny", tiny, digest=files_digest(tiny)), **no_data)
    desk = desk_for(course)
    assert desk.grade(submission, **no_data).score == 100
    assert "test_rnn_cell" not in desk.forks
    count = len(desk.forks)
    again = desk.pipeline(lend=False, **no_data)
    assert words(again.grade(Job(submission, SECRET))) == [OWN]
    assert (again._workshop._zygotes, len(desk.forks)) == ({}, count)


def test_only_the_checks_of_the_parts_in_use_are_measured(desk: Any, both: Both) -> None:
    """Of the earlier assignment nothing else runs."""
    desk.grade(both())
    assert {name for name in desk.forks if name in {"test_rnn_cell_repeats", "test_run", "test_fit"}} == set()


def keys(desk: Any, submission: Submission) -> Mapping[str, str]:
    """The keys of a submission's measurements."""
    pipeline = desk.pipeline()
    job = Job(submission, SECRET)
    kept = pipeline._kept(job, pipeline._earlier_work(job))
    return {check.id: kept.key(check, ()) for check in pipeline.assignment.checks}


def test_keys_change_with_what_is_in_use_and_with_nothing_else(desk: Any, both: Both, edited: Edited) -> None:
    """Another file that is imported, or another stand-in: other keys. What takes no part: the same keys."""
    right = keys(desk, both())
    wrong = edited((RIGHT_CELL, "return torch.sin(x @ weight_ih.T)"))
    others = [
        keys(desk, each) for each in (both(wrong), both(None), both(edited() + "# mine\n"), both(more=MORE + "#"))
    ]
    every = [right, *others]
    assert len({found["test_two_steps"] for found in every}) == len(every)
    assert keys(desk, both("raise RuntimeError(1)\n")) == keys(desk, both(None)) == keys(desk, both("def f(:\n"))
    assert keys(desk, both()) == right


def test_an_edited_earlier_check_decides_anew_and_no_more(desk: Any, course: Path, both: Both) -> None:
    """It is measured again; where the verdict stays, nothing of the later assignment is."""
    before = keys(desk, both())
    desk.grade(both())
    checks = course.parent / "t1_tiny" / "test_public.py"
    text = checks.read_text(encoding="utf-8")
    checks.write_text(
        text.replace("    same(student.rnn_cell(*args)", "    # closer\n    same(student.rnn_cell(*args)")
    )
    assert keys(desk, both()) == before
    checks.write_text(text.replace("torch.rnn_tanh_cell(*args))", "torch.rnn_tanh_cell(*args) + 1)"))
    assert keys(desk, both()) != before


def test_the_earlier_solution_is_part_of_the_keys(desk: Any, course: Path, both: Both) -> None:
    """The reference imports it; what lies beside it and is not handed in decides nothing."""
    before = keys(desk, both())
    (course.parent / "t1_tiny" / "experiment.py").write_text("x = 1\n", encoding="utf-8")
    assert keys(desk, both()) == before
    solution_file = course.parent / "t1_tiny" / "tiny.py"
    solution_file.write_text(solution_file.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
    assert not set(keys(desk, both()).values()) & set(before.values())


# --- faults that are nobody's, and clocks ----------------------------------------------------------------------------


def test_a_fault_of_ours_in_earlier_work_costs_nothing(desk: Any, course: Path, both: Both) -> None:
    """A check that fails the reference, too: a stand-in is in use, nothing is lost, and a human is told."""
    checks = course.parent / "t1_tiny" / "test_public.py"
    text = checks.read_text(encoding="utf-8")
    checks.write_text(
        text.replace('(student, draw):\n    """`rnn_cell`', '(student, reference, draw):\n    """`rnn_cell`').replace(
            "torch.rnn_tanh_cell(*args))", "torch.rnn_tanh_cell(*args) + 1)"
        ),
        encoding="utf-8",
    )
    grade = desk.grade(both())
    assert grade.score == 100
    assert words(grade) == ["rnn_cell: a stand-in, since the grader could not measure yours"]
    assert grade.needs_human == ("not measured, so that a stand-in is in use: t1_tiny: test_rnn_cell",)


def test_earlier_work_that_only_waits_is_believed_when_it_was_alone(
    desk: Any, both: Both, edited: Edited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then nothing of the later assignment counts; afterwards its stand-in is in use."""
    monkeypatch.setattr(transport, "LEAST_WALL_S", 1.0)
    monkeypatch.setattr(transport, "WALL_FACTOR", 1)
    submission = both(edited((RIGHT_CELL, "__import__('threading').Event().wait()")))
    grade = desk.grade(submission)
    assert {result.finding.kind for result in grade.results if result.finding} == {"waited"}
    alone = desk.pipeline().grade(Job(submission, SECRET, alone=True))
    assert (alone.score, len(words(alone))) == (100, 1)


# --- the sandbox -----------------------------------------------------------------------------------------------------

DIGS = """
from tiny import rnn_cell, double


def two_steps(x, h, *weights):
    found, looked_at = [rnn_cell], []
    while found and len(looked_at) < 1000:
        looked_at.append(found.pop())
        found += [cell.cell_contents for cell in getattr(looked_at[-1], "__closure__", None) or ()]
    bans = next(each for each in looked_at if hasattr(each, "lift"))
    bans.lift()
    return h


def four_times(x):
    return double(double(x))
"""


def test_bans_hold_for_earlier_code(desk: Any, both: Both, edited: Edited) -> None:
    """What the later assignment bans is refused in the student's own earlier code, too."""
    cheat = edited(("return 2 * x", "torch.rnn_tanh_cell(*[torch.ones(1, 1)] * 6); return 2 * x"))
    results = {result.id: result for result in desk.grade(both(cheat)).results}
    finding = results["test_four_times"].finding
    assert finding is not None
    assert finding.kind == "banned"
    assert finding.where.startswith("tiny.py, line ")


def test_where_a_stand_in_calls_nothing_banned_no_switch_is_there(
    course: Path, desk_for: Callable[[Path], Any], both: Both
) -> None:
    """A missing earlier file is no way around bans that its stand-ins do not need lifted."""
    digging = desk_for(course).grade(both(None, DIGS))
    assert digging.results[0].outcome is Outcome.FAILED  # the switch was there, and `two_steps` is wrong all the same
    assert "StopIteration" not in finding_of(digging)
    (course / "assignment.yml").write_text(SETTINGS.replace("bans: [recurrent]", "bans: []"), encoding="utf-8")
    assert "StopIteration" in finding_of(desk_for(course).grade(both(None, DIGS)))


def finding_of(grade: Grade) -> str:
    """What is said about the first check."""
    finding = grade.results[0].finding
    assert finding is not None
    return finding.message


# --- intake ----------------------------------------------------------------------------------------------------------


def test_earlier_files_may_lie_beside_the_others(course: Path, tmp_path: Path) -> None:
    """They belong to the submission and to its digest, wherever they lie; unreadable ones cost nothing."""
    assignment = load_assignment(course)
    folder = tmp_path / "in" / "ada"
    (folder / "t1_tiny").mkdir(parents=True)
    (folder / "more.py").write_text("x = 1\n")
    alone = read_submission(folder, assignment, "ada")
    assert (set(alone.files), alone.notes) == ({"more.py"}, ())
    (folder / "t1_tiny" / "tiny.py").write_text("y = 1\n")
    found = read_submission(folder, assignment, "ada")
    assert set(found.files) == {"more.py", "tiny.py"}
    assert (found.notes, found.digest != alone.digest) == ((), True)
    for bad, why in ((b"  \n", "is empty"), (b"#" * (1 << 20) + b"#", "larger than")):
        (folder / "t1_tiny" / "tiny.py").write_bytes(bad)
        spoilt = read_submission(folder, assignment, "ada")
        assert (spoilt.problem, set(spoilt.files), spoilt.digest) == ("", {"more.py"}, alone.digest)
        assert spoilt.notes[0].startswith("tiny.py, of an earlier assignment, counts as missing: ")
        assert why in spoilt.notes[0]
    (folder / "more.py").unlink()
    assert "more.py is missing" in read_submission(folder, assignment, "ada").problem


def test_an_earlier_file_is_not_taken_for_the_later_one(course: Path, tmp_path: Path) -> None:
    """A lone file of another name is the asked-for one, but never an earlier assignment's."""
    assignment = load_assignment(course)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "ada").mkdir()
    (folder / "ada" / "tiny.py").write_text("x = 1\n")
    (folder / "ada" / "my_more.py").write_text("y = 1\n")
    (folder / "bo").mkdir()
    (folder / "bo" / "tiny.py").write_text("x = 1\n")
    (folder / "tiny.py").write_text("x = 1\n")
    ada, bo, lost = read_submissions(folder, assignment)
    assert ada.files == {"more.py": b"y = 1\n", "tiny.py": b"x = 1\n"}
    assert "more.py is missing" in bo.problem
    assert "does not say whose it is" in lost.problem


# --- the course's own side -------------------------------------------------------------------------------------------


def test_variants_carry_the_earlier_solution(course: Path) -> None:
    """Every program made from the solution has it, an edit may concern it, and one goes without."""
    (course / "fair_play.yml").write_text(
        "- id: earlier_wrong\n  file: tiny.py\n  edits: [{replace: 'torch.tanh(x', with: 'torch.sin(x'}]\n"
    )
    (course / "mistakes.yml").write_text(
        "- id: m\n  edits: [{replace: 'rnn_cell(x, rnn_cell(x, h, ', with: 'rnn_cell(x, (h, '}]\n"
    )
    assignment = load_assignment(course)
    tiny = (course.parent / "t1_tiny" / "tiny.py").read_bytes()
    carrying = [solution(assignment), stub(assignment), *lazy_students(assignment), *mistakes(assignment)]
    assert {variant.files["tiny.py"] for variant in carrying} == {tiny}
    wrong, without = fair_play(assignment)
    assert b"torch.sin(x" in wrong.files["tiny.py"]
    assert (without.id, set(without.files)) == ("without_earlier_work", {"more.py"})
    (course / "mistakes.yml").write_text("- {id: m, file: other.py, edits: []}\n")
    with pytest.raises(ConfigurationError, match=r"no file other.py to edit"):
        mistakes(assignment)


def test_builds_on_is_read_with_everything_below_it(course: Path) -> None:
    """Files and parts come from the earlier assignment's own settings; what it builds on comes before it."""
    assert load_assignment(course).builds_on == (BuildsOn("t1_tiny", ("tiny.py",), ("rnn_cell",)),)
    third = course.parent / "t3_most"
    third.mkdir()
    for name in ("test_public.py", "test_hidden.py"):
        (third / name).write_text((course / name).read_text(encoding="utf-8"), encoding="utf-8")
    (third / "most.py").write_text("x = 1\n")
    (third / "assignment.yml").write_text("title: Most\nfiles: [most.py]\nbuilds_on: {t2_more: [two_steps]}\n")
    settings = course / "assignment.yml"
    settings.write_text(SETTINGS + "parts: {two_steps: [test_two_steps]}\n", encoding="utf-8")
    assert [used.id for used in load_assignment(third).builds_on] == ["t1_tiny", "t2_more"]
    assert load_assignment(third).earlier_files == ("tiny.py", "more.py")


MISTAKEN = {
    "t1_tyni: [rnn_cell]": "assignment.yml:3: unknown assignment `t1_tyni`; did you mean `t1_tiny`?",
    "t1_tiny: [rnn_cel]": "assignment.yml:3: `rnn_cel` is no part of t1_tiny; did you mean `rnn_cell`?",
    "t1_tiny: []": "assignment.yml:3: `builds_on.t1_tiny` is []",
    "t1_tiny: [rnn_cell, rnn_cell]": "every name once",
}


@pytest.mark.parametrize(("setting", "expected"), MISTAKEN.items())
def test_mistakes_in_builds_on_are_named(course: Path, setting: str, expected: str) -> None:
    """With file, line and the nearest name."""
    (course / "assignment.yml").write_text(SETTINGS.replace("t1_tiny: [rnn_cell]", setting), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_assignment(course)
    assert expected in str(caught.value)


def test_two_files_of_one_name_are_a_mistake(course: Path) -> None:
    """They could not be told apart in a hand-in."""
    (course / "tiny.py").write_text("x = 1\n")
    (course / "assignment.yml").write_text(SETTINGS.replace("[more.py]", "[more.py, tiny.py]"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"`tiny.py` is a file of t2_more and of t1_tiny; rename one"):
        load_assignment(course)


def test_circles_are_a_mistake(course: Path) -> None:
    """An assignment does not build on itself, not even through others."""
    tiny = course.parent / "t1_tiny" / "assignment.yml"
    text = tiny.read_text(encoding="utf-8").replace("builds_on: []", "builds_on: {t2_more: [two_steps]}")
    tiny.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="goes in a circle: t2_more -> t1_tiny -> t2_more"):
        load_assignment(course)


def test_students_learn_what_the_assignment_builds_on(course: Path) -> None:
    """The released settings name the parts, the README what to hand in."""
    release(course.parents[1])
    released = course.parents[1] / "assignments" / "t2_more"
    assert "builds_on:\n  t1_tiny: [rnn_cell]" in (released / "assignment.yml").read_text(encoding="utf-8")
    assert "It takes `tiny.py` along" in (released / "README.md").read_text(encoding="utf-8")
    assert load_assignment(released, complete=False).builds_on == load_assignment(course).builds_on


def test_at_home_an_earlier_folder_that_is_missing_is_named(course: Path) -> None:
    """A student who took one folder out of the kit learns which other one it needs."""
    release(course.parents[1])
    released = course.parents[1] / "assignments" / "t2_more"
    (released.parent / "t1_tiny").rename(course.parents[1] / "elsewhere")
    with pytest.raises(
        ConfigurationError, match="builds on t1_tiny, whose folder is not beside this one; put it there"
    ):
        load_assignment(released, complete=False)


# --- at home ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(course: Path) -> Path:
    """The students' folders, with more.py written."""
    release(course.parents[1])
    folder = course.parents[1] / "assignments"
    (folder / "t2_more" / "more.py").write_text(MORE, encoding="utf-8")
    return folder


def at_home(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The outcomes of the public checks in a student's folder, and what is said about earlier work."""
    results: dict[str, str] = {}
    bench = replace(home_bench(folder), report=lambda result: results.update({result.id: str(result.outcome)}))
    run_checks(bench)
    return results, [part.words for part in bench.earlier()]


def test_at_home_the_own_file_beside_is_used(home: Path, edited: Edited) -> None:
    """Where it is right; both folders can be checked in one run, though one is checked inside the other."""
    (home / "t1_tiny" / "tiny.py").write_text(edited(), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "--import-mode=importlib", "-q", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    run = subprocess.run(
        [*command, "t1_tiny", "t2_more"], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "t2_more builds on earlier work" in run.stdout
    assert "rnn_cell: your own, from ../t1_tiny/tiny.py" in run.stdout
    assert "4 passed" in run.stdout


AT_HOME = {
    "untouched": (None, "yours is not written yet"),
    "wrong": ((RIGHT_CELL, "return h"), "yours did not pass test_rnn_cell of t1_tiny"),
}


@pytest.mark.parametrize(("edit", "why"), AT_HOME.values(), ids=AT_HOME.keys())
def test_at_home_a_stand_in_takes_the_place_of_what_is_not_right(
    home: Path, edited: Edited, edit: tuple[str, str] | None, why: str
) -> None:
    """The stub untouched counts as missing; the run says what is in use."""
    if edit:
        (home / "t1_tiny" / "tiny.py").write_text(edited(edit), encoding="utf-8")
    assert at_home(home / "t2_more") == ({"test_two_steps": "passed"}, [f"rnn_cell: a stand-in, since {why}"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "../t1_tiny/tiny.py is not there"),
        ("x = 1 / 0\n", "../t1_tiny/tiny.py cannot be imported (ZeroDivisionE"),
    ],
    ids=["gone", "broken"],
)
def test_at_home_what_cannot_be_had_is_named(home: Path, text: str | None, why: str) -> None:
    """The file and the reason; what can work with stand-ins alone does."""
    file = home / "t1_tiny" / "tiny.py"
    file.unlink() if text is None else file.write_text(text, encoding="utf-8")
    (home / "t2_more" / "more.py").write_text(MORE.replace("double, rnn_cell", "rnn_cell"), encoding="utf-8")
    results, said = at_home(home / "t2_more")
    assert results == {"test_two_steps": "passed"}
    assert said[0].startswith(f"rnn_cell: a stand-in, since {why}")


def test_at_home_a_damaged_earlier_folder_stops_nothing(home: Path) -> None:
    """Where its own checks cannot be read any more, a stand-in is in use, and the file is named."""
    (home / "t1_tiny" / "test_public.py").unlink()
    (home / "t2_more" / "more.py").write_text(MORE.replace("double, rnn_cell", "rnn_cell"), encoding="utf-8")
    results, said = at_home(home / "t2_more")
    assert results == {"test_two_steps": "passed"}
    assert said[0].startswith("rnn_cell: a stand-in, since the checks beside it cannot be read (")
    assert "test_public.py" in said[0]


def test_at_home_imports_inside_functions_work(home: Path, edited: Edited) -> None:
    """As in `grade`, where earlier files stay importable while checks run; afterwards nothing of it is left."""
    (home / "t1_tiny" / "tiny.py").write_text(edited(), encoding="utf-8")
    late = MORE.replace("from tiny import double, rnn_cell\n", "").replace(
        "    return rnn_cell(x, rnn", "    from tiny import rnn_cell\n\n    return rnn_cell(x, rnn"
    )
    (home / "t2_more" / "more.py").write_text(late, encoding="utf-8")
    assert at_home(home / "t2_more") == ({"test_two_steps": "passed"}, [OWN.replace("tiny.py", "../t1_tiny/tiny.py")])
    assert not {"tiny", "more"} & set(sys.modules)
    assert not [path for path in sys.path if str(home) in path]


def test_settings_and_grades_survive_their_files(desk: Any, both: Both, tmp_path: Path) -> None:
    """A grade with earlier parts is written and read as it was."""
    from autograder.ledger import read_grade, write_grade

    grade = desk.grade(both(None))
    write_grade(tmp_path / "ada.json", grade)
    assert read_grade(tmp_path / "ada.json") == grade
    assert json.loads((tmp_path / "ada.json").read_text(encoding="utf-8"))["earlier"][0]["name"] == "rnn_cell"
