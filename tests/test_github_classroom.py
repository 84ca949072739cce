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
