"""From a submission to a grade: what is measured, what is not measured again, and that nothing handed in stops it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.checks.bench import Used
from autograder.errors import SandboxError
from autograder.ledger import Ledger, measurement_key
from autograder.pipeline import Job, Pipeline, Settings
from autograder.records import Assignment, Confinement, Grade, Outcome, Submission
from autograder.sandbox import transport
from autograder.secret import fingerprint
from autograder.workshop import Lending, Workshop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

Edited = Callable[..., str]
HandIn = Callable[..., Submission]
Write = Callable[..., Path]
SECRET = b"a secret of the tests, thirty-two bytes and more"
SAME_CELL = "same(student.rnn_cell(*args), torch.rnn_tanh_cell(*args))"
RIGHT_CELL = "return torch.tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)"


def outcomes(grade: Grade) -> dict[str, str]:
    """The outcome of every check."""
    return {result.id: str(result.outcome) for result in grade.results}


def stored(ledger: Path) -> int:
    """How many measurements a ledger holds."""
    return len(list(ledger.rglob("*.json")))


# --- grades ----------------------------------------------------------------------------------------------------------


def test_right_work_has_a_hundred_points(desk: Any, hand_in: HandIn) -> None:
    """A grade names the student, every check in order, and under what it was measured."""
    grade = desk.grade(hand_in())
    assert (grade.student, grade.assignment, grade.score, grade.out_of) == ("ada", "t1_tiny", 100, 100)
    assert list(outcomes(grade)) == ["test_double", "test_rnn_cell", "test_rnn_cell_repeats", "test_run", "test_fit"]
    assert (grade.needs_human, grade.notes) == ((), ())
    assert grade.submission_digest == hand_in().digest
    assert grade.run.layers == desk.sandboxes.layers
    assert grade.run.secret_sha256 == fingerprint(SECRET)
    assert SECRET not in repr(grade).encode()
    assert all(result.cpu_s < 60 for result in grade.results)


def test_a_mistake_costs_its_own_points_only(desk: Any, hand_in: HandIn, edited: Edited) -> None:
    """In the sandbox, too, what builds on a wrong cell runs with a stand-in, whatever is banned."""
    grade = desk.grade(hand_in(edited((RIGHT_CELL, RIGHT_CELL.replace("torch.tanh", "torch.sin")))))
    assert grade.score == 70
    assert outcomes(grade)["test_rnn_cell_repeats"] == "skipped"
    assert {result.id: result.stand_ins for result in grade.results}["test_run"] == ("rnn_cell",)


def test_a_banned_operator_is_refused(desk: Any, hand_in: HandIn, edited: Edited) -> None:
    """Torch's own cell behind the student's name has no points, and the call stands in evidence."""
    cheat = "return torch.rnn_tanh_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh)"
    results = {result.id: result for result in desk.grade(hand_in(edited((RIGHT_CELL, cheat)))).results}
    finding = results["test_rnn_cell"].finding
    assert finding is not None
    assert finding.kind == "banned"
    assert results["test_rnn_cell"].evidence.banned_calls
    assert results["test_run"].stand_ins == ("rnn_cell",)


def test_no_check_pays_for_another_ones_crash(desk: Any, hand_in: HandIn, edited: Edited) -> None:
    """What a crash or a limit does in one check is no other check's affair; its output is kept."""
    source = edited(
        ("return 2 * x", "print('before'); __import__('ctypes').string_at(0)"),
        ("    return h\n", "    while True:\n        pass\n"),
    )
    grade = desk.grade(hand_in(source))
    assert outcomes(grade) == {
        "test_double": "crashed",
        "test_rnn_cell": "passed",
        "test_rnn_cell_repeats": "passed",
        "test_run": "timed_out",
        "test_fit": "passed",
    }
    double = grade.results[0]
    assert double.finding is not None
    assert "SIGSEGV" in double.finding.message
    assert double.evidence.stdout == "before\nbefore\n"


# --- what is not measured again --------------------------------------------------------------------------------------


def test_a_second_run_measures_nothing(desk: Any, hand_in: HandIn) -> None:
    """With everything in the ledger no sandbox is started, and the grade is the same to the last digit."""
    first = desk.grade(hand_in())
    again = desk.pipeline(lend=False)
    assert again.grade(Job(hand_in(), SECRET)) == first
    assert again._workshop._zygotes == {}
    assert again._workshop._reference is None
    again.close()


