"""How many operators made an answer: autograd's graph has a node for each, and it is there anyway."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.autograd.function import BackwardCFunction

MOST = 20_000
"""Nodes that are counted: a graph of more says the same."""


def operators_in(answers: Iterable[Tensor]) -> int:
    """Return the number of differentiable operators that lead to these tensors; 0 where nothing is attached.

    0 as well where a step is an `autograd.Function` of the submission's own: what runs in it has no nodes.
    """
    waiting: list[Any] = [answer.grad_fn for answer in answers if answer.grad_fn is not None]
    met: set[Any] = set(waiting)
    leaves = 0
    while waiting and len(met) < MOST:
        node = waiting.pop()
        if isinstance(node, BackwardCFunction):
            return 0
        inputs = node.next_functions
        leaves += not inputs  # where a gradient arrives: no operator
        for before, _ in inputs:
            if before is not None and before not in met:
                met.add(before)
                waiting.append(before)
    return len(met) - leaves
