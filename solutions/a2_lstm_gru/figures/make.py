"""Draw the handout's picture from the reference solution: `python solutions/a2_lstm_gru/figures/make.py`.

Needs matplotlib. The numbers are those that `experiment.py` prints; the picture has a white background of its own, so
that it is readable on a light and on a dark page. The same numbers give the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLOURS = ("#c0392b", "#64748f", "#1f5fbf", "#0b2e6b", "#2e8b57")
"""RNN red, LSTMs from grey to dark blue, GRU green; told apart by lines and labels, too."""
DASHES = ("-", (0, (1, 1.2)), "-", (0, (6, 2)), (0, (4, 1.5, 1, 1.5)))
LIFT = {"LSTM as it is born": 2.6, "GRU": 0.35}
"""Two labels that would lie on each other, moved apart by a factor."""


def main() -> None:
    """Write gradient_flow.svg beside this script."""
    import matplotlib as mpl
    import torch

    sys.path.insert(0, str(HERE.parent))
    from experiment import curves  # it calls lstm_gru.py beside it

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams |= {
        "svg.hashsalt": "a2",
        "svg.fonttype": "path",
        "font.size": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    figure, axes = plt.subplots(figsize=(8.6, 4.6), facecolor="white", layout="constrained")
    for (name, curve), colour, dashes in zip(curves().items(), COLOURS, DASHES, strict=True):
        axes.semilogy(curve.tolist(), color=colour, linestyle=dashes, linewidth=2.2)
        end = curve[-1].item() * LIFT.get(name, 1.0)
        axes.text(len(curve) + 0.3, end, name, color=colour, va="center", fontweight="bold")
    axes.axhline(1.2e-7, color="#777777", linewidth=0.8, linestyle=(0, (2, 3)))
    axes.text(43, 2.2e-7, "below: lost in float32's rounding errors", color="#555555", fontsize=9)
    axes.set(xlim=(0, 76), ylim=(1e-16, 10), xticks=range(0, 61, 10), xlabel="k: steps between input and output")
    axes.set_ylabel("norm of the gradient at x(T-k), relative to k = 0")
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.7)
    figure.savefig(HERE / "gradient_flow.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
