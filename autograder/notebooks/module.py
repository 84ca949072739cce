"""A notebook -> the text of a module, in the percent format that editors open as cells, and notes for the student."""

from __future__ import annotations
import __future__

import ast
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from autograder.notebooks.cells import Cell, NotebookError, code_cells
from autograder.notebooks.magics import without_magics
from autograder.notebooks.needed import Statement, first_line, last_line, needed, statement

FIRST = "# %% from a notebook: its definitions and what they need"
"""The first line of a module that was made here; `guard` and `places` know it by this."""
CELL = "# %% cell"
_NOT_PYTHON = (SyntaxError, RecursionError, MemoryError)
"""What the parser raises for text that is no program, or is too much of one."""


@dataclass(frozen=True, slots=True)
class Module:
    """What a notebook became."""

    text: str
    notes: tuple[str, ...]
    """What was left out, in words for the student."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    """One cell, taken apart."""

    cell: Cell
    lines: tuple[str, ...]
    statements: tuple[Statement, ...]
    magics: tuple[int, ...]
    features: frozenset[str] = frozenset()
    """Of `__future__`: they count for all cells after it."""
    fault: str = ""
    """Why the cell, or a statement of it, is no Python."""


def to_module(content: bytes, file: str, wanted: Collection[str] = ()) -> Module:
    """The module that a notebook's definitions make. Raises NotebookError, with words for the student.

    `file`: the name of the module's file. `wanted`: names that are asked for; what no definition of theirs needs does
    not run. A cell that is no Python is left out, as it never ran.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the student's text: an invalid escape
        parsed = [_parse(cell, file) for cell in code_cells(content)]
    statements = [each for cell in parsed for each in cell.statements]
    keep = needed(statements, wanted)
    if not any(keep):
        raise NotebookError(_nothing(parsed))
    dropped = [each for each, kept in zip(statements, keep, strict=True) if not kept]
    return Module(_composed(parsed, dropped), tuple(_notes(parsed, dropped)))


def _parse(cell: Cell, file: str) -> _Parsed:
    try:
        cleaned = without_magics(cell.lines, file)
        tree = ast.parse("\n".join(cleaned.lines))
    except _NOT_PYTHON as error:
        return _Parsed(cell, tuple(f"# {line}" for line in cell.lines), (), (), fault=_in_words(error))
    found: list[Statement] = []
    features: set[str] = set()
    fault = ""
    for nodes in _by_lines(tree.body):
        first, last = first_line(nodes[0]), last_line(nodes[-1])
        never = Statement(cell.number, first, last)
        if new := {name for node in nodes for name in _features(node)}:
            features |= new
            found.append(never)
            continue
        try:
            found.append(statement(cell.number, nodes, "\n".join(cleaned.lines[first - 1 : last])))
        except _NOT_PYTHON as error:
            fault = fault or _in_words(error, first - 1)
            found.append(never)
    return _Parsed(cell, cleaned.lines, tuple(found), cleaned.taken_out, frozenset(features), fault)


def _by_lines(body: Sequence[ast.stmt]) -> list[list[ast.stmt]]:
    """Statements, those that share a line together."""
    groups: list[list[ast.stmt]] = []
    for node in body:
        if groups and first_line(node) <= last_line(groups[-1][-1]):
            groups[-1].append(node)
        else:
            groups.append([node])
    return groups


def _in_words(error: BaseException, above: int = 0) -> str:
    if isinstance(error, SyntaxError):
        return f"line {above + (error.lineno or 1)}: {error.msg}"
    return "it is too long or nested too deeply"


def _features(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        yield from (alias.name for alias in node.names if alias.name in __future__.all_feature_names)


def _composed(parsed: Sequence[_Parsed], dropped: Sequence[Statement]) -> str:
    """The module's text: every line of every cell, what does not run as comments."""
    lines = [FIRST]
    features = sorted(name for each in parsed for name in each.features)
    lines += [f"from __future__ import {', '.join(dict.fromkeys(features))}"] if features else []
    for each in parsed:
        texts = list(each.lines)
        for one in dropped:
            if one.cell == each.cell.number:
                texts[one.first - 1 : one.last] = [f"# {text}" for text in texts[one.first - 1 : one.last]]
        lines += [f"{CELL} {each.cell.number}", *texts, ""]
    return "\n".join(lines)


def _notes(parsed: Sequence[_Parsed], dropped: Sequence[Statement]) -> Iterator[str]:
    magics = [f"cell {each.cell.number} (line {', '.join(map(str, each.magics))})" for each in parsed if each.magics]
    cells = dict.fromkeys(f"cell {each.cell}" for each in dropped if not each.idle)
    if magics:
        yield f"what only Jupyter understands was left out: {_list(magics)}"
    if cells:
        what = "what no function or class that is asked for needs (tests, prints, plots, training)"
        yield f"{what} does not run: {_list([*cells])}"
    for each in parsed:
        if each.fault:
            yield f"cell {each.cell.number} is no Python ({each.fault}); what it defines is missing"


def _list(words: list[str]) -> str:
    return ", ".join(words[:6]) + (f" and {len(words) - 6} more" if len(words) > 6 else "")


def _nothing(parsed: Sequence[_Parsed]) -> str:
    if fault := next((f"cell {each.cell.number}, {each.fault}" for each in parsed if each.fault), ""):
        return f"no cell defines anything ({fault}); run all cells in Jupyter, mend what stops, and hand it in again"
    return "no code cell defines a function or a class; write your code into code cells, save, and hand it in again"
