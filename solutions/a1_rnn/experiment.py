# ruff: noqa: T201 - a script that prints
"""The experiments of assignment 1. They call your rnn.py; nothing here has to be changed, and all of it may be.

- `python experiment.py` measures how much the last state learns from an earlier one;
- `python experiment.py echo` tries over how many steps your network can learn to remember;
- `python experiment.py names` shows surnames that your network invents.
"""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from rnn import CharRNN, RNNCell, char_loss, fit, grad_norm_vs_distance, sample
from torch import Tensor, nn

HIDDEN = 32
DISTANCES = (0, 2, 5, 10, 20, 40, 59)
COLUMNS = 80
"""Of the terminal."""
WIDTH = 61
"""Characters of the plot; its axis goes from 1e-18 to 1e+12."""
LOWEST, HIGHEST = -18, 12


def default_cell() -> RNNCell:
    """The cell as it is born: every weight from U(-1/sqrt(H), 1/sqrt(H))."""
    return RNNCell(4, HIDDEN)


def orthogonal_cell(gain: float) -> RNNCell:
    """A cell whose W_hh is `gain` times an orthogonal matrix: all its singular values are `gain`."""
    cell = RNNCell(4, HIDDEN)
    nn.init.orthogonal_(cell.weight_hh, gain)
    return cell


def identity_cell() -> RNNCell:
    """A relu cell that starts as the identity without biases (Le, Jaitly, Hinton 2015)."""
    cell = RNNCell(4, HIDDEN, nonlinearity="relu")
    nn.init.eye_(cell.weight_hh)
    nn.init.zeros_(cell.bias_ih)
    nn.init.zeros_(cell.bias_hh)
    return cell


def gradients() -> None:
    """Print the norm of the gradient against the distance, for several ways to start."""
    x = 0.1 * torch.randn(16, 1 + DISTANCES[-1], 4)  # (B, T, I)
    cells: Mapping[str, RNNCell] = {
        "D  default": default_cell(),
        "1  orthogonal, gain 1": orthogonal_cell(1.0),
        "3  orthogonal, gain 3": orthogonal_cell(3.0),
        "I  identity, relu": identity_cell(),
    }
    curves = {name: grad_norm_vs_distance(cell, x) for name, cell in cells.items()}
    print("|d loss / d h_{T-k}| for k steps back, divided by its value at k = 0")
    print(f"{'':22}" + "".join(f"{f'k = {k}':>8}" for k in DISTANCES))
    for name, curve in curves.items():
        row = "".join(f"{(curve[k] / curve[0]).item():8.0e}" for k in DISTANCES)
        print(f"{name:22}{row}")
    print(f"\nThe same on a logarithmic axis, from 1e{LOWEST} to 1e+{HIGHEST}; the bar is at 1.")
    for k in range(0, DISTANCES[-1] + 1, 3):
        values = {name[0]: (curve[k] / curve[0]).item() for name, curve in curves.items()}
        print(f"k = {k:2}  {plotted(values)}")


def plotted(values: Mapping[str, float]) -> str:
    """One line of a plot: every value's letter at its place on the logarithmic axis."""
    line = ["."] * WIDTH
    line[column(1.0)] = "|"
    for letter, value in values.items():
        line[column(value)] = letter
    return "".join(line)


def column(value: float) -> int:
    """Where a value stands on the axis."""
    power = min(max(math.log10(max(value, 10.0**LOWEST)), LOWEST), HIGHEST)
    return round((power - LOWEST) / (HIGHEST - LOWEST) * (WIDTH - 1))


def tensors(pairs: Iterable[Sequence[NDArray[np.int64]]]) -> list[tuple[Tensor, Tensor]]:
    """Batches as tensors."""
    return [(torch.from_numpy(inputs), torch.from_numpy(targets)) for inputs, targets in pairs]


def echo() -> None:
    """Train on echoes of growing delay, from two starts of W_hh; print the losses on unseen streams."""
    print("loss in nats on unseen streams; guessing has 1.39")
    print("delay   default W_hh   orthogonal W_hh")
    for delay in (1, 2, 4, 8, 16):
        default, orthogonal = (echo_loss(delay, orthogonal=kind) for kind in (False, True))
        print(f"{delay:5}   {default:12.4f}   {orthogonal:15.4f}")


def echo_loss(delay: int, *, orthogonal: bool) -> float:
    """The loss after 300 steps on streams of four symbols."""
    from course_data import echo as task

    rng = np.random.default_rng(delay)
    model = CharRNN(5, 8, 48)
    if orthogonal:
        nn.init.orthogonal_(model.rnn.cells[0].weight_hh)
    batches = tensors(task.echo_batches(300, 48, delay + 13, delay, 4, rng))
    fit(model, batches, torch.optim.Adam(model.parameters(), 5e-3), task.PAD, max_norm=1.0)
    inputs, targets = tensors([task.echo(256, delay + 13, delay, 4, rng)])[0]
    return char_loss(model(inputs)[0], targets, task.PAD).item()


def names() -> None:
    """Train on surnames; print some that the network writes, at three temperatures."""
    from course_data import names as data

    rng = np.random.default_rng(1)
    surnames = [name for name, _ in data.labelled(rng)]
    known, vocabulary = set(surnames), data.VOCABULARY
    model = CharRNN(len(vocabulary), 16, 64)
    batches = tensors(data.next_character_batches(surnames, 64, 600, rng))
    losses = fit(model, batches, torch.optim.Adam(model.parameters(), 5e-3), vocabulary.PAD, max_norm=1.0)
    print("loss in nats per character")
    print(f"first batch {losses[0]:.2f}, mean of the last fifty {sum(losses[-50:]) / 50:.2f}")
    start = torch.full((12, 1), vocabulary.START)
    for temperature in (0.5, 1.0, 1.5):
        ids = sample(model, start, 14, temperature, torch.Generator().manual_seed(1))
        written = [vocabulary.decode(row) for row in ids.tolist()]
        names_written = ", ".join(name + "*" * (name in known) for name in written)
        print("\n" + textwrap.fill(f"temperature {temperature}: {names_written}", COLUMNS))
    print("\n* a name that was in the training data")


EXPERIMENTS: Mapping[str, Callable[[], None]] = {"gradients": gradients, "echo": echo, "names": names}


def main(chosen: str = "gradients") -> None:
    """Run one experiment; the same numbers every time."""
    if chosen not in EXPERIMENTS:
        sys.exit(f"unknown experiment {chosen!r}; choose one of {', '.join(EXPERIMENTS)}")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    EXPERIMENTS[chosen]()


if __name__ == "__main__":
    main(*sys.argv[1:2])
