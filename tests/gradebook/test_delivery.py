"""Feedback on its way to students: each file goes to whom it is about, by the LMS' own rules, and to nobody else."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from autograder.export.addresses import addressed, canvas_in_folder, moodle_in_folder
from autograder.records import Finding, Outcome, Person

Type = Callable[..., Result]

FAILED = {"outcome": Outcome.FAILED, "finding": Finding("values", "wrong values in 1 of 2 places")}
WORKSHEET = (
    "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Feedback comments\r\n"
    "Participant 9001,Ada_King,ada@uni.example,Submitted,,100.00,\r\n"
    'Participant 9002,"김민수 ../../x",kim@uni.example,Submitted,,100.00,\r\n'
    "Participant 9009,Zoe Nobody,zoe@uni.example,No submission,,100.00,\r\n"
)
ROSTER = (
    "student,name,email,canvas_id,moodle_id\nada,Ada King,ada@uni.example,4001,9001\nkim,김민수,kim@uni.example,4002,\n"
)


@pytest.fixture
def graded(results: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two students with results and a roster, in the folder of the course."""
    results.add("ada", test_run=FAILED)
    results.add("kim")
    (results.root / "roster.csv").write_text(ROSTER, encoding="utf-8")
    monkeypatch.chdir(results.root)
    return results


def moodle_takes(entry: str, participants: set[int]) -> tuple[int, str] | None:
    """Participant and file name that Moodle's importer finds in the path of an entry; None: it leaves the file out."""
    pieces = entry.split("/")
    if pieces[-1].startswith((".", "~")):
        return None
    while pieces:
        info = pieces.pop(0).split("_", 4)
        if len(info) < 4 or not info[1].isdecimal() or int(info[1]) not in participants:
            continue
        if (info[2], info[3]) not in {("assignsubmission", "file"), ("assignfeedback", "file")}:
            continue
        return int(info[1]), "/".join([*info[4:], *pieces]).strip("/")
    return None


def canvas_takes(entry: str) -> tuple[str, str]:
    """User and attachment that Canvas finds in the name of an entry: its first two pieces of digits."""
    user, attachment, *_ = [piece for piece in entry.split("_") if piece.isdecimal()]
    return user, attachment


def test_moodle_finds_everyone_in_the_zip(graded: Any, typed: Type) -> None:
    """Each page in a folder that Moodle's own importer reads, whatever stands in a name; who has none is listed."""
    (graded.root / "sheet.csv").write_text(WORKSHEET, encoding="utf-8")
    said = typed("deliver", "moodle", "t1_tiny", "--into", "sheet.csv", "--published")
    assert said.exit_code == 0, said.output
    assert "Upload multiple feedback files" in said.output
    assert "Zoe Nobody stands in the LMS and has no feedback here" in said.output
    with zipfile.ZipFile(graded.folder / "feedback" / "t1_tiny-moodle.zip") as made:
        found = {moodle_takes(name, {9001, 9002, 9009}): made.read(name).decode() for name in made.namelist()}
        assert not any(name.startswith("/") or ".." in name for name in made.namelist())
    assert set(found) == {(9001, "t1_tiny.html"), (9002, "t1_tiny.html")}
    assert "<bdi>ada</bdi>" in found[9001, "t1_tiny.html"]
    assert "<bdi>kim</bdi>" in found[9002, "t1_tiny.html"]


def test_moodles_own_download_says_it_as_well(graded: Any, typed: Type) -> None:
    """The names of an unpacked download of submissions are enough; an id in the roster settles whose they are."""
    for name in ("Ada King_9001_assignsubmission_file_", "김민수_9002_assignsubmission_onlinetext_", "notes.txt"):
        (graded.root / "download" / name).mkdir(parents=True)
    said = typed("deliver", "moodle", "t1_tiny", "--into", "download", "--json")
    made = json.loads(said.stdout)
    assert made["count"] == 2, said.output
    with zipfile.ZipFile(made["path"]) as archive:
        assert {moodle_takes(name, {9001, 9002}) for name in archive.namelist()} == {
            (9001, "t1_tiny.html"),
            (9002, "t1_tiny.html"),
        }


