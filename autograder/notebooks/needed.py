"""Which statements of a notebook its functions and classes need.

A notebook is a session: between the definitions stand prints, plots, tests and trainings. A module is imported anew for
every check, so these must not run, and must not take the definitions with them where they fail. What a definition reads
(a device, a vocabulary that a loop fills, a method that is attached to a class afterwards) must run. So, from the names
that are asked for: a statement is needed if it binds or changes a needed name, and then what it reads is needed, too.
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_CONTAINERS = frozenset({"list", "dict", "set", "defaultdict", "Counter", "OrderedDict", "deque", "bytearray"})


_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a cell, or several that share a line."""

    cell: int
    first: int
    last: int
    """Lines in the cell, from 1."""
    idle: bool = True
    """Nothing is lost without it: `pass`, a text."""
    defines: bool = False
    """A function, a class, an import, or an `if` or `try` around one."""
    constant: bool = False
    """Binds names to what takes no call: a number, a name, a lambda."""
    binds: frozenset[str] = _NOTHING
    reads: frozenset[str] = _NOTHING
    """Global names, those in the bodies of its functions included."""
    changes: frozenset[str] = _NOTHING
    """Names whose object it changes, by an attribute or an index; `name()`: by a method, perhaps."""
    containers: frozenset[str] = _NOTHING
    """Names that it binds to a list, dict or the like."""


def statement(cell: int, nodes: Sequence[ast.stmt], source: str) -> Statement:
    """What a statement does, or some that share a line. Raises SyntaxError for a lone `return`, say."""
    compile(source, "cell", "exec", dont_inherit=True)
    binds, reads = _names(symtable.symtable(source, "cell", "exec"))
    return Statement(
        cell=cell,
        first=first_line(nodes[0]),
        last=last_line(nodes[-1]),
        idle=all(_is_idle(node) for node in nodes),
        defines=any(_is_definition(node) for node in nodes),
        constant=all(_is_constant(node) for node in nodes),
        binds=frozenset(binds),
        reads=frozenset(reads),
        changes=frozenset(name for node in nodes for name in _changed(node)),
        containers=frozenset(name for node in nodes for name in _new_containers(node)),
    )


def first_line(node: ast.stmt) -> int:
    """The line in which a statement starts, its decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def last_line(node: ast.stmt) -> int:
    """The line in which it ends."""
    return node.end_lineno or node.lineno


def needed(statements: Sequence[Statement], wanted: Collection[str]) -> list[bool]:
    """For each statement, whether it belongs into the module. `wanted`: names that are asked for; empty: all defined.

    Definitions and constants always do: they cost nothing, and cannot hurt.
    """
    containers = {name for each in statements for name in each.containers}
    touches = [each.binds | _surely_changed(each, containers) for each in statements]
    names = set(wanted) & {name for each in statements for name in each.binds}
    names = names or {name for each in statements if each.defines for name in each.binds}
    kept: set[int] = set()
    while more := [index for index, touched in enumerate(touches) if index not in kept and touched & names]:
        kept.update(more)
        names |= {name for index in more for name in statements[index].reads}
    return [index in kept or each.defines or each.constant for index, each in enumerate(statements)]


def _surely_changed(each: Statement, containers: Collection[str]) -> set[str]:
    """`vocabulary.append(...)` changes what it is called on; `model.train()` and `plt.plot(...)` do not count."""
    return {name.removesuffix("()") for name in each.changes if not name.endswith("()") or name[:-2] in containers}


def _names(table: symtable.SymbolTable) -> tuple[set[str], set[str]]:
    """Names that a statement binds in its module, and those that it reads from there."""
    top = table.get_symbols()
    binds = {symbol.get_name() for symbol in top if symbol.is_assigned() or symbol.is_imported()}
    reads = {symbol.get_name() for symbol in top if symbol.is_referenced()}
    for inner in _below(table):
        for symbol in inner.get_symbols():
            if symbol.is_global():
                reads.add(symbol.get_name())
                binds |= {symbol.get_name()} if symbol.is_assigned() else set()
    return binds, reads


def _below(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _below(child)


def _is_idle(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _is_definition(node: ast.stmt) -> bool:
    if isinstance(node, ast.If | ast.Try) and not _asks_for_main(node):
        return any(_is_definition(inner) for inner in node.body)
    return isinstance(node, _DEFINES)


def _asks_for_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test))


def _is_constant(node: ast.stmt) -> bool:
    """An assignment to names whose value calls, indexes and computes nothing that could take long or fail."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    calm = (ast.Constant, ast.Name, ast.Attribute, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.UnaryOp, ast.unaryop)
    value = isinstance(node.value, ast.Lambda) or all(
        isinstance(part, (*calm, ast.expr_context)) for part in ast.walk(node.value)
    )
    return value and all(isinstance(target, ast.Name) for target in targets)


def _changed(node: ast.stmt) -> Iterator[str]:
    """Names whose object a statement changes outside of functions; `name()` where it only calls a method of it."""
    for part in _outside_functions(node):
        if isinstance(part, ast.Attribute | ast.Subscript) and isinstance(part.ctx, ast.Store | ast.Del):
            yield from _root(part.value)
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            yield from (f"{name}()" for name in _root(part.func.value))
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "setattr" and part.args:
            yield from _root(part.args[0])


def _root(node: ast.expr) -> Iterator[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _outside_functions(child)


def _new_containers(node: ast.stmt) -> Iterator[str]:
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return
    callee = node.value.func if isinstance(node.value, ast.Call) else None
    called = getattr(callee, "attr", getattr(callee, "id", ""))  # collections.defaultdict, defaultdict
    literal = isinstance(node.value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)
    if literal or called in _CONTAINERS:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))
