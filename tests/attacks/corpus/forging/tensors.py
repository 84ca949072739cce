"""Answers with tensors that say something else of themselves than they hold, to torch, to numpy or to the dispatcher."""

import numpy as np
import torch


class SaysMuch(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") == "numpy":
            return np.zeros((3, 2))
        return super().__torch_function__(func, types, args, kwargs or {})

    shape = property(lambda self: torch.Size((2**40, 2**40)))


class Empty(torch.Tensor):
    @staticmethod
    def __new__(cls, held):
        return torch.Tensor._make_wrapper_subclass(cls, held.shape, dtype=held.dtype)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return torch.zeros(args[0].shape, dtype=args[0].dtype)


class Bytes(np.ndarray):
    nbytes = 2**62

    def tobytes(self, *args, **kwargs):
        return bytes(2**20)


class Numpy(torch.Tensor):
    def numpy(self, *args, **kwargs):
        return np.zeros((3, 2)).view(Bytes)


KINDS = {
    "torch function": lambda held: held.as_subclass(SaysMuch),
    "dispatch": Empty,
    "numpy": lambda held: held.as_subclass(Numpy),
    "strides": lambda held: torch.as_strided(torch.zeros(1), (2**16, 2**10), (0, 0)),
    "without numbers": lambda held: torch.empty(2**25, 0, 2**25, dtype=held.dtype),
    "nested": lambda held: torch.nested.nested_tensor([*held]),
}


def in_call(function, args, kwargs):
    answer = function(*args, **kwargs)
    return KINDS[FACTS["kind"]](answer.detach()) if torch.is_tensor(answer) else answer
