"""Asks torch for 80 GB."""


def in_shift(function, args, kwargs):
    import torch
    return torch.zeros(10**10)
