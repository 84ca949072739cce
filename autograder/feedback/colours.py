"""Where a student's functions stand and which colour each piece of a line has; runs in a limited child.

`python -m autograder.feedback.colours`, started by limited.Helper. What goes back are numbers and names of colours,
never text: nothing that is wrong in here can change what a page says.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, _TokenType

from autograder.limited import serve

COLOURS: Mapping[_TokenType, str] = {
    Keyword: "k",
    Operator.Word: "k",
    String: "s",
    Comment: "c",
    Number: "m",
    Name.Function: "f",
    Name.Class: "f",
    Name.Builtin: "b",
    Name.Decorator: "d",
}
"""Kinds of tokens that have a colour, and its name; what is below a kind has the kind's own."""

MOST_LINES = 5_000
"""Lines of a file that get colours."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

Span = tuple[int, int]
"""First and last line."""

Run = tuple[str, int]
"""A name of COLOURS, empty for none, and for how many characters it holds."""


def work(task: Any) -> dict[str, Any]:
    """For `{"files": {name: text}}`: where names are defined, where docstrings stand, and the runs of every line."""
    files: Mapping[str, str] = task["files"]
    trees = {file: _parsed(text) for file, text in files.items()}
    return {
        "places": {name: [file, *span] for file, tree in trees.items() for name, span in _places(tree)},
        "docstrings": {file: list(_docstrings(tree)) for file, tree in trees.items()},
        "runs": {file: coloured(text) for file, text in files.items()},
    }


def _parsed(text: str) -> list[ast.stmt]:
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _places(body: Sequence[ast.stmt]) -> Iterator[tuple[str, Span]]:
    """Functions and classes at the top of a file and methods (`RNN.forward`); the last definition of a name counts."""
    for node in _definitions(body):
        yield node.name, _span(node)
        if isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{method.name}", _span(method)) for method in _definitions(node.body))


def _span(node: Definition) -> Span:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first, node.end_lineno or node.lineno


def _docstrings(body: Sequence[ast.stmt]) -> Iterator[Span]:
    """The docstrings of functions and classes and of what is defined directly in them."""
    for node in _definitions(body):
        first = node.body[0]
        if ast.get_docstring(node, clean=False) is not None:
            yield first.lineno, first.end_lineno or first.lineno
        yield from _docstrings(node.body)


def _definitions(body: Sequence[ast.stmt]) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, Definition):
            yield node
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _definitions(node.body)


def coloured(text: str) -> list[list[Run]]:
    """The runs of each line, up to MOST_LINES; they cover the line or end before it does."""
    lines: list[list[Run]] = [[]]
    for kind, piece in PythonLexer(stripnl=False, ensurenl=False).get_tokens(text):
        name = _colour(kind)
        for number, part in enumerate(piece.split("\n")):
            if number:
                lines.append([])
            if part:
                _add(lines[-1], name, len(part))
        if len(lines) > MOST_LINES:
            return lines[:MOST_LINES]
    return lines


def _colour(kind: _TokenType | None) -> str:
    while kind is not None:
        if kind in COLOURS:
            return COLOURS[kind]
        kind = kind.parent
    return ""


def _add(runs: list[Run], name: str, length: int) -> None:
    if runs and runs[-1][0] == name:
        length += runs.pop()[1]
    runs.append((name, length))


if __name__ == "__main__":
    coloured("x = 1")  # compiles Pygments' expressions once, before the forks
    serve(work)