def test_checks_that_are_left_out_are_skipped_and_not_kept(desk: Any, hand_in: HandIn) -> None:
    """A check that need not be tried counts as skipped this once; what the ledger holds of it counts all the same."""
    job = Job(hand_in(), SECRET, untried=frozenset({"test_fit"}))
    assert outcomes(desk.pipeline().grade(job))["test_fit"] == Outcome.SKIPPED
    assert stored(desk.ledger) == 4
    assert desk.grade(hand_in()).score == 100
    assert outcomes(desk.pipeline().grade(job))["test_fit"] == Outcome.PASSED


def test_the_same_work_of_another_student_is_not_measured_again(desk: Any, hand_in: HandIn) -> None:
    """A measurement depends on the files, not on the name."""
    desk.grade(hand_in())
    count = len(desk.asked)
    grade = desk.grade(hand_in(student="bo"))
    assert (grade.student, grade.score, len(desk.asked)) == ("bo", 100, count)


@pytest.mark.parametrize(
    "change",
    [
        {"submission": b"# mine\n"},
        {"secret": SECRET[::-1]},
        {"device": "cuda"},
        {"layers": ("seccomp",)},
        {"datasets_digest": "1" * 64},
        {"confinement": Confinement.REQUIRED},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_could_change_a_result_is_part_of_its_key(desk: Any, hand_in: HandIn, change: dict[str, Any]) -> None:
    """Another file, secret, device, sandbox or data set has other keys, for every check."""
    job, submission = Job(hand_in(), SECRET), change.pop("submission", b"")
    secret = change.pop("secret", SECRET)
    other = Job(hand_in(hand_in().files["tiny.py"] + submission), secret)
    before, after = keys(desk.pipeline(), job), keys(desk.pipeline(**change), other)
    assert set(before) == set(after)
    assert not set(before.values()) & set(after.values())


def keys(pipeline: Pipeline, job: Job) -> dict[str, str]:
    """The key of each check, without stand-ins, and that of the import."""
    kept = pipeline._kept(job)
    own = {check.id: kept.key(check, ()) for check in pipeline.assignment.checks}
    return {**own, "import": measurement_key(kept.common)}


@pytest.fixture
def course(write_tiny: Write, tmp_path: Path) -> Path:
    """The folder of an assignment that a test may change."""
    return write_tiny(tmp_path / "mine")


def measured_again(
    desk_for: Callable[[Path], Any], folder: Path, submission: Submission, change: Callable[[], None]
) -> set[str]:
    """The checks that are measured again after a change of the course."""
    desk_for(folder).grade(submission)
    change()
    desk = desk_for(folder)
    assert desk.grade(submission).score == 100
    return set(desk.asked)


def replaced(file: Path, before: str, after: str) -> None:
    """Replace a text in a file, once."""
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, before
    file.write_text(text.replace(before, after), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "before", "after", "again"),
    [
        ("test_public.py", "torch.rnn_tanh_cell(*args))", "torch.rnn_tanh_cell(*args))  # as torch", "test_rnn_cell"),
        ("test_hidden.py", "[draw(3, 4, 5),", "[draw(3, 6, 5),", "test_run"),
        ("test_hidden.py", "@trains(cpu_s=10)", "@trains(cpu_s=11)", "test_fit"),
    ],
    ids=["on which others build", "that builds on one", "with a limit of its own"],
)  # fmt: skip
def test_a_changed_check_measures_itself_and_no_other(
    desk_for: Callable[[Path], Any], course: Path, hand_in: HandIn, file: str, before: str, after: str, again: str
) -> None:
    """What needs it is found again where its verdict stays."""
    assert measured_again(desk_for, course, hand_in(), lambda: replaced(course / file, before, after)) == {again}


def test_a_changed_verdict_measures_what_builds_on_it(
    desk_for: Callable[[Path], Any], course: Path, hand_in: HandIn, edited: Edited
) -> None:
    """A part that passes now is no longer stood in for; when it fails again, all is known."""
    file, wrong = course / "test_public.py", hand_in(edited((RIGHT_CELL, RIGHT_CELL.replace("torch.tanh", ""))))
    before = outcomes(desk_for(course).grade(wrong))
    assert (before["test_rnn_cell"], before["test_rnn_cell_repeats"]) == (Outcome.FAILED, Outcome.SKIPPED)
    assert before["test_run"] == Outcome.PASSED
    replaced(file, "torch.rnn_tanh_cell(*args)", "student.rnn_cell(*args)")
    desk = desk_for(course)
    after = outcomes(desk.grade(wrong))
    assert set(desk.asked) == {"test_rnn_cell", "test_rnn_cell_repeats", "test_run"}
    assert (after["test_rnn_cell_repeats"], after["test_run"]) == (Outcome.PASSED, Outcome.FAILED)
    replaced(file, "same(student.rnn_cell(*args), student.rnn_cell(*args))", SAME_CELL)
    back = desk_for(course)
    assert (outcomes(back.grade(wrong)), back.asked) == (before, [])


UNMEASURED = {
    "the handout": ("handout.md", "# Something tiny", "# Something else"),
    "mistakes": ("mistakes.yml", None, "# Other words\n"),
    "a hint": ("test_public.py", '@hint("Twice is two times.")', '@hint(\n    "Two times, "\n    "that is."\n)'),
    "a hint that was none": ("test_hidden.py", "@points(5)\n", '@points(5)\n@hint("Twice the same?")\n'),
    "a title": ("test_public.py", '"""`double` doubles."""', '"""`double` makes\n\n    twice as much.\n    """'),
    "who sees it": ("test_public.py", "@points(25)\n", '@points(25)\n@visibility("after_due")\n'),
    "the late policy": ("../../course.yml", "{grace_minutes: 10}", "{penalty_percent_per_day: 7}"),
    "the due date": ("../../course.yml", "2027-03-22", "2028-03-22"),
}


@pytest.mark.parametrize("what", UNMEASURED)
def test_what_is_no_part_of_a_measurement_measures_nothing_again(
    desk_for: Callable[[Path], Any], course: Path, hand_in: HandIn, edited: Edited, what: str
) -> None:
    """Texts, mistakes, hints, titles and the term's policy; right and wrong work and what cannot be imported."""
    file, before, after = UNMEASURED[what]
    works = [hand_in(), hand_in(edited(("return 2 * x", "return 3 * x"))), hand_in("import nothing_here\n")]
    scores = [desk_for(course).grade(work).score for work in works]
    path = course / file
    replaced(path, path.read_text(encoding="utf-8") if before is None else before, after)
    desk = desk_for(course)
    assert [desk.grade(work).score for work in works] == scores
    assert desk.asked == []


def test_points_and_hints_are_those_of_today(
    desk_for: Callable[[Path], Any], course: Path, hand_in: HandIn, edited: Edited
) -> None:
    """A mark is worked out of what was measured: with other points and another hint nothing is measured again."""
    wrong = hand_in(edited(("return 2 * x", "return 3 * x")))
    assert desk_for(course).grade(wrong).score == 90
    replaced(course / "test_public.py", "@points(10)", "@points(15)")
    replaced(course / "test_public.py", "@points(25)", "@points(20)")
    replaced(course / "test_public.py", "Twice is two times.", "Count the fingers of both hands.")
    desk = desk_for(course)
    grade = desk.grade(wrong)
    assert (grade.score, grade.out_of, desk.asked) == (85, 100, [])
    double = next(result for result in grade.results if result.id == "test_double")
    assert (double.earned, double.points) == (0, 15)
    assert double.finding is not None
    assert double.finding.hint == "Count the fingers of both hands."
    assert desk.grade(hand_in()).score == 100


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("bans: [recurrent]", "bans: []"),
        ("importable: [torch, numpy]", "importable: [torch]"),
        ("cpu_s: 1,", "cpu_s: 2,"),
    ],
)
def test_changed_settings_have_other_keys(
    desk_for: Callable[[Path], Any], course: Path, before: str, after: str
) -> None:
    """Bans, limits and what may be imported decide about results."""
    job = Job(Submission("ada", "t1_tiny", {"tiny.py": b"x"}, digest="d"), SECRET)
    before_it = keys(desk_for(course).pipeline(), job)
    file = course / "assignment.yml"
    file.write_text(file.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    assert not set(before_it.values()) & set(keys(desk_for(course).pipeline(), job).values())


KILLED = """
import json, os, signal, sys
from pathlib import Path
from autograder.ledger import Ledger, measurement_key
from autograder.pipeline import Job, Pipeline, Settings
from autograder.records import Confinement, Submission
from autograder.intake import files_digest

folder, ledger, layers, missing, secret, text = json.loads(sys.stdin.read())
put, count = Ledger.put, []


def put_and_die(self, key, result):
    put(self, key, result)
    count.append(result.id)
    if len(count) == 2:
        os.kill(os.getpid(), signal.SIGKILL)


Ledger.put = put_and_die
settings = Settings(Path(folder), Confinement.BEST_EFFORT, tuple(layers), tuple(missing), Path(ledger), "0" * 64)
files = {"tiny.py": text.encode()}
Pipeline(settings).grade(Job(Submission("ada", "t1_tiny", files, digest=files_digest(files)), secret.encode()))
"""


def test_a_killed_run_goes_on_where_it_stopped(desk: Any, hand_in: HandIn, tmp_path: Path) -> None:
    """After a kill in the middle of a submission, what was measured is kept, and only the rest is measured."""
    text = hand_in().files["tiny.py"].decode()
    order = [str(desk.folder), str(desk.ledger), desk.sandboxes.layers, desk.sandboxes.missing, SECRET.decode(), text]
    run = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        input=json.dumps(order),
        text=True,
        capture_output=True,
        check=False,
    )
    assert run.returncode == -9, run.stderr
    assert stored(desk.ledger) == 2
    assert desk.grade(hand_in()).score == 100
    assert Counter(desk.asked) == Counter(["test_rnn_cell_repeats", "test_run", "test_fit"])
    assert stored(desk.ledger) == 5


