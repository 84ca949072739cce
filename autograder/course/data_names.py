"""Which data sets the checks of an assignment use, read from their source like everything else about a check."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from autograder.course.problems import Problem


def dataset_names(files: Iterable[Path], problems: list[Problem]) -> tuple[str, ...]:
    """Return the names in every `dataset("...")` of the check files, sorted; one that is no literal is a problem.

    A measurement depends on them and on no other data. Files that cannot be read are left to whoever reads the checks.
    """
    names: set[str] = set()
    for file in files:
        for call in _calls(file):
            match call.args:
                case [ast.Constant(value=str(name))] if not call.keywords:
                    names.add(name)
                case _:
                    message = '`dataset(...)` is read, not run: write the data module in quotes, `dataset("names")`'
                    problems.append(Problem(file, call.lineno, message))
    return tuple(sorted(names))


def _calls(file: Path) -> tuple[ast.Call, ...]:
    try:
        return _calls_in(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()


@lru_cache(maxsize=32)
def _calls_in(text: bytes) -> tuple[ast.Call, ...]:
    """At home the same files are read at every save."""
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)) if b"dataset" in text else ()
    return tuple(call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "dataset")
