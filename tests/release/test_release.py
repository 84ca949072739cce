from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.course import load_assignment
from autograder.errors import ReleaseError, UsageError
from autograder.records import Assignment
from autograder.release import build, folder, release, stale, stub_files, write
from autograder.release.steps import refuse_leaks
from autograder.secret import make_secret

WriteCourse = Callable[..., Path]
REPOSITORY = Path(__file__).parents[2]
SOURCES = sorted(file.parent for file in (REPOSITORY / "solutions").glob("*/assignment.yml"))


def read(root: Path) -> Assignment:
    """The assignment of the small course."""
    return load_assignment(root / "solutions" / "a1_adder")


def test_release_writes_all_and_reports_it(write_course: WriteCourse) -> None:
    """The first release writes every file; the result loads as a students' kit."""
    root = write_course()
    (released,) = release(root, environment={})
    out = root / "assignments" / "a1_adder"
    assert (released.id, released.folder, released.removed) == ("a1_adder", out, ())
    assert released.written == released.files
    assert (released.public_points, released.total_points) == (40, 100)
    assert sorted(path.name for path in out.iterdir()) == [".released", *released.files]
    assert load_assignment(out, complete=False).parts == {"add": ("test_add",)}
    assert [path.name for path in (root / "assignments").iterdir()] == ["a1_adder"]


def test_second_release_touches_nothing(write_course: WriteCourse) -> None:
    """Where nothing changed, nothing is written, and caches do not count."""
    root = write_course()
    release(root, environment={})
    out = root / "assignments" / "a1_adder"
    (out / "__pycache__").mkdir()
    (out / "__pycache__" / "adder.pyc").write_bytes(b"")
    before = out.stat().st_ino
    (released,) = release(root, ["a1_adder"], environment={})
    assert (released.written, released.removed, out.stat().st_ino) == ((), (), before)


def test_changed_source_is_released_and_stale_until_then(write_course: WriteCourse) -> None:
    """`stale` names what a release would write or remove; afterwards nothing is stale."""
    root = write_course(handout__ko__md="# 하나\n")
    out = root / "assignments" / "a1_adder"
    assert stale(read(root), out) == (
        ".released",
        "README.md",
        "adder.py",
        "assignment.yml",
        "handout.ko.md",
        "handout.md",
        "test_public.py",
    )
    release(root, environment={})
    write_course(handout__md="# Adding\n\n## 2. Add\n\n`add`\n")
    (root / "solutions" / "a1_adder" / "handout.ko.md").unlink()
    assert stale(read(root), out) == (".released", "README.md", "adder.py", "handout.ko.md", "handout.md")
    (released,) = release(root, environment={})
    assert released.written == ("README.md", "adder.py", "handout.md")
    assert released.removed == ("handout.ko.md",)
    assert stale(read(root), out) == ()


def test_edited_folder_is_kept_unless_forced(write_course: WriteCourse) -> None:
    """An edited stub and a file of one's own are never overwritten; `force` throws them away."""
    root = write_course()
    release(root, environment={})
    out = root / "assignments" / "a1_adder"
    (out / "adder.py").write_text("mine\n", encoding="utf-8")
    (out / "notes.txt").write_text("mine\n", encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"adder\.py, notes\.txt changed since the last release"):
        release(root, environment={})
    assert (out / "adder.py").read_text(encoding="utf-8") == "mine\n"
    (released,) = release(root, force=True, environment={})
    assert (released.written, released.removed) == (("adder.py",), ("notes.txt",))
    assert stale(read(root), out) == ()


def test_deleted_file_comes_back(write_course: WriteCourse) -> None:
    """Where a released file is missing nothing can be lost, so no force is needed."""
    root = write_course()
    release(root, environment={})
    (root / "assignments" / "a1_adder" / "README.md").unlink()
    (released,) = release(root, environment={})
    assert released.written == ("README.md",)


def test_folder_that_no_release_made_is_kept(write_course: WriteCourse) -> None:
    """Without the marker file, everything that is there counts as somebody's work."""
    root = write_course()
    out = root / "assignments" / "a1_adder"
    out.mkdir(parents=True)
    (out / "thesis.txt").write_text("work\n", encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"thesis\.txt changed since the last release, or never came from one"):
        release(root, environment={})


def test_a_folder_full_of_other_files_is_refused_in_a_few_words(write_course: WriteCourse) -> None:
    """An environment that was set up in the folder has twenty thousand files."""
    root = write_course()
    out = root / "assignments" / "a1_adder"
    out.mkdir(parents=True)
    for number in range(100):
        (out / f"part{number:03}.py").touch()
    with pytest.raises(ReleaseError, match=r"part007\.py and 92 more changed since"):
        release(root, environment={})


@pytest.mark.parametrize("marker", ["{", "[]", '{"sha256": 1}', "{}"])
def test_broken_marker_is_not_trusted(write_course: WriteCourse, marker: str) -> None:
    """A marker file that no release wrote says nothing about edits."""
    root = write_course()
    release(root, environment={})
    (root / "assignments" / "a1_adder" / ".released").write_text(marker, encoding="utf-8")
    with pytest.raises(ReleaseError, match="is not what a release writes"):
        release(root, environment={})


def test_marker_holds_digests(write_course: WriteCourse) -> None:
    """The marker tells what was built, file by file."""
    root = write_course()
    (released,) = release(root, environment={})
    marker = json.loads((released.folder / folder.MARKER).read_text(encoding="utf-8"))
    assert tuple(marker["sha256"]) == released.files


