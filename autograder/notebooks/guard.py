"""Runs a notebook's module statement by statement: one that fails costs its own names and nothing else.

In a notebook a cell that stops takes no other cell's definitions along. Its names are not there; here, whoever uses one
gets the exception that it failed with, so that a student reads the reason and not that something is missing.
"""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterator
from typing import Any, NoReturn

from autograder.notebooks.module import FIRST

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Failed:
    """Stands where a statement failed to bind a name; every use raises what the statement raised."""

    def __init__(self, error: BaseException) -> None:
        self.__dict__.update(_error=error, _traceback=error.__traceback__)

    def _raise(self, *_: Any, **__: Any) -> NoReturn:
        raise self._error.with_traceback(self._traceback)

    __call__ = __mro_entries__ = __iter__ = __len__ = __getitem__ = __enter__ = _raise

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._raise()


def guarded(source: bytes) -> bytes | ast.Module:
    """`source`, or, where it was a notebook, its tree with every statement guarded. Raises SyntaxError."""
    if not source.startswith(FIRST.encode()):
        return source
    tree = ast.parse(source)
    tree.body = [each if _is_future(each) else _guard(each) for each in tree.body]
    return ast.fix_missing_locations(tree)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _guard(node: ast.stmt) -> ast.stmt:
    """`try: STATEMENT`, and where it fails, `failed(globals(), NAMES, error)`."""
    names = ", ".join(repr(name) for name in dict.fromkeys(_bound(node)))
    (frame,) = ast.parse(
        "try:\n    pass\nexcept BaseException as __error:\n"
        f"    __import__({__name__!r}, fromlist=['failed']).failed(globals(), [{names}], __error)"
    ).body
    assert isinstance(frame, ast.Try)
    for part in ast.walk(frame):
        ast.copy_location(part, node)
    frame.body = [node]
    return frame


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a statement binds in its module."""
    if isinstance(node, _DEFINITIONS):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names if alias.name != "*")
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _bound(child)


def failed(names_there: dict[str, Any], names: list[str], error: BaseException) -> None:
    """Put `Failed` in the place of the names that a statement did not come to bind."""
    if isinstance(error, KeyboardInterrupt):
        raise error
    traceback.print_exception(error)  # for the TA
    stand_in = Failed(error)
    for name in names:
        names_there.setdefault(name, stand_in)
