"""Checks as pytest tests: in which order they run, what is skipped or stood in for, and how it is at home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder.checks.bench import Bench
from autograder.checks.judge import run_checks
from autograder.checks.plugin import in_order_of_needs, meet_needs
from autograder.course import load_assignment
from autograder.errors import SandboxError
from autograder.records import Assignment, Check, CheckResult, Finding, Outcome, Visibility
from autograder.sandbox.faults import ChildEnded

torch.set_num_threads(1)

Local = Callable[..., tuple[Bench, Any]]
Write = Callable[..., Path]
Edited = Callable[..., str]

RIGHT_CELL = "return torch.tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)"
NO_TANH = (RIGHT_CELL, "return x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh")
ALL = ["test_double", "test_rnn_cell", "test_rnn_cell_repeats", "test_run", "test_fit"]


def outcomes(run: Any) -> dict[str, str]:
    """The outcome of every check."""
    return {id_: str(result.outcome) for id_, result in run.results.items()}


# --- a submission's checks -------------------------------------------------------------------------------------------


def test_right_work_has_all_points(local_bench: Local, tiny: Assignment) -> None:
    """Every check reports once, in order, with its points."""
    bench, run = local_bench(tiny)
    run_checks(bench)
    assert run.order == ALL
    assert sum(result.earned for result in run.results.values()) == 100


def test_a_stand_in_takes_the_place_of_a_wrong_part(local_bench: Local, tiny: Assignment, edited: Edited) -> None:
    """Your `run` is right given a right `rnn_cell`: full points, and the part that stood in is named."""
    bench, run = local_bench(tiny, edited(NO_TANH))
    run_checks(bench)
    assert outcomes(run) == {
        "test_double": "passed",
        "test_rnn_cell": "failed",
        "test_rnn_cell_repeats": "skipped",
        "test_run": "passed",
        "test_fit": "passed",
    }
    assert (run.results["test_run"].earned, run.results["test_run"].stand_ins) == (30, ("rnn_cell",))
    assert run.results["test_fit"].stand_ins == ()


def test_a_mistake_beside_a_stand_in_still_costs_its_points(
    local_bench: Local, tiny: Assignment, edited: Edited
) -> None:
    """With a right `rnn_cell` in its place, a wrong loop is wrong."""
    bench, run = local_bench(tiny, edited(NO_TANH, ("    return h\n", "    return 0 * h\n")))
    run_checks(bench)
    assert outcomes(run)["test_run"] == "failed"
    assert run.results["test_run"].stand_ins == ("rnn_cell",)


def test_a_property_of_a_wrong_part_is_not_run(local_bench: Local, tiny: Assignment, edited: Edited) -> None:
    """A function that repeats its wrong answer has no points for repeating it; the reason is said, with what to do."""
    bench, run = local_bench(tiny, edited(NO_TANH))
    run_checks(bench)
    skipped = run.results["test_rnn_cell_repeats"]
    assert (skipped.outcome, skipped.earned, skipped.points) == (Outcome.SKIPPED, 0, 5)
    assert skipped.finding is not None
    assert skipped.finding.message == (
        "Not run: it builds on test_rnn_cell, and test_rnn_cell did not pass. Mend that first."
    )
    assert "test_rnn_cell_repeats" not in [wish.check.id for wish in run.wishes]


HIDDEN_FIRST = '''
from autograder.checks import needs, points, same


@points(30)
@needs("test_second")
def test_third(student):
    """Third."""
    same(student.double(1.0), 2.0)


@points(30)
@needs("test_first")
def test_second(student):
    """Second."""
    same(student.double(1.0), 2.0)
'''
PUBLIC_LAST = '''
from autograder.checks import points, same


@points(40)
def test_first(student):
    """First."""
    same(student.double(1.0), 2.0)
'''
WITH_FIXTURES = '''
import pytest

from autograder.checks import points, same

MADE = []


@pytest.fixture
def factor(request):
    MADE.append("factor")
    yield request.param
    MADE.clear()


@pytest.fixture(autouse=True)
def prepared():
    MADE.append("prepared")


@points(60)
@pytest.mark.parametrize("factor", [2.0, 3.0], indirect=True)
def test_scaled(student, factor):
    """Twice is two times."""
    assert MADE == ["prepared", "factor"]
    same(student.double(factor), 2 * factor)
'''
NO_PARTS = "title: x\nfiles: [tiny.py]\nbans: []\n"


def test_checks_run_after_what_they_need(local_bench: Local, write_tiny: Write, tmp_path: Path) -> None:
    """The order of needs goes before the order in the files; a failure is handed on along it."""
    folder = write_tiny(
        tmp_path / "c", test_hidden__py=HIDDEN_FIRST, test_public__py=PUBLIC_LAST, assignment__yml=NO_PARTS
    )
    assignment = load_assignment(folder)
    bench, run = local_bench(assignment)
    run_checks(bench)
    assert run.order == ["test_first", "test_second", "test_third"]
    bench, run = local_bench(assignment, "def double(x):\n    return x\n")
    run_checks(bench)
    assert list(outcomes(run).values()) == ["failed", "skipped", "skipped"]


def test_checks_may_have_fixtures_of_their_own(local_bench: Local, write_tiny: Write, tmp_path: Path) -> None:
    """Fixtures of the check file, indirect parameters and autouse among them, work as in any pytest run."""
    files = {"test_hidden__py": WITH_FIXTURES, "test_public__py": PUBLIC_LAST, "assignment__yml": NO_PARTS}
    assignment = load_assignment(write_tiny(tmp_path / "c", **files))
    for source, outcome in (
        ("def double(x):\n    return 2 * x\n", "passed"),
        ("def double(x):\n    return x\n", "failed"),
    ):
        bench, run = local_bench(assignment, source)
        run_checks(bench)
        assert outcomes(run) == {"test_first": outcome, "test_scaled": outcome}


def test_what_is_known_is_not_run_again(local_bench: Local, tiny: Assignment) -> None:
    """Results that are there already stand, and decide what builds on them."""
    known = {
        "test_double": CheckResult("test_double", Outcome.PASSED, 10, 10),
        "test_rnn_cell": CheckResult("test_rnn_cell", Outcome.FAILED, 0, 25),
    }
    bench, run = local_bench(tiny, known=known)
    run_checks(bench)
    assert run.order == ["test_rnn_cell_repeats", "test_run", "test_fit"]
    assert outcomes(run)["test_rnn_cell_repeats"] == "skipped"
    assert run.results["test_run"].stand_ins == ("rnn_cell",)


def test_our_own_fault_is_handed_on_and_never_a_zero(local_bench: Local, tiny: Assignment) -> None:
    """Where the grader fails in a check, all that builds on it is a grader error, too."""
    bench, run = local_bench(tiny)
    open_student = bench.open_student

    def fragile(wish: Any) -> Any:
        if wish.check.id == "test_rnn_cell":
            raise SandboxError("lost")
        return open_student(wish)

    run_checks(replace(bench, open_student=fragile))
    assert outcomes(run) == {
        "test_double": "passed",
        "test_rnn_cell": "grader_error",
        "test_rnn_cell_repeats": "grader_error",
        "test_run": "grader_error",
        "test_fit": "passed",
    }


def test_all_cases_must_pass(local_bench: Local, tiny: Assignment, edited: Edited) -> None:
    """One wrong case of a parametrised check costs all of its points; the others run all the same."""
    bench, run = local_bench(tiny, edited(("return 2 * x", "return 2 * x if len(x) > 1 else x")))
    run_checks(bench)
    assert outcomes(run)["test_double"] == "failed"
    assert run.order == ALL


def test_after_a_time_out_no_further_case_runs(local_bench: Local, tiny: Assignment) -> None:
    """The second case of a check would only run into the same limit; other checks have their own time."""
    bench, run = local_bench(tiny)
    open_student, asked = bench.open_student, []

    def slow(wish: Any) -> Any:
        asked.append(wish.check.id)
        if wish.check.id == "test_double":
            raise ChildEnded(Outcome.TIMED_OUT, "it used more than 1 s of CPU time")
        return open_student(wish)

    run_checks(replace(bench, open_student=slow))
    assert asked.count("test_double") == 1
    assert (outcomes(run)["test_double"], outcomes(run)["test_fit"]) == ("timed_out", "passed")


def test_two_assignments_in_one_process_keep_their_own_checks(
    local_bench: Local, tiny: Assignment, write_tiny: Write, tmp_path: Path
) -> None:
    """Check files of all assignments have the same names; none is taken for another's, nor for an earlier version."""
    bench, first = local_bench(tiny)
    run_checks(bench)
    folder = write_tiny(
        tmp_path / "c", "t2_other", test_hidden__py=HIDDEN_FIRST, test_public__py=PUBLIC_LAST, assignment__yml=NO_PARTS
    )
    bench, second = local_bench(load_assignment(folder))
    run_checks(bench)
    stricter = PUBLIC_LAST.replace("2.0)", "3.0)  # another version of the same file")
    (folder / "test_public.py").write_text(stricter, encoding="utf-8")
    bench, third = local_bench(load_assignment(folder), blame=False)
    run_checks(bench)
    assert first.order == ALL
    assert outcomes(second) == dict.fromkeys(["test_first", "test_second", "test_third"], "passed")
    assert outcomes(third)["test_first"] == "failed"
    assert not [name for name in sys.modules if name.endswith(("test_public", "test_hidden"))]


