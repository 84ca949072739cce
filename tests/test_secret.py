from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from autograder.errors import UsageError
from autograder.secret import PLACE, VARIABLE, fingerprint, load_secret, make_secret

on_unix = pytest.mark.skipif(os.name != "posix", reason="modes of files are Unix's")
with_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def test_new_secret_is_long_private_and_read_back(tmp_path: Path) -> None:
    """`make_secret` writes 32 random bytes that `load_secret` returns."""
    secret = make_secret(tmp_path)
    assert len(secret) == 32
    assert load_secret(tmp_path, {}) == secret


def test_two_courses_have_two_secrets(tmp_path: Path) -> None:
    """The bytes are random."""
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        root.mkdir()
    assert make_secret(roots[0]) != make_secret(roots[1])


@on_unix
def test_new_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The file has mode 0600 and its folder 0700."""
    make_secret(tmp_path)
    assert (tmp_path / PLACE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / PLACE).parent.stat().st_mode & 0o777 == 0o700


def test_secret_is_never_replaced(tmp_path: Path) -> None:
    """A second `make_secret` returns the first one's."""
    assert make_secret(tmp_path) == make_secret(tmp_path)


def test_unusable_secret_is_not_replaced_either(tmp_path: Path) -> None:
    """`make_secret` says what is wrong with a file that is there, and leaves it."""
    make_secret(tmp_path)
    (tmp_path / PLACE).write_bytes(b"short")
    with pytest.raises(UsageError, match="holds 5 bytes, and a secret has at least 32"):
        make_secret(tmp_path)
    assert (tmp_path / PLACE).read_bytes() == b"short"


def test_environment_overrides_the_file(tmp_path: Path) -> None:
    """64 hexadecimal digits are 32 bytes; other text of at least 32 characters is taken as it is."""
    make_secret(tmp_path)
    assert load_secret(tmp_path, {VARIABLE: "0A" * 32 + "\n"}) == b"\n" * 32
    assert load_secret(tmp_path, {VARIABLE: "x" * 32}) == b"x" * 32


@pytest.mark.parametrize("value", ["", " " * 40, "ab" * 15, "x" * 31])
def test_short_environment_is_an_error_even_beside_a_file(tmp_path: Path, value: str) -> None:
    """A variable that is set but empty or short never falls back on the file, which would draw other inputs."""
    make_secret(tmp_path)
    with pytest.raises(UsageError, match=r"AUTOGRADER_SECRET has \d+ characters; expected 64 hexadecimal digits"):
        load_secret(tmp_path, {VARIABLE: value})


def test_missing_secret_says_how_to_make_one(tmp_path: Path) -> None:
    """Neither file nor variable: the message names both."""
    with pytest.raises(UsageError, match=r"secret does not exist and AUTOGRADER_SECRET is not set\. Run `autograder"):
        load_secret(tmp_path, {})


def test_folder_in_place_of_the_secret_is_an_error(tmp_path: Path) -> None:
    """Something else at that place is reported."""
    (tmp_path / PLACE).mkdir(parents=True)
    with pytest.raises(UsageError, match="is not a file"):
        load_secret(tmp_path, {})


@on_unix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_secret_that_others_can_use_is_an_error(tmp_path: Path, mode: int) -> None:
    """Any right of group or others is refused with the command that mends it."""
    make_secret(tmp_path)
    (tmp_path / PLACE).chmod(mode)
    with pytest.raises(UsageError, match=rf"has mode {mode:04o}.*Run `chmod 600"):
        load_secret(tmp_path, {})


def test_secret_in_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    """Where the place cannot exist at all, both functions say so instead of failing."""
    (tmp_path / "notes.txt").write_text("a file, not a course\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot be made \(.*\); is .* the course's folder"):
        make_secret(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match=r"cannot be read \("):
        load_secret(tmp_path / "notes.txt", {})


def git(root: Path, *arguments: str) -> None:
    """Run git in a folder, with no configuration but the folder's own."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, env=environment)


@with_git
def test_git_does_not_add_the_secret(tmp_path: Path) -> None:
    """The folder ignores itself, so `git add --all` in a course without a .gitignore is harmless."""
    git(tmp_path, "init", "--quiet")
    make_secret(tmp_path)
    git(tmp_path, "add", "--all")
    assert len(load_secret(tmp_path, {})) == 32


@with_git
def test_tracked_secret_is_an_error(tmp_path: Path) -> None:
    """A secret that git tracks is refused, in a course below the repository's top too, whatever GIT_DIR says."""
    course = tmp_path / "course"
    course.mkdir()
    git(tmp_path, "init", "--quiet")
    make_secret(course)
    git(tmp_path, "add", "--force", f"course/{PLACE.as_posix()}")
    with pytest.raises(UsageError, match=r"git tracks .*Run `git rm --cached"):
        load_secret(course, {"GIT_DIR": str(tmp_path / "elsewhere")})


def test_machine_without_git_can_load_its_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where git is not installed nothing can be tracked."""
    secret = make_secret(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert load_secret(tmp_path, {}) == secret


def test_fingerprint_tells_secrets_apart_and_is_no_plain_hash() -> None:
    """The fingerprint is 64 hexadecimal digits, stable, and unlike the secret's hash for any other use."""
    secret = b"s" * 32
    assert fingerprint(secret) == fingerprint(secret) != fingerprint(b"t" * 32)
    assert len(bytes.fromhex(fingerprint(secret))) == 32
    assert fingerprint(secret) != hashlib.sha256(secret).hexdigest()
