"""The known mistakes of an assignment as modules that run: built once a process, alone and in pairs."""

from __future__ import annotations

import ast
import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

import torch

from autograder.checks.known_answers import KnownAnswers
from autograder.checks.precision import default_dtype
from autograder.diagnosis.touched import ANYTHING, Part, Running, changed_by
from autograder.records import Assignment
from autograder.sandbox import loading, standins
from autograder.sandbox.ban_plan import prepare
from autograder.sandbox.bans import Bans
from autograder.variants import Variant, mistakes, paired

WHILE_IMPORTED = b""
"""The place at which what runs during an import is noted."""


class Catalogue:
    """Modules with a known mistake in them, and the reference without one; their files lie in `folder`."""

    def __init__(self, assignment: Assignment, earlier: Sequence[Path] = ()) -> None:
        self.assignment = assignment
        self.mistakes: Mapping[str, Variant] = {each.id: each for each in mistakes(assignment) if each.files}
        self.folders = (assignment.folder, *earlier)
        """Where the solution's files and those of earlier assignments lie."""
        self._earlier = loading.Apart(earlier)
        self._sources = {
            path.name: path.read_text(encoding="utf-8")
            for folder in reversed(self.folders)
            for path in folder.glob("*.py")
        }
        self._own = frozenset(assignment.files)
        self.folder = Path(tempfile.mkdtemp(prefix="autograder-mistakes-"))
        self._clear_away = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.answers = KnownAnswers(errors=True)
        """What they answered: forty students with one mistake are asked the same."""
        self._modules: dict[tuple[str, tuple[str, ...]], ModuleType] = {}
        self._broken: set[str] = set()
        self._changed: dict[str, frozenset[Part] | None] = {}
        self._parts: dict[str, str] = {}
        self.running = Running(self.folders)
        """What runs of the solution while it is imported, and for each of its answers."""
        self._bans = Bans(prepare(()))
        described = [(each.id, each.edits, each.caught_by) for each in self.mistakes.values()]
        self.version = hashlib.sha256(repr(described).encode()).hexdigest()

    def reference(self, stand_ins: tuple[str, ...]) -> ModuleType:
        """Return the solution, with stand-ins set."""
        with self.running.watched(WHILE_IMPORTED):
            module = self._module("", self.assignment.folder, stand_ins)
        assert module is not None  # a solution that cannot be imported has ended the run long before
        return module

    def made(self, ids: tuple[str, ...], stand_ins: tuple[str, ...]) -> ModuleType | None:
        """Return the solution with one mistake or two in it; None where that cannot be, or not be imported."""
        first, *more = (self.mistakes[id_] for id_ in ids)
        files = paired(self.assignment, first, *more) if more else first.files
        return None if files is None else self._made("+".join(ids), files, stand_ins)

    def changed_by(self, id_: str) -> frozenset[Part] | None:
        """Return the functions inside which a mistake lies; None where it may change anything."""
        if id_ not in self._changed:
            found = changed_by(self.mistakes[id_].edits, self._sources)
            early = self.running.ran[WHILE_IMPORTED]
            self._changed[id_] = None if found is None or found & early or ANYTHING in early else found
        return self._changed[id_]

    def part_of(self, id_: str) -> str:
        """Return the function (`RNN.forward`) of the solution that a mistake changes first; empty outside of any."""
        if id_ not in self._parts:
            edit = self.mistakes[id_].edits[0]
            source = (self.assignment.folder / edit.file).read_text(encoding="utf-8")
            line = source.count("\n", 0, source.index(edit.replace.lstrip())) + 1
            self._parts[id_] = _enclosing(_parsed(source), line)
        return self._parts[id_]

    def _made(self, name: str, files: Mapping[str, bytes], stand_ins: tuple[str, ...]) -> ModuleType | None:
        folder = self.folder / name
        if not folder.exists():
            folder.mkdir()
            for file, content in files.items():
                if file in self._own or content.decode() != self._sources[file]:  # others stand where they stood
                    (folder / file).write_bytes(content)
        return self._module(name, folder, stand_ins)

    def _module(self, name: str, folder: Path, stand_ins: tuple[str, ...]) -> ModuleType | None:
        key = (name, stand_ins)
        if key not in self._modules and name not in self._broken:
            try:
                with default_dtype(torch.float64), self._earlier:  # which are imported once for all
                    module = loading.import_apart([folder], self.assignment.module)
            except Exception:  # noqa: BLE001 - a mistake may make the file one that cannot be imported: then it is no match
                self._broken.add(name)
                return None
            for stand_in in stand_ins:
                standins.set_stand_in(module, stand_in, self._bans)
            self._modules[key] = module
        return self._modules.get(key)

    def close(self) -> None:
        """Remove the folder, which would otherwise go with this object."""
        self._clear_away()


@cache
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def _enclosing(tree: ast.Module, line: int) -> str:
    names: list[str] = []
    body: Sequence[ast.stmt] = tree.body
    while True:
        inner = next((node for node in body if _is_named(node) and node.lineno <= line <= (node.end_lineno or 0)), None)
        if not isinstance(inner, ast.FunctionDef | ast.ClassDef):
            return ".".join(names)
        names.append(inner.name)
        if isinstance(inner, ast.FunctionDef):
            return ".".join(names)
        body = inner.body


def _is_named(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.ClassDef)