def test_a_check_file_that_cannot_be_imported_reports_nothing(
    local_bench: Local, write_tiny: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The course's own broken file is said aloud; its checks are left for the counting, which calls them ours."""
    folder = write_tiny(tmp_path / "c", helper__py="x = 1\n")
    source = (folder / "test_hidden.py").read_text(encoding="utf-8")
    (folder / "test_hidden.py").write_text(source.replace("from __future__ import annotations\n", "import no_such\n"))
    bench, run = local_bench(load_assignment(folder))
    run_checks(bench)
    assert not set(run.order) & {"test_rnn_cell_repeats", "test_run", "test_fit"}
    assert "no_such" in caplog.text


@pytest.mark.parametrize("line", ["raise KeyboardInterrupt", "import os, signal; os.kill(os.getpid(), signal.SIGINT)"])
def test_an_interrupt_comes_through_pytest(local_bench: Local, write_tiny: Write, tmp_path: Path, line: str) -> None:
    """Ctrl-C in the middle of a check stops the run and is heard by whoever started it; nothing is reported for it."""
    folder = write_tiny(tmp_path / "c")
    source = (folder / "test_public.py").read_text(encoding="utf-8")
    (folder / "test_public.py").write_text(source.replace("args = cell_arguments(draw)", line), encoding="utf-8")
    bench, run = local_bench(load_assignment(folder))
    with pytest.raises(KeyboardInterrupt):
        run_checks(bench)
    assert run.order == ["test_double"]


def test_the_instructors_own_settings_of_pytest_change_nothing(
    local_bench: Local, tiny: Assignment, edited: Edited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options and plugins of the environment do not reach the judge's run, and are there again afterwards."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "--maxfail=1 --no-such-option")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    bench, run = local_bench(tiny, edited(("return 2 * x", "return x")))
    run_checks(bench)
    assert run.order == ALL
    assert os.environ["PYTEST_ADDOPTS"] == "--maxfail=1 --no-such-option"


def test_leaving_at_import_is_told_like_an_exception(local_bench: Local, tiny: Assignment) -> None:
    """At home, too, a file that calls `sys.exit` fails its checks with the line, and pytest goes on."""
    bench, run = local_bench(tiny, "import sys\nsys.exit(0)\n")
    run_checks(replace(bench, open_reference=None, blame=False))
    finding = run.results["test_double"].finding
    assert finding.message.startswith("Your code raised SystemExit. ")
    assert finding.where == "tiny.py, line 2"


# --- the rule of needs -----------------------------------------------------------------------------------------------


def check(id_: str, *needs: str) -> Check:
    """A check with these needs."""
    return Check(id_, "", 10, True, Visibility.ALWAYS, needs, None, None, "", Path("x.py"), 1, "0")


def result(id_: str, outcome: Outcome, kind: str = "") -> CheckResult:
    """A result."""
    finding = Finding(kind, "") if kind else None
    return CheckResult(id_, outcome, 10 if outcome is Outcome.PASSED else 0, 10, finding)


PARTS = {"rnn_cell": ("a", "b"), "CharRNN": ("c",)}


@pytest.mark.parametrize(
    ("needs", "results", "expected"),
    [
        (("a",), {"a": Outcome.PASSED}, ()),
        (("a",), {"a": Outcome.FAILED}, Outcome.SKIPPED),
        (("a",), {"a": Outcome.SKIPPED}, Outcome.SKIPPED),
        (("a",), {}, ()),
        (("rnn_cell",), {"a": Outcome.PASSED, "b": Outcome.PASSED}, ()),
        (("rnn_cell",), {"a": Outcome.PASSED, "b": Outcome.CRASHED}, ("rnn_cell",)),
        (("rnn_cell",), {"a": Outcome.PASSED, "b": Outcome.GRADER_ERROR}, Outcome.GRADER_ERROR),
        (("CharRNN",), {"c": Outcome.FAILED}, Outcome.SKIPPED),
        (("CharRNN",), {"c": Outcome.GRADER_ERROR}, Outcome.GRADER_ERROR),
        (("rnn_cell", "CharRNN"), {"a": Outcome.FAILED, "c": Outcome.PASSED}, ("rnn_cell",)),
        (("rnn_cell", "CharRNN"), {"a": Outcome.FAILED, "c": Outcome.FAILED}, Outcome.SKIPPED),
    ],
)
def test_the_one_rule_of_needs(
    needs: tuple[str, ...], results: dict[str, Outcome], expected: tuple[str, ...] | Outcome
) -> None:
    """Right: run. Wrong with a stand-in: run with it. Wrong without: skip. Our fault: ours. Not asked for: run."""
    met = meet_needs(check("x", *needs), PARTS, {id_: result(id_, outcome) for id_, outcome in results.items()})
    if isinstance(expected, tuple):
        assert met == expected
    else:
        assert isinstance(met, CheckResult)
        assert (met.outcome, met.earned, met.points) == (expected, 0, 10)


def test_what_stood_in_for_a_needed_check_stands_in_after_it() -> None:
    """A check that passed with a stand-in may not pass without; what builds on it has the same one."""
    needed = replace(result("a", Outcome.PASSED), stand_ins=("rnn_cell",))
    assert meet_needs(check("x", "a"), PARTS, {"a": needed}) == ("rnn_cell",)


def test_what_only_waited_is_not_built_on() -> None:
    """A check that needs one whose child only waited is as unsettled as that one, stand-in or not."""
    met = meet_needs(check("x", "rnn_cell"), PARTS, {"a": result("a", Outcome.TIMED_OUT, "waited")})
    assert isinstance(met, CheckResult)
    assert met.outcome is Outcome.SKIPPED
    assert met.finding is not None
    assert met.finding.kind == "waited"


def test_order_keeps_what_it_can() -> None:
    """Checks without needs stay where they are; others come right after the last that they wait for."""
    checks = [check("d", "CharRNN"), check("e"), check("c", "rnn_cell"), check("b"), check("a", "b")]
    ordered = [each.id for each in in_order_of_needs(checks, PARTS)]
    assert ordered == ["b", "a", "c", "d", "e"]


# --- at the student's desk -------------------------------------------------------------------------------------------

STUB = """
def double(x):
    raise NotImplementedError("double")


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity="tanh"):
    return x @ weight_ih.T + h @ weight_hh.T
"""
OPTIONS = ("-p", "no:cacheprovider", "--import-mode=importlib", "-rs", "-q")


def at_home(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """What `pytest ARGS` says in a students' folder, without a secret and without solutions."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOGRADER", "PYTEST"))}
    command = [sys.executable, "-m", "pytest", *OPTIONS, *args]
    return subprocess.run(
        command, cwd=root, env={**environment, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def kit(write_tiny: Write, tmp_path: Path, edited: Edited) -> Path:
    """A students' folder with two assignments: one is done, one is as it was given."""
    for name, source in (("t1_done", edited()), ("t2_stub", STUB)):
        folder = write_tiny(tmp_path / "built", name, test_hidden__py=None, mistakes__yml=None, fair_play__yml=None)
        (folder / "tiny.py").write_text(source, encoding="utf-8")
    root = tmp_path / "kit"
    root.mkdir()
    (tmp_path / "built" / "solutions").rename(root / "assignments")
    return root


def test_pytest_at_home(kit: Path) -> None:
    """`pytest assignments` runs several assignments: right work passes, a stub fails in readable words."""
    run = at_home(kit, "assignments")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "3 failed, 3 passed" in run.stdout
    assert "This part is not written yet." in run.stdout
    assert "at tiny.py, line 3, in double" in run.stdout
    assert "hint: Twice is two times." in run.stdout
    assert "hint: h' = tanh(W_ih x + b_ih + W_hh h + b_hh)" in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
    assert "autograder/" not in run.stdout + run.stderr


def test_one_check_alone_at_home(kit: Path) -> None:
    """`-k` and a file of a solved assignment run what was asked for; a part's other checks stand in nobody's way."""
    run = at_home(kit, "assignments/t1_done/test_public.py", "-k", "rnn_cell")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed, 2 deselected" in run.stdout


def test_settings_that_make_no_sense_are_told_in_a_sentence(kit: Path) -> None:
    """A student's own broken check file is explained with its line; it is no crash of pytest."""
    with (kit / "assignments" / "t1_done" / "test_public.py").open("a", encoding="utf-8") as file:
        file.write("\n\ndef test_of_my_own(student):\n    assert student.double(1) == 2\n")
    run = at_home(kit, "assignments/t1_done")
    assert run.returncode == 4, run.stdout + run.stderr
    assert "`test_of_my_own` has no `@points(...)`" in run.stdout + run.stderr
    assert "INTERNALERROR" not in run.stdout + run.stderr


ELSEWHERE = """
import sys

import pytest


@pytest.fixture
def student():
    return "mine"


def test_a(student):
    assert student == "mine"


def test_b():
    loaded = {name.partition(".")[0] for name in sys.modules}
    assert not loaded & {"torch", "numpy", "safetensors"}
    assert "autograder.plugin" in sys.modules
    assert "autograder.checks" not in sys.modules


@pytest.mark.parametrize("student", ["one", "two"])
def test_c(student):
    assert student in {"one", "two"}
"""


def test_other_projects_are_left_alone(tmp_path: Path) -> None:
    """In a run without check files nothing of the kit but its entry point is there: no torch, no fixtures, no order."""
    (tmp_path / "test_public.py").write_text(ELSEWHERE, encoding="utf-8")
    (tmp_path / "test_other.py").write_text(ELSEWHERE, encoding="utf-8")
    run = at_home(tmp_path, "--strict-markers", "-v", "-p", "no:randomly")  # which imports numpy itself
    assert run.returncode == 0, run.stdout + run.stderr
    assert "8 passed" in run.stdout


def test_other_tests_beside_checks_are_left_alone(kit: Path) -> None:
    """A student's own test file in the same run keeps its own fixtures and comes to its end."""
    (kit / "test_mine.py").write_text("def test_mine(tmp_path):\n    assert tmp_path.exists()\n", encoding="utf-8")
    run = at_home(kit, "assignments/t1_done", "test_mine.py", "-v")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "4 passed" in run.stdout
    assert json.dumps("test_mine")[1:-1] in run.stdout
