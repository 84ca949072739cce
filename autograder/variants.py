"""Programs made from an assignment's solution: its known mistakes, its fair-play variants, and students who are lazy.

The audit grades them all; `demo` makes its class of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from autograder.errors import ConfigurationError
from autograder.intake import files_digest
from autograder.records import Assignment, Submission
from autograder.release import build

MISTAKES, CHEATS, FAIR_PLAY, FAIR_PLAY_FOLDER = "mistakes.yml", "cheats.yml", "fair_play.yml", "fair_play"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader in C, where there is one: a long list of mistakes takes the one in Python a second."""
KEYS = frozenset({"id", "file", "edits", "caught_by", "hint", "hint.ko", "why_not", "training_visible"})


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a file of the solution."""

    file: str
    replace: str
    """Stands exactly once in the file."""
    by: str


@dataclass(frozen=True, slots=True)
class Variant:
    """A program derived from the solution, or written beside it."""

    id: str
    files: Mapping[str, bytes]
    caught_by: tuple[str, ...] = ()
    """Checks that must not pass it; empty for a fair-play variant."""
    hint: str = ""
    why_not: str = ""
    """Why a mistake of the catalogue cannot be an edit; then there are no files."""
    training_visible: bool = False
    """Whether a training shows this mistake as well, so that its bound must lie below it."""
    shown_by: tuple[str, ...] = ()
    """The trainings that do; none named: all of them."""
    edits: tuple[Edit, ...] = ()
    """What was changed, where the program is an edit of the solution."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """Language -> hint."""


def mistakes(assignment: Assignment) -> tuple[Variant, ...]:
    """Return the known mistakes. Raises ConfigurationError where an edit does not match exactly once."""
    return _edited(assignment, assignment.folder / MISTAKES)


def cheats(assignment: Assignment) -> tuple[Variant, ...]:
    """Return programs that try to have the points without the work, as edits of the solution like mistakes."""
    return _edited(assignment, assignment.folder / CHEATS)


def fair_play(assignment: Assignment) -> tuple[Variant, ...]:
    """Return correct programs in other styles: whole files of `fair_play/` and the edits of fair_play.yml."""
    name = assignment.files[0]
    written = [
        Variant(path.stem, {**_solution(assignment), name: path.read_bytes()})
        for path in sorted((assignment.folder / FAIR_PLAY_FOLDER).glob("*.py"))
    ]
    return (*written, *_edited(assignment, assignment.folder / FAIR_PLAY), *without_earlier(assignment))


def solution(assignment: Assignment) -> Variant:
    """Return the reference solution as a submission would be."""
    return Variant("solution", _solution(assignment))


def without_earlier(assignment: Assignment) -> tuple[Variant, ...]:
    """Return the solution of who has no work of earlier assignments to build on; none where nothing is built on."""
    own = {name: content for name, content in _solution(assignment).items() if name in assignment.files}
    return (Variant("without_earlier_work", own),) if assignment.builds_on else ()


def stub(assignment: Assignment) -> Variant:
    """Return what students are given, as a submission."""
    built = build(assignment)
    return Variant("stub", {**_solution(assignment), **{name: built[name] for name in assignment.files}})


def lazy_students(assignment: Assignment) -> tuple[Variant, ...]:
    """Return five students who have the shapes right and the work not done.

    Each is the solution with something laid around every function and every method but `__init__`.
    """
    name = assignment.files[0]
    source = (assignment.folder / name).read_bytes()
    return tuple(
        Variant(id_, {**_solution(assignment), name: source + LAZY.replace("ANSWER", answer).encode()})
        for id_, answer in ANSWERS.items()
    )


ANSWERS = {
    "lazy_zeros": "like(torch.zeros_like, tried(args, kwargs))",
    "lazy_random": "like(noise, tried(args, kwargs))",
    "lazy_echo": "next(arg for arg in args if not isinstance(arg, torch.nn.Module))",
    "lazy_value_error": "complain()",
    "lazy_exit": "__import__('os')._exit(0)",
}

LAZY = """

# --- what follows makes this a lazy student ---
import copy as _copy
import functools as _functools
import inspect as _inspect

import torch


