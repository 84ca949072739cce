"""The zip for Gradescope, run in a folder laid out like Gradescope's."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from autograder.cli import main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

SCHEMA = json.loads((Path(__file__).parent / "gradescope_results.schema.json").read_text())
SECRET = "a secret of the tests, thirty-two bytes and more"
DUE = "2027-03-22T23:59:00+09:00"
IN_TIME = "2027-03-22T20:00:00.123456+09:00"
NOW = datetime(2027, 3, 22, 12, tzinfo=UTC)


def metadata(created_at: str = IN_TIME, **more: Any) -> dict[str, Any]:
    """What Gradescope says of a submission."""
    return {
        "id": 1,
        "created_at": created_at,
        "assignment": {"due_date": DUE, "late_due_date": None, "total_points": "100.0", "title": "T", "id": 2},
        "submission_method": "upload",
        "users": [{"id": 3, "email": "ada@x.org", "name": "Ada King"}],
        "previous_submissions": [],
        **more,
    }


@pytest.fixture
def bundled(tiny_course: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that exports the zip with options and returns Gradescope's folder with it unpacked in `source/`."""
    monkeypatch.setenv("AUTOGRADER_SECRET", SECRET)
    wheel = tiny_course.parent / "kit-0.1-py3-none-any.whl"
    wheel.write_bytes(b"")

    def make(*options: str) -> Path:
        root, out = tiny_course.parent / "autograder", tiny_course.parent / "gs.zip"
        command = ("export", "gradescope", "t1_tiny", "--course", tiny_course, "--out", out, "--wheel", wheel, *options)
        done = CliRunner().invoke(main, [str(word) for word in command])
        assert done.exit_code == 0, done.output
        with zipfile.ZipFile(out) as archive:
            for entry in archive.infolist():
                path = Path(archive.extract(entry, root / "source"))
                path.chmod(entry.external_attr >> 16 & 0o777)
        (root / "submission").mkdir(exist_ok=True)
        return root

    return make


