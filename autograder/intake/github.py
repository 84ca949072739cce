"""GitHub Classroom: its grades file names a repository a student, and we clone each ourselves.

A repository is a stranger's: cloned bare, so that no file of it is checked out, without hooks, without anybody's
configuration of git, over https, ssh or from a folder alone; of its last commit plain files are read and nothing else.
"""

from __future__ import annotations

import base64
import csv
import io
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from autograder.errors import SubmissionError
from autograder.intake.people import Claim
from autograder.intake.sources import CODE, MANIFEST, Entry, HandedIn, size
from autograder.names import shown, student_id
from autograder.notebooks import MAX_NOTEBOOK
from autograder.records import Moment

URL, TIME = "student_repository_url", "submission_timestamp"
TOKEN = "GITHUB_TOKEN"  # noqa: S105 - the name of a variable
CLONE_S, READ_S = 300, 60
MOST = 64 << 20
"""Bytes of code that are read of one repository."""
LARGEST = 1 << 30
"""Bytes of the last commit, packed: models and data that somebody committed by mistake fit, a disk is not filled."""
CPU_S, MEMORY_KB = 120, 4 << 20
LISTED = 24 << 20
"""Bytes that git may write at once: the list of files, or one of them, of which a notebook is the largest."""
_PLAIN = {"100644", "100755", "100664"}
_KINDS = {"120000": "a link", "160000": "another repository (a submodule)"}
_SETTINGS = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "transfer.fsckObjects=true", "credential.helper=",
    "core.bigFileThreshold=16m", "pack.threads=1", "fetch.recurseSubmodules=false",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Repository:
    """One line of the file."""

    owner: Claim
    url: str
    moment: Moment | None


def repositories(path: Path) -> tuple[Repository, ...]:
    """The repositories that Classroom's file names. SubmissionError where it is no such file."""
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SubmissionError(f"{path} is no CSV in UTF-8 that can be read ({error})") from None
    if not rows or URL not in rows[0]:
        raise SubmissionError(f"{path} has no column {URL}; GitHub Classroom's `Download grades` makes such a file")
    return tuple(_repository(row) for row in rows if row[URL].strip())


def _repository(row: Mapping[str, str]) -> Repository:
    user, identifier = row.get("github_username", "").strip(), row.get("roster_identifier", "").strip()
    name = identifier or user or row.get("student_repository_name", "")
    moment = _moment(row.get(TIME, ""))
    return Repository(Claim((identifier, user), name, student_id(name)), row[URL].strip(), moment)


def _moment(written: str) -> Moment | None:
    """`2027-03-22 14:59:00 UTC`, or with an offset; without one it is UTC."""
    try:
        when = datetime.fromisoformat(written.strip().removesuffix("UTC").strip())
    except ValueError:
        return None
    return Moment(when if when.utcoffset() is not None else when.replace(tzinfo=UTC), "GitHub Classroom")


def cloned(url: str, moment: Moment | None = None) -> HandedIn:
    """The files of the last commit of a repository. SubmissionError where it cannot be had.

    `moment` is when it was handed in by Classroom's list: a last commit that says it is younger is noted.
    """
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        bare = Path(folder, "bare.git")
        options = ("--bare", "--depth=1", "--single-branch", "--no-tags", "--no-local", "--template=", "--quiet")
        _git(Path(folder), "clone", *options, "--", url, str(bare), seconds=CLONE_S)
        found = HandedIn()
        committed = _committed(bare)
        for path, digest in _blobs(bare, found):
            found.add(Entry(path, partial(_within, path, _content(bare, path, digest))))
        found.note("the repository's history was ignored: its last commit counts")
        if moment is not None and committed > moment.at:
            found.note(
                f"the last commit says that it is of {committed:%Y-%m-%d %H:%M %z}, after the hand-in of "
                f"{moment.at:%Y-%m-%d %H:%M %z} that GitHub Classroom lists: a person should look"
            )
    return found


def _committed(bare: Path) -> datetime:
    """When the last commit says that it was made. SubmissionError where there is none."""
    try:
        written = _git(bare, "log", "-1", "--format=%ct", "HEAD", seconds=READ_S)
        return datetime.fromtimestamp(int(written), UTC)
    except (SubmissionError, ValueError, OverflowError, OSError):
        raise SubmissionError("the repository is empty: nothing was pushed to its main branch") from None


