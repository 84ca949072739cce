"""A submission's files become an imported module.

The files are written read-only and imported by name, so that `sys.modules`, `linecache`, tracebacks and dataclasses
under `from __future__ import annotations` work as at the student's desk. Imports outside the assignment's list are
refused where they stand; plotting and progress packages, which no answer depends on, become inert in `grade`.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import marshal
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, MappingProxyType, ModuleType
from typing import Self

from autograder.notebooks import guarded
from autograder.sandbox import rereading
from autograder.sandbox.inert import INERT, INERT_PARTS, Inert

NOTHING: Mapping[str, bytes] = MappingProxyType({})


def refused_imports(source: str | ast.Module, name: str, importable: Iterable[str]) -> list[tuple[int, str]]:
    """Return line and package of each import that `grade` would refuse; for a student's own desk, before they hand in.

    Raises SyntaxError. Nothing runs; not for the judge's machine, where parsing a stranger's text belongs in a child.
    """
    tree = source if isinstance(source, ast.Module) else ast.parse(source, name)
    allowed = sys.stdlib_module_names | INERT | frozenset(importable)
    return [
        (getattr(node, "lineno", 0), package)
        for node in ast.walk(tree)
        for package in _packages(node)
        if package not in allowed
    ]


def _packages(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.partition(".")[0]]
    return []


def refusal(package: str, importable: Iterable[str]) -> str:
    """Return the words for an import that is not allowed."""
    allowed = ", ".join(sorted(importable))
    return (
        f"`import {package}`: this assignment allows {allowed} and Python's standard library; remove the import, or "
        "put what you need of it into your own file"
    )


class InertLoader(importlib.abc.Loader):
    """Makes inert modules."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return the inert module."""
        return Inert(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing."""


class ImportGate(importlib.abc.MetaPathFinder):
    """Decides about imports that a submission itself asks for; those of torch's own code pass."""

    def __init__(
        self, folder: Path, importable: Iterable[str], *, inert: bool, codes: Mapping[str, bytes] = NOTHING
    ) -> None:
        own = {name.removesuffix(".py") for name in os.listdir(folder) if name.endswith(".py")}
        self._folder = str(folder)
        self._allowed = frozenset(importable)
        self._importable = self._allowed | own
        self._inert = inert
        self._codes = codes

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - importlib's interface
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Return None to let an import pass, a spec of a module that we have, or raise ImportError with the reason."""
        if fullname in self._codes:
            return compiled_spec(Path(self._folder), fullname, self._codes[fullname])
        package = fullname.partition(".")[0]
        if self._inert and fullname in INERT_PARTS and _asked_from(self._folder):
            return importlib.machinery.ModuleSpec(fullname, InertLoader(), is_package=True)
        if package in sys.stdlib_module_names or package in self._importable or not _asked_from(self._folder):
            return None
        if self._inert and package in INERT:
            return importlib.machinery.ModuleSpec(fullname, InertLoader(), is_package=True)
        raise ImportError(refusal(package, self._allowed), name=fullname)


def _asked_from(folder: str) -> bool:
    """Whether the import that a finder, the caller, is asked about stands in a file of `folder`."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(folder)


@dataclass
class InertWhereMissing(importlib.abc.MetaPathFinder):
    """At home, behind other finders: plots and progress bars that are not installed are inert for files in `folder`."""

    folder: Path
    _made: list[str] = field(default_factory=list)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - importlib's interface
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of an inert module, or None where the import is not one of these."""
        if fullname.partition(".")[0] in INERT and _asked_from(str(self.folder)):
            self._made.append(fullname)
            return importlib.machinery.ModuleSpec(fullname, InertLoader(), is_package=True)
        return None

    def __enter__(self) -> Self:
        sys.meta_path.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)
        while self._made:
            sys.modules.pop(self._made.pop(), None)


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a submission's files into `folder`, readable and no more."""
    for name, content in files.items():
        with open(f"{folder}/{name}", "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o444)


class Compiled(importlib.machinery.SourceFileLoader):
    """Loads a module from code that was compiled before: parsing is a quarter of what a child costs."""

    def __init__(self, module: str, path: str, code: bytes) -> None:
        super().__init__(module, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - importlib's interface
        """Return the code; only ever in the process of the submission that it came from.

        It names the file that it was compiled from, and frames are known by that name: where every child has a folder
        of its own (without namespaces), the source is compiled again.
        """
        code: CodeType = marshal.loads(self._code)  # noqa: S302 - a submission's own bytes, in its own locked child
        if code.co_filename == self.path:
            return code
        again: CodeType = self.source_to_code(guarded(self.get_data(str(self.path))), str(self.path))
        return again


def compiled_spec(folder: Path, module: str, code: bytes) -> importlib.machinery.ModuleSpec:
    """Return the spec of a module that is compiled already."""
    path = f"{folder}/{module}.py"
    spec = importlib.machinery.ModuleSpec(module, Compiled(module, path, code), origin=path)
    spec.has_location = True
    return spec


def compile_submission(folder: Path, *modules: str) -> bytes:
    """Return modules of a submission as bytes of code. Raises SyntaxError, or ValueError for a file with null bytes."""
    paths = {module: folder / f"{module}.py" for module in modules}
    codes = {
        name: compile(guarded(path.read_bytes()), str(path), "exec", dont_inherit=True) for name, path in paths.items()
    }
    return marshal.dumps({name: marshal.dumps(code) for name, code in codes.items()})


def import_submission(
    folder: Path,
    module: str,
    code: bytes,
    importable: Iterable[str],
    *,
    inert: bool,
    first: Callable[[], None] = lambda: None,
) -> ModuleType:
    """Return the submission's module. Runs its code: whatever that raises comes out of here.

    `first` runs when the submission's files can be imported, and none of them has been.
    """
    codes: dict[str, bytes] = marshal.loads(code)  # noqa: S302 - a submission's own bytes, in its own locked child
    sys.meta_path.insert(0, ImportGate(folder, importable, inert=inert, codes=codes))
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    first()
    spec = compiled_spec(folder, module, codes[module])
    found = sys.modules[module] = importlib.util.module_from_spec(spec)
    assert spec.loader is not None
    spec.loader.exec_module(found)
    return found


@dataclass
class Apart:
    """A place for modules of folders beside those of the process: two of one name can live side by side.

    Inside a `with` block these modules are importable and importing is remembered; outside, `sys.modules` and
    `sys.path` are as they were. For code of the course's own, and for a student's at home.
    """

    folders: Sequence[Path]
    names: Iterable[str] = ()
    """Of modules that are in no folder."""
    _mine: dict[str, ModuleType] = field(default_factory=dict)
    _before: list[tuple[list[str], dict[str, ModuleType]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        others = {name: sys.modules.pop(name) for name in self._names() if name in sys.modules}
        self._before.append((list(sys.path), others))
        sys.modules.update(self._mine)
        sys.path[:0] = [str(folder) for folder in self.folders]
        rereading.watch(self.folders)
        return self

    def __exit__(self, *_: object) -> None:
        sys.path[:], others = self._before.pop()
        rereading.forget(folder for folder in self.folders if str(folder) not in sys.path)
        self._mine = {name: sys.modules.pop(name) for name in self._names() if name in sys.modules}
        sys.modules.update(others)

    def _names(self) -> set[str]:
        listed = (name for folder in self.folders if folder.is_dir() for name in os.listdir(folder))
        return {*self.names, *(name.removesuffix(".py") for name in listed if name.endswith(".py"))}


def import_apart(folders: Sequence[Path], module: str) -> ModuleType:
    """Return the module `module` of the first folder that has it, leaving `sys.modules` and `sys.path` as they were."""
    with Apart(folders):
        return importlib.import_module(module)
