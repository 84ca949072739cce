"""The kit's wheel, built from the course's own copy of the engine and its data, without a network.

One wheel is for students and instructors alike. The parts that only instructors use travel along: they hold no
secret, since what is secret (solutions, hidden checks, the course secret) lies outside the package, and nothing in the
grading relies on students not knowing the engine. Whoever cheats by reading it would find it on the instructor's page.
"""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from autograder.errors import ReleaseError

PROJECT = "pyproject.toml"
DISTRIBUTION = "rnn-to-vit-grader"
_SOURCES = (PROJECT, "README.md", "LICENSE", "NOTICE", "autograder", "datasets")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.py[cod]", "*.egg-info", ".*")
_EPOCH = "315532800"
"""1980-01-01, the earliest date of a zip: the same sources make the same bytes."""


def build_wheel(root: Path) -> tuple[str, bytes]:
    """Return file name and content of the wheel of the project in `root`. Raises ReleaseError.

    It is built in a copy, so that nothing old in a build folder gets in, and with what is installed here, so that it
    needs no network.
    """
    _refuse_strangers(root)
    try:
        from build import BuildException, ProjectBuilder
    except ImportError as error:
        raise ReleaseError(
            f"the kit's wheel cannot be built: {error.name} is not installed; install the extra `instructor`, or hand "
            "over a wheel with --wheel"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "source"), Path(folder, "out")
        _copy(root, source)
        try:
            builder = ProjectBuilder(source, runner=_same_bytes)
            if missing := builder.check_dependencies("wheel"):
                needed = ", ".join(chain[-1] for chain in sorted(missing))
                raise ReleaseError(f"the kit's wheel cannot be built: {needed} is not installed; install it with pip")
            wheel = Path(builder.build("wheel", out))
        except BuildException as error:
            raise ReleaseError(f"the kit's wheel cannot be built: {error}") from error
        return wheel.name, wheel.read_bytes()


def _refuse_strangers(root: Path) -> None:
    try:
        name = tomllib.loads((root / PROJECT).read_text(encoding="utf-8"))["project"]["name"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        name = None
    if name != DISTRIBUTION:
        raise ReleaseError(
            f"{root}: is not a copy of {DISTRIBUTION} with its {PROJECT}, so no wheel can be built from it; hand one "
            "over with --wheel"
        )


def _copy(root: Path, source: Path) -> None:
    source.mkdir()
    for name in _SOURCES:
        path = root / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=_LEFT_OUT)
        elif path.is_file():
            shutil.copy(path, source / name)


def _same_bytes(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
    """Run a step of the build in silence, with a clock that stands still."""
    from pyproject_hooks import quiet_subprocess_runner

    quiet_subprocess_runner(cmd, cwd, {**(extra_environ or {}), "SOURCE_DATE_EPOCH": _EPOCH})