def test_failing_disk_leaves_the_old_folder(write_course: WriteCourse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the new folder cannot take its place, the old one is put back and nothing else is left."""
    root = write_course()
    release(root, environment={})
    write_course(handout__md="# New\n")
    rename = Path.rename

    def fails_for_the_new_one(path: Path, target: Path) -> Path:
        if path.suffix == ".new":
            raise OSError("disk on fire")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails_for_the_new_one)
    with pytest.raises(ReleaseError, match=r"disk on fire.*; the folder is as it was"):
        release(root, environment={})
    monkeypatch.undo()
    assert [path.name for path in (root / "assignments").iterdir()] == ["a1_adder"]
    assert (root / "assignments" / "a1_adder" / "handout.md").read_text(encoding="utf-8").startswith("# Adding up")


def test_link_in_place_of_the_folder_is_refused(write_course: WriteCourse, tmp_path: Path) -> None:
    """A link or a file where the folder should be is not touched, with force neither."""
    root = write_course()
    (root / "assignments").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (root / "assignments" / "a1_adder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ReleaseError, match="is not a folder of its own"):
        release(root, force=True, environment={})


@pytest.mark.parametrize("place", ["solutions/a1_adder", "solutions", "solutions/a1_adder/out"])
def test_solution_folder_is_never_written(write_course: WriteCourse, place: str) -> None:
    """No release goes into, around or below the solution."""
    root = write_course()
    with pytest.raises(ReleaseError, match="the folder of the solution"):
        write(read(root), root / place, force=True)


def test_leak_stops_the_release_of_everything(write_course: WriteCourse) -> None:
    """A handout that quotes the solution is named with its line, and nothing is written."""
    root = write_course(handout__md="# Adding up\n\n`grand_total = first + second * 1.0`\n")
    with pytest.raises(ReleaseError) as caught:
        release(root, environment={})
    line = "assignments/a1_adder/handout.md:3: grand_total = first + second * 1.0 (adder.py, line 9)"
    assert line in str(caught.value)
    assert not (root / "assignments").exists()


def test_many_leaks_are_counted(write_course: WriteCourse) -> None:
    """The message shows the first leaks and the number of the others."""
    lines = [f"a_telling_line_number_{number}" for number in range(25)]
    root = write_course(notes__py="\n".join(lines), handout__md="\n".join(lines))
    with pytest.raises(ReleaseError, match="and 5 more"):
        release(root, environment={})


def test_secret_in_a_given_picture_stops_the_release(write_course: WriteCourse) -> None:
    """The secret is looked for in the course's root, in pictures too."""
    root = write_course(handout__md="![a](a.png)\n")
    (root / "solutions" / "a1_adder" / "a.png").write_bytes(b"\x89PNG" + make_secret(root))
    with pytest.raises(ReleaseError, match=r"a\.png:\d+: the course secret"):
        release(root, environment={})


def test_hidden_file_that_cannot_be_read_stops_the_release(write_course: WriteCourse) -> None:
    """What must not leak has to be known."""
    root = write_course()
    (root / "solutions" / "a1_adder" / "mistakes.yml").write_bytes(b"\xff")
    with pytest.raises(ReleaseError, match=r"mistakes\.yml: cannot be read .* nobody can tell what must not leak"):
        release(root, environment={})


def test_copy_that_an_editor_left_is_no_secret(write_course: WriteCourse) -> None:
    """A checkpoint of the public checks in a folder with a dot makes nothing of them secret."""
    text = "# the handout says so, in a line of its own\n"
    (released,) = release(write_course(**{".checkpoints/copy__py": text, "handout__md": text}), environment={})
    assert "handout.md" in released.files


def test_unknown_assignment_gets_a_suggestion(write_course: WriteCourse) -> None:
    """A misspelt id is answered with the nearest one."""
    with pytest.raises(UsageError, match="there is no assignment `a1_addr`; did you mean `a1_adder`"):
        release(write_course(), ["a1_addr"], environment={})


def test_folder_without_assignments_is_no_course(tmp_path: Path) -> None:
    """Releasing from the wrong folder says so."""
    with pytest.raises(UsageError, match=r"no folder there holds an assignment\.yml"):
        release(tmp_path, environment={})


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_committed_assignments_are_up_to_date(source: Path) -> None:
    """What is in assignments/ is what `autograder release` builds today."""
    differing = stale(load_assignment(source), REPOSITORY / "assignments" / source.name)
    assert not differing, f"run `autograder release {source.name}`"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_course_gives_nothing_away(source: Path) -> None:
    """No released file holds a line of a solution, of a hidden check or of a known mistake."""
    assignment = load_assignment(source)
    refuse_leaks(assignment, build(assignment), REPOSITORY, {})


def test_every_committed_assignment_has_a_source() -> None:
    """assignments/ holds nothing that no folder of solutions/ builds."""
    committed = {path.name for path in (REPOSITORY / "assignments").glob("*") if path.is_dir()}
    assert committed <= {source.name for source in SOURCES}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_committed_stubs_raise_and_parse(source: Path) -> None:
    """Every file that students fill in is valid Python with something left to write."""
    for name, stub in stub_files(load_assignment(source)).items():
        assert any(isinstance(node, ast.Raise) for node in ast.walk(ast.parse(stub))), name