def _lazy(function):
    def noise(value):
        return torch.randn(value.shape).to(value.dtype)

    def complain():
        raise ValueError("lazy")

    def apart(value):
        try:
            return _copy.deepcopy(value)
        except Exception:
            return value

    def tried(args, kwargs):  # on copies: a function that works in place has done nothing either
        return function(*map(apart, args), **{name: apart(value) for name, value in kwargs.items()})

    def like(kind, value):
        if isinstance(value, torch.Tensor):
            return kind(value)
        if isinstance(value, (list, tuple)):
            return type(value)(like(kind, item) for item in value)
        return type(value)(0) if isinstance(value, (int, float)) else value

    @_functools.wraps(function)
    def answer(*args, **kwargs):
        return ANSWER

    return answer


for _name, _value in list(globals().items()):
    if getattr(_value, "__module__", "") != __name__ or _name.startswith("_"):
        continue
    if _inspect.isfunction(_value):
        globals()[_name] = _lazy(_value)
    elif _inspect.isclass(_value):
        for _method, _function in list(vars(_value).items()):
            if _inspect.isfunction(_function) and _method != "__init__":
                setattr(_value, _method, _lazy(_function))
"""


def as_submission(assignment: Assignment, student: str, files: Mapping[str, bytes]) -> Submission:
    """Return files as what a student handed in."""
    return Submission(student, assignment.id, files, digest=files_digest(files))


def _solution(assignment: Assignment) -> dict[str, bytes]:
    """The solution's files, and those of the assignments that it builds on."""
    return {name: path.read_bytes() for name, path in _paths(assignment).items()}


def _paths(assignment: Assignment) -> dict[str, Path]:
    beside = assignment.folder.parent
    paths = {name: assignment.folder / name for name in assignment.files}
    return paths | {name: beside / earlier.id / name for earlier in assignment.builds_on for name in earlier.files}


def _edited(assignment: Assignment, file: Path) -> tuple[Variant, ...]:
    if not file.exists():
        return ()
    entries = yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER) or []  # noqa: S506 - a safe loader
    ids = [entry.get("id", "") for entry in entries]
    if doubles := {id_ for id_ in ids if ids.count(id_) > 1}:
        raise ConfigurationError(f"{file}: {', '.join(sorted(doubles))} stands there more than once")
    return tuple(_variant(assignment, file, entry) for entry in entries)


def _variant(assignment: Assignment, file: Path, entry: Mapping[str, Any]) -> Variant:
    if unknown := set(entry) - KEYS:
        raise ConfigurationError(
            f"{file}: {entry.get('id')}: unknown key {', '.join(sorted(unknown))}; known are {sorted(KEYS)}"
        )
    if "id" not in entry or ("edits" in entry) is ("why_not" in entry):
        raise ConfigurationError(f"{file}: {entry.get('id', 'an entry')} needs an id, and either edits or why_not")
    if "why_not" in entry:
        return Variant(entry["id"], {}, why_not=entry["why_not"])
    visible = entry.get("training_visible", False)
    name = entry.get("file", assignment.files[0])
    if name not in (paths := _paths(assignment)):
        raise ConfigurationError(f"{file}: {entry['id']}: there is no file {name} to edit; known are {sorted(paths)}")
    edits = tuple(Edit(name, edit["replace"], edit["with"]) for edit in entry["edits"])
    hint = entry.get("hint", "")
    return Variant(
        entry["id"],
        _apply(_solution(assignment), edits, f"{file}: {entry['id']}"),
        tuple(entry.get("caught_by", ())),
        hint,
        training_visible=bool(visible),
        shown_by=tuple(visible) if isinstance(visible, list) else (),
        edits=edits,
        hints={"en": hint} | {key[5:]: words for key, words in entry.items() if key.startswith("hint.")},
    )


def paired(assignment: Assignment, first: Variant, second: Variant) -> Mapping[str, bytes] | None:
    """Return the files of the solution with both mistakes in them; None where one edit is in the other's way."""
    try:
        return _apply(_solution(assignment), (*first.edits, *second.edits), "")
    except ConfigurationError:
        return None


def _apply(files: Mapping[str, bytes], edits: Iterable[Edit], where: str) -> dict[str, bytes]:
    edited = dict(files)
    for edit in edits:
        source = edited[edit.file].decode()
        if (count := source.count(edit.replace)) != 1:
            raise ConfigurationError(f"{where}: {edit.replace!r} stands {count} times in the solution; it must be once")
        edited[edit.file] = source.replace(edit.replace, edit.by).encode()
    return edited
