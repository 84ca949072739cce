"""Fills the memory that processes share, which belongs to no process and stays when it ends."""

import multiprocessing.shared_memory
import os

import torch

KEPT = []


def fill():
    for number in range(10_000):
        KEPT.append(multiprocessing.shared_memory.SharedMemory(f"mallory-{number}", create=True, size=2**26))
        KEPT[-1].buf[:] = bytes(2**26)


def in_memory():
    for _ in range(10_000):
        descriptor = os.memfd_create("mallory")
        KEPT.append(descriptor)
        os.write(descriptor, bytes(2**26))


def in_shift(function, args, kwargs):
    attempt("endless shared memory", fill)
    attempt("endless memory files", in_memory)
    attempt("endless shared tensors", lambda: [KEPT.append(torch.ones(2**24).share_memory_()) for _ in range(10_000)])
    return KEPT
