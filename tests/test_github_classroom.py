"""GitHub Classroom: repositories that we clone ourselves, from a local path here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from autograder.errors import SubmissionError
from autograder.intake import Rules, read_class
from autograder.records import Person

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git clones the repositories")

HEADINGS = "github_username,roster_identifier,student_repository_name,student_repository_url,submission_timestamp"
ROSTER = (Person("kim", "Kim", "kim@x.org"),)


def git(folder: Path, *arguments: str) -> None:
    """Run git without anybody's configuration."""
    names = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
    who = {f"GIT_{name}": "x" for name in names} | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *arguments], cwd=folder, env=os.environ | who, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, edited: Callable[..., str]) -> Path:
    """A student's repository with an old and a new commit, links, and everything that would run on a check-out."""
    folder = tmp_path / "rnn-kim"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "tiny.py").write_text("old = 1\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    (folder / "tiny.py").write_text(edited())
    (folder / "secret").symlink_to("/etc/passwd")
    (folder / ".gitattributes").write_text("* filter=evil\n")
    (folder / "notes.txt").write_text("x")
    ran = tmp_path / "ran"
    for name in ("post-checkout", "pre-commit", "reference-transaction"):
        hook = folder / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    git(folder, "config", "filter.evil.smudge", f"touch {ran}")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "second")
    for hook in (folder / ".git/hooks").iterdir():
        hook.chmod(0o755)
    return folder


def grades_file(tmp_path: Path, *lines: str) -> Path:
    """What Classroom's `Download grades` gives."""
    path = tmp_path / "grades.csv"
    path.write_text("\n".join((HEADINGS, *lines)) + "\n")
    return path


