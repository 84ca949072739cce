"""A class in which everything goes wrong: each student reads a clear line, and the right ones beside them have 100."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autograder.cli import main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")


def _beside(name: str) -> ModuleType:
    """A module of this folder; pytest imports none of them by name."""
    spec = importlib.util.spec_from_file_location(f"mishaps_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROGRAMS = _beside("programs").PROGRAMS
WORK: str = _beside("programs").WORK
CARRIERS: Mapping[str, Any] = _beside("carriers").carriers(WORK)
RIGHT = ("aa right", "mm right", "zz right")


class Graded(dict[str, dict[str, Any]]):
    """Student -> grade as JSON, and what stood on the terminal."""

    said: Result
    again: Result


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory, write_tiny: Callable[..., Path], sandboxes: Any) -> Graded:
    """The whole class, graded by the real command in this process: once, then once more from the ledger as JSON."""
    from autograder import fleet
    from autograder.pipeline import Pipeline
    from autograder.sandbox import transport

    root = tmp_path_factory.mktemp("mishaps")
    write_tiny(root)
    write_class(root / "class")
    made: list[Pipeline] = []

    def lent(settings: Any) -> Pipeline:
        made.append(Pipeline(settings))
        made[-1]._workshop.zygote = lambda *_: sandboxes.zygote()  # type: ignore[method-assign]
        made[-1].close = lambda: None  # type: ignore[method-assign]
        return made[-1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AUTOGRADER_SECRET", "a secret of the tests, thirty-two bytes and more")
        patched.setattr(transport, "LEAST_WALL_S", 8.0)
        patched.setattr(transport, "WALL_FACTOR", 1)
        patched.setattr(fleet, "pipeline_for", lent)
        command = ["grade", "t1_tiny", str(root / "class"), "--course", str(root), "--jobs", "1"]
        command += ["--sandbox", "best-effort"]
        found = Graded()
        found.said = CliRunner().invoke(main, command, env={"COLUMNS": "200"})
        found.again = CliRunner().invoke(main, [*command, "--json"])
    assert found.again.stdout, found.said.output + found.again.output
    found |= {each["student"]: each for each in json.loads(found.again.stdout)}
    return found


def write_class(folder: Path) -> None:
    """Write every mishap into `folder`, as a class hands in, with right work before, between and after."""
    folder.mkdir()
    for name, program in PROGRAMS.items():
        (folder / f"p {name}.py").write_bytes(program.source.encode())
    for name, carried in CARRIERS.items():
        carried.write(folder / f"c {name}")
    for name in RIGHT:
        (folder / f"{name}.py").write_text(WORK, encoding="utf-8")


def read_by_student(grade: Mapping[str, Any]) -> str:
    """All that a student reads."""
    findings = [result["finding"] for result in grade["results"] if result["finding"]]
    return "\n".join([*grade["notes"], *(f"{each['message']} {each['where']} {each['hint']}" for each in findings)])


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_programs_mishap_is_told(graded: Graded, name: str) -> None:
    """It costs what it touches, and the student reads what was seen and what to do."""
    program, grade = PROGRAMS[name], graded[f"p {name}"]
    assert grade["score"] == program.score, read_by_student(grade)
    assert program.words in read_by_student(grade)
    assert grade["needs_human"] == []


@pytest.mark.parametrize("name", CARRIERS)
def test_a_files_mishap_is_told(graded: Graded, name: str) -> None:
    """What can be read is graded with a note; what cannot waits for a human, and says why."""
    carried, grade = CARRIERS[name], graded[f"c {name}"]
    assert grade["score"] == carried.score, read_by_student(grade)
    assert carried.words in read_by_student(grade)
    assert bool(grade["needs_human"]) == (carried.score == 0)


def test_the_others_have_their_marks(graded: Graded) -> None:
    """Right work has 100 wherever it stands, nobody is missing, and nothing is a fault of the grader."""
    assert [graded[name]["score"] for name in RIGHT] == [100, 100, 100]
    assert len(graded) == len(PROGRAMS) + len(CARRIERS) + len(RIGHT)
    outcomes = {result["outcome"] for grade in graded.values() for result in grade["results"]}
    assert "grader_error" not in outcomes
    assert (graded.said.exit_code, graded.again.exit_code) == (0, 0)


def test_the_terminal_shows_everyone(graded: Graded) -> None:
    """The table has a line for each student, without a traceback of ours, and nothing moves the cursor."""
    shown = graded.said.stdout + graded.said.stderr
    assert "Traceback" not in shown
    assert "\x1b" not in shown
    assert all(f" {student} " in shown for student in graded)


def test_nobody_reads_paths_of_ours(graded: Graded, tmp_path: Path) -> None:
    """What a student reads names their own files and nothing of the machine that graded them."""
    text = "\n".join(read_by_student(grade) for name, grade in graded.items() if name != "p opens a window")
    assert str(Path(__file__).parents[2]) not in text
    assert "autograder/" not in text
    assert 'File "' not in text
