"""A make-believe GPU with numbers: its tensors say that they lie on `cuda`, and are computed on the CPU.

torch's own fake tensors (FakeTensorMode) have no numbers and take 0.15 ms an operator, most of it to find out what an
operator's answer would look like; here the CPU's kernel says so in a tenth of that. Tensors on both devices meet where
torch lets them: one without dimensions counts as a number, a copy goes from one to the other, and what lies on the GPU
may be indexed from the CPU. What cannot be played here raises whatever it likes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Self

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._mode_utils import no_dispatch

from autograder.home.origins import Origins

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
MEET = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"

_COPYING = frozenset({"aten::copy_", "aten::copy"})
_INDEXING = frozenset({"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"})
_PACKING = "aten::_pack_padded_sequence"


class Unplayable(Exception):
    """Whether it would run on a GPU cannot be said here."""


class TwoDevices(RuntimeError):
    """Tensors met that lie on two devices."""

    def __init__(self, left: Sequence[Tensor] = (), words: str = MEET) -> None:
        super().__init__(words)
        self.left = left
        """Those on the CPU."""


class OnStage(Tensor):
    """A tensor that says it lies on the GPU."""

    numbers: Tensor
    """On the CPU, of the same sizes and strides."""
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, numbers: Tensor) -> Self:
        """Return a tensor with these numbers, which it shares."""
        strides, offset = numbers.stride(), numbers.storage_offset()
        tensor = Tensor._make_wrapper_subclass(
            cls, numbers.size(), strides=strides, storage_offset=offset, dtype=numbers.dtype, device=GPU
        )
        tensor.numbers = numbers
        return tensor

    def tolist(self) -> Any:
        """Return what a copy on the CPU would; torch refuses it to a class of one's own, as the next."""
        return self.numbers.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """Raise TypeError as on a GPU, unless a copy is wanted."""
        if not force:
            raise TypeError(f"can't convert {GPU} device type tensor to numpy. Use Tensor.cpu() to copy it first.")
        return self.numbers.numpy(force=True)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, operator: Any, types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """What is done with it when nobody plays."""
        return play(operator, args, kwargs or {})


class TooLong(BaseException):
    """What is played has had its time. Not an Exception: a student's code may pass over those."""


