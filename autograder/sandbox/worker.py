"""The other end of the wire: executes the judge's operations on a submission's module.

The same code runs inside the sandbox and, at home or for the reference solution, in process. It holds no secret and
decides nothing: it calls, reads attributes, differentiates, loads and returns weights, trains.
"""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from autograder.errors import WireError
from autograder.sandbox import surroundings, wire
from autograder.sandbox.described import describe
from autograder.sandbox.devices import Place
from autograder.sandbox.graphs import operators_in
from autograder.sandbox.lost import watch


class Kept:
    """Objects that stay on this side; the judge knows them by number."""

    def __init__(self, settle: Callable[[object], None] = lambda _: None) -> None:
        self._objects: dict[int, object] = {}
        self._last = 0
        self._settle = settle

    def put(self, value: object) -> wire.Json:
        """Keep `value` and return its handle's document."""
        self._last += 1
        self._settle(value)
        self._objects[self._last] = value
        return {"h": {"id": self._last, "type": _type_name(value)}}

    def get(self, document: wire.Json) -> object:
        """Return the object of a handle."""
        try:
            return self._objects[document["id"]]
        except (KeyError, TypeError) as error:
            raise WireError("a handle that was released or never given") from error

    def clear(self) -> None:
        """Forget all of them, and number anew."""
        self._objects.clear()
        self._last = 0

    def release(self, ids: list[int]) -> None:
        """Forget objects."""
        for number in ids:
            self._objects.pop(number, None)


