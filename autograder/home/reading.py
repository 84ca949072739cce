"""What can be said of a student's files by reading them alone: nothing is run, so it is said at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.gaps import Gap, gaps
from autograder.home.report import Problem
from autograder.intake.sources import MAX_FILE
from autograder.records import Assignment
from autograder.sandbox.loading import refusal, refused_imports


@dataclass(frozen=True, slots=True)
class Source:
    """One file to hand in, as it lies in the folder."""

    name: str
    """In the hand-in: `rnn.py`."""
    path: Path
    content: bytes
    gaps: tuple[Gap, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def unwritten(self) -> tuple[Gap, ...]:
        """The gaps that cost points."""
        return tuple(gap for gap in self.gaps if not gap.bonus)


def read_sources(assignment: Assignment) -> tuple[Source, ...]:
    """Return what is to be handed in: the assignment's own files, and behind them those that it builds on."""
    paths = [*(assignment.folder / name for name in assignment.files), *earlier_files(assignment)]
    own = frozenset(Path(name).stem for name in (*assignment.files, *assignment.earlier_files))
    beside = frozenset(path.stem for path in assignment.folder.glob("*.py")) - own
    return tuple(_source(path, frozenset(assignment.importable) | own, own, beside) for path in paths)


def earlier_files(assignment: Assignment) -> tuple[Path, ...]:
    """Return the files of earlier assignments that are there; one that is missing is no reason to refuse."""
    beside = assignment.folder.parent
    paths = [beside / used.id / name for used in assignment.builds_on for name in used.files]
    return tuple(path for path in paths if path.is_file())


def _source(path: Path, importable: frozenset[str], own: frozenset[str], beside: frozenset[str]) -> Source:
    name = path.name
    try:
        content = path.read_bytes()
    except OSError as error:
        return Source(name, path, b"", problems=(Problem(name, 0, f"cannot be read ({error.strerror})", fatal=True),))
    try:
        tree = _parse(name, content)
    except _Unreadable as error:
        return Source(name, path, content, problems=(error.problem,))
    problems = tuple(_imports(tree, name, importable, own, beside))
    return Source(name, path, content, gaps(tree, name), problems)


class _Unreadable(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _parse(name: str, content: bytes) -> ast.Module:
    """The file's tree; raises _Unreadable with what `grade` would say of it, too."""
    if not content.strip():
        raise _Unreadable(Problem(name, 0, "is empty", fatal=True))
    if len(content) > MAX_FILE:
        raise _Unreadable(Problem(name, 0, f"is larger than {MAX_FILE >> 20} MiB; keep data out of it", fatal=True))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Unreadable(Problem(name, line, "is not UTF-8 text; save it as UTF-8", fatal=True)) from None
    try:
        tree = ast.parse(text, name)
        compile(tree, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        words = f"is not valid Python: {error.msg}"
        shown = (error.text or "").rstrip()
        raise _Unreadable(Problem(name, error.lineno or 0, words, detail=shown, fatal=True)) from None
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte; an expression a thousand levels deep
        raise _Unreadable(Problem(name, 0, f"cannot be compiled: {error}", fatal=True)) from None
    return tree


def _imports(
    tree: ast.Module, name: str, importable: frozenset[str], own: frozenset[str], beside: frozenset[str]
) -> Iterator[Problem]:
    for line, package in refused_imports(tree, name, importable):
        if package in beside:
            handed_in = ", ".join(sorted(f"{stem}.py" for stem in own))
            words = f"`import {package}`: {package}.py is not handed in, only {handed_in} is; move its code there"
        else:
            words = refusal(package, importable - own)
        yield Problem(name, line, words)