def test_each_repository_is_a_hand_in(tmp_path: Path, repository: Path, edited: Any, tiny: Any) -> None:
    """The last commit's plain files, with Classroom's time; links are refused, nothing of the repository's runs."""
    path = grades_file(tmp_path, f"kim-gh,kim@x.org,rnn-kim,{repository},2027-03-22 14:00:00 UTC")
    found = read_class([path], tiny, Rules(ROSTER))
    (one,) = found.submissions
    assert (one.student, one.problem) == ("kim", "")
    assert one.files["tiny.py"].decode() == edited()
    assert one.handed_in is not None
    assert one.handed_in.at == datetime.fromisoformat("2027-03-22T14:00:00+00:00")
    assert one.handed_in.source == "GitHub Classroom"
    notes = " ".join(one.notes)
    assert "secret is a link and was ignored" in notes
    assert "the repository's history was ignored" in notes
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "url", ["ext::touch ran", "--upload-pack=touch ran", "/nowhere/at-all", "http://localhost:1/x"], ids=str
)
def test_what_cannot_be_cloned_is_that_students_problem(
    tmp_path: Path, repository: Path, tiny: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strange address runs nothing and stops nobody else."""
    monkeypatch.chdir(tmp_path)
    path = grades_file(tmp_path, f"a,lee,r,{url},", f"b,kim,rnn-kim,{repository},")
    by_student = {each.student: each for each in read_class([path], tiny, Rules()).submissions}
    assert by_student["lee"].problem.startswith("the repository cannot be cloned")
    assert by_student["kim"].problem == ""
    assert not (tmp_path / "ran").exists()


def test_another_csv_is_refused(tmp_path: Path, tiny: Any) -> None:
    """It is said where the right one comes from."""
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(SubmissionError, match="student_repository_url"):
        read_class([path], tiny, Rules())


def test_a_repository_inside_a_hand_in_is_dropped_with_a_note(tmp_path: Path, repository: Path, tiny: Any) -> None:
    """Whoever hands in their folder with its `.git` loses nothing, and nothing of it is read."""
    folder = tmp_path / "class/kim"
    shutil.copytree(repository, folder, symlinks=True)
    (one,) = read_class([folder.parent], tiny, Rules()).submissions
    assert one.problem == ""
    assert "the .git folder was ignored" in one.notes


def written(folder: Path, kind: str, content: bytes) -> str:
    """Put an object into a repository as it is, whatever git thinks of it, and return its name."""
    command = ["git", "hash-object", "-w", "--literally", "--stdin", "-t", kind]
    done = subprocess.run(command, cwd=folder, input=content, check=True, capture_output=True)
    return done.stdout.decode().strip()


def commit(folder: Path, *entries: tuple[str, bytes, str], at: int = 1_800_000_000) -> None:
    """Make a commit of one tree: mode, name and object of each entry, as they are."""
    tree = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(id_) for mode, name, id_ in entries)
    who = f"x <x@x> {at} +0000"
    text = f"tree {written(folder, 'tree', tree)}\nauthor {who}\ncommitter {who}\n\nx\n"
    git(folder, "update-ref", "HEAD", written(folder, "commit", text.encode()))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """An empty repository."""
    folder = tmp_path / "hostile.git"
    folder.mkdir()
    git(folder, "init", "-q", "--bare")
    return folder


def taken(tmp_path: Path, url: Path, tiny: Any, when: str = "") -> Any:
    """What is read of a repository."""
    (one,) = read_class([grades_file(tmp_path, f"k,kim,r,{url},{when}")], tiny, Rules()).submissions
    return one


def test_what_is_no_plain_file_is_left_out(tmp_path: Path, bare: Path, edited: Any, tiny: Any) -> None:
    """Submodules, links, filters, files of gigabytes, names with controls: noted, and never fetched or followed."""
    code, link = written(bare, "blob", edited().encode()), written(bare, "blob", b"/etc/passwd")
    modules = f'[submodule "m"]\n\tpath = m\n\turl = ext::touch {tmp_path}/ran\n'.encode()
    git(bare, "config", "uploadpack.packObjectsHook", f"touch {tmp_path}/ran")
    commit(
        bare,
        ("100644", b".gitattributes", written(bare, "blob", b"* filter=evil diff=evil working-tree-encoding=UTF-7\n")),
        ("100644", b".gitmodules", written(bare, "blob", modules.replace(b"ext::", b"https://"))),
        ("100644", b"a\x1b[2J\n.py", code),
        ("100644", b"huge.py", written(bare, "blob", bytes(24 << 20))),
        ("120000", b"link.py", link),
        ("160000", b"m", "1" * 40),
        ("100644", b"tiny.py", code),
        ("100644", b"\xff.txt", code),
    )
    one = taken(tmp_path, bare, tiny)
    assert (one.problem, one.files["tiny.py"].decode()) == ("", edited())
    notes = " ".join(one.notes)
    assert "link.py is a link and was ignored" in notes
    assert "m is another repository (a submodule) and was ignored" in notes
    assert notes.isprintable()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", [b"..", b".git", b".GIT", b"a/../../tiny.py"], ids=repr)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, bare: Path, edited: Any, tiny: Any, name: bytes) -> None:
    """The objects are checked when they arrive."""
    code = written(bare, "blob", edited().encode())
    commit(bare, *sorted([("100644", name, code), ("100644", b"tiny.py", code)], key=lambda entry: entry[1]))
    assert taken(tmp_path, bare, tiny).problem.startswith("the repository cannot be cloned")


def test_an_asked_for_file_that_is_a_link_is_missing(tmp_path: Path, bare: Path, tiny: Any) -> None:
    """Nothing of this machine is handed in."""
    commit(bare, ("120000", b"tiny.py", written(bare, "blob", b"/etc/passwd")))
    one = taken(tmp_path, bare, tiny)
    assert one.files == {}
    assert "tiny.py" in one.problem


def test_a_few_objects_that_mean_billions_of_files(tmp_path: Path, bare: Path, edited: Any, tiny: Any) -> None:
    """Trees of trees of trees: the list is cut off, memory and time are not."""
    mode, id_ = "100644", written(bare, "blob", edited().encode())
    for _ in range(10):
        tree = b"".join(mode.encode() + b" d%d\0" % n + bytes.fromhex(id_) for n in range(10))
        mode, id_ = "40000", written(bare, "tree", tree)
    commit(bare, (mode, b"d", id_))
    assert "more files than can be listed" in taken(tmp_path, bare, tiny).problem


def test_nothing_pushed_and_pushed_after_the_list(tmp_path: Path, bare: Path, edited: Any, tiny: Any) -> None:
    """An empty repository is said to be one; a commit that is younger than Classroom's time is for a person to see."""
    assert "nothing was pushed" in taken(tmp_path, bare, tiny).problem
    commit(bare, ("100644", b"tiny.py", written(bare, "blob", edited().encode())), at=1_806_000_000)
    one = taken(tmp_path, bare, tiny, "2027-03-22 14:00:00 UTC")
    assert any("after the hand-in of 2027-03-22 14:00 +0000" in note for note in one.notes)
    later = taken(tmp_path, bare, tiny, "2027-03-22 14:00:00 +0000".replace("2027-03", "2028-03"))
    assert not any("a person should look" in note for note in later.notes)


def test_a_repository_that_never_ends(tmp_path: Path, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for an answer is ended, with all that they started."""
    from autograder.intake import github

    monkeypatch.setattr(github, "CLONE_S", 1)
    slow = tmp_path / "bin"
    slow.mkdir()

    (slow / "ssh").write_text("#!/bin/sh\nsleep 1000\n")
    (slow / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow}{os.pathsep}{os.environ['PATH']}")
    (one,) = read_class([grades_file(tmp_path, "k,kim,r,ssh://x/y,")], tiny, Rules()).submissions
    assert one.problem == "the repository could not be read within 1 s"
