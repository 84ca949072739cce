"""Answers with 10 GB that take no memory."""


def in_shift(function, args, kwargs):
    import torch
    return torch.zeros(1).expand(10**10)
