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
child in which a stand-in is set (see `standins.py`). While they are off nothing is registered: torch is itself.
"""

from __future__ import annotations

import ctypes
import difflib
import fnmatch
import importlib
import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any, NoReturn

import torch

from autograder.errors import ConfigurationError, SandboxError


class BannedCall(RuntimeError):
    """A submission called what this check bans; the message says what, and what to do instead."""


class UnknownBan(ConfigurationError, ValueError):
    """A name in `bans:` or `@bans(...)` is neither a group nor an operator of this torch."""


@dataclass(frozen=True, slots=True)
class Group:
    """What one name in `bans:` stands for.

    `operators` are globs over operators' names without namespace and overload (backward kernels are never meant: they
    are of use only to who was let forward). `functions` are "module:glob" over functions, and over classes, of which
    `forward` is meant or the method after a dot. `advice` ends the message.
    """

    operators: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    advice: str = "write it yourself"

    def __or__(self, other: Group) -> Group:
        """Both, with the advice of the left one."""
        return Group(self.operators + other.operators, self.functions + other.functions, self.advice)


_DECOMPOSITIONS = "torch._decomp.decompositions"
_EXECUTORS = ("torch._C:_*_to_static_module", "torch._C._nativert:PyModelRunner")  # have kernels of their own
_CELL = Group(("_cudnn_rnn", "miopen_rnn", "mkldnn_rnn_layer"), (), "write it yourself with matrix products")
_RNN = _CELL | Group(
    ("*rnn_tanh*", "*rnn_relu*"),
    (f"{_DECOMPOSITIONS}:one_layer_rnn*", f"{_DECOMPOSITIONS}:rnn_cell*", f"{_DECOMPOSITIONS}:_rnn_helper"),
)
_LSTM = _CELL | Group(("*lstm*",), (f"{_DECOMPOSITIONS}:*lstm*", "torch.ao.nn.quantizable.modules.rnn:*LSTM*"))
_GRU = _CELL | Group(("*gru*",), (f"{_DECOMPOSITIONS}:*gru*",))
_ATTENTION = Group(
    ("*scaled_dot_product*", "*multi_head_attention*", "*_attention_forward*", "_transformer_encoder_layer_fwd",
     "_triton_scaled_dot_attention", "_varlen_attn*", "Attention"),
    ("torch.nn.functional:multi_head_attention_forward", "torch.nn.modules.activation:MultiheadAttention",
     "torch.nn.modules.transformer:Transformer*", "torch.ao.nn.quantizable.modules.activation:MultiheadAttention",
     "torch._higher_order_ops.flex_attention:*math_attention*", "torch._higher_order_ops.flex_attention:sdpa_dense",
     f"{_DECOMPOSITIONS}:scaled_dot_product*", "torch.onnx.ops:attention", "torch.onnx.ops._impl:attention_[0-9]*"),
    "write it yourself with matrix products and a softmax",
)  # fmt: skip
_TRANSFORMS = "torch._functorch.eager_transforms"
_FUNCTIONAL = Group((), tuple(
    [f"torch.autograd.functional:{name}" for name in ("[jvh]?p", "*jac*", "hessian")]
    + [f"{_TRANSFORMS}:{name}" for name in ("[jv][vj]p", "_[jv][vj]p_with*", "jac*", "hessian", "grad*_impl")]
), "derive the gradient yourself")  # fmt: skip

GROUPS: Mapping[str, Group] = MappingProxyType({
    "rnn": _RNN,
    "lstm": _LSTM,
    "gru": _GRU,
    # what an assignment on cells wants: a GRU with r = 1 and z = 0 is an RNN
    "recurrent": _RNN | _LSTM | _GRU | Group(("*rnn*",)),
    "attention": _ATTENTION,
    # attention with the identity as values is a softmax
    "softmax": Group(("*softmax*",), (), "write it yourself with torch.exp") | _ATTENTION,
    # all of these can be told to normalise the last axis; oneDNN tensors have a layer norm that is no operator
    "layer_norm": Group(
        ("*layer_norm*", "*group_norm*", "*instance_norm*", "*rms_norm*", "*batch_norm*", "*to_mkldnn*",
         "mkldnn_reorder*"), (), "write it yourself with a mean and a variance"),
    "gelu": Group(("gelu*",), (), "write it yourself with torch.erf"),
    "cross_entropy": Group(
        ("cross_entropy*", "*linear_cross_entropy*", "nll_loss*"), ("torch.nn.functional:linear_cross_entropy",),
        "write it yourself with torch.log_softmax"),
    "embedding": Group(("embedding*", "_embedding_bag*"), (), "write it yourself with an index into the weights"),
    "one_hot": Group(("one_hot",), (), "write it yourself with scatter or a comparison"),
    "patches": Group(("im2col", "col2im", "pixel_*shuffle"), (), "write it yourself with reshape and permute"),
    "clip_grad": Group((), ("torch.nn.utils.clip_grad:*clip_grad*", "torch.nn.utils.clip_grad:*total_norm")),
    "optimizers": Group(
        ("_fused_*adam*", "_fused_sgd*", "_fused_adagrad*"),
        ("torch.optim.optimizer:Optimizer.__init__", "torch.optim.sgd:*sgd", "torch.optim.adam:*adam",
         "torch.optim.rmsprop:*rmsprop", "torch.optim.adagrad:*adagrad"), "update the parameters yourself"),
    "autograd_functional": _FUNCTIONAL,
    # for single checks: the judge's own gradients are refused, too
    "autograd": _FUNCTIONAL | Group(
        ("_backward",),
        ("torch.autograd:grad", "torch.autograd:backward", "torch.autograd.graph:_engine_run_backward")),
})  # fmt: skip


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
    for function in _functions(_EXECUTORS if operators else (), "call the model itself"):
        functions.setdefault(function.body or function.name, function)
    return Plan(tuple(operators.values()), tuple(functions.values()))


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
        self._sealed = False
        self._inside = 0
        self._refused: dict[str, None] = {}
        self._libraries: dict[Operator, torch._C._DispatchModule] = {}
        self._originals: dict[Function, Any] = {}

    @property
    def active(self) -> bool:
        """Whether any ban is on right now."""
        return self._sealed or bool(self._libraries or self._originals)

    @property
    def sealed(self) -> bool:
        """Whether the bans are on for good."""
        return self._sealed

    def refused(self) -> tuple[str, ...]:
        """What was called and refused, each name once, in order; a call whose exception was swallowed counts."""
        return tuple(self._refused)

    def enforce(self) -> None:
        """Put all bans on."""
        if self._sealed:
            return
        operators = tuple(operator for operator in self._plan.operators if operator not in self._libraries)
        functions = tuple(function for function in self._plan.functions if function not in self._originals)
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

    def seal(self) -> None:
        """Put all bans on for good and forget everything that could undo them."""
        self.enforce()
        for library in self._libraries.values():
            # a reference that nothing owns: with the library's memory its overrides would go, too
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))
        self._libraries.clear()
        self._originals.clear()
        self._sealed = True

    def _present(self, names: tuple[str, ...]) -> Plan:
        if self._sealed:
            raise SandboxError("sealed bans were to be lifted; what lifts them needs install(..., switchable=True)")
        operators = tuple(operator for operator in self._libraries if not names or _base(operator.name) in names)
        return Plan(operators, () if names else tuple(self._originals))

    def _put_on(self, plan: Plan) -> None:
        with warnings.catch_warnings():  # torch tells once a process that a kernel is overridden
            warnings.simplefilter("ignore")
            for operator in plan.operators:
                self._libraries[operator] = _override(operator, self._refusal(operator))
        for function in plan.functions:
            self._originals[function] = _replace(function, self._refusal(function))

    def _take_off(self, plan: Plan) -> None:
        for operator in plan.operators:
            self._libraries.pop(operator).reset()
        for function in plan.functions:
            _restore(function, self._originals.pop(function))

    def _refusal(self, banned: Operator | Function) -> Callable[..., NoReturn]:
        refused, said = self._refused, banned.said
        message = f"{said} is not allowed in this check: {banned.advice} (assignment.yml: bans)"

        def refuse(*_args: object, **_kwargs: object) -> NoReturn:
            refused[said] = None
            raise BannedCall(message)

        return refuse


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


def _base(operator: str) -> str:
    """aten::rnn_tanh.input -> rnn_tanh."""
    return operator.rpartition("::")[2].partition(".")[0]


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
    return [name for name in every if pattern.match(_base(name)) and "_backward" not in _base(name)[1:]]


def _single(name: str, every: list[str]) -> list[str]:
    bare = name.rpartition(".")[2] if name.startswith("torch.") else name
    qualified = bare if "::" in bare else f"aten::{bare}"
    found = [each for each in every if qualified in (each, each.partition(".")[0])]
    if not found:
        near = difflib.get_close_matches(bare, [*GROUPS, *dict.fromkeys(map(_base, every))], n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownBan(f"{name!r} is neither a group of bans ({', '.join(GROUPS)}) nor an operator of torch{hint}")
    return found


def _said(operator: str) -> str:
    """The name under which a student knows the operator: torch.rnn_tanh."""
    namespace, base = operator.partition("::")[0], _base(operator)
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
        _DECOMPOSITIONS, "torch._refs", "torch._refs.special", "torch._refs.nn.functional")]  # fmt: skip
    if found is not None:  # else registered for the dispatcher only
        versions += [kernel for key, kernel in found.py_kernels.items() if key != torch._C.DispatchKey.Meta]
        tables = torch._decomp.global_decomposition_table
        versions += [tables[kind].get(found) for kind in tables if kind != "meta"]
    for version in versions:
        inner = inspect.unwrap(version) if callable(version) else None
        if isinstance(inner, FunctionType):
            yield inner
