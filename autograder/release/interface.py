"""What a stub must share with its solution: every public name, with the same signature and docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.errors import ReleaseError

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class _Entry:
    """One public name."""

    line: int
    signature: str


def refuse_changes(file: str, solution: ast.Module, stub: ast.Module) -> None:
    """Raise ReleaseError for the first public name that the stub lacks, or has in another form."""
    left = dict(_public(stub, ""))
    for name, entry in _public(solution, ""):
        if name not in left:
            raise ReleaseError(
                f"{file}:{entry.line}: the stub would lack `{name}`, which is public; mark only its body, or give a "
                "helper of the solution a leading underscore"
            )
        if left[name].signature != entry.signature:
            raise ReleaseError(f"{file}:{entry.line}: `{name}` would have another signature or docstring in the stub")


def _public(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, _Entry]]:
    """Functions, classes, methods and assigned names, in source order."""
    for child in node.body:
        for name in _bound(child):
            if not name.startswith("_") or name.endswith("__"):
                yield prefix + name, _Entry(child.lineno, _signature(child))
                if isinstance(child, ast.ClassDef):
                    yield from _public(child, f"{prefix}{name}.")


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, _Function | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _signature(node: ast.stmt) -> str:
    """A function or class without its body but with its docstring; empty for an assignment."""
    if isinstance(node, _Function):
        parts = [type(node).__name__, ast.unparse(node.args), ast.unparse(node.returns) if node.returns else ""]
    elif isinstance(node, ast.ClassDef):
        parts = [ast.unparse(part) for part in (*node.bases, *node.keywords)]
    else:
        return ""
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    return "\n".join([*parts, *decorators, ast.get_docstring(node) or ""])
