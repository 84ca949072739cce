"""What the decorators of a check say, read from their literal arguments without running anything."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from autograder.course.problems import nearest
from autograder.records import Visibility

Arguments = tuple[list[object], dict[str, object]]
"""Positional and named ones."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The decorators of one check."""

    points: int
    needs: tuple[str, ...]
    bans: tuple[str, ...] | None
    visibility: Visibility | None
    trains_cpu_s: float | None
    hint: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """A decorator that cannot be meant, and why."""

    line: int
    message: str


def read_marks(function: ast.FunctionDef) -> tuple[Marks, list[Wrong]]:
    """What the decorators of `function` say, and what is wrong with them (then the marks hold defaults)."""
    said: dict[str, list[object]] = {}
    wrong: list[Wrong] = []
    for decorator in function.decorator_list:
        try:
            for name, value in _read(decorator):
                said.setdefault(name, []).append(value)
                if len(said[name]) > 1 and name not in _MANY:
                    wrong.append(Wrong(decorator.lineno, f"`@{name}` stands twice on `{function.name}`; keep one"))
        except ValueError as error:
            wrong.append(Wrong(decorator.lineno, str(error)))
    if "points" not in said and not wrong:
        wrong.append(
            Wrong(function.lineno, f"`{function.name}` has no `@points(...)`; a bonus check says `@points(0)`")
        )
    return _marks(said), wrong


def _marks(said: Mapping[str, list[object]]) -> Marks:
    points, trains, hint = (said.get(name, [None])[0] for name in ("points", "trains", "hint"))
    visibility = said.get("visibility", [None])[0]
    return Marks(
        points=points if isinstance(points, int) else 0,
        needs=_joined(said.get("needs", [])),
        bans=_joined(said["bans"]) if "bans" in said else None,
        visibility=visibility if isinstance(visibility, Visibility) else None,
        trains_cpu_s=trains if isinstance(trains, float) else None,
        hint=hint if isinstance(hint, str) else "",
    )


def _joined(lists: list[object]) -> tuple[str, ...]:
    """The names of several decorators of one kind, each once, in source order."""
    return tuple(dict.fromkeys(name for names in lists if isinstance(names, tuple) for name in names))


def _read(decorator: ast.expr) -> Iterator[tuple[str, object]]:
    """The name and value of a decorator of ours; nothing for somebody else's; ValueError says what is wrong."""
    call = decorator if isinstance(decorator, ast.Call) else None
    full_name = ast.unparse(call.func if call else decorator)
    name = _own_name(full_name)
    if name is None:
        _accept_foreign(full_name)
    elif call is None:
        raise ValueError(f"`@{full_name}` needs its argument in brackets")
    else:
        yield name, _READERS[name](_literals(full_name, call))


def decides_nothing(decorator: ast.expr) -> bool:
    """Whether it says something about marks and pages alone, so that a measurement does not depend on it."""
    full_name = ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
    return _own_name(full_name) in _OF_MARKS


def _own_name(full_name: str) -> str | None:
    """`points` for `points`, `checks.points`, `autograder.checks.points`."""
    *prefix, name = full_name.split(".")
    return name if name in _READERS and (not prefix or prefix[-1] == "checks") else None


def _accept_foreign(full_name: str) -> None:
    *prefix, name = full_name.split(".")
    if not prefix or prefix[-1] == "checks":
        raise ValueError(f"unknown decorator `@{full_name}`{nearest(name, _READERS)}")
    if prefix[-1] == "mark" and name in {"skip", "skipif", "xfail"}:
        raise ValueError(f"`@{full_name}` would take a check out of the marks in silence; remove the check or mend it")


def _literals(full_name: str, call: ast.Call) -> Arguments:
    try:
        positional = [ast.literal_eval(argument) for argument in call.args]
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        message = f"`@{full_name}({ast.unparse(call)[len(full_name) + 1 : -1]})` is read, not run: write literal values"
        raise ValueError(message) from None
    if None in named:
        raise ValueError(f"`@{full_name}` takes no `**`; write its arguments out")
    return positional, {str(name): value for name, value in named.items()}


def _one(arguments: Arguments, decorator: str) -> object:
    """The single argument, given by position."""
    positional, named = arguments
    if len(positional) != 1 or named:
        raise ValueError(f"`@{decorator}` takes one argument, without a name")
    return positional[0]


def _points(arguments: Arguments) -> int:
    value = _one(arguments, "points")
    if type(value) is not int or not 0 <= value <= 100:
        raise ValueError(f"`@points({value!r})`: a whole number from 0 (bonus) to 100 is expected")
    return value


def _trains(arguments: Arguments) -> float:
    positional, named = arguments
    if positional or list(named) != ["cpu_s"]:
        raise ValueError("`@trains` takes one argument, named `cpu_s`")
    value = named["cpu_s"]
    if type(value) not in {int, float} or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"`@trains(cpu_s={value!r})`: CPU seconds above 0 are expected")
    return float(value)


def _visibility(arguments: Arguments) -> Visibility:
    value = _one(arguments, "visibility")
    known = [str(one) for one in Visibility]
    if value not in known:
        raise ValueError(f"`@visibility({value!r})` is unknown{nearest(str(value), known)}")
    return Visibility(str(value))


def _hint(arguments: Arguments) -> str:
    value = _one(arguments, "hint")
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"`@hint({value!r})`: a sentence for the student is expected")
    return value


def _names(decorator: str, *, may_be_empty: bool) -> Callable[[Arguments], tuple[str, ...]]:
    def read(arguments: Arguments) -> tuple[str, ...]:
        positional, named = arguments
        names = tuple(name for name in positional if isinstance(name, str) and name)
        if named or len(names) != len(positional) or not (names or may_be_empty):
            raise ValueError(f'`@{decorator}` takes names in quotes, such as `@{decorator}("...")`')
        return names

    return read


_READERS: Mapping[str, Callable[[Arguments], object]] = MappingProxyType(
    {
        "points": _points,
        "needs": _names("needs", may_be_empty=False),
        "bans": _names("bans", may_be_empty=True),  # nothing banned here, whatever the assignment's default
        "visibility": _visibility,
        "trains": _trains,
        "hint": _hint,
    }
)
_MANY = frozenset({"needs", "bans"})
_OF_MARKS = frozenset({"points", "hint", "visibility"})
