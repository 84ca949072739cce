"""The verbs as people type them: help, exit codes, JSON, and words for what went wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autograder import __version__, proving
from autograder.cli import main
from autograder.desk import Desk
from autograder.records import Confinement
from autograder.sandbox import cards, means

VERBS = ("release", "grade", "status", "report", "audit", "demo")
SECRET = "a secret of the tests, thirty-two bytes and more"
linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

Write = Callable[..., Path]
Type = Callable[..., Result]


@pytest.fixture
def typed(tiny_course: Path, monkeypatch: pytest.MonkeyPatch) -> Type:
    """A function that runs the command in the course's folder: `typed("grade", "t1_tiny", folder)`."""
    monkeypatch.chdir(tiny_course)
    monkeypatch.setenv("AUTOGRADER_SECRET", SECRET)
    return lambda *args: CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture
def submissions(tiny_course: Path, edited: Callable[..., str]) -> Path:
    """A class of three: right work, a mistake, a file that nobody can read."""
    folder = tiny_course / "handed_in"
    (folder / "ada").mkdir(parents=True)
    (folder / "ada" / "tiny.py").write_text(edited(), encoding="utf-8")
    (folder / "bo.py").write_text(edited(("return 2 * x", "return 3 * x")), encoding="utf-8")
    (folder / "eun.py").write_bytes(b"\xff\xfe")
    return folder


