"""The students' folder of one assignment, from a whitelist: what is not named here stays with the course."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import MappingProxyType

import yaml

from autograder.course.translation import read_translation, translation_file
from autograder.errors import ReleaseError
from autograder.records import Assignment
from autograder.release.handout import pictures, section
from autograder.release.stubs import make_stub, refuse_markers
from autograder.wording import LANGUAGES

PUBLIC_CHECKS, HIDDEN_CHECKS = "test_public.py", "test_hidden.py"
HANDOUT = "handout.md"

_TRANSLATIONS = "handout.??.md"
_PLACE = re.compile(r"\{[a-z]+\d*\}")
"""Where a translated text has a place for a number or a name (course/translation.py)."""
_COURSE_ONLY = (".yml", ".yaml")
"""Known mistakes, fair play and whatever else is written as edits of a solution."""


def build(assignment: Assignment) -> Mapping[str, bytes]:
    """Return the students' folder: relative name -> content. It reads files and writes none.

    The same sources give the same bytes. Raises ReleaseError where something is missing or would be of no use at home.
    """
    files = _handouts(assignment) | stub_files(assignment)
    files |= _as_they_are(assignment, taken=frozenset(files))
    files |= _translated(assignment, files[PUBLIC_CHECKS].decode())
    files["assignment.yml"] = _settings(assignment).encode()
    files["README.md"] = _readme(assignment).encode()
    _refuse_imports(assignment, files)
    return MappingProxyType(dict(sorted(files.items())))


def stub_files(assignment: Assignment) -> dict[str, bytes]:
    """Return the files to hand in as students get them: name -> content.

    While there is no handout yet, the stubs name no sections.
    """
    file = assignment.folder / HANDOUT
    heading = partial(section, _text(file) if file.exists() else "")
    sources = {name: assignment.folder / name for name in assignment.files}
    return {name: make_stub(str(path), _text(path), heading).encode() for name, path in sources.items()}


def given(assignment: Assignment) -> tuple[str, ...]:
    """Return the files that students get ready-made (`given:` in assignment.yml)."""
    return assignment.given


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ReleaseError(f"{file}: cannot be read ({error.strerror}), and students need it; write it") from error
    except UnicodeDecodeError as error:
        raise ReleaseError(f"{file}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _handouts(assignment: Assignment) -> dict[str, bytes]:
    """The handout, its translations, and the pictures that they show."""
    files: dict[str, bytes] = {}
    for handout in (assignment.folder / HANDOUT, *sorted(assignment.folder.glob(_TRANSLATIONS))):
        text = _text(handout)
        files[handout.name] = text.encode()
        files |= {name: (assignment.folder / name).read_bytes() for name in pictures(handout, text)}
    return files


def _as_they_are(assignment: Assignment, taken: frozenset[str]) -> dict[str, bytes]:
    """The public checks and the given files."""
    files: dict[str, bytes] = {}
    for name in (PUBLIC_CHECKS, *given(assignment)):
        kept_back = name == HIDDEN_CHECKS or name.endswith(_COURSE_ONLY) or Path(name).name != name
        if kept_back or name in {*taken, *files, "README.md"}:
            raise ReleaseError(f"{assignment.id}: `given:` names {name}, which is kept back or released already")
        text = _text(assignment.folder / name)
        refuse_markers(str(assignment.folder / name), text)
        files[name] = text.encode()
    return files


def _translated(assignment: Assignment, public_checks: str) -> dict[str, bytes]:
    """What the public checks say, in other languages: nothing that only hidden checks or known mistakes say."""
    constants = (each.value for each in ast.walk(ast.parse(public_checks)) if isinstance(each, ast.Constant))
    said = "\n".join([assignment.title, *(value for value in constants if isinstance(value, str))])
    files = {}
    for language in LANGUAGES:
        file = translation_file(assignment.folder, language)
        texts = read_translation(assignment.folder, language)
        if public := {text: words for text, words in texts.items() if all(map(said.__contains__, _PLACE.split(text)))}:
            dumped: str = yaml.safe_dump(public, sort_keys=False, allow_unicode=True, width=120)
            files[file.name] = f"# Built by `autograder release`.\n{dumped}".encode()
    return files


def _settings(assignment: Assignment) -> str:
    """The assignment.yml of the students: the same keys, without the ids of hidden checks."""
    settings: dict[str, object] = {"title": assignment.title, "files": list(assignment.files)}
    if assignment.given:
        settings["given"] = list(assignment.given)
    if assignment.builds_on:
        settings["builds_on"] = {earlier.id: list(earlier.parts) for earlier in assignment.builds_on}
    for key in ("bans", "importable", "preload"):
        if names := getattr(assignment, key):
            settings[key] = list(names)
    settings["limits"] = asdict(assignment.limits)
    if parts := dict(_public_parts(assignment)):
        settings["parts"] = parts
    text: str = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    return "# Built by `autograder release`; a change here changes only what happens at home.\n" + text


def _public_parts(assignment: Assignment) -> Iterator[tuple[str, list[str]]]:
    public = {check.id: check for check in assignment.checks if check.public}
    for part, ids in assignment.parts.items():
        at_home = [id_ for id_ in ids if id_ in public]
        waiting = [check for check in public.values() if part in check.needs]
        if waiting and not at_home:
            raise ReleaseError(
                f"{waiting[0].file}:{waiting[0].line}: `{waiting[0].id}` needs the part `{part}`, whose checks are all "
                "hidden, so it could never run at home; give the part a public check or drop the need"
            )
        if at_home:
            yield part, at_home


def _readme(assignment: Assignment) -> str:
    public = sum(check.points for check in assignment.checks if check.public)
    total = sum(check.points for check in assignment.checks)
    names = ", ".join(f"`{name}`" for name in assignment.files)
    korean = " (한국어: [handout.ko.md](handout.ko.md))" if (assignment.folder / "handout.ko.md").is_file() else ""
    return f"""# {assignment.title}

