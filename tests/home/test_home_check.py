"""`check` on what students write: right, wrong, half done, and in every kind of trouble."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autograder.checks.judge import KeptFiles
from autograder.course import load_assignment
from autograder.course.language import language_at
from autograder.errors import ConfigurationError, UsageError
from autograder.home import worker
from autograder.home.check import check
from autograder.home.page import Page
from autograder.home.report import Report, subject
from autograder.home.run import Hands, Interrupted
from autograder.records import Outcome
from autograder.wording import wording_in

Checked = Callable[..., Report]
Edited = Callable[..., str]
DOUBLE = "    return 2 * x"
CELL = "    return torch.tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)"


def outcomes(report: Report) -> dict[str, str]:
    """Check id without `test_` -> outcome."""
    return {line.id.removeprefix("test_"): line.result.outcome.value for line in report.lines}


def test_right_work_passes_and_is_to_be_handed_in(checked: Checked, edited: Edited) -> None:
    """All points, no problem, ready for a GPU, and the next step is `submit`."""
    report = checked(edited())
    assert report.passed
    assert (report.earned, report.points) == (35, 35)
    assert not report.untouched
    assert not report.gaps
    assert report.gpu is not None
    assert not report.gpu.findings
    assert "autograder submit t1_tiny" in report.next_step


def test_a_stub_is_not_wrong_but_to_be_written(checked: Checked) -> None:
    """Nothing failed: every check is to be written or waits, and the next step is the first gap with its section."""
    report = checked()
    assert report.untouched
    assert not report.passed
    assert [line.unwritten for line in report.lines] == [True, True, True]
    assert [gap.name for gap in report.gaps] == ["double", "rnn_cell", "run", "fit"]
    assert report.next_step.startswith("Write `double` (tiny.py, line ")
    assert "handout.md" in report.next_step


def test_a_mistake_comes_with_its_hint_and_what_builds_on_it_goes_on(checked: Checked, edited: Edited) -> None:
    """The cell is wrong: its check fails with a hint, `run` passes with a right cell in its place."""
    report = checked(edited((CELL, CELL.replace("torch.tanh", "torch.relu"))))
    assert outcomes(report) == {"double": "passed", "rnn_cell": "failed", "run_one_step": "passed"}
    failed, follows = report.lines[1].result, report.lines[2].result
    assert failed.finding is not None
    assert failed.finding.hint.startswith("h' = tanh")
    assert follows.stand_ins == ("rnn_cell",)
    assert report.next_step.startswith("Mend `rnn_cell`")
    assert "-k rnn_cell" in report.next_step


def test_what_waits_for_an_unwritten_part_did_not_fail(
    checked: Checked, desk: Any, hands: Hands, edited: Edited
) -> None:
    """A check that needs an unwritten one waits for it by name."""
    folder = desk(edited((DOUBLE, "    raise NotImplementedError(\"write double: see handout.md, '1. Doubling'\")")))
    public = folder / "test_public.py"
    public.write_text(
        public.read_text(encoding="utf-8").replace('@needs("rnn_cell")', '@needs("test_double")'), "utf-8"
    )
    report = check(folder, (), hands, lambda _: None)
    assert report.lines[2].waits_for == "double"
    assert report.next_step.startswith("Write `double`")


@pytest.mark.parametrize(
    ("body", "outcome", "words"),
    [
        ("    while True:\n        x = x + 0", Outcome.TIMED_OUT, "1 seconds of CPU time"),
        ("    import ctypes\n    ctypes.string_at(0)", Outcome.CRASHED, "crashed Python"),
        ("    import os\n    os._exit(0)", Outcome.CRASHED, "ended Python with exit code 0"),
    ],
    ids=["endless", "crash", "exit"],
)
def test_a_lost_process_costs_one_check(
    checked: Checked, edited: Edited, body: str, outcome: Outcome, words: str
) -> None:
    """An endless loop, a crash or an exit settles its own check, with its line, and the others run all the same."""
    report = checked(edited((DOUBLE, body)))
    result = report.lines[0].result
    assert result.outcome is outcome
    assert result.finding is not None
    assert words in result.finding.message
    if outcome is not Outcome.CRASHED or "crashed" in words:
        assert result.finding.where.startswith("tiny.py, line ")
        assert result.finding.where.endswith("in double")
    assert outcomes(report) | {"double": ""} == {"double": "", "rnn_cell": "passed", "run_one_step": "passed"}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys\nsys.exit(3)", "SystemExit"),
        ("import os\nos._exit(3)", "ended Python with exit code 3"),
        ("undefined_name", "undefined_name"),
        ("print('so far')\nraise ValueError('too bad')", "too bad"),
    ],
    ids=["exit", "hard exit", "name", "raise"],
)
def test_what_cannot_be_imported_says_where(checked: Checked, edited: Edited, code: str, words: str) -> None:
    """Whatever a file does while it is imported becomes one problem, and no check runs."""
    report = checked(f"{edited()}\n{code}\n")
    assert len(report.problems) == 1
    assert not report.lines
    assert "cannot be imported" in report.problems[0].message
    assert words in report.problems[0].message
    assert report.next_step.startswith("Mend tiny.py")
    if "print" in code:
        assert "so far" in report.problems[0].detail


def test_what_a_check_prints_is_shown_with_it(checked: Checked, edited: Edited) -> None:
    """Prints of Python and of C stand beside the check that made them, and reading finds nothing."""
    body = "    print('shape', x.shape)\n    import os\n    os.write(1, b'from C')\n    return x * len(input())"
    result = checked(edited((DOUBLE, body))).lines[0].result
    assert "shape torch.Size([1, 3])" in result.evidence.stdout
    assert "from C" in result.evidence.stdout
    assert result.finding is not None
    assert "EOFError" in result.finding.message


@pytest.mark.parametrize(
    ("content", "line", "words", "fatal"),
    [
        (b"def f(:\n", 1, "not valid Python", True),
        (b"x = 1\n\ny = '\xb0\xa1'\n", 3, "not UTF-8", True),
        (b"", 0, "empty", True),
        (b"x = 1\0\n", 0, "", True),
        (b"import pandas\n", 1, "`import pandas`", False),
        (b"def f():\n    from helper import g\n", 2, "helper.py is not handed in", False),
        (b"x = " + b"-" * 20_000 + b"1\n", 0, "", True),
    ],
    ids=["syntax", "encoding", "empty", "null", "import", "own module", "deep"],
)
def test_what_reading_shows_needs_no_process(
    desk: Callable[..., Path], content: bytes, line: int, words: str, fatal: bool
) -> None:
    """What is wrong with a file as a text is said without torch, with its line."""
    folder = desk()
    (folder / "tiny.py").write_bytes(content)
    (folder / "helper.py").write_text("def g(): ...\n", encoding="utf-8")
    report = check(folder, (), None, lambda _: None)  # type: ignore[arg-type] - no process may be needed
    assert len(report.problems) == 1
    problem = report.problems[0]
    assert words in problem.message
    assert problem.fatal is fatal
    assert line in {0, problem.line}


@pytest.mark.parametrize(
    "change", [lambda b: b.replace(b"\n", b"\r\n"), lambda b: b"\xef\xbb\xbf" + b], ids=["CRLF", "BOM"]
)
def test_a_file_from_windows_is_the_same_file(
    desk: Callable[..., Path], hands: Hands, edited: Edited, change: Callable[[bytes], bytes]
) -> None:
    """Line ends and byte order marks of Windows change nothing, nor do blanks and other letters in the path."""
    folder = desk(where="과제 é")
    assert check(folder, (), hands, lambda _: None).untouched
    (folder / "tiny.py").write_bytes((folder / "tiny.py").read_bytes().replace(b"\n", b"\r\n"))
    assert check(folder, ("double",), hands, lambda _: None).untouched
    (folder / "tiny.py").write_bytes(change(edited().encode()))
    assert check(folder, (), hands, lambda _: None).passed


def test_chosen_checks_bring_what_they_build_on(checked: Checked, edited: Edited) -> None:
    """`-k run` shows one check, and that the cell under it is wrong is still known."""
    report = checked(edited((CELL, CELL.replace("torch.tanh", "torch.relu"))), "RUN")
    assert outcomes(report) == {"run_one_step": "passed"}
    assert report.lines[0].result.stand_ins == ("rnn_cell",)
    assert report.chosen == ("RUN",)


def test_of_chosen_checks_the_next_step_is_theirs(checked: Checked) -> None:
    """In a stub the first gap of the file is another one."""
    assert checked(None, "cell").next_step.startswith("Write `rnn_cell` (tiny.py, line ")


def test_nothing_is_chosen_by_a_word_that_no_check_has(checked: Checked, edited: Edited) -> None:
    """A misspelt word is a usage error with the nearest name."""
    with pytest.raises(UsageError, match=r"dubble.*did you mean `double`"):
        checked(edited(), "dubble")


def test_an_edited_check_file_is_named(desk: Callable[..., Path]) -> None:
    """A check file that somebody has broken is an error with its line, not a verdict on the student."""
    folder = desk()
    (folder / "test_public.py").write_text("def test_x(:\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"test_public\.py:1"):
        check(folder, (), None, lambda _: None)  # type: ignore[arg-type] - no process may be needed


def test_a_run_that_nobody_wants_ends(desk: Callable[..., Path], hands: Hands, edited: Edited) -> None:
    """`stop` ends a run at once, and the next one is not troubled by it."""
    folder = desk(edited())
    with pytest.raises(Interrupted):
        check(folder, (), hands, lambda _: None, stop=lambda: True)
    assert check(folder, (), hands, lambda _: None).passed


def test_results_are_shown_before_a_gpu_is_rehearsed(desk: Callable[..., Path], hands: Hands, edited: Edited) -> None:
    """What is shown early is the whole report but for the GPU; where nothing can run, it is shown all the same."""
    folder, early = desk(edited()), list[Report]()
    report = check(folder, (), hands, lambda _: None, show=early.append)
    assert report.gpu is not None
    assert early == [replace(report, gpu=None)]
    (folder / "tiny.py").write_text("def f(:\n", encoding="utf-8")
    assert check(folder, (), hands, lambda _: None, show=early.append) == early[1]
    (folder / "tiny.py").write_text("raise ValueError\n", encoding="utf-8")
    assert check(folder, (), hands, lambda _: None, show=early.append) == early[2]
    assert [len(each.problems) for each in early] == [0, 1, 1]


def test_who_hands_in_waits_for_no_gpu(desk: Callable[..., Path], edited: Edited) -> None:
    """`submit` says nothing of a GPU, so the results are enough."""
    hands = Hands()
    try:
        report = check(desk(edited()), (), hands, lambda _: None, rehearse=False)
    finally:
        hands.close()
    assert (report.passed, report.gpu) == (True, None)


def test_a_save_ends_a_rehearsal_and_the_next_process_is_there(desk: Callable[..., Path], edited: Edited) -> None:
    """While the rehearsal goes on, the process that comes after it starts, and is the one that is asked next."""
    folder, saved = desk(edited()), list[Report]()
    hands = Hands(ahead=folder)
    try:

        def show(report: Report) -> None:
            hands.prepare()
            saved.append(report)

        with pytest.raises(Interrupted):
            check(folder, (), hands, lambda _: None, stop=lambda: bool(saved), show=show)
        next_one = hands.process
        assert (saved[0].passed, hands.used, hands.spare) == (True, False, None)
        assert check(folder, (), hands, lambda _: None).passed
        assert hands.process is next_one
    finally:
        hands.close()


def test_check_files_are_read_again_when_they_change(desk: Callable[..., Path]) -> None:
    """Those that a waiting process has read are used as long as nothing that they say or run is another."""
    folder, kept = desk(), KeptFiles()
    first = kept.of(load_assignment(folder, complete=False))
    (folder / "tiny.py").write_text("# saved\n", encoding="utf-8")
    assert kept.of(load_assignment(folder, complete=False)) is first
    for file, old, new in (
        ("test_public.py", "same(student.double(x), x + x)", "same(student.double(x), 2 * x)"),
        ("test_public.py", "Twice is two times.", "Two times."),
        ("assignment.yml", "title: ", "title: Not "),
    ):
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new), encoding="utf-8")
        again = kept.of(load_assignment(folder, complete=False))
        assert again is not first
        first = again


def test_an_import_that_takes_long_is_a_problem(
    local_bench: Any, tiny: Any, edited: Edited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes its time at every import is named, with where such code belongs."""
    busy = "\nimport time\nsince = time.process_time()\nwhile time.process_time() < since + 0.3:\n    pass\n"
    monkeypatch.setattr(worker, "SLOW_IMPORT_S", 0.25)
    bench, _ = local_bench(tiny, edited() + busy)
    problem = worker.import_problem(bench)
    assert problem is not None
    assert "seconds to import" in problem.message
    assert "__main__" in problem.message
    monkeypatch.setattr(worker, "SLOW_IMPORT_S", 30.0)
    assert worker.import_problem(bench) is None


