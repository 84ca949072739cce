"""What a stub says where nothing is written yet, and finding those places again in a student's file."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

_STANDS = re.compile(rb"""NotImplementedError\(\s*["']write [\w.]+""")
_SAID = re.compile(r"write (?P<name>[\w.]+)(?:, gap \d+ of \d+)?: see (?P<section>.+)")


@dataclass(frozen=True, slots=True)
class Gap:
    """A place of a stub that is not written yet."""

    file: str
    name: str
    """`rnn_cell`, `RNN.forward`."""
    line: int
    section: str
    """`handout.md, '1.2 rnn_cell'`."""

    @property
    def bonus(self) -> bool:
        """Whether it may stay empty: the heading of its section says that it is a bonus."""
        return "bonus" in self.section.casefold()


def message(name: str, which: str, section: str) -> str:
    """Return what a stub raises in the place of `name`; `which` is empty, or `, gap 1 of 2`."""
    return f"write {name}{which}: see {section}"


def gaps(tree: ast.AST, file: str) -> tuple[Gap, ...]:
    """Return the places of a file that still raise what the stub raises, in source order."""
    found = [gap for node in ast.walk(tree) if isinstance(node, ast.Raise) and (gap := _gap(node, file))]
    return tuple(sorted(found, key=lambda gap: gap.line))


def unwritten(content: bytes) -> int:
    """About how many places of a file nobody wrote: by its text alone, which is not parsed."""
    return len(_STANDS.findall(content))


def _gap(node: ast.Raise, file: str) -> Gap | None:
    match node.exc:
        case ast.Call(func=ast.Name(id="NotImplementedError"), args=[ast.Constant(value=str(said))]):
            if words := _SAID.fullmatch(said):
                return Gap(file, words["name"], node.lineno, words["section"])
    return None