1. Read [handout.md](handout.md){korean}: what to write, the shapes, the equations and their sources.
2. Fill in {names}: replace every `raise NotImplementedError(...)`, from top to bottom. Names and signatures stay.
3. Check as often as you like: `autograder check`, in this folder, runs the public checks and says what comes next
   (`-k NAME` picks some of them, `--watch` runs them whenever you save). `pytest assignments/{assignment.id}`, from the
   folder that holds `assignments/`, runs the same checks.
4. `autograder submit` packs {names} into a zip to upload where your course collects it.{_readme_on_earlier(assignment)}

The public checks are worth {public} of {total} points. The others run after you hand in, on other inputs.
Changes in any file but {names} have no effect on your points.
"""


def _readme_on_earlier(assignment: Assignment) -> str:
    if not assignment.builds_on:
        return ""
    files = ", ".join(f"`{name}`" for name in assignment.earlier_files)
    folders = ", ".join(f"`../{earlier.id}`" for earlier in assignment.builds_on)
    return f"""
   It takes {files} along: this assignment builds on it. At home your own is taken from {folders}. What of it is
   missing or wrong is replaced by a stand-in of the course, at no cost; the checks say which is in use."""


def _refuse_imports(assignment: Assignment, files: Mapping[str, bytes]) -> None:
    """A released file that imports a module which stays behind would fail at home."""
    kept_back = {path.stem for path in assignment.folder.glob("*.py")} - {Path(name).stem for name in files}
    for name in (name for name in files if name.endswith(".py")):
        file = assignment.folder / name
        for line, module in _imports(file, files[name]):
            if module in kept_back:
                raise ReleaseError(
                    f"{file}:{line}: imports `{module}`, which is not released; list {module}.py under `given:` of "
                    "assignment.yml or do without it"
                )


def _imports(file: Path, source: bytes) -> Iterator[tuple[int, str]]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise ReleaseError(f"{file}:{getattr(error, 'lineno', None) or 1}: is not valid Python: {error}") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]
