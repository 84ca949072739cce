"""Recurrent models: how far a gradient reaches, what is learned over a distance, what LSTM and GRU differ in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autograder.comparison.records import Claim, Curve, Measured, Plot, Verdict, among, held, strength, weakness
from autograder.comparison.training import count_parameters, geometric_mean, seeded, states_of, tensors
from autograder.comparison.works import NotThere, Works

INPUTS, HIDDEN = 4, 32
STEPS = 80
FAR = 40
"""Steps back at which a gradient counts as one from far away."""
STARTS = 3


def gradients(works: Works) -> Measured:
    """The norm of d loss / d x_{T-k} against k, for models as they are born; relative to k = 0.

    Source of the measure: Pascanu, Mikolov, Bengio 2013, section 2; of the forget bias: Gers et al. 2000.
    """
    rnn, gated = works.module("a1_rnn", "rnn"), works.module("a2_lstm_gru", "lstm_gru")
    models: dict[str, Callable[[], nn.Module]] = {
        "RNN": lambda: rnn.RNN(INPUTS, HIDDEN),
        "LSTM as it is born": lambda: gated.LSTM(INPUTS, HIDDEN),
        "LSTM, forget bias 3": lambda: _remembering(gated, 3.0),
        "GRU": lambda: gated.GRU(INPUTS, HIDDEN),
    }
    curves = {name: _reach(make, INPUTS) for name, make in models.items()}
    claims = [
        weakness(
            "RNN",
            "the gradient vanishes, so what lies far back is hardly learned",
            held(curves["RNN"][FAR].item() < 1e-3),
            f"{FAR} steps back, the gradient is {_times(curves['RNN'][FAR])} of what it is at the last step",
        ),
        _milder(curves),
    ]
    try:
        curves["attention (EncoderLayer)"] = _reach(lambda: _encoder(works), HIDDEN)
        claims.append(_far_by_attention(curves))
    except NotThere as error:
        claims.append(strength("Transformer", DISTANCE, Verdict.NOT_MEASURED, str(error)))
    plot = Plot(
        "How far back the gradient reaches",
        "k steps back",
        "norm of the gradient at x[T-k], relative to k = 0",
        tuple(Curve(name, tuple(range(STEPS)), tuple(curve.tolist())) for name, curve in curves.items()),
        "Models with fresh weights; the geometric mean of three starts. A straight line falls by one factor a step.",
        log_y=True,
    )
    return Measured(tuple(claims), (plot,))


DISTANCE = "strong at distance: every place reaches every other in one step"


def _far_by_attention(curves: Mapping[str, Tensor]) -> Claim:
    attention = curves["attention (EncoderLayer)"]
    kept = (attention[STEPS - 10 :].mean() / attention[5:15].mean()).item()
    return strength(
        "Transformer",
        DISTANCE,
        held(kept > 0.3),
        f"from 10 to {STEPS - 5} steps back the gradient keeps {kept:.0%} of its size; that of the RNN"
        f" {_times(curves['RNN'][STEPS - 5] / curves['RNN'][10])}",
    )


def _milder(curves: Mapping[str, Tensor]) -> Claim:
    better = {name: (curve[FAR] / curves["RNN"][FAR]).item() for name, curve in curves.items() if name != "RNN"}
    figures = ", ".join(f"{name} {_times(factor)}" for name, factor in better.items())
    return strength(
        "LSTM/GRU",
        "the gradient vanishes more slowly",
        among(*(factor > 10 for factor in better.values())),
        f"the gradient from {FAR} steps back, as a multiple of the RNN's: {figures}",
    )


def _times(value: Tensor | float) -> str:
    number = float(value)
    return f"{number:.1e}" if not 0.01 <= number < 1000 else f"{number:.2g}"


def _remembering(gated: Any, bias: float) -> nn.Module:
    model: nn.Module = gated.LSTM(INPUTS, HIDDEN)
    gated.init_forget_bias(model.cells[0], bias)  # type: ignore[index] # the course's LSTM has a list of cells
    return model


def _encoder(works: Works) -> nn.Module:
    transformer = works.module("a5_transformer", "transformer")
    return nn.Sequential(transformer.PositionalEncoding(HIDDEN), transformer.EncoderLayer(HIDDEN, 4, 2 * HIDDEN))


def _reach(make: Callable[[], nn.Module], inputs: int) -> Tensor:
    """Relative norms (STEPS,) of the gradient of a random projection of the last output, entry k for k steps back."""
    runs = []
    for start in range(STARTS):
        seeded(start)
        model = make().double().eval()
        x = torch.randn(16, STEPS, inputs, dtype=torch.float64, requires_grad=True)
        last = states_of(model, x)[:, -1]  # (B, H)
        torch.autograd.backward((last * torch.randn_like(last)).sum())
        assert x.grad is not None
        norms = np.linalg.norm(x.grad.numpy(), axis=(0, 2))[::-1]  # (STEPS,), the last step first
        runs.append(torch.from_numpy(norms / norms[0]))
    return geometric_mean(runs)


class Regressor(nn.Module):
    """A recurrent model, and one number (B,) from its last output."""

    def __init__(self, recurrent: nn.Module, hidden_size: int) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B,) for x (B, T, I)."""
        last = states_of(self.recurrent, x).select(1, -1)  # (B, H)
        return torch.flatten(self.head(last))


