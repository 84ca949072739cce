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
    raise NotImplementedError("write normalize: see handout.md, '1.1 normalize'")


def patchify(images: Tensor, patch: int) -> Tensor:
    """Cut pictures into squares of side P = `patch`: (B, N, C P P) for images (B, C, H, W). Section 3.1.

    Patches are listed row by row, and a patch lists its numbers channel by channel, each channel row by row. Height and
    width may differ; where P does not divide both of them, raise ValueError (a failing `assert` is right, too).
    """
    raise NotImplementedError("write patchify: see handout.md, '1.2 patchify'")


def unpatchify(patches: Tensor, patch: int, height: int, width: int) -> Tensor:
    """Put pictures together again: (B, C, height, width) for patches (B, N, C P P). The inverse of `patchify`.

    `height` and `width` are those of the picture, in pixels; C follows from the last axis of the patches.
    """
    raise NotImplementedError("write unpatchify: see handout.md, '1.3 unpatchify'")


def conv_to_linear(weight: Tensor) -> Tensor:
    """Return the matrix (D, C P P) of the linear layer that does to patches what a convolution does to pictures.

    weight (D, C, P, P) is that of a convolution with kernel_size = stride = P. So
    F.linear(patchify(x, P), conv_to_linear(weight)) holds, for every patch, what F.conv2d(x, weight, stride=P) has at
    its place.
    """
    raise NotImplementedError("write conv_to_linear: see handout.md, '1.4 conv_to_linear'")


class PatchEmbedding(nn.Module):
    """Turn patches into vectors. `__init__` is given: `projection` = nn.Linear(C P P, D)."""

    def __init__(self, channels: int, patch: int, d_model: int) -> None:
        super().__init__()
        self.patch = patch
        self.projection = nn.Linear(channels * patch * patch, d_model)

    def forward(self, images: Tensor) -> Tensor:
        """Return the projected patches (B, N, D) of images (B, C, H, W): x_p E of equation 1."""
        raise NotImplementedError("write PatchEmbedding.forward: see handout.md, '1.5 PatchEmbedding'")


# ---------------------------------------------------------------------------------------------------------------------
# 2. The class token, and places
# ---------------------------------------------------------------------------------------------------------------------


def interpolate_positions(positions: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Stretch learned positions to another grid of patches: (1, 1 + h' w', D) for positions (1, 1 + h w, D).

    old = (h, w) and new = (h', w'), in patches, rows before columns. Row 0 belongs to the class token and stays as it
    is; the others are a picture of h x w with D channels, row by row, which is interpolated bicubically
    (`F.interpolate` with mode="bicubic", align_corners=False and the size (h', w')). Section 3.2.
    """
    raise NotImplementedError("write interpolate_positions: see handout.md, '2.1 interpolate_positions'")


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
        raise NotImplementedError("write VisionEmbedding.__init__: see handout.md, '2.2 VisionEmbedding'")

    def forward(self, images: Tensor) -> Tensor:
        """Return [class token; patches] + positions, followed by dropout: (B, 1 + N', D) for images (B, C, H', W').

        Pictures of another size than `image_size` have another grid of patches; their positions are those of
        `interpolate_positions`. The parameter itself stays as it is.
        """
        raise NotImplementedError("write VisionEmbedding.forward: see handout.md, '2.2 VisionEmbedding'")


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
        raise NotImplementedError("write VisionEncoder.__init__: see handout.md, '3.1 VisionEncoder'")

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for x (B, T, D): one layer after the other, then the LayerNorm. Nothing is masked."""
        raise NotImplementedError("write VisionEncoder.forward: see handout.md, '3.1 VisionEncoder'")


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
        raise NotImplementedError("write ViT.__init__: see handout.md, '3.2 ViT'")

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, K) for images (B, C, H, W), real numbers: the head of the class token, no softmax."""
        raise NotImplementedError("write ViT.forward: see handout.md, '3.2 ViT'")


def vit_parameters(
    image_size: tuple[int, int], patch: int, channels: int, classes: int, d_model: int, d_ff: int, num_layers: int
) -> int:
    """Return the number of parameters of a `ViT` of these sizes, weights and biases, as a Python int.

    The number of heads makes no difference. `image_size` = (H, W).
    """
    raise NotImplementedError("write vit_parameters: see handout.md, '3.3 vit_parameters'")


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
        raise NotImplementedError("write SmallCNN.forward: see handout.md, '3.4 SmallCNN'")


# ---------------------------------------------------------------------------------------------------------------------
# 4. Training and judging
# ---------------------------------------------------------------------------------------------------------------------


def cosine_rates(steps: int, peak: float, warmup: int) -> list[float]:
    """Return the learning rate of every step: a straight line up to `peak`, then half a cosine down to 0.

    With s = 1 .. steps, rate_s = peak s / warmup for s <= warmup, and behind that
    rate_s = peak (1 + cos(pi (s - warmup) / (steps - warmup))) / 2. So step `warmup` has the peak, and the last step
    has rate 0. 0 <= warmup < steps. Source: Loshchilov, Hutter 2017, equation 5; warm-up: the paper's table 3.
    """
    raise NotImplementedError("write cosine_rates: see handout.md, '4.1 cosine_rates'")


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
    raise NotImplementedError("write fit: see handout.md, '4.2 fit'")


def accuracy(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 256) -> float:
    """Return the share of pictures whose largest logit is that of their label: a Python float from 0 to 1.

    images (n, C, H, W), labels (n,) int64, n >= 1. Judge in evaluation mode and without a graph, whatever mode the
    model comes in, and give it at most `batch_size` pictures at a time: the last batch may be smaller.
    """
    raise NotImplementedError("write accuracy: see handout.md, '4.3 accuracy'")


# ---------------------------------------------------------------------------------------------------------------------
# 5. Looking inside
# ---------------------------------------------------------------------------------------------------------------------


def attention_rollout(maps: Sequence[Tensor]) -> Tensor:
    """Bonus (0 points): say how much the class token has seen of each patch: (B, N).

    `maps` are the attention weights (B, heads, 1 + N, 1 + N) of all layers, the first layer first; rows are queries.
    For each layer A = (mean over the heads + identity) / 2; the rollout is A_L ... A_2 A_1, the last layer on the left.
    Return its row 0 without column 0. Source: Abnar, Zuidema 2020, section 3 (arXiv 2005.00928); the paper's D.8.
    """
    raise NotImplementedError("write attention_rollout: see handout.md, '5.1 Bonus: attention_rollout'")


def shuffle_patches(images: Tensor, patch: int, order: Tensor) -> Tensor:
    """Bonus (0 points): put the patches of every picture in another order: (B, C, H, W) for images (B, C, H, W).

    order (N,), int64, is a permutation of 0 .. N - 1: patch i of the result is patch order[i] of the picture.
    """
    raise NotImplementedError("write shuffle_patches: see handout.md, '5.2 Bonus: shuffle_patches'")
