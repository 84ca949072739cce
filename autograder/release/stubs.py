"""Stubs: the solution's files with a `raise` where the solution was.

The delimiters are nbgrader's, so that a course can move between the two. Its ClearSolutions is not used: it works on
the cells of a notebook, takes every line that merely contains the words for a delimiter, puts the same text into every
gap, and is part of a package that only instructors install. A stub of ours names the function and the section of the
handout, and a misspelt delimiter is an error instead of a leak.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from autograder import gaps
from autograder.errors import ReleaseError
from autograder.release.interface import refuse_changes

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"

_MENTION = re.compile(r"(BEGIN|END)[\W_]*SOLUTION", re.IGNORECASE)
_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Region:
    """A gap of a stub, by the lines of its two markers, from 1."""

    begin: int
    end: int


def comments(text: str) -> dict[int, int]:
    """Return the column of the comment in each line (from 1) that has one; raises SyntaxError as the tokenizer does."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except tokenize.TokenError as error:
        raise SyntaxError(str(error)) from error
    return {token.start[0]: token.start[1] for token in tokens if token.type == tokenize.COMMENT}


def regions(file: str, text: str) -> tuple[Region, ...]:
    """Return the marked regions of a solution file; ReleaseError names the line of a marker that cannot be meant."""
    _parse(file, text)
    found: list[Region] = []
    begin = 0
    for number, marker in _markers(file, text):
        if marker == BEGIN and begin:
            raise ReleaseError(
                f"{file}:{number}: `{BEGIN}` inside the region that starts in line {begin}; end that one"
            )
        if marker == END and not begin:
            raise ReleaseError(f"{file}:{number}: `{END}` without a `{BEGIN}` before it")
        if marker == END:
            found.append(Region(begin, number))
        begin = number if marker == BEGIN else 0
    if begin:
        raise ReleaseError(f"{file}:{begin}: `{BEGIN}` without an `{END}` after it")
    return tuple(found)


def without_markers(file: str, text: str) -> str:
    """Return a solution file's text without the lines of its markers. Raises ReleaseError as `regions` does."""
    left_out = {number for region in regions(file, text) for number in (region.begin, region.end)}
    lines = text.splitlines(keepends=True)
    return "".join(line for number, line in enumerate(lines, 1) if number not in left_out)


def refuse_markers(file: str, text: str) -> None:
    """Raise ReleaseError where a file that is released whole speaks of markers: somebody expected a gap there."""
    for number, line in enumerate(text.split("\n"), start=1):
        if _MENTION.search(line):
            raise ReleaseError(
                f"{file}:{number}: `{line.strip()}`, but this file is released as it is; list it under `files:` of "
                "assignment.yml if students fill it in, else remove the marker"
            )


def _markers(file: str, text: str) -> Iterator[tuple[int, str]]:
    places = comments(text)
    for number, line in enumerate(text.split("\n"), start=1):
        if not _MENTION.search(line):
            continue
        marker = line.strip()
        if number not in places or marker not in {BEGIN, END}:
            raise ReleaseError(
                f"{file}:{number}: `{marker}` looks like a marker and is none; expected a comment on a line of its "
                f"own, `{BEGIN}` or `{END}`"
            )
        yield number, marker


def make_stub(file: str, text: str, section: Callable[[str], str]) -> str:
    """Return the solution `text` with its regions cut and a `raise NotImplementedError` in those inside functions.

    `section(name)` is the heading of the handout about a function, or empty. ReleaseError where nothing is marked,
    a marker does not fit, or the stub would be no valid Python or lack a public name of the solution.
    """
    found = regions(file, text)
    if not found:
        raise ReleaseError(f"{file}: has no `{BEGIN}`; the whole solution would be released")
    tree = _parse(file, text)
    lines, kept, position = text.split("\n"), list[str](), 0
    statements, scopes = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt)], [*_scopes(tree, "")]
    owners = [_owner(file, statements, scopes, lines, region) for region in found]
    for number, (region, owner) in enumerate(zip(found, owners, strict=True)):
        kept += lines[position : region.begin - 1]
        position = region.end
        if owner:
            which = f", gap {owners[:number].count(owner) + 1} of {owners.count(owner)}" * (owners.count(owner) > 1)
            kept.append(_raise(lines[region.begin - 1], owner, which, section(owner)))
        else:
            position += _blank_lines(kept, lines[position:])
    stub = "\n".join(kept + lines[position:])
    refuse_changes(file, tree, _parse(file, stub, of_stub=True))
    return stub


def _parse(file: str, text: str, *, of_stub: bool = False) -> ast.Module:
    try:
        tree = ast.parse(text, filename=file)
        compile(tree, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:  # ValueError: a NUL byte
        what = f"{file}:{getattr(error, 'lineno', None) or 1}"
        if of_stub:
            raise ReleaseError(
                f"{what} (of the stub): {error}. A region holds whole statements, at the depth of its markers, and "
                "leaves every class and branch something (a docstring is enough)."
            ) from error
        raise ReleaseError(f"{what}: is not valid Python: {error}") from error
    return tree


def _owner(file: str, statements: list[int], scopes: list[tuple[str, _Scope]], lines: list[str], region: Region) -> str:
    """The dotted name of the innermost function around a region; empty where it lies in a module or class body."""
    inside = range(region.begin + 1, region.end)
    starts = [line for line in statements if line in inside]
    if not starts:
        raise ReleaseError(f"{file}:{region.begin}: the region holds no statement; remove it or write the solution")
    code = next(line for line in lines[region.begin : region.end] if line.strip() and not line.strip().startswith("#"))
    if _indentation(code) != _indentation(lines[region.begin - 1]):
        raise ReleaseError(f"{file}:{region.begin}: the marker is not indented as the code in its region")
    around = [
        (node.lineno, name, node)
        for name, node in scopes
        if node.lineno < region.begin and min(starts) <= (node.end_lineno or 0)
    ]
    if not around:
        return ""
    _, name, innermost = max(around, key=lambda scope: scope[0])
    return "" if isinstance(innermost, ast.ClassDef) else name


def _scopes(node: ast.AST, prefix: str) -> Iterator[tuple[str, _Scope]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Scope):
            yield prefix + child.name, child
            yield from _scopes(child, f"{prefix}{child.name}.")
        else:
            yield from _scopes(child, prefix)


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _raise(marker: str, owner: str, which: str, section: str) -> str:
    where = f"handout.md, '{section}'" if section else "handout.md"
    message = json.dumps(gaps.message(owner, which, where), ensure_ascii=False)
    indentation = _indentation(marker)
    line = f"{indentation}raise NotImplementedError({message})"
    if len(line) <= 120:
        return line
    return f"{indentation}raise NotImplementedError(\n{indentation}    {message}\n{indentation})"


def _blank_lines(before: list[str], after: list[str]) -> int:
    """How many blank lines to drop after a region that leaves nothing behind."""
    if before and before[-1].strip():
        return 0
    return next((number for number, line in enumerate(after) if line.strip()), 0)
