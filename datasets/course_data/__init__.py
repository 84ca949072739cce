"""The course's data: snapshots that ship with the kit, and the generators of synthetic tasks.

Nothing is downloaded and nothing depends on another package's lists: `build/` holds the scripts that made the
snapshots. Loading needs numpy only.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["digest"]

_FOLDER = Path(__file__).resolve().parent


def digest(modules: Iterable[str]) -> str:
    """sha256 of these modules (`names`) and of all that they read here, as 64 hexadecimal digits.

    It is part of the key under which a measurement is stored: other data, other measurement. A module reads what it
    imports from this package and every file whose name stands in its source as a string of its own. Raises ValueError
    for a module that is not here.
    """
    total = hashlib.sha256()
    for path in sorted(_read_by(modules), key=lambda path: path.name):
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _read_by(modules: Iterable[str]) -> set[Path]:
    """The files of the modules, of those that they import, and of the snapshots that they name."""
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        file = _FOLDER / f"{module}.py"
        if not file.is_file():
            raise ValueError(f"there is no data module course_data.{module}")
        if file not in found:
            words = set(_words(ast.parse(file.read_text(encoding="utf-8"))))
            found |= {file, *(_FOLDER / word for word in words if _is_snapshot(word))}
            waiting += [word for word in words if (_FOLDER / f"{word}.py").is_file()]
    return found


def _is_snapshot(word: str) -> bool:
    return Path(word).name == word and not word.endswith(".py") and (_FOLDER / word).is_file()


def _words(tree: ast.Module) -> Iterator[str]:
    """Every string of a module, and every name in its imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 100:
            yield node.value
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("", "course_data"):
            yield from (node.module or "").split(".")
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (part for alias in node.names for part in alias.name.split(".")[1:])
