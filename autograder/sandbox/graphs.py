"""How many operators made an answer: autograd's graph has a node for each, and it is there anyway."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

MOST = 20_000
"""Nodes that are counted: a graph of more says the same."""


def operators_in(answers: Iterable[Tensor]) -> int:
    """Return the number of differentiable operators that lead to these tensors; 0 where nothing is attached."""
    waiting: list[Any] = [answer.grad_fn for answer in answers if answer.grad_fn is not None]
    met: set[Any] = set(waiting)
    leaves = 0
    while waiting and len(met) < MOST:
        inputs = waiting.pop().next_functions
        leaves += not inputs  # where a gradient arrives: no operator
        for node, _ in inputs:
            if node is not None and node not in met:
                met.add(node)
                waiting.append(node)
    return len(met) - leaves
