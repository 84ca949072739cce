# ruff: noqa: T201 - a script that prints
"""The experiments of assignment 2. They call your lstm_gru.py; nothing here has
to be changed, and all of it may be.

- `python experiment.py` measures how much the last output still learns from an
  earlier input, for a plain RNN, LSTMs and a GRU; with matplotlib installed it
  also draws the curves into gradient_flow.png;
- `python experiment.py adding` trains on the adding problem;
- `python experiment.py names` trains to tell the language of surnames.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from lstm_gru import GRU, LSTM, NameClassifier, SequenceRegressor, fit, grad_norm_vs_distance, init_forget_bias
from torch import Tensor, nn

INPUTS, HIDDEN, STEPS = 4, 32, 60
DISTANCES = (0, 1, 2, 5, 10, 20, 40, 59)


def lstm(forget_bias: float | None) -> LSTM:
    """An LSTM as it is born, or with this bias of its forget gate."""
    model = LSTM(INPUTS, HIDDEN)
    if forget_bias is not None:
        init_forget_bias(model.cells[0], forget_bias)
    return model


def plain_rnn() -> nn.Module:
    """Torch's own RNN, as it is born."""
    return nn.RNN(INPUTS, HIDDEN, batch_first=True)


MODELS: Mapping[str, Callable[[], nn.Module]] = {
    "RNN": plain_rnn,
    "LSTM as it is born": lambda: lstm(None),
    "LSTM, forget bias 1": lambda: lstm(1.0),
    "LSTM, forget bias 3": lambda: lstm(3.0),
    "GRU": lambda: GRU(INPUTS, HIDDEN),
}


def curves(starts: int = 5) -> Mapping[str, Tensor]:
    """For every model the norms (STEPS,), divided by entry 0: the geometric mean over several random starts."""
    found: dict[str, Tensor] = {}
    for name, make in MODELS.items():
        torch.manual_seed(1)
        runs = [grad_norm_vs_distance(make(), torch.randn(16, STEPS, INPUTS)) for _ in range(starts)]
        found[name] = torch.stack([run / run[0] for run in runs]).log().mean(dim=0).exp()
    return found


def gradients() -> None:
    """Print the norm of the gradient against the distance, and draw it where matplotlib is installed."""
    found = curves()
    print("|d loss / d x_{T-k}| for k steps back, divided by its value at k = 0")
    print(f"{'':20}" + "".join(f"{f'k = {k}':>9}" for k in DISTANCES))
    for name, curve in found.items():
        print(f"{name:20}" + "".join(f"{curve[k].item():9.1e}" for k in DISTANCES))
    try:
        from matplotlib import pyplot as plt
    except ImportError:
        print("\n(with matplotlib installed, this would draw the curves, too)")
        return
    figure, axes = plt.subplots(figsize=(7, 4))
    for name, curve in found.items():
        axes.semilogy(curve.tolist(), label=name)
    axes.set(xlabel="k steps back", ylabel="gradient at the input, relative", ylim=(1e-16, 10))
    axes.legend()
    figure.savefig("gradient_flow.png", dpi=150)
    print("\nthe curves are in gradient_flow.png")


def tensors(numbers: Iterable[Any]) -> list[Tensor]:
    """Numpy arrays as tensors; real numbers in torch's default dtype."""
    found = [torch.from_numpy(array) for array in numbers]
    return [each.to(torch.get_default_dtype()) if each.is_floating_point() else each for each in found]


def adding() -> None:
    """Train LSTM and GRU on the adding problem, from several starts; print the errors on unseen sequences."""
    from course_data import adding as task

    print(f"mean squared error on unseen sequences; guessing has {task.GUESSING:.4f}")
    print("steps   LSTM as it is born   LSTM, forget bias 1       GRU")
    for steps in (10, 20, 30):
        errors = [adding_error(steps, kind, bias) for kind, bias in (("lstm", None), ("lstm", 1.0), ("gru", None))]
        print(f"{steps:5}" + "".join(f"{error:{width}.4f}" for error, width in zip(errors, (21, 22, 10), strict=True)))


def adding_error(steps: int, kind: str, forget_bias: float | None) -> float:
    """The error after 400 batches of 64 sequences."""
    from course_data import adding as task

    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    model = SequenceRegressor(kind, 2, HIDDEN)
    if forget_bias is not None:
        init_forget_bias(model.rnn.cells[0], forget_bias)
    batches = [((x,), y) for x, y in map(tensors, task.adding_batches(400, 64, steps, rng))]
    fit(model, batches, torch.optim.Adam(model.parameters(), 1e-2), nn.MSELoss(), max_norm=1.0)
    x, y = tensors(task.adding(1000, steps, rng))
    return (model(x) - y).square().mean().item()


def names() -> None:
    """Train on surnames of eight languages; print how often each is recognised, and what for some names."""
    from course_data import languages as data

    rng, kind = np.random.default_rng(1), "gru"
    pairs = data.labelled(rng, per_language=450)
    unseen, known = pairs[:1000], pairs[1000:]
    model = NameClassifier(kind, len(data.VOCABULARY), 16, 48, len(data.LANGUAGES))
    batches = [((ids, lengths), y) for ids, lengths, y in map(tensors, data.batches(known, 96, 240, rng))]
    losses = fit(model, batches, torch.optim.Adam(model.parameters(), 7e-3), nn.CrossEntropyLoss(), max_norm=1.0)
    print(f"loss of the first batch {losses[0]:.2f}, of the last thirty {sum(losses[-30:]) / 30:.2f}")
    ids, lengths, truth = tensors(data.spelled(unseen))
    guess = model(ids, lengths).argmax(dim=-1)
    print(f"\nright: {(guess == truth).double().mean().item():.0%} of {len(unseen)} unseen names; by language:")
    for label, language in enumerate(data.LANGUAGES):
        share = (guess == truth)[truth == label].double().mean().item()
        taken_for = guess[(truth == label) & (guess != label)].bincount(minlength=len(data.LANGUAGES)).argmax().item()
        print(f"  {language:8} {share:4.0%}   most often taken for {data.LANGUAGES[taken_for]}")
    print("\nsome of them:")
    show(unseen[:12], guess[:12].tolist(), data.LANGUAGES)


def show(pairs: Sequence[tuple[str, int]], guesses: Sequence[int], languages: Sequence[str]) -> None:
    """One line a name: what it is, and what the model takes it for."""
    for (name, label), guess in zip(pairs, guesses, strict=True):
        print(f"  {name:15} {languages[label]:8} {'' if guess == label else 'taken for ' + languages[guess]}")


EXPERIMENTS: Mapping[str, Callable[[], None]] = {"gradients": gradients, "adding": adding, "names": names}


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
