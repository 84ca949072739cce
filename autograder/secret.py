"""The course secret: the key from which every random draw of `grade` is derived.

Who knows it can compute the inputs of all hidden checks. It lies in `.autograder/secret`, is never committed, never
enters the sandbox, and results hold only its `fingerprint`.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

from autograder.errors import UsageError

VARIABLE = "AUTOGRADER_SECRET"
"""The environment variable that overrides the file."""
PLACE = Path(".autograder") / "secret"
"""Where the file lies, from the course's root."""

_SIZE = 32
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){32,}")
_FINGERPRINT_DOMAIN = b"rnn-to-vit-grader: fingerprint of the course secret, version 1\0"


def make_secret(root: Path) -> bytes:
    """Return the secret in `<root>/.autograder/secret`; where there is none, make one: 32 random bytes, mode 0600.

    One that is there is never replaced, and raises UsageError as `load_secret` does.
    """
    file = root / PLACE
    secret = secrets.token_bytes(_SIZE)
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        _ignore(file.parent)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return load_secret(root, {})
    except OSError as error:
        raise UsageError(
            f"{file} cannot be made ({error.strerror}); is {root} the course's folder, and yours?"
        ) from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(secret)
    return secret


def _ignore(folder: Path) -> None:
    """Keep git from ever adding the folder, whatever the course's own .gitignore says."""
    rule = folder / ".gitignore"
    if not rule.exists():
        rule.write_text("*\n", encoding="utf-8")


def load_secret(root: Path, environment: Mapping[str, str]) -> bytes:
    """Return the secret from the variable AUTOGRADER_SECRET, or else from `<root>/.autograder/secret`.

    Raises UsageError where it is missing, short, readable by others or tracked by git.
    """
    if VARIABLE in environment:  # set but empty is an error, not "unset": the file's secret would draw other inputs
        return _from_text(environment[VARIABLE].strip())
    file = root / PLACE
    try:
        _refuse_exposed(file)
        secret = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}); it should be yours, with mode 0600") from error
    _refuse_tracked(root, environment)
    if len(secret) < _SIZE:
        raise UsageError(
            f"{file} holds {len(secret)} bytes, and a secret has at least {_SIZE}. Restore it from your backup, "
            "or remove it and run `autograder release`, which makes a new one (and new hidden inputs)."
        )
    return secret


def _from_text(text: str) -> bytes:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    if len(text) < _SIZE:
        raise UsageError(
            f"the environment variable {VARIABLE} has {len(text)} characters; expected 64 hexadecimal digits or at "
            f"least {_SIZE} characters that nobody can guess. Set it to the content that you keep for this course, "
            f"or unset it to use {PLACE.as_posix()}."
        )
    return text.encode()


def _refuse_exposed(file: Path) -> None:
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        raise UsageError(
            f"there is no course secret: {file} does not exist and {VARIABLE} is not set. Run `autograder release`, "
            "which makes one, or copy the one of this term to that place."
        ) from None
    if not stat.S_ISREG(mode):
        raise UsageError(f"{file} is not a file; move it away and run `autograder release`, which makes a secret.")
    if os.name == "posix" and mode & 0o077:
        raise UsageError(
            f"{file} has mode {stat.S_IMODE(mode):04o}, so other users of this machine can use it; expected 0600. "
            f"Run `chmod 600 {file}`; if students have accounts here, remove it and make a new one."
        )


def _refuse_tracked(root: Path, environment: Mapping[str, str]) -> None:
    git = shutil.which("git")
    if git is None:
        return
    # A hook of git sets GIT_DIR and GIT_INDEX_FILE, which may belong to another repository; the two options keep git
    # from running a file-system monitor and from giving up where the folder belongs to another user.
    clean = {name: value for name, value in environment.items() if not name.startswith("GIT_")}
    options = ["-C", str(root), "-c", "core.fsmonitor=false", "-c", "safe.directory=*"]
    command = [git, *options, "ls-files", "--error-unmatch", "--", PLACE.as_posix()]
    listed = subprocess.run(command, env=clean, capture_output=True, check=False)
    if listed.returncode == 0:
        raise UsageError(
            f"git tracks {root / PLACE}, so everybody with the repository knows the hidden inputs. "
            f"Run `git rm --cached {PLACE.as_posix()}`, remove the file, and run `autograder release`, which makes a "
            "new one: the old one stays in the history."
        )


def fingerprint(secret: bytes) -> str:
    """Return what results may hold: the SHA-256, in hexadecimal, of the secret behind a prefix of its own purpose."""
    return hashlib.sha256(_FINGERPRINT_DOMAIN + secret).hexdigest()