LENGTHS = (10, 20, 40)


def adding(works: Works) -> Measured:
    """The adding problem (Hochreiter, Schmidhuber 1997, section 5.4) over growing distances: error on unseen rows."""
    rnn, gated = works.module("a1_rnn", "rnn"), works.module("a2_lstm_gru", "lstm_gru")
    from course_data import adding as task

    models: Mapping[str, Callable[[], nn.Module]] = {
        "RNN": lambda: rnn.RNN(2, HIDDEN),
        "LSTM": lambda: gated.LSTM(2, HIDDEN),
        "GRU": lambda: gated.GRU(2, HIDDEN),
    }
    errors = {name: tuple(_adding_error(gated.fit, make, steps) for steps in LENGTHS) for name, make in models.items()}
    shares = {name: tuple(error / task.GUESSING for error in found) for name, found in errors.items()}
    figure = (
        "; ".join(f"{name} {', '.join(f'{share:.0%}' for share in found)}" for name, found in shares.items())
        + f" of the error of guessing, over {', '.join(map(str, LENGTHS))} steps"
    )
    plot = Plot(
        "The adding problem: what is learned over a distance",
        "steps",
        "error on unseen rows, as a share of the error of guessing",
        tuple(Curve(name, LENGTHS, found) for name, found in shares.items()),
        "Add the two marked numbers of a row. 300 batches of 64 rows with Adam; the better of two starts.",
        log_y=True,
    )
    claims = (
        weakness("RNN", "weak at long distance", held(shares["RNN"][-1] > 0.5), figure),
        strength(
            "LSTM/GRU",
            "better at long distance than the RNN",
            among(*(shares[name][-1] < 0.5 * shares["RNN"][-1] for name in ("LSTM", "GRU"))),
            figure,
        ),
    )
    return Measured(claims, (plot,))


def _adding_error(fit: Callable[..., object], make: Callable[[], nn.Module], steps: int) -> float:
    from course_data import adding as task

    best = float("inf")
    for seed in range(2):
        rng = seeded(seed)
        model = Regressor(make(), HIDDEN)
        batches = (((x,), y) for x, y in map(tensors, task.adding_batches(300, 64, steps, rng)))
        fit(model, batches, torch.optim.Adam(model.parameters(), 1e-2), nn.MSELoss(), max_norm=1.0)
        x, y = tensors(task.adding(1000, steps, rng))
        with torch.no_grad():
            best = min(best, (model.eval()(x) - y).square().mean().item())
    return best


def names(works: Works) -> Measured:
    """LSTM and GRU tell the language of surnames: the share of unseen names that each gets right, and its size."""
    gated = works.module("a2_lstm_gru", "lstm_gru")
    embed, hidden = 16, 48
    shares = {kind: _names_right(gated, kind, embed, hidden) for kind in ("lstm", "gru")}
    sizes = {kind: count_parameters(model(embed, hidden)) for kind, model in (("lstm", gated.LSTM), ("gru", gated.GRU))}
    ratio = sizes["gru"] / sizes["lstm"]
    figure = (
        f"{sizes['gru']:,} parameters against {sizes['lstm']:,} ({ratio:.0%});"
        f" {shares['gru']:.1%} of unseen names right against {shares['lstm']:.1%}"
    )
    text = "GRU: fewer parameters than the LSTM at like quality"
    verdict = among(ratio < 1, shares["gru"] > shares["lstm"] - 0.03)
    return Measured((strength("LSTM/GRU", text, verdict, figure),))


def _names_right(gated: Any, kind: str, embed: int, hidden: int) -> float:
    from course_data import languages as data

    rng = seeded(1)
    pairs = data.labelled(rng, per_language=450)
    unseen, known = pairs[:1000], pairs[1000:]
    model = gated.NameClassifier(kind, len(data.VOCABULARY), embed, hidden, len(data.LANGUAGES))
    batches = [((ids, lengths), y) for ids, lengths, y in map(tensors, data.batches(known, 96, 240, rng))]
    gated.fit(model, batches, torch.optim.Adam(model.parameters(), 7e-3), nn.CrossEntropyLoss(), max_norm=1.0)
    ids, lengths, truth = tensors(data.spelled(unseen))
    with torch.no_grad():
        right: Tensor = model.eval()(ids, lengths).argmax(dim=-1) == truth
    return right.double().mean().item()