def test_the_kit_finds_its_checks_by_itself(desk: Callable[..., Path]) -> None:
    """A released folder loads without the course around it."""
    assert [check.id for check in load_assignment(desk(), complete=False).checks] == [
        "test_double", "test_rnn_cell", "test_run_one_step",
    ]  # fmt: skip


def test_plots_that_are_not_installed_stop_nothing(checked: Checked, edited: Edited) -> None:
    """What `grade` makes inert and this machine lacks is inert here, too, also where a function imports it."""
    imports = "import wandb\nfrom bokeh.plotting import figure\nfigure().line([1], [2])"
    inside = DOUBLE.replace("    return", "    import bokeh.models\n    return")
    report = checked(f"{edited((DOUBLE, inside))}\n{imports}\n")
    assert report.passed, report
    assert "bokeh" not in sys.modules


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("`RNNCell.forward` holds its weights under torch's names.", "RNNCell.forward"),
        ("`rnn(x, h)` gives all states.", "rnn"),
        ("The gradient of `f` is right where `g`'s is.", "f"),
        ("It runs.", "rnn_module"),
    ],
)
def test_a_check_is_about_what_its_title_names(title: str, name: str) -> None:
    """The student wrote `RNNCell`, and no `rnn_cell_module`."""
    assert subject("test_rnn_module", title) == name


