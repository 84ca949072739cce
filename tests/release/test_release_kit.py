"""The students' kit: complete, the same each time, and without a word that must stay with the course."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.course import load_assignments
from autograder.course.load import assignment_folders
from autograder.errors import ReleaseError, UsageError
from autograder.release import Kit, make_kit
from autograder.release.kit import kit_files, kit_leaks
from autograder.release.pages import pages
from autograder.release.wheel import build_wheel
from autograder.secret import make_secret

ROOT = Path(__file__).parents[2]
COURSE = """title: Adding
timezone: Asia/Seoul
assignments: [{id: a1_adder, due: 2027-03-22T23:59, weight: 1}]
"""
WriteCourse = Callable[..., Path]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """The kit of this very course, with a wheel that was built for it."""
    return make_kit(ROOT, (), tmp_path_factory.mktemp("kits") / "kit")


@pytest.fixture
def course(write_course: WriteCourse) -> Path:
    """A small course with a course.yml."""
    root = write_course()
    (root / "course.yml").write_text(COURSE, encoding="utf-8")
    return root


def wheel(folder: Path, text: str = "") -> Path:
    """A wheel with one module in it."""
    path = folder / "rnn_to_vit_grader-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("autograder/__init__.py", f'"""The engine."""\n{text}\n')
    return path


# --- the real one ----------------------------------------------------------------------------------------------------


def test_it_holds_what_its_readme_speaks_of(real: Kit) -> None:
    """The wheel, requirements that name it, pytest's settings, and every assignment's files; the zip is the same."""
    names = {path.relative_to(real.folder).as_posix() for path in real.folder.rglob("*") if path.is_file()}
    wheels = [name for name in names if name.endswith(".whl")]
    assert len(wheels) == 1
    assert (real.folder / "requirements.txt").read_text(encoding="utf-8").splitlines()[-1] == f"./{wheels[0]}"
    assert real.assignments == tuple(folder.name for folder in assignment_folders(ROOT / "solutions"))
    readme = (real.folder / "README.md").read_text(encoding="utf-8")
    for id_ in real.assignments:
        assert f"assignments/{id_}/handout.md" in readme
        assert {f"assignments/{id_}/handout.md", f"assignments/{id_}/.released"} <= names
    with zipfile.ZipFile(real.zip) as archive:
        assert {f"kit/{name}" for name in names} == {*archive.namelist(), "kit/.released"}
        assert not [
            name for name in archive.namelist() if archive.read(name) != (real.folder.parent / name).read_bytes()
        ]


def test_nothing_of_the_course_is_in_it(real: Kit) -> None:
    """Not a line of a solution, no hidden check, no list of mistakes: in no file, and in no member of the wheel."""
    files = {path.relative_to(real.folder).as_posix(): path for path in real.folder.rglob("*") if path.is_file()}
    every = [page for name, path in files.items() for page in pages(name, path.read_bytes())]
    members = [page.name for page in every if ".whl!" in page.name]
    assert len(members) > 50
    assert not [page.name for page in every if page.name.endswith(("test_hidden.py", "mistakes.yml", "fair_play.yml"))]
    assert not [page.name for page in every if "solutions/" in page.name or "secret/" in page.name]
    hidden = {check.id for each in load_assignments(ROOT) for check in each.checks if not check.public}
    public = {check.id for each in load_assignments(ROOT) for check in each.checks if check.public}
    whole = "\n".join(page.text for page in every)
    assert not [id_ for id_ in sorted(hidden - public) if f"def {id_}(" in whole or f'"{id_}"' in whole]


def test_the_wheel_carries_all_that_the_engine_reads(real: Kit) -> None:
    """Modules, and the files beside them: templates, settings, data; not the scripts that made the data."""
    with zipfile.ZipFile(next(real.folder.glob("*.whl"))) as archive:
        packed = set(archive.namelist())
    ours = [path for path in (ROOT / "autograder").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    data = [path for path in (ROOT / "datasets" / "course_data").glob("*") if path.is_file()]
    wanted = {path.relative_to(ROOT).as_posix() for path in ours}
    wanted |= {path.relative_to(ROOT / "datasets").as_posix() for path in data}
    assert not sorted(wanted - packed)
    assert not [name for name in packed if name.startswith("course_data/build")]


def test_the_same_sources_make_the_same_kit(real: Kit) -> None:
    """Built again, the wheel is the same to the byte."""
    path = next(real.folder.glob("*.whl"))
    assert build_wheel(ROOT) == (path.name, path.read_bytes())


# --- what must not get out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "def f(total):\n    return [total, first, second, third, (fourth, fifth), sixth]",
        "HIDDEN = 'test_add_negative_numbers'",
    ],
    ids=["a long line of the solution", "the name of a hidden check"],
)
def test_a_leak_inside_the_wheel_stops_everything(write_course: WriteCourse, tmp_path: Path, text: str) -> None:
    """What would give the course away is named with its place in the wheel, and no file is written."""
    solution = (
        'def add(first, second):\n    """Add."""\n    ### BEGIN SOLUTION\n'
        "    return [total, first, second, third, (fourth, fifth), sixth]\n    ### END SOLUTION\n"
    )
    root = write_course(adder__py=solution)
    (root / "course.yml").write_text(COURSE, encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"(?s)the kit would give away.*\.whl!autograder/__init__\.py:\d"):
        make_kit(root, (), tmp_path / "kit", wheel=wheel(tmp_path, text), environment={})
    assert not (tmp_path / "kit").exists()
    assert not (tmp_path / "kit.zip").exists()


@pytest.mark.parametrize(
    "line",
    ["from collections.abc import Callable, Iterable, Iterator, Sequence", ") -> Callable[..., dict[str, int]]:"],
    ids=["an import", "the end of a signature"],
)
def test_what_any_program_may_hold_is_no_leak_in_the_wheel(
    write_course: WriteCourse, tmp_path: Path, line: str
) -> None:
    """The engine's own imports and signatures may read as those of a solution do."""
    code = line if line.startswith("from") else f"def f(\n    x: int,\n{line}\n    ..."
    region = code.replace("\n", "\n    ")
    solution = f'def add(first, second):\n    """Add."""\n    ### BEGIN SOLUTION\n    {region}\n    ### END SOLUTION\n'
    root = write_course(adder__py=solution)
    (root / "course.yml").write_text(COURSE, encoding="utf-8")
    assert make_kit(root, (), tmp_path / "kit", wheel=wheel(tmp_path, code), environment={}).folder.exists()


