"""A training whose weights are no numbers any more ends at once: no step that follows makes numbers of them again.

This is the one verdict on a training that is certain before its end, whatever the loop looks like: `nan` and `inf` stay
what they are in every optimizer of torch. All others (a loss that hardly falls) need what trained weights do on
held-out data, which no submission's process ever holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

LOOK_EVERY = 10
"""Steps. To look takes some 5 microseconds for each parameter."""


class TrainingLost(ArithmeticError):
    """Weights are not finite after a step of the loop."""


def watch(optimizer: Optimizer, parameters: Iterable[tuple[str, Tensor]]) -> None:
    """Have every tenth step of `optimizer` raise TrainingLost where a parameter that was finite is not any more."""
    watched = [(name, parameter) for name, parameter in parameters if _is_finite(parameter)]
    steps = 0

    def look(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps % LOOK_EVERY == 0 and (lost := [name for name, parameter in watched if not _is_finite(parameter)]):
            others = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
            raise TrainingLost(f"after step {steps} of the loop, {lost[0]}{others} held nan or inf")

    optimizer.register_step_post_hook(look)


def _is_finite(parameter: Tensor) -> bool:
    return bool(parameter.detach().isfinite().all())