def test_an_interrupt_keeps_what_was_measured(desk_for: Callable[[Path], Any], course: Path, hand_in: HandIn) -> None:
    """Ctrl-C while the judge works stops the run and is heard; the same command goes on from there."""
    solution = course / "tiny.py"
    text = solution.read_text(encoding="utf-8")
    solution.write_text(
        text.replace("    for t in range(x.shape[1]):", "    raise KeyboardInterrupt\n    for t in ():")
    )
    with pytest.raises(KeyboardInterrupt):
        desk_for(course).grade(hand_in())
    assert stored(desk_for(course).ledger) == 3


# --- what is handed in -----------------------------------------------------------------------------------------------

NOT_IMPORTABLE = {
    "a syntax error": ("x = 1\ndef f(:\n", "SyntaxError", "tiny.py, line 2"),
    "an exception": ("import torch\nx = torch.ones(2) @ torch.ones(3)\n", "RuntimeError", "tiny.py, line 2"),
    "a package that is not allowed": ("import pandas\n", "`import pandas`", "tiny.py, line 1"),
    "leaving": ("import sys\nsys.exit(0)\n", "SystemExit", "tiny.py, line 2"),
    "ending the process": ("import os\nos._exit(0)\n", "exit code 0", ""),
    "a crash": ("import ctypes\nctypes.string_at(0)\n", "SIGSEGV", ""),
    "an endless loop": ("while True:\n    pass\n", " s of CPU time", ""),
    "too much memory": ("x = bytearray(10**11)\n", "memory", ""),
    "a banned operator": ("import torch\ntorch.rnn_tanh_cell(*[torch.ones(1, 1)] * 6)\n", "is not allowed", "line 2"),
    "bytes to the judge": ("import os\nos.write(3, b'\\xff' * 64)\n", "larger than may cross", ""),
    "a frame to the judge": (
        "import os\nos.write(3, b'\\0\\0\\0\\x0c\\0\\0\\0\\0' + b'{\"error\": 1}')\n",
        "error",
        "",
    ),
    "a null byte": ("x = 1\0\n", "null", ""),
    "nested brackets": ("x = " + "(" * 5000 + ")" * 5000 + "\n", "", ""),
    "nested operators": ("x = " + "-" * 100_000 + "1\n", "", ""),
    "no file of the name": ("", "", ""),
}


