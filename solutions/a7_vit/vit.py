"""Assignment 7: the Vision Transformer. A picture is cut into patches, and the patches are read like words.

Work from top to bottom: no part needs a part below it, and every part has checks of its own. Use an earlier part by
its name (`patchify(...)`, not a copy of it): where it is wrong, the grader puts a right one in its place before it
looks at the parts that call it, so that one mistake costs its points once. The same holds for `EncoderLayer` and
`LayerNorm`, which come from your transformer.py of assignment 5.

Shapes: B batch, C channels, H height, W width, P side of a patch, h = H / P and w = W / P patches in a column and in a
row, N = h w patches, D = d_model, K classes.

Choices of this course (other books choose otherwise; these are graded):
    layout       pictures (B, C, H, W), a height before a width everywhere; sequences (B, T, D)
    patches      row by row: patch 0 is top left, patch 1 is the one to the right of it
    a patch      C P P numbers: all of channel 0, row by row, then channel 1 (the order of a convolution's weight)
    class token  in front of the patches: position 0; the patches have the positions 1 .. N
    layers       pre-LN (`norm_first=True`) with GELU (the erf form) and eps = 1e-6, then a last LayerNorm, eps = 1e-6
    answer       the class token of the last layer, through the last LayerNorm and the head: logits, no softmax
    other sizes  positions are interpolated bicubically, align_corners=False, no antialiasing; the class token's stays

Source of all equations: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words" (arXiv 2010.11929).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformer import EncoderLayer, LayerNorm

# ---------------------------------------------------------------------------------------------------------------------
# 1. Pictures as sequences
# ---------------------------------------------------------------------------------------------------------------------


def normalize(images: Tensor, mean: float = 0.5, std: float = 0.5) -> Tensor:
    """Turn pictures of bytes into small real numbers: (images / 255 - mean) / std, as large as images.

    images (B, C, H, W), uint8, from 0 to 255. The dtype of the result is torch's default (`torch.get_default_dtype()`).
    With the defaults, black (0) becomes -1 and white (255) becomes 1.
    """
    ### BEGIN SOLUTION
    return (images.to(torch.get_default_dtype()) / 255 - mean) / std
    ### END SOLUTION


def patchify(images: Tensor, patch: int) -> Tensor:
    """Cut pictures into squares of side P = `patch`: (B, N, C P P) for images (B, C, H, W). Section 3.1.

    Patches are listed row by row, and a patch lists its numbers channel by channel, each channel row by row. Height and
    width may differ; where P does not divide both of them, raise ValueError (a failing `assert` is right, too).
    """
    ### BEGIN SOLUTION
    batch, channels, height, width = images.shape
    if height % patch or width % patch:
        raise ValueError(f"patches of side {patch} do not fill a picture of {height} x {width}")
    grid = images.reshape(batch, channels, height // patch, patch, width // patch, patch)  # (B, C, h, P, w, P)
    return grid.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)  # (B, h, w, C, P, P) -> (B, N, C P P)
    ### END SOLUTION


def unpatchify(patches: Tensor, patch: int, height: int, width: int) -> Tensor:
    """Put pictures together again: (B, C, height, width) for patches (B, N, C P P). The inverse of `patchify`.

    `height` and `width` are those of the picture, in pixels; C follows from the last axis of the patches.
    """
    ### BEGIN SOLUTION
    rows, columns = height // patch, width // patch
    grid = patches.reshape(len(patches), rows, columns, -1, patch, patch)  # (B, h, w, C, P, P)
    return grid.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)  # (B, C, h, P, w, P) -> (B, C, H, W)
    ### END SOLUTION


def conv_to_linear(weight: Tensor) -> Tensor:
    """Return the matrix (D, C P P) of the linear layer that does to patches what a convolution does to pictures.

    weight (D, C, P, P) is that of a convolution with kernel_size = stride = P. So
    F.linear(patchify(x, P), conv_to_linear(weight)) holds, for every patch, what F.conv2d(x, weight, stride=P) has at
    its place.
    """
    ### BEGIN SOLUTION
    return weight.flatten(1)
    ### END SOLUTION


class PatchEmbedding(nn.Module):
    """Turn patches into vectors. `__init__` is given: `projection` = nn.Linear(C P P, D)."""

    def __init__(self, channels: int, patch: int, d_model: int) -> None:
        super().__init__()
        self.patch = patch
        self.projection = nn.Linear(channels * patch * patch, d_model)

    def forward(self, images: Tensor) -> Tensor:
        """Return the projected patches (B, N, D) of images (B, C, H, W): x_p E of equation 1."""
        ### BEGIN SOLUTION
        out: Tensor = self.projection(patchify(images, self.patch))
        return out
        ### END SOLUTION


# ---------------------------------------------------------------------------------------------------------------------
# 2. The class token, and places
# ---------------------------------------------------------------------------------------------------------------------


def interpolate_positions(positions: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Stretch learned positions to another grid of patches: (1, 1 + h' w', D) for positions (1, 1 + h w, D).

    old = (h, w) and new = (h', w'), in patches, rows before columns. Row 0 belongs to the class token and stays as it
    is; the others are a picture of h x w with D channels, row by row, which is interpolated bicubically
    (`F.interpolate` with mode="bicubic", align_corners=False and the size (h', w')). Section 3.2.
    """
    ### BEGIN SOLUTION
    grid = positions[:, 1:].unflatten(1, old).permute(0, 3, 1, 2)  # (1, D, h, w)
    grid = F.interpolate(grid, size=new, mode="bicubic", align_corners=False)  # (1, D, h', w')
    return torch.cat([positions[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)
    ### END SOLUTION


class VisionEmbedding(nn.Module):
    """Everything before the first layer: patches, class token, positions. Equation 1.

    Attributes: `patches` = PatchEmbedding(channels, patch, d_model); the parameters `class_token` (1, 1, D) and
    `pos_embedding` (1, 1 + N, D), N for pictures of `image_size` = (H, W). Initial values as you like; the usual ones
    are zeros for the class token and N(0, 0.02^2) for the positions.
    """

    def __init__(
        self, image_size: tuple[int, int], patch: int, channels: int, d_model: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.grid = (image_size[0] // patch, image_size[1] // patch)  # (h, w)
        self.patch = patch
        self.patches = PatchEmbedding(channels, patch, d_model)
        self.class_token = nn.Parameter(torch.zeros(1, 1, d_model))
        self.pos_embedding = nn.Parameter(torch.randn(1, 1 + self.grid[0] * self.grid[1], d_model) * 0.02)
        self.dropout = nn.Dropout(dropout)
        ### END SOLUTION

    def forward(self, images: Tensor) -> Tensor:
        """Return [class token; patches] + positions, followed by dropout: (B, 1 + N', D) for images (B, C, H', W').

        Pictures of another size than `image_size` have another grid of patches; their positions are those of
        `interpolate_positions`. The parameter itself stays as it is.
        """
        ### BEGIN SOLUTION
        patches = self.patches(images)  # (B, N', D)
        grid = (images.shape[2] // self.patch, images.shape[3] // self.patch)
        positions = self.pos_embedding
        if grid != self.grid:
            positions = interpolate_positions(positions, self.grid, grid)
        tokens = torch.cat([self.class_token.expand(len(patches), -1, -1), patches], dim=1)  # (B, 1 + N', D)
        out: Tensor = self.dropout(tokens + positions)
        return out
        ### END SOLUTION


# ---------------------------------------------------------------------------------------------------------------------
# 3. The model
# ---------------------------------------------------------------------------------------------------------------------


class VisionEncoder(nn.Module):
    """Pre-LN layers of assignment 5 and a last LayerNorm. Equations 2 to 4.

    Attributes: `layers`, an nn.ModuleList of `num_layers` times EncoderLayer(d_model, heads, d_ff, dropout,
    norm_first=True, activation="gelu", eps=1e-6), each with weights of its own; `norm`, a LayerNorm with eps = 1e-6
    (torch's or yours).
    """

    def __init__(self, d_model: int, heads: int, d_ff: int, num_layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        options = {"dropout": dropout, "norm_first": True, "activation": "gelu", "eps": 1e-6}
        self.layers = nn.ModuleList([EncoderLayer(d_model, heads, d_ff, **options) for _ in range(num_layers)])
        self.norm = LayerNorm(d_model, eps=1e-6)
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for x (B, T, D): one layer after the other, then the LayerNorm. Nothing is masked."""
        ### BEGIN SOLUTION
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.norm(x)
        return out
        ### END SOLUTION


class ViT(nn.Module):
    """The Vision Transformer: pictures to scores of their classes.

    Attributes: `embedding` = VisionEmbedding(image_size, patch, channels, d_model, dropout), `encoder` =
    VisionEncoder(d_model, heads, d_ff, num_layers, dropout), `head` = nn.Linear(d_model, classes).
    """

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
        ### BEGIN SOLUTION
        self.embedding = VisionEmbedding(image_size, patch, channels, d_model, dropout)
        self.encoder = VisionEncoder(d_model, heads, d_ff, num_layers, dropout)
        self.head = nn.Linear(d_model, classes)
        ### END SOLUTION

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, K) for images (B, C, H, W), real numbers: the head of the class token, no softmax."""
        ### BEGIN SOLUTION
        encoded = self.encoder(self.embedding(images))  # (B, 1 + N, D)
        logits: Tensor = self.head(encoded[:, 0])
        return logits
        ### END SOLUTION


def vit_parameters(
    image_size: tuple[int, int], patch: int, channels: int, classes: int, d_model: int, d_ff: int, num_layers: int
) -> int:
    """Return the number of parameters of a `ViT` of these sizes, weights and biases, as a Python int.

    The number of heads makes no difference. `image_size` = (H, W).
    """
    ### BEGIN SOLUTION
    patches = (image_size[0] // patch) * (image_size[1] // patch)
    embedding = channels * patch**2 * d_model + d_model + d_model + (1 + patches) * d_model
    attention = 4 * (d_model * d_model + d_model)
    feed_forward = d_model * d_ff + d_ff + d_ff * d_model + d_model
    layer = attention + feed_forward + 2 * 2 * d_model  # two LayerNorms
    return embedding + num_layers * layer + 2 * d_model + d_model * classes + classes
    ### END SOLUTION


class SmallCNN(nn.Module):
    """A convolutional network to compare with: two layers that see neighbours, then the mean over all places.

    `__init__` is given: `conv1` (C to width channels) and `conv2` (width to 2 width), 3 x 3 with one pixel of padding;
    `head` = nn.Linear(2 width, classes).
    """

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, K) for images (B, C, H, W).

        x = relu(conv1(images)); x = the maximum of every 2 x 2 square of x; x = relu(conv2(x)); the logits are the head
        of the mean of x over height and width. A last row or column without a partner is left out (as
        `F.max_pool2d(x, 2)` does).
        """
        ### BEGIN SOLUTION
        x = F.max_pool2d(torch.relu(self.conv1(images)), 2)  # (B, width, H/2, W/2)
        x = torch.relu(self.conv2(x)).mean(dim=(2, 3))  # (B, 2 width)
        logits: Tensor = self.head(x)
        return logits
        ### END SOLUTION


# ---------------------------------------------------------------------------------------------------------------------
# 4. Training and judging
# ---------------------------------------------------------------------------------------------------------------------


def cosine_rates(steps: int, peak: float, warmup: int) -> list[float]:
    """Return the learning rate of every step: a straight line up to `peak`, then half a cosine down to 0.

    With s = 1 .. steps, rate_s = peak s / warmup for s <= warmup, and behind that
    rate_s = peak (1 + cos(pi (s - warmup) / (steps - warmup))) / 2. So step `warmup` has the peak, and the last step
    has rate 0. 0 <= warmup < steps. Source: Loshchilov, Hutter 2017, equation 5; warm-up: the paper's table 3.
    """
    ### BEGIN SOLUTION
    rising = [peak * step / warmup for step in range(1, warmup + 1)]
    falling = steps - warmup
    return rising + [peak * (1 + math.cos(math.pi * step / falling)) / 2 for step in range(1, falling + 1)]
    ### END SOLUTION


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    rates: Sequence[float] | None = None,
) -> list[float]:
    """Train `model` on every batch once, in the given order; return the loss of each batch, before its step, as floats.

    The model may come in evaluation mode: train it in training mode (in which you leave it is up to you). A batch is
    (images (B, C, H, W), labels (B,) int64); `model(images)` gives the logits (B, K), the loss is their mean
    cross-entropy in nats. With `rates`, the first batch's step is made with rates[0] as the "lr" of all the optimizer's
    `param_groups`, the second with rates[1], and so on; without, the optimizer keeps its own. Gradients come cleared,
    and may stay as they are at the end.
    """
    ### BEGIN SOLUTION
    model.train()
    losses = []
    for step, (images, labels) in enumerate(batches):
        if rates is not None:
            for group in optimizer.param_groups:
                group["lr"] = rates[step]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION


def accuracy(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 256) -> float:
    """Return the share of pictures whose largest logit is that of their label: a Python float from 0 to 1.

    images (n, C, H, W), labels (n,) int64, n >= 1. Judge in evaluation mode and without a graph, whatever mode the
    model comes in, and give it at most `batch_size` pictures at a time: the last batch may be smaller.
    """
    ### BEGIN SOLUTION
    model.eval()
    hits = 0
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            chosen = slice(start, start + batch_size)
            hits += int((model(images[chosen]).argmax(dim=-1) == labels[chosen]).sum())
    return hits / len(images)
    ### END SOLUTION


# ---------------------------------------------------------------------------------------------------------------------
# 5. Looking inside
# ---------------------------------------------------------------------------------------------------------------------


def attention_rollout(maps: Sequence[Tensor]) -> Tensor:
    """Bonus (0 points): say how much the class token has seen of each patch: (B, N).

    `maps` are the attention weights (B, heads, 1 + N, 1 + N) of all layers, the first layer first; rows are queries.
    For each layer A = (mean over the heads + identity) / 2; the rollout is A_L ... A_2 A_1, the last layer on the left.
    Return its row 0 without column 0. Source: Abnar, Zuidema 2020, section 3 (arXiv 2005.00928); the paper's D.8.
    """
    ### BEGIN SOLUTION
    rollout = torch.eye(maps[0].shape[-1]).to(maps[0])
    for weights in maps:
        rollout = (weights.mean(dim=1) + torch.eye(weights.shape[-1]).to(weights)) / 2 @ rollout
    return rollout[:, 0, 1:]
    ### END SOLUTION


def shuffle_patches(images: Tensor, patch: int, order: Tensor) -> Tensor:
    """Bonus (0 points): put the patches of every picture in another order: (B, C, H, W) for images (B, C, H, W).

    order (N,), int64, is a permutation of 0 .. N - 1: patch i of the result is patch order[i] of the picture.
    """
    ### BEGIN SOLUTION
    return unpatchify(patchify(images, patch)[:, order], patch, images.shape[2], images.shape[3])
    ### END SOLUTION
