"""Style: a programmer's. Records for sizes and results, properties, one helper for every axis, a dataloader-like loop."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformer import EncoderLayer, LayerNorm


class Grid(NamedTuple):
    rows: int
    columns: int

    @classmethod
    def of(cls, size: Sequence[int], patch: int) -> Grid:
        (rows, below), (columns, beside) = (divmod(int(side), patch) for side in size)
        if below or beside:
            raise ValueError(f"{size} is not a multiple of {patch}")
        return cls(rows, columns)

    @property
    def places(self) -> int:
        return math.prod(self)


@dataclass
class Epoch:
    losses: list[float]
    seen: int = 0


def normalize(images: Tensor, mean: float = 0.5, std: float = 0.5) -> Tensor:
    table = (torch.arange(256, dtype=torch.get_default_dtype()) / 255 - mean) / std
    return table[images.long()]


def patchify(images: Tensor, patch: int) -> Tensor:
    grid = Grid.of(images.shape[-2:], patch)
    axes = images.unflatten(-1, (grid.columns, patch)).unflatten(-3, (grid.rows, patch))  # B C h P w P
    return torch.movedim(axes, (2, 4), (1, 2)).reshape(images.shape[0], grid.places, -1)


def unpatchify(patches: Tensor, patch: int, height: int, width: int) -> Tensor:
    grid = Grid.of((height, width), patch)
    axes = patches.unflatten(2, (-1, patch, patch)).unflatten(1, grid)  # B h w C P P
    return torch.movedim(axes, (1, 2), (2, 4)).reshape(patches.shape[0], -1, height, width)


def conv_to_linear(weight: Tensor) -> Tensor:
    return patchify(weight, weight.shape[-1]).squeeze(1)  # a kernel is a picture of one patch


class PatchEmbedding(nn.Module):
    def __init__(self, channels: int, patch: int, d_model: int) -> None:
        super().__init__()
        self.patch = patch
        self.projection = nn.Linear(channels * patch * patch, d_model)

    def forward(self, images: Tensor) -> Tensor:
        return self.projection(patchify(images, self.patch))


def interpolate_positions(positions: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    class_token, grid = positions[:, :1], positions[:, 1:]
    upsample = nn.Upsample(size=tuple(new), mode="bicubic", align_corners=False)
    stretched = upsample(grid.mT.unflatten(-1, tuple(old))).flatten(-2).mT
    return torch.cat([class_token, stretched], dim=-2)


class VisionEmbedding(nn.Module):
    def __init__(
        self, image_size: tuple[int, int], patch: int, channels: int, d_model: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.grid = Grid.of(image_size, patch)
        self.pos_embedding = nn.Parameter(0.02 * torch.randn(1, self.grid.places + 1, d_model))
        self.class_token = nn.Parameter(torch.zeros(1, 1, d_model))
        self.patches = PatchEmbedding(channels, patch, d_model)
        self.dropout = nn.Dropout(dropout)

    def positions(self, grid: Grid) -> Tensor:
        return self.pos_embedding if grid == self.grid else interpolate_positions(self.pos_embedding, self.grid, grid)

    def forward(self, images: Tensor) -> Tensor:
        positions = self.positions(Grid.of(images.shape[-2:], self.patches.patch))
        first = (self.class_token + positions[:, :1]).expand(images.shape[0], -1, -1)
        return self.dropout(torch.cat([first, self.patches(images) + positions[:, 1:]], dim=1))


class VisionEncoder(nn.Module):
    def __init__(self, d_model: int, heads: int, d_ff: int, num_layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = LayerNorm(d_model, eps=1e-6)
        self.layers = nn.ModuleDict(
            {
                str(n): EncoderLayer(d_model, heads, d_ff, dropout, norm_first=True, activation=nn.GELU(), eps=1e-6)
                for n in range(num_layers)
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers.values():
            x = layer(x)
        return self.norm(x)


class ViT(nn.Module):
    def __init__(
        self,
        image_size: tuple[int, int],
        patch: int,
        channels: int,
        classes: int,
        d_model: int,
        heads: int,
        d_ff: int,
        num_layers: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.head = nn.Linear(d_model, classes)
        self.embedding = VisionEmbedding(image_size, patch, channels, d_model, dropout)
        self.encoder = VisionEncoder(d_model, heads, d_ff, num_layers, dropout)

    def features(self, images: Tensor) -> Tensor:
        class_token, *_ = self.encoder(self.embedding(images)).unbind(dim=1)
        return class_token

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def vit_parameters(
    image_size: tuple[int, int], patch: int, channels: int, classes: int, d_model: int, d_ff: int, num_layers: int
) -> int:
    weights = Counter(
        projection=channels * patch**2 * d_model,
        positions=(2 + Grid.of(image_size, patch).places) * d_model,
        attention=num_layers * 4 * d_model**2,
        network=num_layers * 2 * d_model * d_ff,
        head=d_model * classes,
    )
    biases = d_model + num_layers * (5 * d_model + d_ff) + classes
    norms = 2 * d_model * (2 * num_layers + 1)
    return weights.total() + biases + norms


class SmallCNN(nn.Module):
    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        body = nn.Sequential(self.conv1, nn.ReLU(), nn.MaxPool2d(2), self.conv2, nn.ReLU())
        return self.head(body(images).flatten(2).mean(dim=-1))


def cosine_rates(steps: int, peak: float, warmup: int) -> list[float]:
    def rates() -> Iterator[float]:
        for step in range(steps):
            if step < warmup:
                yield (step + 1) / warmup * peak
            else:
                angle = math.pi * (step + 1 - warmup) / (steps - warmup)
                yield peak / 2 * (1 + math.cos(angle))

    return list(rates())


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    rates: Sequence[float] | None = None,
) -> list[float]:
    criterion, epoch = nn.CrossEntropyLoss(), Epoch([])
    model.train()
    for number, (images, labels) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] if rates is None else rates[number]

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            return loss

        epoch.losses.append(float(optimizer.step(closure)))
        epoch.seen += len(labels)
    return epoch.losses


def accuracy(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 256) -> float:
    model.train(False)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, labels), batch_size=batch_size)
    with torch.no_grad():
        hits = [hit for x, y in loader for hit in (model(x).argmax(-1) == y).tolist()]
    return sum(hits) / len(hits)


def attention_rollout(maps: Sequence[Tensor]) -> Tensor:
    size = maps[0].shape[-1]
    rollout = torch.diag_embed(maps[0].new_ones(len(maps[0]), size))
    for weights in maps:
        rollout = 0.5 * (weights.mean(1) @ rollout + rollout)
    return rollout[:, 0].narrow(1, 1, size - 1)


def shuffle_patches(images: Tensor, patch: int, order: Tensor) -> Tensor:
    return unpatchify(patchify(images, patch).index_select(1, order), patch, *images.shape[-2:])