@pytest.mark.parametrize(("source", "words", "where"), NOT_IMPORTABLE.values(), ids=NOT_IMPORTABLE.keys())
def test_what_cannot_be_imported_fails_every_check_alike(
    desk: Any, hand_in: HandIn, source: str, words: str, where: str
) -> None:
    """Each check has the same clear finding, no points, and the class goes on; it is nobody's fault but theirs."""
    submission = hand_in(source)
    if not source:
        submission = replace(submission, files={"other.py": b"x = 1\n"})
    grade = desk.grade(submission)
    assert grade.score == 0
    assert grade.needs_human == ()
    findings = {result.finding for result in grade.results}
    assert len(findings) == 1
    finding = findings.pop()
    assert finding is not None
    assert finding.kind == "loading"
    assert finding.message.startswith("tiny.py cannot be imported: ")
    assert words in finding.message
    assert where in finding.where
    assert len(set(desk.forks)) == 1


STRANGE = {
    "answers first": "import os\nos.write(3, bytes([0, 0, 0, 15, 0, 0, 0, 0]) + b'{\"loaded\":true}')\n",
    "closes everything": "import os\nos.closerange(0, 64)\n",
    "removes builtins": "import builtins\nfor name in list(vars(builtins)):\n    delattr(builtins, name)\n",
    "removes modules": "import sys\nsys.modules.clear()\n",
    "patches torch": "import torch\ntorch.Tensor.__add__ = None\ntorch.tensor = torch.save = print\n",
    "patches json": "import json\njson.dumps = json.loads = lambda *a, **k: 1 / 0\n",
    "traces": "import sys\nsys.settrace(lambda *a: 1 / 0)\n",
    "ends later": "import atexit, threading, os\nthreading.Timer(0.01, lambda: os._exit(3)).start()\n",
    "everything is everything": "def __getattr__(name):\n    return __getattr__\n",
    "paints": "raise ValueError('\\x1b[2J\\x00[bold]' + chr(0xd800))\n",
    "raises what cannot be raised": "class E(BaseException):\n    __str__ = __repr__ = None\n\n\nraise E\n",
    "raises a group": "raise ExceptionGroup('x', [ValueError(1)])\n",
    "interrupts": "raise KeyboardInterrupt\n",
    "its module is another": "import sys\nsys.modules[__name__] = 5\n",
}


