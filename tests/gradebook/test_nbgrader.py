"""One folder for two programs: nbgrader's own commands on the course that `release --nbgrader` makes."""

from __future__ import annotations

import csv
import json
import logging
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import Result

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux"),
    # nbgrader's own, about how it makes its rows, opens its files, and asks the clock
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Passing unrecognized arguments"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Type = Callable[..., Result]
EVIL = "<img src=x onerror=alert(1)>"
STAMP = "2027-03-22 14:00:00.123456 UTC"


@pytest.fixture(scope="module")
def version() -> str:
    """What `alembic` says of the database; asked once, for it takes seconds."""
    from nbgrader.api import get_alembic_version

    from autograder.nbcourse.places import find_programs

    find_programs()
    return str(get_alembic_version())


@pytest.fixture(autouse=True)
def _asked_once(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbgrader.api.get_alembic_version", lambda: version)


@pytest.fixture
def nbgrader(tiny_course: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A function that runs a command of nbgrader in the course's folder, in this process."""
    from jupyter_core.application import NoStart
    from nbgrader.apps.nbgraderapp import NbGraderApp

    monkeypatch.chdir(tiny_course)
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "HOME"):
        monkeypatch.setenv(name, str(tiny_course.parent / "home"))
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level

    def run(*args: str) -> None:
        app = NbGraderApp.instance()
        try:
            app.initialize([str(arg) for arg in args])
            app.start()
        except NoStart:
            pass
        except SystemExit as ended:
            if ended.code:
                pytest.fail(f"nbgrader {' '.join(args)} ended with {ended.code}")
        finally:
            sub = app.subapp
            if sub is not None:
                type(sub).clear_instance()
            NbGraderApp.clear_instance()

    yield run
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


@pytest.fixture
def prepared(typed: Type, nbgrader: Callable[..., None], tiny_course: Path) -> Path:
    """The course with its notebooks released, and what only the tests need in its configuration."""
    assert typed("release", "--nbgrader").exit_code == 0
    config = tiny_course / "nbgrader_config.py"
    best_effort = 'c.Engine.sandbox = "best-effort"\nc.Engine.jobs = 1\n'
    exchange = tiny_course.parent / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    config.write_text(f"{config.read_text()}{best_effort}c.Exchange.root = {str(exchange)!r}\n")
    nbgrader("generate_assignment", "t1_tiny")
    return tiny_course


def hand_in(course: Path, student: str, source: str, answer: str = "") -> Path:
    """Put a hand-in where nbgrader collects it, with an `answer` under the task and a cell that must not run."""
    folder = course / "submitted" / student / "t1_tiny"
    folder.mkdir(parents=True)
    (folder / "tiny.py").write_text(source)
    (folder / "timestamp.txt").write_text(STAMP)
    (folder / "submission_secret.txt").write_text(f"secret of {student}")
    (folder / "page.html").write_text("<script>alert(1)</script>")
    notebook = nbformat.read(course / "release/t1_tiny/t1_tiny.ipynb", as_version=4)
    notebook.cells[-1].source = answer
    ran = course.parent / "ran"
    notebook.cells.insert(1, nbformat.v4.new_code_cell(f"open({str(ran)!r}, 'w')"))
    nbformat.write(notebook, folder / "t1_tiny.ipynb")
    return folder


def test_what_students_get_and_hand_in(prepared: Path, nbgrader: Any, edited: Callable[..., str], tiny: Any) -> None:
    """A cell for each check and one for people; nothing of hidden checks or solutions; `zip_collect` takes it back."""
    from autograder.intake import read_submissions

    text = (prepared / "release/t1_tiny/t1_tiny.ipynb").read_text()
    notebook = nbformat.reads(text, as_version=4)
    cells = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert sum(cell.points for cell in cells) == 100
    assert all(cell.solution and cell.grade for cell in cells if not cell.task)
    assert [cell.grade_id for cell in cells if cell.task] == ["written"]
    assert "test_double" in text
    for hidden in ("test_run", "test_fit", "goes on from step", "torch.tanh", "BEGIN SOLUTION"):
        assert hidden not in text
    assert (prepared / "release/t1_tiny/tiny.py").exists()
    assert not (prepared / "release/t1_tiny/test_hidden.py").exists()
    archive = prepared / "downloaded/t1_tiny/archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "ada.zip", "w") as zipped:
        zipped.writestr("tiny.py", edited())
        zipped.write(prepared / "release/t1_tiny/t1_tiny.ipynb", "t1_tiny.ipynb")
    nbgrader("zip_collect", "t1_tiny")
    (found,) = read_submissions(prepared / "submitted", tiny)
    assert (found.student, found.problem, found.notes) == ("ada", "", ())
    assert found.files["tiny.py"].decode() == edited()


def test_autograde_is_our_engine(
    prepared: Path, nbgrader: Any, lent: None, edited: Callable[..., str], typed: Type
) -> None:
    """`nbgrader autograde` grades in the sandbox: scores in the database, no cell of a student's run or served."""
    hand_in(prepared, "ada", edited(), f"My answer {EVIL}")
    hand_in(prepared, "kim", edited(("return 2 * x", f"raise ValueError('{EVIL}')")))
    for force in ((), ("--force",)):  # a second run empties the folders first
        nbgrader("autograde", "t1_tiny", *force)
        for student in ("ada", "kim"):
            folder = prepared / "autograded" / student / "t1_tiny"
            assert {path.name for path in folder.iterdir()} == {"t1_tiny.ipynb", "report.html", "timestamp.txt"}
            assert EVIL not in (folder / "report.html").read_text()
            notebook = nbformat.read(folder / "t1_tiny.ipynb", as_version=4)
            nbformat.validate(notebook)
            shown = [o.data.get("text/html", "") for cell in notebook.cells for o in cell.get("outputs", [])]
            assert not any("<img" in html for html in shown)
            answer = notebook.cells[-1].outputs[0].data["text/plain"]
            assert answer == (f"My answer {EVIL}" if student == "ada" else "(nothing was written)")
    assert not (prepared.parent / "ran").exists()
    assert rows(prepared, "ada") == 100
    assert rows(prepared, "kim") == 90
    nbgrader("export", "--to", "grades.csv")
    lines = {line["student_id"]: line for line in csv.DictReader((prepared / "grades.csv").open())}
    assert (lines["kim"]["score"], lines["kim"]["max_score"]) == ("90.0", "100.0")
    nbgrader("generate_feedback", "t1_tiny")  # formgrader has a button for it
    page = (prepared / "feedback/kim/t1_tiny/t1_tiny.html").read_text()
    assert "This check is not shown yet." in page  # a hidden check, before the marks are out
    assert typed("report", "t1_tiny", "--for", "student", "--nbgrader").exit_code == 0
    page = (prepared / "feedback/kim/t1_tiny/t1_tiny.html").read_text()
    assert "Content-Security-Policy" in page
    assert EVIL not in page
    nbgrader("release_feedback", "t1_tiny")
    delivered = list((prepared.parent / "exchange").glob("*/feedback/*.html"))
    assert sorted(path.read_text() for path in delivered) == sorted(
        (prepared / f"feedback/{student}/t1_tiny/t1_tiny.html").read_text() for student in ("ada", "kim")
    )


def rows(course: Path, student: str) -> float:
    """The score of a student in nbgrader's database."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        return float(book.find_submission("t1_tiny", student).score)


# --- sync, without grading -------------------------------------------------------------------------------------------


@pytest.fixture
def graded(results: Any, typed: Type, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of nbgrader with the results of two students."""
    from autograder.records import Outcome

    results.add("ada")
    results.add("kim", test_double={"outcome": Outcome.FAILED}, test_run={"outcome": Outcome.GRADER_ERROR})
    (results.root / "roster.csv").write_text("student,name,email\nada,Ada King,ada@x.org\nkim,Kim,\nlee,Lee,\n")
    assert typed("release", "--nbgrader").exit_code == 0
    return Path(results.root)


def book_of(course: Path) -> Any:
    """The database that `sync` writes."""
    from nbgrader.api import Gradebook

    return Gradebook(f"sqlite:///{course}/gradebook.db", "a-course-in-miniature")


def put(course: Path, student: str, cell: str, **values: Any) -> None:
    """What formgrader's page does when somebody types into it."""
    with book_of(course) as book:
        grade = book.find_grade(cell, "t1_tiny", "t1_tiny", student)
        for name in {"manual_score", "extra_credit"} & values.keys():
            setattr(grade, name, values[name])
        if "comment" in values:
            book.find_comment(cell, "t1_tiny", "t1_tiny", student).manual_comment = values["comment"]
        book.db.commit()


def journal(course: Path) -> list[dict[str, Any]]:
    """The lines of marks.jsonl."""
    path = course / "marks.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_what_people_do_in_formgrader_comes_back(graded: Path, typed: Type) -> None:
    """A manual mark, a comment and extra credit become lines of marks.jsonl, once, and the export shows them."""
    assert typed("sync", "t1_tiny").exit_code == 0
    with book_of(graded) as book:
        assert {student.id for student in book.students} == {"ada", "kim", "lee"}
        assert book.find_student("ada").last_name == "King"
        kim = book.find_submission("t1_tiny", "kim")
        assert kim.needs_manual_grade  # the grader failed at a check: a person has to look
        assert (kim.score, kim.max_score) == (60.0, 100.0)
    put(graded, "kim", "test_double", manual_score=4.5, comment="The idea is right.")
    put(graded, "kim", "written", extra_credit=2, comment=f"Well written {EVIL}")
    done = typed("sync", "t1_tiny", "--who", "lee")
    assert (done.exit_code, done.output.count("from formgrader:")) == (0, 4)
    assert {(line["kind"], line["check"], line["value"], line["who"]) for line in journal(graded)} == {
        ("points", "test_double", "4.5", "lee"),
        ("comment", "test_double", "The idea is right.", "lee"),
        ("extra", "", "2", "lee"),
        ("comment", "", f"Well written {EVIL}", "lee"),
    }
    assert typed("sync", "t1_tiny").output.count("formgrader:") == 0
    assert len(journal(graded)) == 4
    assert typed("export", "json").exit_code == 0
    kim = next(each for each in json.loads((graded / "marks.json").read_text()) if each["student"] == "kim")
    assert kim["marks"][0]["points"] == 66.5
    assert {"check": "test_double", "text": "The idea is right."} in kim["marks"][0]["comments"]
    put(graded, "kim", "test_double", manual_score=None)  # withdrawn there
    assert typed("sync", "t1_tiny").exit_code == 0
    assert (journal(graded)[-1]["value"], journal(graded)[-1]["old"]) == (None, "4.5")


def test_marks_by_hand_go_to_formgrader(graded: Path, typed: Type) -> None:
    """What stands in marks.jsonl stands in formgrader, too, before its first look and after."""
    assert typed("mark", "t1_tiny", "kim", "--check", "test_double", "--points", 7, "--why", "x").exit_code == 0
    assert typed("sync", "t1_tiny").exit_code == 0
    assert typed("mark", "t1_tiny", "kim", "--extra", 3, "--why", "y", "--comment", "Good").exit_code == 0
    assert typed("sync", "t1_tiny").exit_code == 0
    with book_of(graded) as book:
        assert book.find_grade("test_double", "t1_tiny", "t1_tiny", "kim").manual_score == 7
        assert book.find_grade("written", "t1_tiny", "t1_tiny", "kim").extra_credit == 3
        assert book.find_comment("written", "t1_tiny", "t1_tiny", "kim").manual_comment == "Good"
        assert book.find_submission("t1_tiny", "kim").score == 70
    os.unlink(graded / "gradebook.db")  # a new database withdraws nobody's marks
    assert typed("sync", "t1_tiny").exit_code == 0
    assert len(journal(graded)) == 3
    with book_of(graded) as book:
        assert book.find_submission("t1_tiny", "kim").score == 70


def test_a_conflict_is_shown_and_settled_by_a_person(graded: Path, typed: Type) -> None:
    """Where both sides changed, neither is; `--take` says which goes before."""
    assert typed("sync", "t1_tiny").exit_code == 0
    put(graded, "kim", "test_double", manual_score=4)
    assert typed("mark", "t1_tiny", "kim", "--check", "test_double", "--points", 7, "--why", "x").exit_code == 0
    for _ in range(2):
        shown = typed("sync", "t1_tiny")
        assert shown.exit_code == 1
        assert "CONFLICT kim, test_double, points: formgrader `4`, marks.jsonl `7` (before: nothing)" in shown.output
    assert len(journal(graded)) == 1
    assert typed("sync", "t1_tiny", "--take", "formgrader").exit_code == 0
    assert journal(graded)[-1]["value"] == "4"
    assert typed("sync", "t1_tiny").exit_code == 0


def test_points_for_the_written_answer_and_others(graded: Path, typed: Type) -> None:
    """Those of the task cell are extra points; more than a check has, which the API lets through, is not taken."""
    course = graded / "course.yml"
    course.write_text(course.read_text().replace("weight: 1", "weight: 1, written: 5"))
    assert typed("sync", "t1_tiny").exit_code == 0
    put(graded, "ada", "written", manual_score=4)
    put(graded, "ada", "test_double", extra_credit=0.5)
    with book_of(graded) as book:
        assert book.find_submission("t1_tiny", "ada").max_score == 105
    put(graded, "kim", "test_double", manual_score=99)
    assert (
        "not taken from formgrader: kim, test_double, points: 99 points are not between"
        in typed("sync", "t1_tiny").output
    )
    assert [(line["kind"], line["value"]) for line in journal(graded)] == [("extra", "4.5")]


def test_sync_needs_a_course_of_nbgrader(typed: Type) -> None:
    """Without its configuration it is said how to make one; a configuration of somebody's own is never overwritten."""
    assert "release --nbgrader" in typed("sync", "t1_tiny").output
    Path("nbgrader_config.py").write_text("c = get_config()\n")
    assert "add to its end" in typed("release", "--nbgrader").output
    assert Path("nbgrader_config.py").read_text() == "c = get_config()\n"
