"""Which checks an assignment illustrates, read from the source of its `illustrations.py` without running it."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autograder.course.problems import Problem, nearest
from autograder.records import Check

ILLUSTRATIONS = "illustrations.py"
"""A function `name` in it draws what `test_name` has to show; others begin with an underscore."""


def illustrated(folder: Path, checks: Sequence[Check], problems: list[Problem]) -> tuple[Check, ...]:
    """The checks, those with an illustration with the file in their digest: another picture is measured anew.

    A function that no check is named like is a problem. Where there is no such file, nothing is illustrated.
    """
    file = folder / ILLUSTRATIONS
    try:
        content = file.read_bytes().replace(b"\r\n", b"\n")
        tree = ast.parse(content)
    except FileNotFoundError:
        return tuple(checks)
    except (OSError, SyntaxError, ValueError) as error:
        problems.append(Problem(file, getattr(error, "lineno", None) or 1, f"cannot be read: {error}"))
        return tuple(checks)
    functions = {f"test_{node.name}": node.lineno for node in tree.body if _draws(node)}  # type: ignore[attr-defined] # a def
    known = {check.id for check in checks}
    for id_, line in functions.items():
        if id_ not in known:
            problems.append(Problem(file, line, f"illustrates `{id_}`, which is no check{nearest(id_, known)}"))
    return tuple(
        replace(check, digest=_together(check.digest, content)) if check.id in functions else check for check in checks
    )


def _draws(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and not node.name.startswith("_")


def _together(digest: str, content: bytes) -> str:
    return hashlib.sha256(digest.encode() + hashlib.sha256(content).digest()).hexdigest()
