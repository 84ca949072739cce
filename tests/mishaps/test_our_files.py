"""What is broken in our own files or on our disk: a clear sentence, the exit code of a fault of ours, nothing lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autograder.cli import main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox and tmpfs need Linux")

Grade = Callable[..., Result]
STUDENTS = ("ada", "bo")


@pytest.fixture
def course(tiny_course: Path, edited: Callable[..., str]) -> Path:
    """A course with two submissions of its only assignment."""
    (tiny_course / "class").mkdir()
    for name, two in zip(STUDENTS, ("2", "3"), strict=True):
        (tiny_course / "class" / f"{name}.py").write_text(edited(("2 * x", f"{two} * x")), encoding="utf-8")
    return tiny_course


@pytest.fixture
def started(course: Path, desk_for: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A desk that lends its sandboxes to `autograder grade`; its `asked` says what was measured."""
    from autograder import fleet

    desk = desk_for(course / "solutions" / "t1_tiny")
    monkeypatch.setattr(fleet, "pipeline_for", lambda settings: desk.pipeline(ledger=settings.ledger))
    monkeypatch.setenv("AUTOGRADER_SECRET", "a secret of the tests, thirty-two bytes and more")
    return desk


@pytest.fixture
def grade(course: Path, started: Any) -> Grade:
    """A function that grades the class: `grade("--out", folder)`."""
    command = ["grade", "t1_tiny", str(course / "class"), "--course", str(course), "--jobs", "1"]
    return lambda *more: CliRunner().invoke(main, [*command, "--sandbox", "best-effort", *map(str, more)])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[Path, str], None]]:
    """A function that puts a small disk at a folder, mounted with options, for as long as the test lasts."""
    mounted: list[Path] = []

    def mount(folder: Path, options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this user may not mount a small disk")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def scores(course: Path) -> dict[str, bool]:
    """Which students have a result."""
    return {name: (course / "results" / "t1_tiny" / f"{name}.json").exists() for name in STUDENTS}


def assert_told(said: Result, *words: str) -> None:
    """One sentence, no traceback, and the exit code of a fault of ours."""
    assert said.exit_code == 3, said.output
    for each in words:
        assert each in said.stderr
    assert "Traceback" not in said.output


def test_a_result_that_was_cut_off_hides_no_other(course: Path, grade: Grade, started: Any) -> None:
    """`status` shows the rest and names the file; grading again writes it without measuring anything."""
    assert grade().exit_code == 0
    broken = course / "results" / "t1_tiny" / "ada.json"
    broken.write_bytes(broken.read_bytes()[:500])
    said = CliRunner().invoke(main, ["status", "t1_tiny", "--course", str(course)])
    assert_told(said, "ada.json is not a grade", "grade the submission again")
    assert "1 graded in" in said.stdout
    measured = len(started.asked)
    assert grade().exit_code == 0
    assert len(started.asked) == measured
    assert CliRunner().invoke(main, ["status", "t1_tiny", "--course", str(course)]).exit_code == 0


def test_damaged_measurements_are_made_again(course: Path, grade: Grade) -> None:
    """Cut off, empty, or changed: moved aside with a warning, and the grades are the same."""
    before = grade("--json")
    ledger = course / ".autograder" / "ledger"
    for number, path in enumerate(sorted(ledger.rglob("measurements/*/*.json"))):
        path.write_bytes((b"", path.read_bytes()[:100], path.read_bytes().replace(b"passed", b"failed"))[number % 3])
    after = grade("--json")
    assert after.exit_code == 0
    assert [line for line in after.stdout.split('"') if line in STUDENTS] == list(STUDENTS)
    assert after.stdout.count('"score":100') == before.stdout.count('"score":100') == 1
    assert list(ledger.rglob("*.corrupt"))


def test_a_place_that_cannot_be_written_is_told_before_grading(course: Path, grade: Grade, started: Any) -> None:
    """A file where the results' folder is due costs no measurement."""
    (course / "taken").write_text("x")
    assert_told(grade("--out", course / "taken"), "taken cannot be written", "name another folder with --out")
    assert started.asked == []


def test_a_disk_that_is_read_only_is_told_before_grading(
    course: Path, grade: Grade, started: Any, small_disk: Callable[[Path, str], None]
) -> None:
    """So does a folder that nobody may write into."""
    small_disk(course / "results", "ro,size=64k")
    assert_told(grade(), "cannot be written (Read-only file system)")
    assert started.asked == []


def test_a_full_disk_loses_nothing(
    course: Path, grade: Grade, started: Any, small_disk: Callable[[Path, str], None]
) -> None:
    """Where results no longer fit, the run stops; with space, the same command goes on without measuring again."""
    small_disk(course / "results", "size=64k")
    (course / "results" / "filling").write_bytes(b"x" * 60_000)
    assert_told(grade(), "(No space left on device)", "free space or mend permissions, then run again")
    assert not list((course / "results").rglob(".*.tmp"))
    measured = len(started.asked)
    assert measured
    (course / "results" / "filling").unlink()
    assert grade().exit_code == 0
    assert scores(course) == {"ada": True, "bo": True}
    assert started.asked.count("test_fit") <= 2


def test_a_full_disk_under_the_ledger_loses_nothing(
    course: Path, grade: Grade, started: Any, small_disk: Callable[[Path, str], None]
) -> None:
    """The same for the measurements: what was kept is found again."""
    small_disk(course / ".autograder" / "ledger", "size=32k")
    (course / ".autograder" / "ledger" / "filling").write_bytes(b"x" * 16_000)
    assert_told(grade(), "(No space left on device)")
    (course / ".autograder" / "ledger" / "filling").unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(course / ".autograder" / "ledger")], check=True)
    assert grade().exit_code == 0
    assert scores(course) == {"ada": True, "bo": True}


@pytest.mark.parametrize(
    ("file", "before", "after", "words"),
    [
        ("solutions/t1_tiny/assignment.yml", "limits:", "limit:", "did you mean `limits`?"),
        ("solutions/t1_tiny/assignment.yml", "cpu_s: 1", "cpu_s: fast", "assignment.yml:"),
        ("solutions/t1_tiny/assignment.yml", "files: [tiny.py]", "files: [tiny.py", "assignment.yml:"),
    ],
)
def test_a_wrong_key_is_told_with_its_line(
    course: Path, grade: Grade, started: Any, file: str, before: str, after: str, words: str
) -> None:
    """A setting that cannot be meant is usage: exit code 2, the file, its line, and the nearest name."""
    path = course / file
    path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    said = grade()
    assert said.exit_code == 2
    assert words in said.stderr
    assert "Traceback" not in said.output
    assert started.asked == []