def test_idioms_in_the_engine_are_no_leak(course: Path, tmp_path: Path) -> None:
    """A short line that engine and solution share says nothing."""
    kit = make_kit(course, (), tmp_path / "kit", wheel=wheel(tmp_path, "return grand_total"), environment={})
    assert kit.folder.is_dir()


def test_the_secret_is_found_in_any_file(course: Path, tmp_path: Path) -> None:
    """Spelt out in the wheel, the secret stops the kit."""
    secret = make_secret(course)
    files = kit_files(course, load_assignments(course), ("x.whl", wheel(tmp_path, repr(secret)).read_bytes()), "kit")
    assert any(leak.text == "the course secret" for leak in kit_leaks(course, files, {}))


# --- places and wheels -----------------------------------------------------------------------------------------------


def test_a_kit_is_replaced_unless_somebody_has_edited_it(course: Path, tmp_path: Path) -> None:
    """A second kit takes the first one's place; work that lies in it is not thrown away."""
    path = wheel(tmp_path)
    kit = make_kit(course, (), tmp_path / "kit", wheel=path, environment={})
    assert make_kit(course, (), tmp_path / "kit.zip", wheel=path, environment={}) == kit  # called by its zip's name
    (kit.folder / "assignments" / "a1_adder" / "adder.py").write_text("my work\n", encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"adder\.py changed"):
        make_kit(course, (), tmp_path / "kit", wheel=path, environment={})
    make_kit(course, (), tmp_path / "kit", wheel=path, environment={}, force=True)


@pytest.mark.parametrize("place", ["solutions/kit", "assignments", "."])
def test_a_kit_needs_a_place_of_its_own(course: Path, tmp_path: Path, place: str) -> None:
    """Neither in nor around the course's own folders."""
    with pytest.raises(UsageError, match="a folder of its own"):
        make_kit(course, (), course / place, wheel=wheel(tmp_path), environment={})


def test_without_the_engines_source_a_wheel_is_asked_for(course: Path, tmp_path: Path) -> None:
    """A course that is no copy of the project cannot build one, and is told what to do."""
    with pytest.raises(ReleaseError, match="--wheel"):
        make_kit(course, (), tmp_path / "kit", environment={})


def test_the_zip_can_be_opened_anywhere(course: Path, tmp_path: Path) -> None:
    """Plain names under one folder, readable by everybody, dates that every zip can hold."""
    kit = make_kit(course, (), tmp_path / "kit", wheel=wheel(tmp_path), environment={})
    with zipfile.ZipFile(io.BytesIO(kit.zip.read_bytes())) as archive:
        for entry in archive.infolist():
            assert entry.filename.startswith("kit/")
            assert ".." not in entry.filename
            assert entry.external_attr >> 16 == 0o644
            assert entry.date_time[0] == 1980