@pytest.fixture
def lent(desk_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grading in this process, with the session's sandboxes."""
    from autograder.gradescope import work

    def pipeline(settings: Any) -> Any:
        return desk_for(settings.folder).pipeline(
            confinement=settings.confinement, layers=settings.layers, missing=settings.missing, ledger=settings.ledger
        )

    monkeypatch.setattr(work, "Pipeline", pipeline)


def graded(root: Path, source: str, said: dict[str, Any], *, missing: tuple[str, ...] = (), **options: Any) -> Any:
    """results.json of a submission, graded in this process; `missing` are means that the container lacks."""
    from autograder.gradescope import run, work
    from autograder.sandbox.means import Means, survey

    (root / "submission/tiny.py").write_text(source)
    (root / "submission_metadata.json").write_text(json.dumps(said))

    def here(place: Path, folder: Path, seconds: float) -> int:
        means = survey()
        layers = tuple(layer for layer in means.layers if not (missing and layer == "landlock"))
        work.grade(place, folder, Means(layers, missing or (), ()))
        return 0

    run.run(run.Places(root), options.get("work", here), NOW)
    return checked(root)


def checked(root: Path) -> Any:
    """results.json, which is what Gradescope documents."""
    content = json.loads((root / "results/results.json").read_text())
    jsonschema.validate(content, SCHEMA)
    return content


def scores(content: Any) -> dict[str, float | None]:
    """Check -> score."""
    return {test["extra_data"]["id"]: test.get("score") for test in content["tests"]}


def started(root: Path, source: str) -> Any:
    """results.json of the program itself, in a folder laid out like Gradescope's, as Gradescope starts it."""
    (root / "submission/tiny.py").write_text(source)
    (root / "submission_metadata.json").write_text(json.dumps(metadata()))
    if not (root / "run_autograder").exists():  # Gradescope takes it out of the source
        (root / "source/run_autograder").rename(root / "run_autograder")
    environment = {**os.environ, "AUTOGRADER_ROOT": str(root), "AUTOGRADER_PYTHON": sys.executable}
    subprocess.run([str(root / "run_autograder")], cwd=root, env=environment, check=True, timeout=600)
    return checked(root)


def outcomes(content: Any) -> dict[str, str]:
    """Check -> how it ended."""
    return {test["extra_data"]["id"]: test["extra_data"]["outcome"] for test in content["tests"]}


def test_the_program_grades_in_a_folder_like_gradescopes(bundled: Callable[..., Path], edited: Any) -> None:
    """`run_autograder` on right work, then on work that fails, crashes and never ends, each in a check of its own."""
    root = bundled()
    content = started(root, edited())
    assert sum(score or 0 for score in scores(content).values()) == 100, content
    assert {test["visibility"] for test in content["tests"]} == {"visible", "after_published"}
    assert "seccomp" in content["extra_data"]["confinement"]
    for path in (root / "source", root / "results"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert subprocess.run(["bash", "-n", str(root / "source/setup.sh")], check=False).returncode == 0
    content = started(
        root,
        edited(
            ("return 2 * x", "return 3 * x"),
            ("    for t in range(x.shape[1]):", "    while True:\n        pass\n    for t in range(x.shape[1]):"),
            ("    model.train()", "    __import__('os').abort()"),
        ),
    )
    assert outcomes(content) == {
        "test_double": "failed",
        "test_rnn_cell": "passed",
        "test_rnn_cell_repeats": "passed",
        "test_run": "timed_out",
        "test_fit": "crashed",
    }
    assert scores(content) == {
        "test_double": 0, "test_rnn_cell": 25, "test_rnn_cell_repeats": 5, "test_run": 0, "test_fit": 0,
    }  # fmt: skip


def test_what_was_measured_when_time_ran_out(bundled: Callable[..., Path], edited: Any) -> None:
    """Gradescope's time ends in the middle: what was measured counts, a check that needs a failed one is not run."""
    from autograder.kept import IMPORT
    from autograder.ledger import Ledger
    from autograder.records import CheckResult, Finding, Outcome

    def work(root: Path, folder: Path, seconds: float) -> None:
        ledger = Ledger(folder / "ledger")
        ledger.put("1" * 64, CheckResult("test_double", Outcome.PASSED, 0, 0))
        ledger.put("2" * 64, CheckResult("test_rnn_cell", Outcome.FAILED, 0, 0, Finding("values", "wrong values")))
        ledger.put("3" * 64, CheckResult(IMPORT, Outcome.FAILED, 0, 0))

    content = graded(bundled(), edited(), metadata(), work=work)
    tests = {test["extra_data"]["id"]: test for test in content["tests"]}
    assert (tests["test_double"]["score"], tests["test_rnn_cell"]["score"]) == (10, 0)
    assert "Hint: h' = tanh" in tests["test_rnn_cell"]["output"]
    assert tests["test_rnn_cell_repeats"]["score"] == 0
    assert "Time ran out" in tests["test_run"]["output"]
    assert "score" not in tests["test_run"]


def test_without_a_python_there_is_a_valid_result(bundled: Callable[..., Path]) -> None:
    """An image whose set-up failed: the script alone writes the file."""
    root = bundled()
    environment = {**os.environ, "AUTOGRADER_ROOT": str(root), "AUTOGRADER_PYTHON": "/nowhere/python"}
    subprocess.run([str(root / "source/run_autograder")], env=environment, check=True, capture_output=True)
    assert checked(root)["extra_data"] == {"grader_error": True}


def test_wrong_crashing_and_endless_work(bundled: Callable[..., Path], lent: None, edited: Any) -> None:
    """Each has its scores, an outcome, and a hint where the course gives one; hidden checks show nothing of inputs."""
    root = bundled()
    wrong = graded(root, edited(("return 2 * x", "print('x is', x); return 3 * x")), metadata())
    assert scores(wrong)["test_double"] == 0
    (test,) = [test for test in wrong["tests"] if test["extra_data"]["id"] == "test_double"]
    assert (test["status"], test["max_score"], test["extra_data"]["outcome"]) == ("failed", 10, "failed")
    assert "Hint: Twice is two times." in test["output"]  # what the mistake is comes after the due date
    assert "Count again." not in test["output"]
    crash = graded(root, edited(("return 2 * x", "import os; os.abort()")), metadata())
    assert [t["extra_data"]["outcome"] for t in crash["tests"] if t["extra_data"]["id"] == "test_double"] == ["crashed"]
    endless = graded(root, edited(("return 2 * x", "while True: pass")), metadata())
    outcome = [t["extra_data"]["outcome"] for t in endless["tests"] if t["extra_data"]["id"] == "test_double"]
    assert outcome == ["timed_out"]
    assert scores(endless)["test_rnn_cell"] == 25
    broken = graded(root, "def double(x:\n", metadata())
    assert sum(score or 0 for score in scores(broken).values()) == 0


def test_what_the_container_lacks_is_said(bundled: Callable[..., Path], lent: None, edited: Any) -> None:
    """Without Landlock it is another uid and seccomp, in every result; a check may be left to another machine."""
    root = bundled("--offline", "trains")
    content = graded(root, edited(), metadata(), missing=("Landlock",))
    assert content["extra_data"]["confinement"].startswith("uid+")
    assert "seccomp" in content["extra_data"]["confinement"]
    assert content["extra_data"]["missing"] == ["Landlock"]
    assert "Confined by uid+" in content["output"]
    assert scores(content)["test_fit"] is None
    assert sum(score or 0 for score in scores(content).values()) == 70
    from autograder.errors import ConfinementMissing
    from autograder.gradescope.work import confined
    from autograder.sandbox.means import Means

    with pytest.raises(ConfinementMissing, match="seccomp"):
        confined(Means(("seccomp",), ("Landlock",), ()), root=False)


def test_lateness_groups_and_extensions(
    bundled: Callable[..., Path], lent: None, edited: Any, tiny_course: Path
) -> None:
    """Late work loses what course.yml says, by the dates of Gradescope, of the course, and of each of a group."""
    course = tiny_course / "course.yml"
    policy = "late_policy: {grace_minutes: 10, penalty_percent_per_day: 10, cap_percent: 50}"
    course.write_text(course.read_text().replace("late_policy: {grace_minutes: 10}", policy))
    (tiny_course / "roster.csv").write_text("student,name,email\nada,Ada King,ada@x.org\nkim,Kim,kim@x.org\n")
    late = metadata("2027-03-23T20:00:00+09:00")
    content = graded(bundled(), edited(), late)
    assert content["score"] == 90
    assert "20 h 1 min late" in content["output"]
    extension = "extensions:\n  - {student: kim, assignment: t1_tiny, until: 2027-03-25T23:59, why: ill}\n"
    (tiny_course / "extensions.yml").write_text(extension)
    both = [*late["users"], {"id": 4, "email": "kim@x.org", "name": "Kim"}]
    together = graded(bundled(), edited(), {**late, "users": both})
    assert "score" not in together
    assert "handed in together: ada, kim" in together["output"]
    own = [{"id": 3, "email": "x", "name": "X", "assignment": {"due_date": "2027-03-24T23:59:00+09:00"}}]
    assert "score" not in graded(bundled(), edited(), {**late, "users": own})


def test_too_many_submissions_keep_the_last_result(bundled: Callable[..., Path], edited: Any) -> None:
    """Two in a day are graded; the third has the second's result and says when the next is; a rerun says the same."""
    root = bundled("--attempts", "2", "--hours", "24")
    last = {"tests": [{"score": 7, "max_score": 10, "name": "a"}], "output": "before", "extra_data": {}}
    times = ("2027-03-21T19:00:00+09:00", "2027-03-22T09:00:00+09:00", "2027-03-22T19:00:00+09:00")
    previous = [{"submission_time": time, "score": 7.0} for time in times]
    previous[-1]["results"] = last  # type: ignore[assignment] # only the latest has them
    content = graded(root, edited(), metadata(previous_submissions=previous))
    assert content["tests"] == last["tests"]
    assert "graded from 2027-03-23 09:00 +0900" in content["output"]
    assert content["output"].endswith("before")
    previous.append({"submission_time": "2027-03-22T19:30:00+09:00", "score": 7.0, "results": content})  # type: ignore[dict-item]
    again = graded(root, edited(), metadata(previous_submissions=previous[1:]))
    assert "graded from 2027-03-23 09:00 +0900" in again["output"]
    assert again["output"].count("not graded") == 1


@pytest.mark.parametrize("ends", [None, 3, "raises"], ids=["out of time", "crashes", "raises"])
def test_a_failure_of_ours_is_a_valid_result_and_no_verdict(
    bundled: Callable[..., Path], edited: Any, ends: Any
) -> None:
    """The grading process runs out of Gradescope's time, ends, or something unforeseen happens."""

    def work(root: Path, folder: Path, seconds: float) -> int | None:
        if ends == "raises":
            raise RuntimeError("unforeseen")
        (folder / "error.txt").write_text("the reason")
        return ends  # type: ignore[no-any-return]

    content = graded(bundled(), edited(), metadata(), work=work)
    if ends is None:
        assert "provisional" in content["output"]
        assert all("score" not in test for test in content["tests"])
    else:
        assert content["extra_data"] == {"grader_error": True}
        assert [test["visibility"] for test in content["tests"]] == ["hidden"]
        assert ("the reason" if ends == 3 else "unforeseen") in content["tests"][0]["output"]


def test_metadata_that_cannot_be_read_is_a_failure_of_ours(bundled: Callable[..., Path], edited: Any) -> None:
    """A format that Gradescope changed is nobody's zero."""
    content = graded(bundled(), edited(), {"created_at": "yesterday"})
    assert content["extra_data"] == {"grader_error": True}


def test_the_zip_holds_no_secret_of_the_course(bundled: Callable[..., Path], tiny_course: Path) -> None:
    """Its hidden inputs are its own; modes are for root alone; what it asks for must exist."""
    root = bundled()
    kept = (root / "source/course/.autograder/secret").read_bytes()
    assert len(kept) == 32
    assert SECRET.encode() not in kept
    assert stat.S_IMODE((root / "source/setup.sh").stat().st_mode) == 0o700
    asked = CliRunner().invoke(
        main, ["export", "gradescope", "t1_tiny", "--offline", "test_dubble", "--course", str(tiny_course)]
    )
    assert asked.exit_code == 2
    assert "test_double" in asked.output