def _type_name(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{value.layout} tensor of {value.dtype} on {value.device.type}".replace("torch.", "")
    return type(value).__name__


class Executor:
    """Executes one operation after the other: `reply` is all that a transport needs."""

    def __init__(
        self,
        module: ModuleType,
        folder: Path,
        refused: Callable[[], tuple[str, ...]] = tuple,
        kept: Kept | None = None,
        place: Place | None = None,
    ) -> None:
        self._module = module
        self.folder = str(folder)
        self._refused = refused
        self._place = place or Place()
        self._kept = kept or Kept(self._place.settle)
        self._operations: Mapping[str, Callable[..., dict[str, Any]]] = {
            "call": self._call,
            "getattr": self._getattr,
            "vjp": self._vjp,
            "load": self._load,
            "state": self._state,
            "train": self._train,
            "release": self._release,
        }

    def reply(self, frame: bytes) -> bytes:
        """Return the frame that answers `frame`; a student's exception is an answer, too."""
        request = self._place.sent(wire.unpack(frame, self._kept))
        number, begin = request.pop("n"), request.pop("begin", None)
        try:
            if begin is not None:
                self._begin(*begin)
            with self._place.inside():
                answer = self._performed(request)
            return self._pack(number, answer)
        except BaseException as error:  # whatever a submission raises, SystemExit among it, is data
            if isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
                raise  # ctrl-C of whoever sits here; where signals of the terminal are ignored, it is the submission's
            return self._pack(number, {"error": describe(error, self.folder)})

    def _begin(self, seed: int, dtype: str) -> None:
        """Be as if just opened, for the next check."""
        self._kept.clear()
        surroundings.settle(getattr(torch, dtype))
        self._place.seed(seed)

    def perform(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a question without its number; what a submission raises comes out as it is."""
        answer = self._performed(request)
        if isinstance(stays := answer.get("answer"), wire.Staying):
            answer["answer"] = stays.value
        return answer

    def _performed(self, request: Mapping[str, Any]) -> dict[str, Any]:
        payload = dict(request)
        return self._operations[payload.pop("op")](**payload)

    def _pack(self, number: int, answer: Mapping[str, object]) -> bytes:
        return wire.pack({"n": number, "refused": list(self._refused()), **answer}, self._kept)

    def _target(self, root: object, path: list[str]) -> Any:
        target: Any = root
        if root is None:
            target = self._module
        elif isinstance(root, str):
            module, _, name = root.rpartition(".")
            target = getattr(importlib.import_module(module), name)
        for name in path:
            target = getattr(target, name)
        return target

    def _is_made_by(self, target: object, answer: object) -> bool:
        """Whether a class of the submission's own made an object: it will be asked for more, be it a `dict` or not."""
        return isinstance(target, type) and target.__module__ == self._module.__name__ and isinstance(answer, target)

    def _call(
        self, root: object, path: list[str], args: tuple[Any, ...], kwargs: dict[str, Any], echo: bool = False
    ) -> dict[str, Any]:
        target = self._target(root, path)
        answer = target(*args, **kwargs)
        if root is None and self._is_made_by(target, answer):
            answer = wire.Staying(answer)
        if not echo:
            return {"answer": answer}
        attached = [leaf.requires_grad for leaf in float_leaves(list(args))]
        return {"answer": answer, "inputs": [list(args), kwargs], "inputs_attached": attached}

    def _getattr(self, root: object, path: list[str]) -> dict[str, Any]:
        return {"answer": self._target(root, path)}

    def _release(self, ids: list[int]) -> dict[str, Any]:
        self._kept.release(ids)
        return {}

    def _vjp(
        self, root: object, path: list[str], args: tuple[Any, ...], kwargs: dict[str, Any], cotangents: list[Tensor]
    ) -> dict[str, Any]:
        """Answer and vector-Jacobian products for every float tensor among the arguments and every parameter."""
        target = self._target(root, path)
        inputs = [leaf.requires_grad_() for leaf in float_leaves([list(args), kwargs])]
        parameters = dict(_parameters_involved(target, args, kwargs))
        for parameter in parameters.values():
            parameter.grad = None
        answer = target(*args, **kwargs)
        operators = operators_in(float_leaves(answer))
        attached = self._backward(answer, cotangents)
        return {
            "answer": answer,
            "attached": attached,
            "operators": operators,
            "inputs": [leaf.grad for leaf in inputs],
            "parameters": {name: parameter.grad for name, parameter in parameters.items()},
        }

    def _backward(self, answer: object, cotangents: list[Tensor]) -> bool:
        """Accumulate gradients of the answer's float tensors against `cotangents`; False where nothing is attached."""
        outputs = list(float_leaves(answer))
        fits = len(outputs) == len(cotangents) and all(map(_fits, outputs, cotangents))
        pairs = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad] if fits else []
        if pairs:
            torch.autograd.backward([o for o, _ in pairs], [c.to(o) for o, c in pairs])
        return bool(pairs)

    def _load(self, module: nn.Module, weights: dict[str, Tensor]) -> dict[str, Any]:
        return load_weights(module, weights)

    def _state(self, module: nn.Module) -> dict[str, Any]:
        """Parameters (tied ones under all their names), buffers, and which names are one tensor."""
        parameters = dict(module.named_parameters(remove_duplicate=False))
        groups: dict[int, list[str]] = {}
        for name, parameter in parameters.items():
            groups.setdefault(id(parameter), []).append(name)
        return {
            "parameters": parameters,
            "buffers": dict(module.named_buffers()),
            "shared": [names for names in groups.values() if len(names) > 1],
            "frozen": [name for name, parameter in parameters.items() if not parameter.requires_grad],
        }

    def _train(
        self,
        model: nn.Module,
        fit: str,
        batches: list[Any],
        optimizer: tuple[str, dict[str, Any]] | torch.optim.Optimizer,
        kwargs: dict[str, Any],
        keep: bool = False,
    ) -> dict[str, Any]:
        """Run the student's training loop; only weights and losses come back, and a handle of a kept optimizer."""
        steps = _optimizer(model, *optimizer) if isinstance(optimizer, tuple) else optimizer
        losses = getattr(self._module, fit)(model, batches, steps, **kwargs)
        attached = any(leaf.requires_grad for leaf in float_leaves(losses))
        kept = {"optimizer": wire.Staying(steps)} if keep else {}
        return {**self._state(model), "losses": losses, "losses_attached": attached, **kept}


def _optimizer(model: nn.Module, kind: str, settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """A new optimizer of what can be trained, which ends a training that is lost."""
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    steps: torch.optim.Optimizer = getattr(torch.optim, kind)(list(trainable.values()), **settings)
    watch(steps, trainable.items())
    return steps


def _fits(output: Tensor, cotangent: Tensor) -> bool:
    return output.shape == cotangent.shape


def float_leaves(value: object) -> Iterator[Tensor]:
    """The floating-point tensors of a nested value, in the order in which they cross the wire."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif wire.is_record(value):
        for item in wire.fields(value)[1]:
            yield from float_leaves(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from float_leaves(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from float_leaves(item)


def _parameters_involved(target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """Named parameters of the callee and of the modules among its arguments (`<position or keyword>.<name>`).

    One that has several names stands under each: a module may keep its parts in a list of its own as well.
    """
    callee = target if isinstance(target, nn.Module) else getattr(target, "__self__", None)
    if isinstance(callee, nn.Module):
        yield from callee.named_parameters(remove_duplicate=False)
    for key, value in [*((str(i), arg) for i, arg in enumerate(args)), *kwargs.items()]:
        if isinstance(value, nn.Module):
            named = value.named_parameters(remove_duplicate=False)
            yield from ((f"{key}.{name}", parameter) for name, parameter in named)


def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Copy `weights` by name and return what did not fit; one retry pairs left-over names by their unique shape.

    Frozen parameters, buffers and further names of what `weights` names are the module's own affair.
    """
    parameters = dict(module.named_parameters(remove_duplicate=False))
    own = {**dict(module.named_buffers()), **parameters}
    missing = [name for name in weights if name not in own]
    due = {id(own[name]) for name in weights if name in own}
    extra = [name for name, p in parameters.items() if name not in weights and p.requires_grad and id(p) not in due]
    renamed = _pair_by_shape({name: weights[name] for name in missing}, {name: own[name] for name in extra})
    sources = {name: name for name in weights if name in own} | renamed
    wrong = [name for name, source in sources.items() if own[source].shape != weights[name].shape]
    if wrong or len(sources) != len(weights) or len(extra) != len(renamed):
        given = {name: list(value.shape) for name, value in weights.items()}
        return {"expected": given, "found": {name: list(p.shape) for name, p in parameters.items()}, "renamed": {}}
    with torch.no_grad():
        for name, source in sources.items():
            own[source].copy_(weights[name])
    return {"renamed": renamed}


def _pair_by_shape(missing: Mapping[str, Tensor], extra: Mapping[str, Tensor]) -> dict[str, str]:
    """Return expected name -> found name where every shape occurs once on either side, else nothing."""
    by_shape = {tuple(value.shape): name for name, value in extra.items()}
    shapes = [tuple(value.shape) for value in missing.values()]
    unique = len(by_shape) == len(extra) == len(shapes) == len(set(shapes))
    if not unique or set(shapes) != set(by_shape):
        return {}
    return {name: by_shape[tuple(value.shape)] for name, value in missing.items()}
