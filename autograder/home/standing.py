"""Which results of the last round still stand: those of checks that run nothing that was changed since.

Told from the text of the student's file, which is not run for it. The inside of a function or method may differ where
nothing that the check asks for leads to it by name, through whatever it calls; all else that the file says (imports,
constants, signatures, decorators, what a class holds beside methods) is run at every import, and has to be the same.
Code can reach code in ways that no name tells, so this only says which results may be shown first: every check is run
again behind them (`worker`).
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from autograder.records import Assignment, Check, CheckResult, Outcome

UNTOLD = frozenset({"__builtins__", "__import__", "eval", "exec", "globals", "locals", "vars"})
UNTOLD_ATTRIBUTES = frozenset({"__code__", "__dict__", "__globals__", "import_module"})
UNTOLD_MODULES = frozenset({"builtins", "ctypes", "gc", "importlib", "inspect", "sys"})
"""What leads to code by names that are made up while it runs: of a file with one of these nothing stands."""
_NAME = re.compile(r"[^\W\d]\w*")
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = _Function | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Standing:
    """A result that may stand in the next round."""

    result: CheckResult
    asked: tuple[str, ...]
    """Names for which its check asked the student's file."""
    rests_on: str
    """Digest of all that they lead to."""


def may_stand(result: CheckResult) -> bool:
    """Whether a result says nothing of a place in the file: a line added above would move it. Prints may name one."""
    return (result.outcome is Outcome.PASSED or result.is_unwritten) and not result.evidence.stdout


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or class of the file's, by all that it says."""

    text: str
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outline:
    """A student's files, taken apart."""

    around: str
    """Digest of everything else that a result rests on."""
    always: Definition
    """What is run at every import."""
    definitions: Mapping[str, Definition]
    """By the name, which several may have."""
    texts: Mapping[str, str]

    def rests_on(self, asked: Iterable[str]) -> str:
        """Return a digest of all that these names lead to, and of what is run always."""
        reached: dict[str, Definition] = {}
        names = {*asked, *self.always.names}
        while new := (names & self.definitions.keys()) - reached.keys():
            reached |= {name: self.definitions[name] for name in new}
            names = {name for found in new for name in self.definitions[found].names}
        found = hashlib.sha256(f"{self.around}\0{self.always.text}".encode())
        for name in sorted(reached):
            found.update(f"\0{name}\0{reached[name].text}".encode())
        return found.hexdigest()


@dataclass
class Round:
    """One run of the checks: what stands in it, and what it leaves for the next."""

    assignment: Assignment
    before: Mapping[str, Standing]
    """By check, those of the last round."""
    stood: set[str] = field(default_factory=set)
    """Checks whose result stands."""
    outline: Outline | None = field(init=False)

    def __post_init__(self) -> None:
        self.outline = _outline_of(self.assignment)

    def recall(self, check: Check, stand_ins: tuple[str, ...]) -> CheckResult | None:
        """Return the result of a check that stands, with these stand-ins; None: it is to be run."""
        last = self.before.get(check.id)
        if last is None or self.outline is None or last.result.stand_ins != stand_ins:
            return None
        if last.rests_on != self.outline.rests_on(last.asked):
            return None
        self.stood.add(check.id)
        return last.result

    def rests_on(self, result: CheckResult, asked: Iterable[str]) -> str:
        """Return what a result would stand by in the next round; empty: it will not."""
        if self.outline is None or not may_stand(result) or _texts(self.assignment) != self.outline.texts:
            return ""  # which file was it, if it is another now?
        return self.outline.rests_on(asked)


def _outline_of(assignment: Assignment) -> Outline | None:
    try:
        return outline(_texts(assignment), _around(assignment))
    except (OSError, ValueError, SyntaxError):  # whoever imports it says what is wrong
        return None


def _texts(assignment: Assignment) -> dict[str, str]:
    """What the files to fill in say, by the module's name."""
    return {Path(name).stem: (assignment.folder / name).read_text(encoding="utf-8-sig") for name in assignment.files}


def _around(assignment: Assignment) -> str:
    """Digest of what lies beside them: checks, settings, other modules; earlier assignments, if this builds on any."""
    folder = assignment.folder
    beside = [*folder.parent.glob("*/*")] if assignment.builds_on else [*folder.glob("*")]
    own = {folder / name for name in assignment.files}
    found = hashlib.sha256()
    for file in sorted(file for file in beside if file.suffix in {".py", ".yml"} and file not in own):
        found.update(f"{file}\0".encode(errors="surrogateescape") + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def outline(texts: Mapping[str, str], around: str) -> Outline | None:
    """Return the outline of a student's files (module's name -> text); None where names do not tell all.

    Raises SyntaxError.
    """
    trees = [ast.parse(text) for text in texts.values()]
    if any(_tells_too_little(tree, UNTOLD_MODULES | texts.keys()) for tree in trees):
        return None
    definitions: dict[str, Definition] = {}
    for node in (node for tree in trees for node in tree.body if isinstance(node, _Definition)):
        found = Definition(ast.dump(node), frozenset(_used(node)))
        same = definitions.get(node.name, Definition("", frozenset()))
        definitions[node.name] = Definition(same.text + found.text, same.names | found.names)
    for tree in trees:
        _hollow(tree)
    names = frozenset(name for tree in trees for name in _used(tree))
    dunder = {name for name in definitions if name.startswith("__")}  # a module's own __getattr__
    always = Definition("".join(ast.dump(tree) for tree in trees), names | dunder)
    return Outline(around, always, definitions, texts)


def _hollow(node: ast.Module | ast.ClassDef) -> None:
    """Take the inside out of every function that stands in it."""
    for each in node.body:
        if isinstance(each, _Function):
            each.body = []
        elif isinstance(each, ast.ClassDef):
            _hollow(each)


def _used(node: ast.AST) -> Iterator[str]:
    """Every name whose value it uses, also one in a string (`getattr(torch, "tanh")`). An annotation calls nothing."""
    yield from _names(node)
    for name, value in ast.iter_fields(node):
        if name not in {"annotation", "returns"}:
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, ast.AST):
                    yield from _used(each)


def _names(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return (name,)
        case ast.Constant(value=str(text)) if len(text.split()) == 1:  # a docstring is prose
            return _NAME.findall(text)
        case ast.ImportFrom(names=names):
            return [alias.name for alias in names]
    return ()


def _tells_too_little(tree: ast.Module, modules: AbstractSet[str]) -> bool:
    """Whether it may reach code unnamed; `modules`: by what, if imported (a file that imports itself has it all)."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) if name in UNTOLD:
                return True
            case ast.Attribute(attr=name) if name in UNTOLD_ATTRIBUTES:
                return True
            case ast.Import(names=names) if any(alias.name.partition(".")[0] in modules for alias in names):
                return True
            case ast.ImportFrom(module=str(name)) if name.partition(".")[0] in modules:
                return True
    return False
