"""How slow this machine is: limits of CPU time are meant for the machine on which they were set."""

from __future__ import annotations

import time

import torch

USUAL_S = 0.0045
"""CPU seconds of `_work` on the machine on which the course's limits were set."""
MOST = 4.0
"""Times longer that a limit gets at most."""
TRIES = 3


def slowness() -> float:
    """Return how many times longer this machine computes than the usual one, from 1 to 4; takes some 20 ms of CPU.

    A program in a slow but right style that needs most of its time on a fast machine must not run out on a slow one.
    The least of three tries counts: neighbours make a try longer, never shorter.
    """
    _work()  # the first call binds symbols and draws in code
    return min(MOST, max(1.0, min(_seconds() for _ in range(TRIES)) / USUAL_S))


def _seconds() -> float:
    start = time.thread_time()
    _work()
    return time.thread_time() - start


def _work() -> int:
    """What submissions do: small tensors, operator after operator, and Python between them."""
    weight, state = torch.full((32, 32), 0.01), torch.ones(16, 32)
    with torch.no_grad():
        for _ in range(400):
            state = torch.tanh(state @ weight + 0.5)
    return sum(number % 7 for number in range(20_000))