class Stage(FakeTensorMode):  # type: ignore[no-untyped-call]
    """The surroundings in which something can be made on the GPU. torch starts no CUDA in what it takes for fakes.

    `folder`: whose lines make tensors.
    """

    def __init__(self, folder: str = "") -> None:
        super().__init__(allow_non_fake_inputs=True)
        self.origins = Origins(folder)
        self.until = math.inf
        """CPU seconds of this process from which on TooLong is raised."""

    def __torch_dispatch__(
        self, operator: Any, types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Every operator inside; in inference mode torch leaves those to us that are made of others."""
        if _is_composite(operator):
            with self:
                return operator.decompose(*args, **(kwargs or {}))
        if time.process_time() > self.until:
            raise TooLong
        kwargs = kwargs or {}
        answer = play(operator, args, kwargs)
        here = [tensor for tensor in _tensors((answer,)) if not isinstance(tensor, OnStage)]
        if here and _kind(operator)[0] != _PACKING:  # which leaves its sizes on the CPU by right
            given = [*_tensors(args), *_tensors(list(kwargs.values()))]
            of = [tensor for tensor in given if not isinstance(tensor, OnStage)]
            met = len(of) < len(given)
            self.origins.note(here, of, moved=met and kwargs.get("device") is not None, met=met)
        return answer


def play(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return the operator's answer where torch would have it; raises TwoDevices where they may not meet."""
    name, changes, reshapes = _kind(operator)
    tensors: list[Tensor] = []
    numbers = [_numbers(value, tensors) for value in args]
    named = {key: _numbers(value, tensors) for key, value in kwargs.items()}
    device = kwargs.get("device")
    on_gpu = any(isinstance(tensor, OnStage) for tensor in tensors)
    if device is not None:
        on_gpu, named["device"] = device.type == GPU.type, CPU
    elif on_gpu:
        on_gpu = _meet(name, args, tensors)
    kernel = _RECURRENT.get(name, operator) if on_gpu else operator
    try:
        answer = kernel(*numbers, **named)
    except NotImplementedError as error:  # torch says which devices have a kernel: that is nobody's mistake
        raise Unplayable(name) from error
    if name == _PACKING:
        return OnStage(answer[0]) if on_gpu else answer[0], answer[1]
    if reshapes:  # sizes and strides are the tensor's own
        with no_dispatch():
            operator(*args, **kwargs)
    known = {id(_numbers(tensor, [])): tensor for tensor in tensors} if changes else {}
    return _answer(answer, known, on_gpu=on_gpu)


@cache
def _is_composite(operator: Any) -> bool:
    composite = torch._C.DispatchKey.CompositeImplicitAutograd
    return torch._C._dispatch_has_kernel_for_dispatch_key(operator.name(), composite)


@cache
def _kind(operator: Any) -> tuple[str, bool, bool]:
    """The operator's name, and whether it changes an argument, or an argument's sizes."""
    return operator.name().partition(".")[0], operator._schema.is_mutable, torch.Tag.inplace_view in operator.tags


def _meet(name: str, args: Sequence[Any], tensors: Sequence[Tensor]) -> bool:
    """Whether what an operator makes of these tensors lies on the GPU; raises TwoDevices where torch raises."""
    if name == _PACKING and isinstance(args[1], OnStage):
        raise TwoDevices(words="'lengths' argument should be a 1D CPU int64 tensor, but got 1D cuda:0 Long tensor")
    if name in _COPYING or name == _PACKING:
        return isinstance(args[0], OnStage)
    left = [tensor for tensor in tensors if tensor.dim() and not isinstance(tensor, OnStage)]
    if name in _INDEXING:
        places, value = list(_tensors(args[1])), args[2] if len(args) > 2 else None
        alone = value is None or value.dim() == 0 or isinstance(value, OnStage) is isinstance(args[0], OnStage)
        if alone and (isinstance(args[0], OnStage) or not any(isinstance(place, OnStage) for place in places)):
            return isinstance(args[0], OnStage)
        raise TwoDevices(left)
    if left:
        raise TwoDevices(left)
    return True


def _lstm_cell(a_x: Tensor, a_h: Tensor, c: Tensor, b_x: Tensor | None, b_h: Tensor | None) -> tuple[Tensor, ...]:
    """The next h and c, and what the backward pass would need: torch's own cell, whose products change nothing."""
    zeros = torch.zeros_like(c)
    h, c = torch.lstm_cell(a_x + a_h, (zeros, c), torch.eye(a_x.shape[1], dtype=a_x.dtype), _nothing(a_h, c), b_x, b_h)
    return h, c, torch.empty_like(a_x)


def _gru_cell(a_x: Tensor, a_h: Tensor, h: Tensor, b_x: Tensor | None, b_h: Tensor | None) -> tuple[Tensor, ...]:
    """The next h, and what the backward pass would need: torch's own cell row by row, `a_h` being each one's bias."""
    same, biases = torch.eye(a_x.shape[1], dtype=a_x.dtype), a_h if b_h is None else a_h + b_h
    rows = zip(a_x, h, biases, strict=True)
    after = [torch.gru_cell(row[None], state[None], same, _nothing(a_h, h), b_x, bias) for row, state, bias in rows]
    return torch.cat(after), h.new_empty(len(h), 5 * h.shape[1])


def _nothing(gates: Tensor, state: Tensor) -> Tensor:
    """Weights that make nothing of a state."""
    return state.new_zeros(gates.shape[1], state.shape[1])


_RECURRENT: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"aten::_thnn_fused_lstm_cell": _lstm_cell, "aten::_thnn_fused_gru_cell": _gru_cell}
)
"""Kernels that only a GPU has: what torch's recurrent layers are made of there, where cuDNN is off."""


def _tensors(values: Sequence[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _numbers(value: Any, tensors: list[Tensor]) -> Any:
    """An argument as the CPU's kernel takes it; the tensors in it are added to `tensors`."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return value.numbers if isinstance(value, OnStage) else value
    return type(value)(_numbers(each, tensors) for each in value) if type(value) in (list, tuple) else value


def _answer(value: Any, known: Mapping[int, Tensor], *, on_gpu: bool) -> Any:
    """An answer's tensors where they lie; what an operator returns of its own arguments is what was given."""
    if type(value) in (list, tuple):
        return type(value)(_answer(each, known, on_gpu=on_gpu) for each in value)
    if not isinstance(value, Tensor):
        return value
    given = known.get(id(value))
    if given is None:
        return OnStage(value) if on_gpu else value
    if given.size() != value.size() or given.stride() != value.stride():
        raise Unplayable("a tensor that changes its size where it stands")
    return given
