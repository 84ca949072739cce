"""The parts of an assignment as students know them: a function or class, its section of the handout, its checks.

Nobody lists them. A check belongs to the first name of the solution that its title holds between backticks; one whose
title names nothing goes with the check that it needs, or with what is about the whole.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.records import Assignment, Check
from autograder.release.handout import formulas, headings, section
from autograder.wording import SOURCE

HANDOUT = "handout.md"
LONGEST_PROMISE = 1500

_NAME = re.compile(r"`([A-Za-z_][A-Za-z0-9_.]*)[^`\n]*`")
_PLAIN = re.compile(r"[`*$]")


@dataclass(frozen=True, slots=True)
class Part:
    """One function or class that students write, or what is about the whole."""

    name: str
    """Empty: the checks that are about no single name."""
    heading: str
    """Its heading in the handout, as plain text; empty where there is none."""
    group: str
    """The heading above that one."""
    promise: str
    """The docstring that stub and solution share: what it shall do."""
    checks: tuple[str, ...]
    """In the order in which the assignment has them."""
    equation: str = ""
    """The formulas of its section of the handout, as they stand there."""


def parts_of(assignment: Assignment, language: str = SOURCE) -> tuple[Part, ...]:
    """The parts that have a check, in the order in which the files define them; what is about the whole comes last.

    Headings are those of the handout in `language`; where there is none, those of the handout.
    """
    promises = dict(_defined(assignment))
    owner: dict[str, str] = {}
    for check in assignment.checks:
        owner[check.id] = _named(check, promises) or _inherited(check, owner)
    handout = _read(assignment.folder / f"handout.{language}.md") or _read(assignment.folder / HANDOUT)
    names = [name for name in (*promises, "") if name in owner.values()]
    return tuple(_part(name, promises.get(name, ""), handout, owner) for name in names)


def _part(name: str, promise: str, handout: str, owner: Mapping[str, str]) -> Part:
    heading = section(handout, name) if name else ""
    checks = tuple(id_ for id_, its in owner.items() if its == name)
    equation = formulas(handout, name)[:LONGEST_PROMISE] if name else ""
    return Part(name, heading, _above(handout, heading), promise[:LONGEST_PROMISE], checks, equation)


def _defined(assignment: Assignment) -> Iterator[tuple[str, str]]:
    """Top-level functions and classes of the solution, each with its docstring."""
    for file in assignment.files:
        for node in ast.parse(_read(assignment.folder / file)).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, ast.get_docstring(node) or ""


def _named(check: Check, promises: Mapping[str, str]) -> str:
    names = (name.partition(".")[0] for name in _NAME.findall(check.title))
    return next((name for name in names if name in promises), "")


def _inherited(check: Check, owner: Mapping[str, str]) -> str:
    return next((owner[need] for need in check.needs if need in owner), "")


def _above(handout: str, heading: str) -> str:
    """The nearest heading of level 2 above the one with the words `heading`; empty where that is level 2 itself."""
    group = ""
    for level, words in headings(handout):
        plain = _PLAIN.sub("", words)
        if plain == heading:
            return group if level > 2 else ""
        group = plain if level == 2 else group
    return ""


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""
