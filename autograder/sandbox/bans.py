"""Banned operators are refused, not watched: they are overridden in torch's C++ dispatcher before a submission loads.

A trace of what a submission called lives in the submission's process and can be wiped there. A kernel cannot be called
once no table leads to it:

- Of an operator *every* kernel that torch registered is overridden: those of backends, autograd and autocast, and those
  of the alias keys from which torch computes the rest of its table. No route through the dispatcher gets by: module,
  functional, `torch.ops`, TorchScript, `decompose`, a redispatch with other keys, vmap, a subclass of Tensor.
- A banned function that is Python (`multi_head_attention_forward`, torch's decompositions) gets another body, so that
  every alias of it is meant. A C function that runs kernels of its own (the static runtime) is replaced in its module.
- An override ends when the library object that made it is reset or freed. `Bans.seal` gives it a reference that no
  Python object holds, so that no container, frame or search by `gc` leads to it. Whoever registers a kernel on top has
  a kernel of their own; torch's stays behind ours.

What remains: ctypes can call any address, which is the jail's business; the text of torch's Python functions can be
read, loaded again or copied, like any text; TorchScript's registry has an `aten::grad` that `autograd` does not reach;
`refused` is a dict in the child's memory, evidence and not proof.

Bans that are not sealed can be taken off and put on again: at home, where judge and student share a process, and in a
child in which a stand-in is set (see `standins.py`), those of what it calls. While they are off nothing is registered:
torch is itself.
"""

from __future__ import annotations

import ctypes
import fnmatch
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import torch

from autograder.errors import SandboxError
from autograder.sandbox.ban_plan import Function, Operator, Plan, base_name, prepare

_EXACT = re.compile(r"[\w:.<>]+").fullmatch


class BannedCall(RuntimeError):
    """A submission called what this check bans; the message says what, and what to do instead."""


def install(names: Iterable[str] | Plan, *, switchable: bool = False) -> Bans:
    """Refuse what the names (or a plan of `prepare`) mean: from now on, in this whole process, on every thread.

    With `switchable` the bans can be taken off, put on again and sealed later; without, they are sealed now.
    """
    bans = Bans(names if isinstance(names, Plan) else prepare(names))
    bans.enforce()
    if not switchable:
        bans.seal()
    return bans


