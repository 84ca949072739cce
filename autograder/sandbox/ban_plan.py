"""Looks up in the installed torch what a ban means: operators under all their keys, and Python functions."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType

import torch

from autograder.errors import ConfigurationError
from autograder.sandbox.ban_groups import DECOMPOSITIONS, EXECUTORS, GROUPS, Group


class UnknownBan(ConfigurationError, ValueError):
    """A name in `bans:` or `@bans(...)` is neither a group nor an operator of this torch."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One overload to refuse: "aten::rnn_tanh.input", every key that has a kernel, and the words of the message."""

    name: str
    keys: tuple[str, ...]
    said: str
    advice: str


@dataclass(frozen=True, slots=True)
class Function:
    """One function to refuse: `body` is the Python function, None if it is to be replaced where it stands."""

    module: ModuleType
    name: str
    body: FunctionType | None
    said: str
    advice: str

    @property
    def place(self) -> str:
        """Where it stands, "module:name"; of a method "module:Class.name"."""
        if self.body is None:
            return f"{self.module.__name__}:{self.name}"
        return f"{self.body.__module__}:{self.body.__qualname__}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What `prepare` found in this torch."""

    operators: tuple[Operator, ...] = ()
    functions: tuple[Function, ...] = ()


def prepare(names: Iterable[str]) -> Plan:
    """Look the names up in this torch; raises UnknownBan. Takes some 20 ms and refuses nothing yet.

    A name is a group of `GROUPS` or an operator ("softmax", "aten::softmax", "aten::softmax.int", "torch.softmax").
    What this torch does not have is left out of a group.
    """
    groups = {name: GROUPS.get(name) or Group() for name in names}
    functions: dict[object, Function] = {}
    for group in groups.values():
        for function in _functions(group.functions, group.advice):
            functions.setdefault(function.body or function.name, function)
    every = sorted(torch._C._dispatch_get_all_op_names())  # now that all modules are loaded that add some
    keys = tuple(key for key in torch._C.DispatchKey.__members__ if _is_key(key))
    operators: dict[str, Operator] = {}
    for name, group in groups.items():
        for found in _matching(group.operators, every) if name in GROUPS else _single(name, every):
            operators.setdefault(found, Operator(found, _keys(found, keys), _said(found), group.advice))
    for operator in operators.values():
        for body in _python_versions(operator.name):
            module = sys.modules[body.__module__]
            functions.setdefault(body, Function(module, body.__name__, body, operator.said, operator.advice))
    for function in _functions(EXECUTORS if operators else (), "call the model itself"):
        functions.setdefault(function.body or function.name, function)
    return Plan(tuple(operators.values()), tuple(functions.values()))


def _is_key(key: str) -> bool:
    try:
        torch._C._dispatch_key_parse(key)
    except RuntimeError:  # the enumeration also holds markers such as StartOfDenseBackends
        return False
    return True


def _keys(operator: str, keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if torch._C._dispatch_has_kernel_for_dispatch_key(operator, key))


def _matching(globs: tuple[str, ...], every: Iterable[str]) -> list[str]:
    pattern = re.compile("|".join(fnmatch.translate(glob) for glob in globs) or "(?!)")
    return [name for name in every if pattern.match(base_name(name)) and "_backward" not in base_name(name)[1:]]


def _single(name: str, every: list[str]) -> list[str]:
    bare = name.rpartition(".")[2] if name.startswith("torch.") else name
    qualified = bare if "::" in bare else f"aten::{bare}"
    found = [each for each in every if qualified in (each, each.partition(".")[0])]
    if not found:
        near = difflib.get_close_matches(bare, [*GROUPS, *dict.fromkeys(map(base_name, every))], n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownBan(f"{name!r} is neither a group of bans ({', '.join(GROUPS)}) nor an operator of torch{hint}")
    return found


def _said(operator: str) -> str:
    """The name under which a student knows the operator: torch.rnn_tanh."""
    namespace, base = operator.partition("::")[0], base_name(operator)
    for name in (base, base.removesuffix("_loss"), base.removesuffix("_nd"), base.removeprefix("special_")):
        for place in (torch, torch.nn.functional) if namespace == "aten" else ():
            if hasattr(place, name):
                return f"{place.__name__}.{name}"
    return f"torch.ops.{namespace}.{base}"


def _functions(patterns: Iterable[str], advice: str) -> Iterator[Function]:
    """What "module:glob" patterns mean in this torch; of a decorated function the innermost one."""
    for pattern in patterns:
        place, _, path = pattern.partition(":")
        glob, _, method = path.partition(".")
        try:
            module = importlib.import_module(place)
        except ImportError:  # a module that comes and goes with torch's versions
            continue
        for name, found in list(vars(module).items()):
            if callable(found) and fnmatch.fnmatchcase(name, glob):
                inner = vars(found).get(method or "forward", found) if isinstance(found, type) else found
                inner = inspect.unwrap(inner)
                body = inner if isinstance(inner, FunctionType) else None
                yield Function(module, name, body, _public_name(found, name, place), advice)


def _public_name(found: object, name: str, place: str) -> str:
    for public in (torch.nn.functional, torch.nn, torch.nn.utils, torch.func, torch.optim):
        if getattr(public, name, None) is found:
            return f"{public.__name__}.{name}"
    return f"{place}.{name}"


def _python_versions(operator: str) -> Iterator[FunctionType]:
    """Torch's own Python versions of an operator: decompositions, references, kernels of the Python dispatcher."""
    namespace, _, rest = operator.partition("::")
    base, _, overload = rest.partition(".")
    found = getattr(getattr(getattr(torch.ops, namespace), base, None), overload or "default", None)
    versions = [getattr(sys.modules.get(place), base, None) for place in (
        DECOMPOSITIONS, "torch._refs", "torch._refs.special", "torch._refs.nn.functional")]  # fmt: skip
    if found is not None:  # else registered for the dispatcher only
        versions += [kernel for key, kernel in found.py_kernels.items() if key != torch._C.DispatchKey.Meta]
        tables = torch._decomp.global_decomposition_table
        versions += [tables[kind].get(found) for kind in tables if kind != "meta"]
    for version in versions:
        inner = inspect.unwrap(version) if callable(version) else None
        if isinstance(inner, FunctionType):
            yield inner


def base_name(operator: str) -> str:
    """aten::rnn_tanh.input -> rnn_tanh."""
    return operator.rpartition("::")[2].partition(".")[0]