@pytest.fixture
def lent(desk_for: Any, tiny_course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grading in this process, with the session's sandboxes."""
    from autograder import fleet

    desk = desk_for(tiny_course / "solutions" / "t1_tiny")

    def pipeline(settings: Any) -> Any:
        return desk.pipeline(
            confinement=settings.confinement,
            layers=settings.layers,
            missing=settings.missing,
            ledger=settings.ledger,
            datasets_digest=settings.datasets_digest,
        )

    monkeypatch.setattr(fleet, "pipeline_for", pipeline)


# --- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(typed: Type, verb: str) -> None:
    """`--help` and `-h` say in a sentence what a verb does and list its options."""
    for option in ("--help", "-h"):
        said = typed(verb, option)
        assert said.exit_code == 0
        assert f"{verb} [OPTIONS]" in said.stdout
        assert "--course" in said.stdout


def test_the_command_lists_its_verbs_and_exit_codes(typed: Type) -> None:
    """`autograder --help` shows every verb and what exit codes mean; `--version` its version."""
    said = typed("--help")
    assert all(f"\n  {verb} " in said.stdout for verb in VERBS)
    assert "..." not in said.stdout.partition("Your own work")[2], "a verb's sentence ends in the middle"
    assert "0 fine, 1 checks failed, 2 usage, 3 a fault of the grader" in said.stdout
    assert __version__ in typed("--version").stdout


def test_help_needs_neither_torch_nor_a_course(tmp_path: Path) -> None:
    """Help is there without a course, and imports nothing heavy."""
    code = """
import sys
from autograder.cli import main
main(['grade', '--help'], standalone_mode=False)
print([name for name in ('torch', 'numpy', 'rich', 'pytest', 'pydantic') if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout.endswith("[]\n")


# --- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("grade", "t1_tinny", "."), "there is no assignment 't1_tinny'; did you mean t1_tiny?"),
        (("grade", "quite_another", "."), "there is no assignment 'quite_another'; there are t1_tiny"),
        (("audit", "t1_tin"), "did you mean t1_tiny?"),
        (("audit", "t1_tiny", "--only", "no_such_program"), "t1_tiny has no program called no_such_program"),
        (("grade", "t1_tiny", "no_such_folder"), "no_such_folder"),
        (("grade", "t1_tiny"), "SUBMISSIONS"),
        (("grade", "t1_tiny", ".", "--jobs", "0"), "--jobs"),
        (("grade", "t1_tiny", ".", "--quiet", "--json"), "leave out --json"),
        (("grade", "t1_tiny", ".", "--since", "soon"), "--since soon is no moment"),
        (("grade", "t1_tiny", ".", "--cluster", "tcp://10.0.0.1:8786"), "unencrypted"),
        (("grade", "t1_tiny", ".", "--cluster", "here"), "is no address"),
        (("grade", "t1_tiny", ".", "--cluster-ca", "ca.pem"), "go with --cluster"),
        (("grade", "t1_tiny", ".", "--cluster", "tls://a:1", "--jobs", "2"), "--jobs is for this machine"),
        (("grade", "t1_tiny", ".", "--sandbox", "none"), "--sandbox"),
        (("grade", "t1_tiny", ".", "--speed"), "--speed"),
        (("grdae",), "grdae"),
    ],
)
def test_wrong_usage_exits_with_two_and_says_why(typed: Type, args: tuple[str, ...], words: str) -> None:
    """What cannot be meant is told in a sentence, with the nearest name where there is one; no traceback."""
    said = typed(*args, *(["--sandbox", "best-effort"] if args[0] in {"grade", "audit"} and len(args) < 4 else []))
    assert said.exit_code == 2, said.stderr
    assert words in said.stderr
    assert "Traceback" not in said.stderr
    assert said.stdout == ""


def test_outside_a_course_it_is_said_where_to_go(typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a course.yml above, every verb says so; `--course` names one from anywhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for args in (("status", "t1_tiny"), ("audit",), ("release",), ("demo",)):
        said = typed(*args)
        assert said.exit_code == 2
        assert "no course.yml in" in said.stderr
    assert typed("status", "t1_tiny", "--course", tmp_path / "course").exit_code == 0


def test_a_missing_or_weak_secret_stops_grading(
    typed: Type, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the course secret nothing is graded, and it is said what makes one."""
    monkeypatch.delenv("AUTOGRADER_SECRET")
    said = typed("grade", "t1_tiny", submissions, "--sandbox", "best-effort")
    assert said.exit_code == 2
    assert "there is no course secret" in said.stderr
    monkeypatch.setenv("AUTOGRADER_SECRET", "short")
    said = typed("grade", "t1_tiny", submissions, "--sandbox", "best-effort")
    assert said.exit_code == 2
    assert "has 5 characters" in said.stderr


def test_a_folder_without_submissions_is_told(typed: Type, tiny_course: Path) -> None:
    """An empty folder, and a student who is not in it."""
    (tiny_course / "empty").mkdir()
    said = typed("grade", "t1_tiny", "empty", "--sandbox", "best-effort")
    assert (said.exit_code, "holds no submission; expected a folder" in said.stderr) == (2, True)
    (tiny_course / "empty" / "ada.py").write_text("x = 1\n", encoding="utf-8")
    said = typed("grade", "t1_tiny", "empty", "--only", "bo", "--sandbox", "best-effort")
    assert (said.exit_code, "holds no submission of `bo`" in said.stderr) == (2, True)


def test_a_broken_course_is_told_with_its_line(typed: Type, tiny_course: Path) -> None:
    """A YAML file or a check file that cannot be meant is named with its line."""
    file = tiny_course / "solutions" / "t1_tiny" / "test_public.py"
    file.write_text(file.read_text(encoding="utf-8").replace("@points(25)", "@points(24)"), encoding="utf-8")
    said = typed("audit", "t1_tiny", "--sandbox", "best-effort")
    assert said.exit_code == 2
    assert "test_public.py:1: the points of all checks add up to 99" in said.stderr


# --- our own faults --------------------------------------------------------------------------------------------------


def test_required_confinement_that_is_not_there_exits_with_three(
    typed: Type, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grading refuses by default where the machine cannot confine, names the piece and the way out."""
    monkeypatch.setattr(means, "survey", lambda: means.Means((), ("Landlock",), ()))
    for args in (("grade", "t1_tiny", submissions), ("audit", "t1_tiny")):
        said = typed(*args)
        assert said.exit_code == 3
        assert "missing Landlock" in said.stderr
        assert "--sandbox best-effort" in said.stderr


def test_a_device_that_is_not_there_exits_with_three(
    typed: Type, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is graded, so nobody has a zero for it; it is said what was looked for and what works instead."""
    nothing = {"torch": "2.14.1", "cuda": "13.0", "cards": [], "error": "RuntimeError: Found no NVIDIA driver"}
    monkeypatch.setattr(cards, "survey", lambda _: cards.usable(nothing, ""))
    for args in (("grade", "t1_tiny", submissions), ("audit", "t1_tiny"), ("regrade", "t1_tiny")):
        said = typed(*args, "--device", "cuda")
        assert said.exit_code == 3
        assert "finds no CUDA device on this machine: RuntimeError: Found no NVIDIA driver" in said.stderr
        assert "Without --device" in said.stderr


def test_one_process_grades_on_each_card(tiny_course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are asked for; results name the kind of card."""
    found = [cards.Card(token, "A card", 80_000, 79_000) for token in ("0", "GPU-1")]
    monkeypatch.setattr(cards, "survey", lambda _: tuple(found))
    desk = Desk.at(tiny_course, "t1_tiny", Confinement.BEST_EFFORT, 16, "cuda")
    assert desk.workers == 2
    assert cards.named(desk.settings(Path("ledger")).device, desk.cards) == "cuda (A card)"


def test_an_interrupt_says_that_nothing_is_lost(
    typed: Type, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends with one line and the exit code of an interrupt."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Desk, "grade", interrupted)
    said = typed("grade", "t1_tiny", submissions, "--sandbox", "best-effort")
    assert said.exit_code == 130
    assert "What was measured is kept; the same command goes on from here." in said.stderr
    assert "Traceback" not in said.stderr


def test_a_bug_of_ours_is_not_taken_for_failed_checks(
    typed: Type, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that nobody expected shows its traceback and exits with three, not with one."""

    def buggy(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Desk, "grade", buggy)
    said = typed("grade", "t1_tiny", submissions, "--sandbox", "best-effort")
    assert said.exit_code == 3
    assert "RuntimeError: a bug" in said.stderr
    assert "a fault of the kit" in said.stderr


# --- grading ---------------------------------------------------------------------------------------------------------


@linux
def test_a_class_is_graded_and_kept(
    typed: Type,
    submissions: Path,
    tiny_course: Path,
    lent: None,
    desk_for: Any,
) -> None:
    """`grade --json` prints every grade and writes one file a student; `status` and a second run need no measuring."""
    said = typed("grade", "t1_tiny", submissions, "--sandbox", "best-effort", "--jobs", "1", "--json")
    assert said.exit_code == 0, said.stderr
    grades = {each["student"]: each for each in json.loads(said.stdout)}
    assert {name: each["score"] for name, each in grades.items()} == {"ada": 100, "bo": 90, "eun": 0}
    assert grades["eun"]["needs_human"][0].startswith("not graded: ")
    assert {each["run"]["confinement"] for each in grades.values()} == {"best-effort"}
    assert SECRET not in said.stdout
    folder = tiny_course / "results" / "t1_tiny"
    assert sorted(path.name for path in folder.glob("*.json")) == ["ada.json", "bo.json", "eun.json"]
    assert sorted(path.name for path in (folder / "handed_in").iterdir()) == ["ada.json", "bo.json"]
    status = typed("status", "t1_tiny", "--json")
    assert {each["student"]: each["score"] for each in json.loads(status.stdout)} == {"ada": 100, "bo": 90, "eun": 0}
    assert "from 90 to 100, median 95" in typed("status", "t1_tiny").stdout
    again = typed(
        "grade", "t1_tiny", submissions, "--sandbox", "best-effort", "--jobs", "1", "--only", "bo", "--out", "elsewhere"
    )
    assert again.exit_code == 0
    assert "90/100" in again.stdout
    assert [path.name for path in (tiny_course / "elsewhere").glob("*.json")] == ["bo.json"]


@linux
def test_a_night_run_is_a_line_of_json_for_each(typed: Type, submissions: Path, tiny_course: Path, lent: None) -> None:
    """`--quiet` says nothing else on stdout; with `--since` only what is new is graded, and nobody is no error."""
    words = ("grade", "t1_tiny", submissions, "--sandbox", "best-effort", "--jobs", "1", "--quiet")
    said = typed(*words, "--since", "1d")
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert {line["student"]: line["score"] for line in lines} == {"ada": 100, "bo": 90, "eun": None}
    later = typed(*words, "--since", "2099-01-01")
    assert (later.exit_code, later.stdout) == (0, "")
    assert "since 2099-01-01 00:00 +0900: 0 of 3" in later.stderr
    (submissions / "bo.py").write_text((submissions / "ada" / "tiny.py").read_text() + "# mended\n")
    (changed,) = typed(*words, "--since", "2099-01-01").stdout.splitlines()
    assert (json.loads(changed)["student"], json.loads(changed)["score"]) == ("bo", 100)


@linux
def test_a_fault_of_the_grader_is_the_exit_code(
    typed: Type,
    submissions: Path,
    tiny_course: Path,
    lent: None,
) -> None:
    """Where a check of the course's is broken, the class is graded, and the command ends with three."""
    file = tiny_course / "solutions" / "t1_tiny" / "test_public.py"
    text = file.read_text(encoding="utf-8").replace(
        "same(student.double(x), x + x)", "same(student.double(x), x / 0 * x)"
    )
    file.write_text(text.replace("    x = draw(size, 3)", "    x = draw(size, 3)\n    1 / 0"), encoding="utf-8")
    said = typed("grade", "t1_tiny", submissions, "--sandbox", "best-effort", "--jobs", "1", "--only", "ada")
    assert said.exit_code == 3
    assert "a human must look at ada: test_double" in said.stdout
    assert "90/100" in said.stdout


# --- pages -----------------------------------------------------------------------------------------------------------


def test_pages_are_written_for_each_audience(typed: Type, results: Any) -> None:
    """`report` says where pages are and what is kept from students; `--json` lists them; a typo is told."""
    results.add("ada")
    results.add("bo")
    said = typed("report", "t1_tiny", "--for", "student")
    assert said.exit_code == 0, said.stderr
    assert said.stdout == "written: 2 pages in results/t1_tiny/pages/student\n".replace(
        "results/", f"{results.root}/results/"
    )
    assert "checks worth 65 points are not on students' pages" in " ".join(said.stderr.split())
    said = typed("report", "t1_tiny", "--for", "ta", "--student", "bo", "--out", "elsewhere", "--json")
    assert json.loads(said.stdout) == {"pages": ["elsewhere/ta/bo.html"], "problems": [], "remarks": []}
    said = typed("report", "t1_tiny", "--for", "class", "--results", results.folder)
    assert said.stdout.endswith("pages/class.html\n")
    assert typed("report", "t1_tiny").exit_code == 2
    said = typed("report", "t1_tinny", "--for", "class")
    assert (said.exit_code, "did you mean t1_tiny?" in said.stderr) == (2, True)
    said = typed("report", "t1_tiny", "--for", "student", "--student", "eun")
    assert (said.exit_code, "holds no result of eun" in said.stderr) == (2, True)


def test_pages_before_the_due_date_warn_who_can_read_them(typed: Type, results: Any) -> None:
    """Published hidden checks help whoever still hands in; a broken result is told and ends with three."""
    course = results.root / "course.yml"
    course.write_text(course.read_text(encoding="utf-8").replace("2027-", "9000-"), encoding="utf-8")
    results.add("ada")
    (results.folder / "bo.json").write_text("{", encoding="utf-8")
    said = typed("report", "t1_tiny", "--for", "student", "--published")
    assert said.exit_code == 3
    words = " ".join(said.stderr.split())
    assert "who still hands in can read what hidden checks say" in words
    assert "no page:" in words


@linux
def test_grading_again_measures_again(
    typed: Type, submissions: Path, lent: None, tiny_course: Path, desk_for: Any
) -> None:
    """`--again` reproduces a result without the ledger, and leaves the ledger as it was."""
    words = ("grade", "t1_tiny", submissions, "--sandbox", "best-effort", "--jobs", "1", "--only", "bo", "--json")
    first, again = (json.loads(typed(*words, *more).stdout)[0] for more in ((), ("--again",)))
    assert {r["id"]: r["outcome"] for r in first["results"]} == {r["id"]: r["outcome"] for r in again["results"]}
    assert [r["wall_s"] for r in first["results"]] != [r["wall_s"] for r in again["results"]]
    assert json.loads(typed(*words).stdout)[0]["results"] == first["results"]


# --- audit and release -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("holds", "code"), [(True, 0), (False, 1)])
def test_an_audit_that_does_not_hold_exits_with_one(
    typed: Type, monkeypatch: pytest.MonkeyPatch, holds: bool, code: int
) -> None:
    """Every assignment is audited, by default all of them; one fault in any is the exit code."""
    seen: list[tuple[str, int, bool]] = []

    def prove(desk: Desk, rounds: int, only: tuple[str, ...], screen: object, *, write: bool) -> bool:
        seen.append((desk.assignment.id, rounds, write))
        assert only == ()
        assert screen is not None
        return holds

    monkeypatch.setattr(proving, "prove", prove)
    assert typed("audit", "--sandbox", "best-effort").exit_code == code
    assert typed("audit", "t1_tiny", "t1_tiny", "--rounds", "3", "--sandbox", "best-effort").exit_code == code
    assert typed("audit", "--prove", "--sandbox", "best-effort").exit_code == code
    assert seen == [("t1_tiny", 1, False), ("t1_tiny", 3, False), ("t1_tiny", 3, False), ("t1_tiny", 5, True)]


@linux
def test_an_audit_of_some_programs_prints_json(
    typed: Type,
    lent: None,
) -> None:
    """`--only` picks programs by id or kind; the faults stand in the JSON; no secret of the course is needed."""
    said = typed(
        "audit",
        "t1_tiny",
        "--only",
        "solution",
        "--only",
        "mistake",
        "--json",
        "--jobs",
        "1",
        "--sandbox",
        "best-effort",
    )
    assert said.exit_code == 0, said.stdout + said.stderr
    rows = json.loads(said.stdout)
    assert sorted(row["id"] for row in rows) == [
        "solution",
        "tiny.no_clearing",
        "tiny.no_tanh",
        "tiny.stuck",
        "tiny.triples",
    ]
    assert {row["fault"] for row in rows} == {""}


def test_release_builds_and_makes_the_secret(typed: Type, tiny_course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`release --json` names what it built; the first one makes the course's secret."""
    monkeypatch.delenv("AUTOGRADER_SECRET")
    said = typed("release", "--json")
    assert said.exit_code == 0, said.stderr
    (built,) = json.loads(said.stdout)
    assert built["id"] == "t1_tiny"
    assert {"tiny.py", "test_public.py", "handout.md"} <= set(built["files"])
    assert (tiny_course / "assignments" / "t1_tiny" / "tiny.py").exists()
    assert len((tiny_course / ".autograder" / "secret").read_bytes()) == 32
    assert "t1_tiny: " in typed("release").stdout


def test_the_desk_knows_its_machine(tiny_course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A desk has the layers that the machine offers, and as many workers as asked for, or as there are cores."""
    monkeypatch.setattr(means, "survey", lambda: means.Means(("seccomp",), ("Landlock",), ()))
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    desk = Desk.at(tiny_course / "solutions", "t1_tiny", Confinement.BEST_EFFORT, None)
    assert (desk.root, desk.layers, desk.missing, desk.workers) == (tiny_course, ("seccomp",), ("Landlock",), 6)
    assert Desk.at(tiny_course, "t1_tiny", Confinement.BEST_EFFORT, 2).workers == 2
