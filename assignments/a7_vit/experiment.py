# ruff: noqa: T201 - a script that prints
"""The experiments of assignment 7. They call your vit.py; nothing here has to be changed, and all of it may be.

- `python experiment.py` trains a ViT and a CNN of like size on few pictures and on more, and prints how often each is
  right; `python experiment.py data fashion_mnist` (or mnist, cifar10) does it with larger collections, which
  torchvision reads; add `download` to let it fetch them;
- `python experiment.py order` shuffles the patches of a picture, with positions and without;
- `python experiment.py places` prints which places the learned positions take for neighbours;
- `python experiment.py look` prints what the class token looks at (needs the bonus 5.1);
- `python experiment.py size` shows a trained model pictures of another size.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.path.append(str(Path(__file__).resolve().parent.parent / "a5_transformer"))  # your transformer.py, if it lies there

import vit
from course_data import digits, pictures
from torch import Tensor, nn

SHADES = " .:-=+*#%@"
SETTINGS = {"d_model": 48, "heads": 4, "d_ff": 96, "num_layers": 2}


def tensors(images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """Pictures and labels as a model wants them."""
    return vit.normalize(torch.from_numpy(images)), torch.from_numpy(labels)


def trained(model: nn.Module, images: np.ndarray, labels: np.ndarray, steps: int, peak: float) -> nn.Module:
    """The model after so many batches of 64."""
    rng = np.random.default_rng(1)
    batches = [tensors(*batch) for batch in digits.batches(images, labels, 64, steps, rng)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak)
    vit.fit(model, batches, optimizer, vit.cosine_rates(steps, peak, steps // 10))
    return model


def new_vit(images: np.ndarray, patch: int, **settings: int) -> nn.Module:
    """An untrained ViT for pictures of this size; the same at every call."""
    torch.manual_seed(1)
    return vit.ViT(images.shape[2:], patch, images.shape[1], 10, **{**SETTINGS, **settings})


def cnn_of_like_size(images: np.ndarray, parameters: int) -> nn.Module:
    """An untrained CNN with as many parameters, as nearly as its width allows."""
    torch.manual_seed(1)
    models = (vit.SmallCNN(images.shape[1], 10, width) for width in range(1, 200))
    return min(models, key=lambda model: abs(count(model) - parameters))


def count(model: nn.Module) -> int:
    """How many parameters a model has."""
    return sum(parameter.numel() for parameter in model.parameters())


def data(name: str = "digits", *words: str) -> None:
    """Print how often a ViT and a CNN of like size are right, against the number of pictures that they learned from."""
    folder = pictures.FOLDER
    try:
        images, labels = pictures.load("train", name, folder=folder, download="download" in words)
        unseen, answers = tensors(*(part[:2000] for part in pictures.load("test", name, folder=folder)))
    except (pictures.DataMissing, ValueError) as error:
        sys.exit(str(error))
    order = np.random.default_rng(1).permutation(len(images))
    images, labels = images[order], labels[order]
    patch = {8: 2, 28: 7, 32: 8}[images.shape[2]]
    sizes = (images.shape[2:], patch, images.shape[1], 10, 48, 96, 2)
    print(f"{name}: a ViT of {vit.vit_parameters(*sizes)} parameters, ", end="")
    print(f"a CNN of {count(cnn_of_like_size(images, vit.vit_parameters(*sizes)))}, a quarter of a minute or so\n")
    print("pictures      ViT      CNN    difference    (right, of pictures that neither has seen)")
    amounts = [n for n in (50, 200, 800, 3200, 12800) if n < len(images)]
    for amount in [*amounts, len(images)] if len(images) < 3200 else amounts:
        steps = max(150, 12 * math.ceil(amount / 64))
        right = []
        cnn = cnn_of_like_size(images, vit.vit_parameters(*sizes))
        for model, peak in ((new_vit(images, patch), 3e-3), (cnn, 1e-2)):
            learned = trained(model, images[:amount], labels[:amount], steps, peak)
            right.append(vit.accuracy(learned, unseen, answers))
        print(f"{amount:8} {right[0]:8.1%} {right[1]:8.1%} {right[0] - right[1]:+10.1%}", flush=True)


def order() -> None:
    """Shuffle the patches of pictures, and print how much the answer changes."""
    images, labels = digits.load()
    few = tensors(images[:200], labels[:200])[0]
    places = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    shuffled = vit.unpatchify(vit.patchify(few, 2)[:, places], 2, 8, 8)
    print("the largest difference between the logits of a picture and of the same picture with its patches shuffled")
    for words, keep in (("positions as learned", 1.0), ("positions all zero", 0.0)):
        model = trained(new_vit(images, 2), images, labels, 100, 3e-3).eval()
        with torch.no_grad():
            model.embedding.pos_embedding.mul_(keep)
            difference = (model(few) - model(shuffled)).abs().max().item()
        print(f"{words:22} {difference:8.1e}")


def shade(value: float) -> str:
    """Two characters for a number from 0 to 1."""
    return 2 * SHADES[min(int(max(value, 0.0) * len(SHADES)), len(SHADES) - 1)]


def places() -> None:
    """Print, for four patches, how alike their learned position is to that of every patch."""
    images, labels = digits.load()
    model = trained(new_vit(images, 2), images, labels, 400, 3e-3)
    learned = model.embedding.pos_embedding.detach()[0, 1:]
    alike = F.cosine_similarity(learned[:, None], learned[None], dim=-1)  # (16, 16)
    print("how alike is a patch's position to all others (-1 to 1)? Each table is the picture, 4 x 4 patches\n")
    for patch in (0, 3, 5, 14):
        print(f"patch {patch} (row {patch // 4}, column {patch % 4})")
        for row in alike[patch].reshape(4, 4).tolist():
            print("   " + " ".join(f"{value:6.2f}" for value in row))


def look() -> None:
    """Print a few pictures, and beside them how much the class token has seen of each patch."""
    images, labels = digits.load()
    model = trained(new_vit(images, 2), images, labels, 270, 3e-3).eval()
    unseen, answers = tensors(*digits.load("test"))
    for number in range(4):
        maps = weights_of(model, unseen[number : number + 1])
        seen = vit.attention_rollout(maps)[0].detach().reshape(4, 4)
        shown = (seen / seen.max()).repeat_interleave(2, 0).repeat_interleave(2, 1)
        print(f"\na {answers[number].item()}, read as {model(unseen[number : number + 1]).argmax().item()}")
        for ink, map_row in zip(unseen[number, 0].tolist(), shown.tolist(), strict=True):
            print("".join(shade((value + 1) / 2) for value in ink), "  |  ", "".join(shade(value) for value in map_row))


def weights_of(model: nn.Module, images: Tensor) -> Sequence[Tensor]:
    """The attention weights (B, heads, T, T) of every layer, from the projections of your layers."""
    x, maps = model.embedding(images), []
    for layer in model.encoder.layers:
        asked = layer.norm1(x)
        heads = SETTINGS["heads"]
        q, k = (
            linear(asked).unflatten(-1, (heads, -1)).transpose(1, 2)
            for linear in (layer.self_attn.w_q, layer.self_attn.w_k)
        )
        maps.append((q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])).softmax(-1))
        x = layer(x)
    return maps


def size() -> None:
    """Print how often a model is right on pictures of another size than it was trained on."""
    images, labels = digits.load()
    model = trained(new_vit(images, 2), images, labels, 270, 3e-3)
    unseen, answers = tensors(*digits.load("test"))
    print("trained on 8 x 8 pixels (4 x 4 patches); right on unseen pictures with a margin of paper around them")
    for side in (8, 10, 12):
        margin = (side - 8) // 2
        larger = F.pad(unseen, (margin,) * 4, value=-1.0)
        right = vit.accuracy(model, larger, answers)
        print(f"{side:3} x {side:2} pixels, {side // 2} x {side // 2} patches: {right:.1%}")


EXPERIMENTS: Mapping[str, Callable[..., None]] = {
    "data": data,
    "order": order,
    "places": places,
    "look": look,
    "size": size,
}


def main(chosen: str = "data", *words: str) -> None:
    """Run one experiment; the same numbers every time."""
    if chosen not in EXPERIMENTS:
        sys.exit(f"unknown experiment {chosen!r}; choose one of {', '.join(EXPERIMENTS)}")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    EXPERIMENTS[chosen](*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