class Bans:
    """Bans, what they refused, and, until they are sealed, their switch. Not for use from two threads at once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._open = plan
        """What can be taken off and put on; the rest of the plan is on for good."""
        self._sealed = False
        self._inside = 0
        self._refused: dict[str, None] = {}
        self._libraries: dict[Operator, torch._C._DispatchModule] = {}
        self._codes: dict[Function, Any] = {}
        self._replaced: dict[Function, Any] = {}

    @property
    def active(self) -> bool:
        """Whether any ban is on right now."""
        for_good = self._sealed or self._open is not self._plan
        return for_good or bool(self._libraries or self._codes or self._replaced)

    @property
    def sealed(self) -> bool:
        """Whether the bans are on for good."""
        return self._sealed

    def refused(self) -> tuple[str, ...]:
        """What was called and refused, each name once, in order; a call whose exception was swallowed counts."""
        return tuple(self._refused)

    def refuses(self, patterns: Iterable[str]) -> bool:
        """Whether any ban is of what one of the patterns means: see `seal`."""
        meant = _meant(self._plan.operators, self._plan.functions, patterns)
        return bool(meant.operators or meant.functions)

    def enforce(self) -> None:
        """Put all bans on."""
        on = len(self._libraries) + len(self._codes) + len(self._replaced)
        if self._sealed or on == len(self._open.operators) + len(self._open.functions):
            return
        operators = tuple(operator for operator in self._open.operators if operator not in self._libraries)
        functions = tuple(function for function in self._open.functions if function not in self._originals(function))
        self._put_on(Plan(operators, functions))

    def lift(self) -> None:
        """Take all bans off; raises SandboxError if they are sealed."""
        self._take_off(self._present(()))

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """All bans on inside, as around a student's call at home, and off after the outermost of these blocks."""
        self._inside += 1
        self.enforce()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside and not self._sealed:
                self.lift()

    @contextmanager
    def lifted(self, *operators: str) -> Iterator[None]:
        """All bans off inside, or only those of the operators with these names (rnn_tanh_cell); then on as before."""
        present = self._present(operators)
        self._take_off(present)
        try:
            yield
        finally:
            self._put_on(present)

    def hand_over(self, other: Bans) -> None:
        """Put `other` on in the place of these; what both refuse stays as it is, and what was refused is known to both.

        Raises SandboxError if these are sealed.
        """
        present = self._present(())
        wanted = {*other._plan.operators, *other._plan.functions}
        for operator in present.operators:
            if operator in wanted:
                other._libraries[operator] = self._libraries.pop(operator)
        for function in present.functions:
            if function in wanted:
                other._originals(function)[function] = self._originals(function).pop(function)
        self.lift()
        other._refused = self._refused
        other.enforce()

    def seal(self, but: Iterable[str] = ()) -> None:
        """Put all bans on for good and forget everything that could undo them.

        `but`: what can still be taken off, as globs over operators (`*gru*`) and the places of Python functions
        ("torch.nn.functional:multi_head_attention_forward").
        """
        self.enforce()
        still_open = _meant(self._libraries, self._codes, but)
        libraries = {operator: self._libraries.pop(operator) for operator in still_open.operators}
        codes = {function: self._codes.pop(function) for function in still_open.functions}
        for held in (self._libraries, self._codes):
            _lose(held)
        self._libraries, self._codes = libraries, codes
        self._replaced.clear()  # `gc` tracks functions in C, so they may not stay
        self._open = still_open
        self._sealed = not (libraries or codes)

    def _present(self, names: tuple[str, ...]) -> Plan:
        if self._sealed:
            raise SandboxError("sealed bans were to be lifted; what lifts them needs install(..., switchable=True)")
        operators = tuple(operator for operator in self._libraries if not names or base_name(operator.name) in names)
        return Plan(operators, () if names else (*self._codes, *self._replaced))

    def _originals(self, function: Function) -> dict[Function, Any]:
        """Where what a banned function was before is kept."""
        return self._replaced if function.body is None else self._codes

    def _put_on(self, plan: Plan) -> None:
        with warnings.catch_warnings():  # torch tells once a process that a kernel is overridden
            warnings.simplefilter("ignore")
            for operator in plan.operators:
                self._libraries[operator] = _override(operator, self._refusal(operator))
        for function in plan.functions:
            self._originals(function)[function] = _replace(function, self._refusal(function))

    def _take_off(self, plan: Plan) -> None:
        for operator in plan.operators:
            self._libraries.pop(operator).reset()
        for function in plan.functions:
            _restore(function, self._originals(function).pop(function))

    def _refusal(self, banned: Operator | Function) -> Callable[..., NoReturn]:
        refused, said = self._refused, banned.said
        message = f"{said} is not allowed in this check: {banned.advice} (assignment.yml: bans)"

        def refuse(*_args: object, **_kwargs: object) -> NoReturn:
            refused[said] = None
            raise BannedCall(message)

        return refuse


def _meant(operators: Iterable[Operator], functions: Iterable[Function], patterns: Iterable[str]) -> Plan:
    """Those of the operators and functions that the patterns mean; see `Bans.seal`."""
    patterns = tuple(patterns)
    exact, globs = frozenset(patterns), tuple(pattern for pattern in patterns if not _EXACT(pattern))
    names = {base_name(operator.name) for operator in operators}
    meant = (names & exact).union(*(fnmatch.filter(names, glob) for glob in globs))
    return Plan(
        tuple(operator for operator in operators if base_name(operator.name) in meant),
        tuple(function for function in functions if function.place in exact),
    )


def _lose(values: dict[Any, Any]) -> None:
    """Keep a dict of libraries or code, neither of which `gc` tracks, alive where no Python object can find it.

    With a library's memory its overrides would go, too. To free the code of banned functions would write to a page of
    memory for each of them, which a forked child has to copy first.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(values))
    ctypes.pythonapi.PyObject_GC_UnTrack(ctypes.py_object(values))


def _override(operator: Operator, refuse: Callable[..., NoReturn]) -> torch._C._DispatchModule:
    namespace, _, name = operator.name.partition("::")
    library = torch._C._dispatch_library("IMPL", namespace, "")
    for key in operator.keys:
        library.impl(name, key, refuse)
    return library


def _replace(function: Function, refuse: Callable[..., NoReturn]) -> Any:
    """Make the function refuse and return what `_restore` needs."""
    if function.body is None:
        original = getattr(function.module, function.name)
        setattr(function.module, function.name, refuse)
        return original

    def body(*_args: object, **_kwargs: object) -> object:
        refusal: Any = "refusal"
        return refusal()

    # the new code brings `refuse` along as a constant: globals and closure stay those of the banned function
    original = function.body.__code__
    constants = tuple(refuse if constant == "refusal" else constant for constant in body.__code__.co_consts)
    function.body.__code__ = body.__code__.replace(co_consts=constants, co_freevars=original.co_freevars)
    return original


def _restore(function: Function, original: Any) -> None:
    if function.body is None:
        setattr(function.module, function.name, original)
    else:
        function.body.__code__ = original