@pytest.mark.parametrize("source", STRANGE.values(), ids=STRANGE.keys())
def test_no_submission_stops_the_grader(desk: Any, hand_in: HandIn, source: str) -> None:
    """Whatever a file does, there is a grade with a result for every check, and it can be graded again."""
    grade = desk.grade(hand_in(source))
    assert len(grade.results) == 5
    assert grade.score == 0
    assert Outcome.GRADER_ERROR not in {result.outcome for result in grade.results}
    assert desk.grade(hand_in()).score == 100


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40) | st.binary(max_size=40))
def test_no_text_stops_the_grader(desk: Any, hand_in: HandIn, text: str | bytes) -> None:
    """Any text is graded; the grader itself is never at fault."""
    content = text.encode(errors="replace") if isinstance(text, str) else text.decode("latin-1").encode()
    grade = desk.grade(hand_in(content))
    assert len(grade.results) == 5
    assert grade.needs_human == ()


def test_what_cannot_be_read_is_not_measured(desk: Any) -> None:
    """A submission with a problem has no points for that reason, waits for a human, and starts nothing."""
    pipeline = desk.pipeline(lend=False)
    grade = pipeline.grade(Job(Submission("ada", "t1_tiny", {}, problem="tiny.py is missing"), SECRET))
    assert (grade.score, grade.needs_human) == (0, ("not graded: tiny.py is missing",))
    assert {result.finding.message for result in grade.results if result.finding} == {"tiny.py is missing"}
    assert pipeline._workshop._zygotes == {}
    assert stored(desk.ledger) == 0


# --- our own faults --------------------------------------------------------------------------------------------------


def test_our_own_fault_is_not_kept(desk: Any, hand_in: HandIn) -> None:
    """Where the sandbox fails, every check is a grader error for a human; the next run measures again."""
    pipeline = desk.pipeline()

    def lost(*_: object) -> None:
        raise SandboxError("no sandbox today")

    pipeline._workshop.open = lost
    grade = pipeline.grade(Job(hand_in(), SECRET))
    assert set(outcomes(grade).values()) == {"grader_error"}
    assert len(grade.needs_human) == 5
    assert "provisional" in grade.notes[0]
    assert stored(desk.ledger) == 0
    assert desk.grade(hand_in()).score == 100


def test_a_check_that_does_not_report_is_our_fault(
    desk_for: Callable[[Path], Any], course: Path, hand_in: HandIn
) -> None:
    """A check file that breaks at import gives a grader error for its checks and leaves the others their points."""
    file = course / "test_hidden.py"
    file.write_text(
        file.read_text(encoding="utf-8").replace("from __future__ import annotations\n", "import no_such\n")
    )
    grade = desk_for(course).grade(hand_in())
    assert grade.score == 35
    assert grade.needs_human == ("test_rnn_cell_repeats", "test_run", "test_fit")


