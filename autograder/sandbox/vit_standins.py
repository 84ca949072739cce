"""Stand-ins for the parts of a Vision Transformer: torch's own layers behind the course's names (see `standins.py`).

Shapes: B batch, C channels, H height, W width, P side of a patch, N patches, D model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.sandbox.transformer_standins import EncoderLayer, LayerNorm


def patchify(images: Tensor, patch: int) -> Tensor:
    """Patches (B, N, C P P) of images (B, C, H, W), by torch's `nn.Unfold`."""
    if any(side % patch for side in images.shape[-2:]):
        raise ValueError(f"{tuple(images.shape[-2:])} is no multiple of {patch}")
    columns: Tensor = nn.Unfold(patch, stride=patch)(images)
    return columns.mT


def unpatchify(patches: Tensor, patch: int, height: int, width: int) -> Tensor:
    """Images (B, C, H, W) of patches (B, N, C P P), by `F.fold`."""
    return F.fold(patches.mT, (height, width), patch, stride=patch)


class PatchEmbedding(nn.Module):
    """A convolution with the weights of `projection`, nn.Linear(C P P, D)."""

    def __init__(self, channels: int, patch: int, d_model: int) -> None:
        super().__init__()
        self.patch = patch
        self.projection = nn.Linear(channels * patch**2, d_model)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, N, D) for images (B, C, H, W)."""
        kernel = self.projection.weight.view(-1, images.shape[1], self.patch, self.patch)
        return F.conv2d(images, kernel, self.projection.bias, self.patch).flatten(-2).mT


def interpolate_positions(positions: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Positions (1, 1 + h' w', D) of positions (1, 1 + h w, D), by torch's bicubic `nn.Upsample`."""
    class_token, places = positions.tensor_split([1], dim=1)
    stretched: Tensor = nn.Upsample(tuple(new), mode="bicubic")(places.mT.reshape(1, -1, *old))
    return torch.hstack((class_token, stretched.flatten(-2).mT))


class VisionEmbedding(nn.Module):
    """Patches behind a class token, with positions."""

    def __init__(
        self, image_size: tuple[int, int], patch: int, channels: int, d_model: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.image_size, self.dropout = tuple(image_size), nn.Dropout(dropout)
        height, width = (side // patch for side in image_size)
        self.patches = PatchEmbedding(channels, d_model=d_model, patch=patch)
        self.class_token, self.pos_embedding = (
            nn.Parameter(torch.zeros(1, count, d_model)) for count in (1, 1 + height * width)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 1 + N, D) for images (B, C, H, W), of another size than usual as well."""
        seen, usual = (
            (height // self.patches.patch, width // self.patches.patch)
            for height, width in (images.shape[-2:], self.image_size)
        )
        places = interpolate_positions(self.pos_embedding, usual, seen)  # which changes nothing where they are equal
        in_front = self.class_token.repeat(images.shape[0], 1, 1)
        out: Tensor = self.dropout(places.add(torch.hstack((in_front, self.patches(images)))))
        return out


class VisionEncoder(nn.Module):
    """The stand-ins for pre-LN layers, and one for a LayerNorm."""

    def __init__(self, d_model: int, heads: int, d_ff: int, num_layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        kind = {"norm_first": True, "activation": "gelu", "eps": 1e-6}
        self.layers = nn.Sequential(*(EncoderLayer(d_model, heads, d_ff, dropout, **kind) for _ in range(num_layers)))  # type: ignore[arg-type]
        self.norm = LayerNorm(d_model, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for x (B, T, D)."""
        return self.norm.forward(self.layers(x))


VIT_STAND_INS: tuple[Callable[..., Any], ...] = (
    patchify, unpatchify, PatchEmbedding, interpolate_positions, VisionEmbedding, VisionEncoder,
)  # fmt: skip