def _blobs(bare: Path, found: HandedIn) -> Iterator[tuple[PurePosixPath, str]]:
    """Path and digest of every plain file of the last commit; what is none is noted."""
    left = MOST
    for line in _git(bare, "ls-tree", "-r", "-l", "-z", "HEAD", seconds=READ_S).split(b"\0"):
        if not line:
            continue
        about, _, name = line.partition(b"\t")
        mode, _, digest, length = about.decode("ascii").split()
        path = PurePosixPath(name.decode("utf-8", "replace"))
        if not found.wants(path):
            continue
        if mode not in _PLAIN:
            found.refuse(str(path), _KINDS.get(mode, "not a plain file"))
            continue
        left -= int(length) if _is_read(path) and int(length) <= MAX_NOTEBOOK else 0
        if left < 0:
            raise SubmissionError(f"there is more than {size(MOST)} of code; hand in only what is asked for")
        yield path, digest if int(length) <= MAX_NOTEBOOK else ""


def _is_read(path: PurePosixPath) -> bool:
    return path.suffix.lower() in CODE or path.name == MANIFEST


def _content(bare: Path, path: PurePosixPath, digest: str) -> bytes | None:
    """A file that may be asked for; None for others, and for one that is too large."""
    return _git(bare, "cat-file", "blob", digest, seconds=READ_S) if digest and _is_read(path) else None


def _within(path: PurePosixPath, content: bytes | None, limit: int) -> bytes:
    if content is None or len(content) > limit:
        raise SubmissionError(f"{shown(path.name)} is larger than {size(limit)}; hand in only what is asked for")
    return content


def _git(folder: Path, *arguments: str, seconds: int) -> bytes:
    """What git writes; SubmissionError with its last words where it does not end well, in time and within bounds.

    Its words go to a file: a process that git started may hold a pipe open when git itself has ended.
    """
    command = ["git", *(word for each in _SETTINGS for word in ("-c", each)), *arguments]
    if os.name == "posix":  # a fork of ours with limits would not be safe beside other threads
        limits = f"ulimit -f {LARGEST >> 9} && ulimit -t {CPU_S} && ulimit -v {MEMORY_KB}"
        command = ["/bin/sh", "-c", f'{limits} && exec "$@"', "sh", *command]
    with tempfile.TemporaryFile() as words, tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command, cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=words
            )
        except FileNotFoundError:
            raise SubmissionError("git is not installed, and repositories are cloned with it; install it") from None
        code = _ended(process, output, seconds)
        if code == 127:
            raise SubmissionError("git is not installed, and repositories are cloned with it; install it")
        if output.seek(0, os.SEEK_END) > LISTED:
            raise SubmissionError("the repository holds more files than can be listed; hand in only what is asked for")
        words.seek(0)
        last = words.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
        if code is None:
            raise SubmissionError(f"the repository could not be read within {seconds} s")
        if code:
            larger = f", or it is larger than {size(LARGEST)}" if arguments[0] == "clone" and _was_cut(last) else ""
            said = shown(last[-1] if last else "git failed", 200)
            raise SubmissionError(f"the repository cannot be cloned ({said}{larger})")
        output.seek(0)
        return output.read()


def _ended(process: subprocess.Popen[bytes], output: IO[bytes], seconds: int) -> int | None:
    """The exit code; None where it was ended, since it took too long. Whatever happens, it does not run on."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            try:
                return process.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                if os.fstat(output.fileno()).st_size > LISTED:
                    return -1
        return None
    finally:
        if process.poll() is None:
            process.terminate()  # git ends what it has started
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _was_cut(words: Sequence[str]) -> bool:
    """Whether a limit may have ended one of git's processes."""
    return any("signal" in line or "too large" in line or "index-pack" in line for line in words)


def _environment() -> dict[str, str]:
    """Of ours what finds git and an ssh agent, and nobody's configuration. A token goes to GitHub alone."""
    kept = {name: os.environ[name] for name in ("PATH", "SSH_AUTH_SOCK", "HTTPS_PROXY") if name in os.environ}
    environment = kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "https:ssh:file",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }
    if token := os.environ.get(TOKEN):
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        environment |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.https://github.com/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
        }
    return environment
