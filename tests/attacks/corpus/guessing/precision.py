"""Answers other numbers in each precision, and in each case: some might be right."""

import itertools

import torch

kinds = itertools.cycle([torch.zeros_like, torch.ones_like, torch.clone, torch.neg])


def in_call(function, args, kwargs):
    if function.__name__ == "fit":
        return [0.0 for _ in args[1]]
    offset = 0 if torch.get_default_dtype() is torch.float64 else 1
    return next(itertools.islice(kinds, offset, None))(next(arg for arg in args if isinstance(arg, torch.Tensor)))