def test_canvas_finds_everyone_by_its_two_numbers(graded: Any, typed: Type) -> None:
    """The texts carry the numbers of the hand-in's own file, once a student."""
    (graded.root / "download").mkdir()
    for name in ("kingada_LATE_4001_77001_rnn.py", "kingada_LATE_4001_77002_b.py", "gimminsu_4002_77003_rnn-1.py"):
        (graded.root / "download" / name).touch()
    said = typed("deliver", "canvas", "t1_tiny", "--into", "download")
    assert said.exit_code == 0, said.output
    with zipfile.ZipFile(graded.folder / "feedback" / "t1_tiny-canvas.zip") as made:
        found = {canvas_takes(name): made.read(name).decode() for name in made.namelist()}
    assert set(found) == {("4001", "77001"), ("4002", "77003")}
    assert ": ada" in found["4001", "77001"]


def test_canvas_takes_comments_by_the_id_of_its_gradebook(graded: Any, typed: Type) -> None:
    """The body of `update_grades` has the text of each student and no grade."""
    book = 'Student,ID,SIS User ID,Section,t1_tiny (9)\n"    Points Possible",,,,100\n"King, Ada",4001,,A,\n'
    (graded.root / "book.csv").write_text(book, encoding="utf-8")
    said = typed("deliver", "canvas", "t1_tiny", "--into", "book.csv")
    assert said.exit_code == 0, said.output
    assert "kim has feedback and does not stand in what the LMS exported" in said.output
    (student,) = json.loads((graded.folder / "feedback" / "t1_tiny-canvas.json").read_text())["grade_data"].items()
    assert student[0] == "4001"
    assert list(student[1]) == ["text_comment"]
    assert ": ada" in student[1]["text_comment"]


def test_one_folder_a_student(graded: Any, typed: Type) -> None:
    """The page and the same as text, and nothing of anybody else; what hidden checks say waits for --published."""
    said = typed("deliver", "folders", "t1_tiny", "--out", "out")
    assert said.exit_code == 0, said.output
    assert sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.*")) == [
        "ada/feedback.html", "ada/feedback.txt", "kim/feedback.html", "kim/feedback.txt",
    ]  # fmt: skip
    assert "`run`" not in Path("out/ada/feedback.txt").read_text(encoding="utf-8")
    typed("deliver", "folders", "t1_tiny", "--out", "out", "--published", "--lang", "ko")
    text = Path("out/ada/feedback.txt").read_text(encoding="utf-8")
    assert "고칠 것" in text
    assert "kim" not in text


def test_what_serves_nobody_is_refused(graded: Any, typed: Type) -> None:
    """A file of another program, a class of others, and a missing one: each is said with what is wanted."""
    (graded.root / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (graded.root / "strangers.csv").write_text("Identifier,Full name\nParticipant 1,Zoe\n", encoding="utf-8")
    assert "no grading worksheet" in typed("deliver", "moodle", "t1_tiny", "--into", "other.csv").output
    assert "no gradebook" in typed("deliver", "canvas", "t1_tiny", "--into", "other.csv").output
    assert "names nobody" in typed("deliver", "moodle", "t1_tiny", "--into", "strangers.csv").output
    assert "needs --into" in typed("deliver", "moodle", "t1_tiny").output
    assert not (graded.folder / "feedback").exists()


def test_without_a_roster_names_are_those_of_the_hand_in() -> None:
    """What was graded under the LMS' own name is found under it again."""
    found = addressed(moodle_in_folder(["Ada King_9001_assignsubmission_file_"]), ["Ada King 9001"], ())
    assert found.places == {"Ada King 9001": "Ada King_9001_assignsubmission_file_"}
    found = addressed(canvas_in_folder(["kingada_4001_7_rnn.py"]), ["kingada 4001"], ())
    assert found.places == {"kingada 4001": "kingada_4001_7"}


def test_two_of_one_name_are_not_mixed_up() -> None:
    """Whom a name alone does not settle gets nothing, and it is said."""
    roster = (Person("kim1", "Kim Min"), Person("kim2", "Kim Min"))
    found = addressed(moodle_in_folder(["Kim Min_9001_assignsubmission_file_"]), ["kim1", "kim2"], roster)
    assert found.places == {}
    assert len(found.remarks) == 3
