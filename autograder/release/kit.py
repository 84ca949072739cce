"""The students' kit: one folder, and a zip of it, with all that somebody at home needs.

kit/
  README.md            what to do, on Linux, macOS, Windows and Colab
  requirements.txt     the wheel below; pip finds the rest
  *.whl                the engine with its data
  pytest.ini           so that `pytest assignments` works here
  language.txt         the course's language, where it is not English
  assignments/<id>/    as `release` builds them
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from autograder.course import load_assignment, load_course
from autograder.course.language import LANGUAGE_FILE
from autograder.course.load import RELEASED
from autograder.disk import write_whole
from autograder.errors import ReleaseError, UsageError
from autograder.records import Assignment
from autograder.release.folder import MARKER, marker, place
from autograder.release.kit_readme import readme
from autograder.release.leaks import Leak, scan
from autograder.release.steps import folders, hidden_texts, in_words
from autograder.release.wheel import build_wheel
from autograder.release.whitelist import build
from autograder.wording import SOURCE

PYTEST = """# One test_public.py an assignment: pytest must not take them for the same module.
[pytest]
addopts = --import-mode=importlib
"""
REQUIREMENTS = """# What the checks need: the course's own package; pip finds torch and the rest by itself.
./{wheel}
"""
_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every entry of the zip: the same kit is the same file."""


@dataclass(frozen=True, slots=True)
class Kit:
    """A kit on disk."""

    folder: Path
    zip: Path
    assignments: tuple[str, ...]
    files: tuple[str, ...]


def make_kit(
    root: Path,
    assignment_ids: Sequence[str],
    out: Path,
    *,
    wheel: Path | None = None,
    force: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Kit:
    """Write the kit of the named assignments (none named: of all) to the folder `out`, and a zip of it beside it.

    `out` may be called by the name of the zip, too: `kit` and `kit.zip` are the same place.
    Nothing is written where anything in it, inside the wheel too, would give away a line of a solution, a hidden check
    or the secret. Raises ReleaseError, UsageError.
    """
    assignments = [load_assignment(folder) for folder in folders(root, assignment_ids)]
    out = out.with_suffix("") if out.suffix.lower() == ".zip" else out
    _refuse_place(root, out)
    files = kit_files(root, assignments, _given(wheel) if wheel else build_wheel(root), out.name)
    leaks = kit_leaks(root, files, os.environ if environment is None else environment)
    if leaks:
        raise ReleaseError(in_words("the kit", leaks))
    place(files, out, force=force)
    archive = out.with_name(f"{out.name}.zip")
    _write(archive, _zip(out.name, files))
    return Kit(out, archive, tuple(each.id for each in assignments), tuple(files))


def kit_files(root: Path, assignments: Sequence[Assignment], wheel: tuple[str, bytes], folder: str) -> dict[str, bytes]:
    """Return what is in the kit: relative name -> content. `folder` is what the kit's own folder is called."""
    name, content = wheel
    files = {
        "README.md": readme(root, assignments, folder).encode(),
        "requirements.txt": REQUIREMENTS.format(wheel=name).encode(),
        "pytest.ini": PYTEST.encode(),
        name: content,
    }
    if (language := load_course(root).language) != SOURCE:
        files[LANGUAGE_FILE] = f"{language}\n".encode()
    for assignment in assignments:
        built = build(assignment)
        files |= {f"{RELEASED}/{assignment.id}/{file}": text for file, text in built.items()}
        files[f"{RELEASED}/{assignment.id}/{MARKER}"] = marker(built)
    return files


def kit_leaks(root: Path, files: Mapping[str, bytes], environment: Mapping[str, str]) -> tuple[Leak, ...]:
    """Return everything in the kit that must stay with the course; the wheel is opened and read, too."""
    solutions: dict[str, str] = {}
    hidden: dict[str, str] = {}
    for assignment in (load_assignment(folder) for folder in folders(root, ())):  # those that are not released, too
        where = f"{RELEASED}/{assignment.id}"
        for name in assignment.files:
            solutions[f"{where}/{name}"] = (assignment.folder / name).read_text(encoding="utf-8-sig")
        texts = hidden_texts(assignment, build(assignment))
        hidden |= {f"{where}/{name}": text for name, text in texts.items()}
    public = {name: content for name, content in files.items() if name.startswith(f"{RELEASED}/")}
    return scan(files, solutions, hidden, root, environment=environment, public=public)


def _refuse_place(root: Path, out: Path) -> None:
    target = out.resolve()
    for taken in (root / "solutions", root / RELEASED, root / "autograder", root / "datasets"):
        if target.is_relative_to(taken.resolve()) or taken.resolve().is_relative_to(target):
            raise UsageError(f"{out}: the kit needs a folder of its own; choose another place than {taken.name}/")


def _given(wheel: Path) -> tuple[str, bytes]:
    if wheel.suffix != ".whl":
        raise UsageError(f"{wheel}: is not a wheel (.whl)")
    return wheel.name, wheel.read_bytes()


def _zip(folder: str, files: Mapping[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}", _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _write(file: Path, content: bytes) -> None:
    """Replace a file in one step."""
    try:
        write_whole(file, content)
    except OSError as error:
        raise ReleaseError(
            f"{file}: cannot be written ({error.strerror}); the folder is complete all the same"
        ) from error