def test_a_lost_zygote_is_replaced(sandboxes: Any, tiny: Assignment, hand_in: HandIn) -> None:
    """When a zygote is lost to the machine between two children, the next child comes from a new one."""
    from autograder.checks.bench import Wish

    wish = Wish(tiny.checks[0], "float64", 1)
    with Workshop(tiny, sandboxes.layers) as workshop:
        workshop.open(hand_in(), wish).close()
        lost = workshop.zygote()
        lost._process.kill()
        lost._process.wait()
        opened = workshop.open(hand_in(), wish)
        assert torch.equal(opened.session.root.double(torch.ones(2)), torch.full((2,), 2.0))
        opened.close()
        assert workshop.zygote() is not lost
    assert lost._process.returncode is not None


def test_a_zygote_replaced_under_a_shared_worker_costs_nobody_a_point(
    desk: Any, hand_in: HandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another child's loss had it replaced, its workers went with it: the other checks start their own."""
    pipeline = desk.pipeline(lend=False)
    workshop, lost = pipeline._workshop, []
    used = Lending.used

    def once(lending: Lending) -> Used:
        if not lost:
            lost.append(workshop.zygote())
            workshop.close()
        return used(lending)

    monkeypatch.setattr(Lending, "used", once)
    try:
        grade = pipeline.grade(Job(hand_in(), SECRET))
    finally:
        pipeline.close()
    assert grade.score == 100
    assert lost


# --- waiting ---------------------------------------------------------------------------------------------------------


def test_a_child_that_only_waited_is_believed_when_it_was_alone(
    desk: Any, hand_in: HandIn, edited: Edited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its result nor what builds on it is kept, until it has waited alone; then the usual rules hold for it."""
    monkeypatch.setattr(transport, "LEAST_WALL_S", 1.0)
    monkeypatch.setattr(transport, "WALL_FACTOR", 1)
    submission = hand_in(edited((RIGHT_CELL, "__import__('threading').Event().wait()")))
    grade = desk.grade(submission)
    by_id = {result.id: result for result in grade.results}
    assert outcomes(grade)["test_rnn_cell"] == "timed_out"
    assert {id_ for id_, result in by_id.items() if result.waited} == {
        "test_rnn_cell",
        "test_rnn_cell_repeats",
        "test_run",
    }
    assert stored(desk.ledger) == 2
    alone = desk.pipeline().grade(Job(submission, SECRET, alone=True))
    assert outcomes(alone) == {
        "test_double": "passed",
        "test_rnn_cell": "timed_out",
        "test_rnn_cell_repeats": "skipped",
        "test_run": "passed",
        "test_fit": "passed",
    }
    assert not any(result.waited for result in alone.results)
    assert stored(desk.ledger) == 4  # what was not run was not measured


def test_a_file_that_waits_when_imported_is_believed_when_it_was_alone(
    desk: Any, hand_in: HandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for a submission that never comes to the end of its import."""
    monkeypatch.setattr(transport, "LEAST_WALL_S", 1.0)
    monkeypatch.setattr(transport, "WALL_FACTOR", 1)
    submission = hand_in("import threading\nthreading.Event().wait()\n")
    assert all(result.waited for result in desk.grade(submission).results)
    assert stored(desk.ledger) == 0
    alone = desk.pipeline().grade(Job(submission, SECRET, alone=True))
    assert {result.finding.kind for result in alone.results if result.finding} == {"loading"}
    assert stored(desk.ledger) == 1  # a failed import is one measurement


def test_settings_can_be_sent_to_other_processes(tiny_folder: Path, tmp_path: Path) -> None:
    """What a process needs to grade is a small frozen value; a job hides its secret when it is printed."""
    made = Settings(tiny_folder, Confinement.REQUIRED, (), (), tmp_path, "0" * 64)
    assert hash(made) == hash(replace(made))
    job = Job(Submission("ada", "t1_tiny", {}), SECRET)
    assert "secret" not in repr(job)
    assert isinstance(Pipeline(made).assignment, Assignment)
    assert Ledger(tmp_path).get("0" * 64) is None