def test_a_command_is_not_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Words wrap at the terminal's width, a command to copy does not, and it holds plain blanks."""
    monkeypatch.setenv("COLUMNS", "60")
    command = "autograder check a2_lstm_gru -k lstm_cell_gradients"
    Page().rest(Report("a2", "LSTM", next_step=f"Mend `LSTMCell` (lstm_gru.py, line 120), then run `{command}`."))
    lines = capsys.readouterr().out.splitlines()
    assert any(f"`{command}`." in line for line in lines)
    assert max(map(len, lines)) <= 60


def test_the_terminal_in_korean(
    checked: Checked, edited: Edited, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words of our own, of results and of the assignment's author; names, numbers and commands stay."""
    monkeypatch.setenv("COLUMNS", "200")
    report = checked(edited((DOUBLE, "    return 3 * x"), (CELL, "    return x.nothing")))
    page = Page()
    page.wording = replace(wording_in("ko"), own={"`double` doubles.": "`double`은 두 배로 만듭니다."})
    page.results(report)
    page.rest(report)
    out = capsys.readouterr().out
    for words in (
        "실패",
        "`double`은 두 배로 만듭니다.",
        "힌트: ",
        "다음: `double`",
        "공개 항목: 35점 중",
        "실행하세요",
    ):
        assert words in out, out
    for words in ("failed", "hint", "Next", "Public checks", "wrong values", "Your code raised"):
        assert words not in out, out


def test_the_language_is_that_of_the_course_or_the_kit(tmp_path: Path) -> None:
    """course.yml says it, in a kit language.txt does; a broken course.yml or an unknown language is English."""
    inside = tmp_path / "assignments" / "t1"
    inside.mkdir(parents=True)
    assert language_at(inside) == "en"
    (tmp_path / "language.txt").write_text("ko\n", encoding="utf-8")
    assert language_at(inside) == "ko"
    (tmp_path / "language.txt").write_text("tlh\n", encoding="utf-8")
    assert language_at(inside) == "en"
    course = "title: A\ntimezone: Asia/Seoul\nlanguage: ko\nlate_policy: {}\nassignments: []\n"
    (tmp_path / "course.yml").write_text(course, encoding="utf-8")
    assert language_at(inside) == "ko"
    (tmp_path / "course.yml").write_text("titel: A\n", encoding="utf-8")
    assert language_at(inside) == "en"


def test_looking_ahead_runs_nothing_of_the_students(desk: Callable[..., Path], tmp_path: Path) -> None:
    """A process that gets ready reads the course's files alone; what is wrong with these is said by the run."""
    from autograder.checks.home import look_ahead

    folder = desk(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    look_ahead(folder, KeptFiles())
    (folder / "assignment.yml").write_text("title: [", encoding="utf-8")
    look_ahead(folder, KeptFiles())
    assert not (tmp_path / "ran").exists()
