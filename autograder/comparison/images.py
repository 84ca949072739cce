"""Pictures: a Vision Transformer and a convolutional network of like size, on few pictures and on more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from autograder.comparison.records import Claim, Curve, Measured, Plot, among, held, strength, weakness
from autograder.comparison.training import count_parameters, seeded
from autograder.comparison.works import Works

AMOUNTS = (50, 150, 450, 1300)
STEPS = 240
STARTS = 2
CLEAR = 0.01
"""Shares of right answers that differ by less are alike."""
VIT = {"d_model": 48, "heads": 4, "d_ff": 96, "num_layers": 2}


def pictures(works: Works) -> Measured:
    """Real handwritten digits, from 50 to nearly all of the training set: the share of unseen ones that is right."""
    vit = works.module("a7_vit", "vit")
    from course_data import digits

    images, labels = digits.load()
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], labels[order]
    shape = images.shape[1:]

    def transformer() -> nn.Module:
        model: nn.Module = vit.ViT(shape[1:], 2, shape[0], 10, **VIT)
        return model

    size = count_parameters(transformer())
    width = min(range(1, 200), key=lambda width: abs(count_parameters(vit.SmallCNN(shape[0], 10, width)) - size))

    def convolutions() -> nn.Module:
        model: nn.Module = vit.SmallCNN(shape[0], 10, width)
        return model

    sizes = {"ViT": size, "CNN": count_parameters(convolutions())}
    right = {
        "ViT": tuple(_right(vit, transformer, 3e-3, images[:most], labels[:most]) for most in AMOUNTS),
        "CNN": tuple(_right(vit, convolutions, 1e-2, images[:most], labels[:most]) for most in AMOUNTS),
    }
    plot = Plot(
        "Digits: a Vision Transformer and a CNN of like size",
        "pictures in training",
        "right, of unseen pictures",
        tuple(Curve(f"{name} ({sizes[name]:,} parameters)", AMOUNTS, shares) for name, shares in right.items()),
        f"{STEPS} batches of 64 at every amount; the mean of {STARTS} starts.",
        log_x=True,
    )
    return Measured(_claims(right, sizes), (plot,))


def _claims(right: dict[str, tuple[float, ...]], sizes: dict[str, int]) -> tuple[Claim, ...]:
    ahead = [ours - theirs for ours, theirs in zip(right["ViT"], right["CNN"], strict=True)]
    shares = "; ".join(f"{name}: {', '.join(f'{share:.0%}' for share in found)}" for name, found in right.items())
    figure = f"right after {', '.join(map(str, AMOUNTS))} pictures: {shares}"
    gained = {name: found[-1] - found[0] for name, found in right.items()}
    alike = f"a model of {sizes['ViT']:,} parameters that reads 16 patches as a sequence is right on"
    return (
        strength(
            "ViT", "a Transformer works on images", held(right["ViT"][-1] > 0.8), f"{alike} {right['ViT'][-1]:.0%}"
        ),
        strength("ViT", "ahead of CNNs with much data", among(ahead[-1] > CLEAR, ahead[-1] > -CLEAR), figure),
        weakness("ViT", "behind CNNs with little data", among(ahead[0] < -CLEAR, ahead[1] < -CLEAR), figure),
        weakness(
            "ViT",
            "needs much data",
            held(gained["ViT"] > gained["CNN"]),
            f"from {AMOUNTS[0]} to {AMOUNTS[-1]} pictures the ViT gains {gained['ViT']:.0%}, the CNN"
            f" {gained['CNN']:.0%}",
        ),
    )


def _right(vit: Any, make: Callable[[], nn.Module], peak: float, images: Any, labels: Any) -> float:
    """The mean share of unseen pictures that are right, over the starts."""
    from course_data import digits

    unseen, truth = _tensors(vit, digits.load("test"))
    found = []
    for start in range(STARTS):
        rng = seeded(start)
        model = make()
        batches = (_tensors(vit, batch) for batch in digits.batches(images, labels, 64, STEPS, rng))
        rates = vit.cosine_rates(STEPS, peak, STEPS // 10)
        vit.fit(model, batches, torch.optim.AdamW(model.parameters(), lr=peak), rates)
        found.append(float(vit.accuracy(model, unseen, truth)))
    return sum(found) / len(found)


def _tensors(vit: Any, arrays: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = map(torch.from_numpy, arrays)
    return vit.normalize(images), labels
