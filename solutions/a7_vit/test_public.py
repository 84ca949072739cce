"""The checks that you have: `pytest` in this folder runs them against your vit.py.

The right answers come from torch's own layers or from a case small enough for pencil and paper. `student` stands for
your file, `draw` makes random numbers. Sizes are pairwise different, so that a wrong axis cannot go unnoticed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.checks import Draw, builtin, hint, load, needs, points, same, state, trains

Weights = dict[str, Tensor]


def with_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """A module of torch itself with the given weights, in their precision; without dropout its mode changes nothing."""
    module.to(next(iter(weights.values())).dtype)
    module.load_state_dict(dict(weights))
    return module


def linear_weights(draw: Draw, name: str, inputs: int, outputs: int) -> Weights:
    """Random weights of a linear layer: none is zero, the bias neither."""
    shapes = {"weight": (outputs, inputs), "bias": (outputs,)}
    return {f"{name}.{kind}": draw.uniform(*shape, low=-0.7, high=0.7) for kind, shape in shapes.items()}


def norm_weights(draw: Draw, name: str, d: int) -> Weights:
    """Random weights of a LayerNorm, far from ones and zeros."""
    return {f"{name}.weight": draw.uniform(d, low=0.5, high=2.0), f"{name}.bias": draw(d)}


def encoder_weights(draw: Draw, d: int, d_ff: int, num_layers: int) -> Weights:
    """Random weights of a VisionEncoder."""
    weights: Weights = {}
    for number in range(num_layers):
        layer = f"layers.{number}"
        for part in "qkvo":
            weights |= linear_weights(draw, f"{layer}.self_attn.w_{part}", d, d)
        weights |= linear_weights(draw, f"{layer}.feed_forward.linear1", d, d_ff)
        weights |= linear_weights(draw, f"{layer}.feed_forward.linear2", d_ff, d)
        weights |= norm_weights(draw, f"{layer}.norm1", d) | norm_weights(draw, f"{layer}.norm2", d)
    return weights | norm_weights(draw, "norm", d)


def embedding_weights(draw: Draw, channels: int, patch: int, d: int, places: int) -> Weights:
    """Random weights of a VisionEmbedding for `places` patches."""
    projection = linear_weights(draw, "patches.projection", channels * patch * patch, d)
    return projection | {"class_token": draw(1, 1, d), "pos_embedding": draw(1, 1 + places, d)}


def in_torch(weights: Mapping[str, Tensor]) -> Weights:
    """The weights of an encoder under torch's names: there w_q, w_k and w_v lie in one matrix, called in_proj."""
    renamed = {}
    for name, weight in weights.items():
        if "w_k." in name or "w_v." in name:
            continue
        parts = [weights[name.replace("w_q.", f"w_{part}.")] for part in "qkv"] if "w_q." in name else [weight]
        theirs = name.replace("w_q.", "in_proj_").replace("w_o.", "out_proj.").replace("feed_forward.", "")
        renamed[theirs] = torch.cat(parts)
    return renamed


def torch_encoder(weights: Mapping[str, Tensor], d: int, heads: int, d_ff: int, num_layers: int) -> nn.Module:
    """Torch's own stack of pre-LN layers with the weights of an encoder."""
    layer = nn.TransformerEncoderLayer(d, heads, d_ff, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True)
    oracle = nn.TransformerEncoder(layer, num_layers, nn.LayerNorm(d, eps=1e-6), enable_nested_tensor=False)
    return with_weights(oracle, in_torch(weights))


# --- 1. pictures as sequences ----------------------------------------------------------------------------------------


@points(3)
@hint("Bytes are whole numbers: what does 200 - 127 give, and 100 - 127? First to real numbers, then divide.")
def test_normalize(student, draw):
    """`normalize` takes bytes to the numbers from -1 to 1."""
    images = torch.tensor([[[[0, 51, 102]], [[153, 204, 255]]]], dtype=torch.uint8)  # multiples of 255 / 5
    same(student.normalize(images), torch.tensor([[[[-1.0, -0.6, -0.2]], [[0.2, 0.6, 1.0]]]]).to(draw(1)))


@points(4)
@hint("(B, C, h, P, w, P): which of these six axes come first in the answer? Moving an axis is not a reshape.")
def test_patchify(student, draw):
    """`patchify` cuts pictures as torch's F.unfold does."""
    images = draw(5, 3, 4, 6)
    same(student.patchify(images, 2), F.unfold(images, 2, stride=2).movedim(1, -1))


@points(2)
@hint("Every patch of this picture has one number in all its places. Which patches does your first one mix?")
def test_patchify_worked_example(student, draw):
    """`patchify` lists the patches row by row; each comes from one square."""
    squares = torch.arange(6.0).reshape(1, 1, 2, 3).to(draw(1))  # the number of every patch
    picture = squares.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)  # (1, 1, 6, 9)
    same(student.patchify(picture, 3), torch.arange(6.0).to(draw(1))[None, :, None].expand(1, 6, 9))


@points(3)
@hint("The same six axes as in patchify, moved back. How many patches stand in one row of the picture?")
def test_unpatchify(student, draw):
    """`unpatchify` puts pictures together as torch's F.fold does."""
    patches = draw(5, 6, 12)  # 2 x 3 patches of 3 channels and 2 x 2 pixels
    same(student.unpatchify(patches, 2, 4, 6), F.fold(patches.movedim(-1, 1), (4, 6), 2, stride=2))


@points(2)
@hint("weight is (D, C, P, P), and a patch lists channel by channel, each row by row. Does anything have to move?")
def test_conv_to_linear(student, draw):
    """`conv_to_linear` makes a linear layer of patches agree with a convolution of pictures."""
    images, weight = draw(2, 3, 4, 6), draw(7, 3, 2, 2)
    expected = F.conv2d(images, weight, stride=2).flatten(2).movedim(1, -1)
    matrix = student.conv_to_linear(weight)
    same(list(matrix.shape), [7, 12], what="the shape of the matrix")
    same(F.unfold(images, 2, stride=2).movedim(1, -1) @ matrix.mT, expected, what="patches times the matrix")


@points(2)
@needs("patchify")
@hint("patchify, then projection. No activation, and nothing else.")
def test_patch_embedding(student, draw):
    """`PatchEmbedding` does what a convolution with steps as long as its kernel does."""
    images, weights = draw(2, 3, 4, 6), linear_weights(draw, "projection", 12, 7)
    model = student.PatchEmbedding(3, 2, 7)
    load(model, weights)
    kernel = weights["projection.weight"].reshape(7, 3, 2, 2)
    expected = F.conv2d(images, kernel, weights["projection.bias"], stride=2)
    same(model(images), expected.flatten(2).movedim(1, -1))


# --- 2. the class token, and places ----------------------------------------------------------------------------------


@points(3)
@hint("Row 0 is not on the grid. The other rows are a picture of h x w with D channels: which axes must move?")
def test_interpolate_positions(student, draw):
    """`interpolate_positions` stretches the grid as F.interpolate stretches a picture, and keeps the class token's."""
    first, grid = draw(1, 1, 7), draw(1, 7, 2, 3)
    stretched = F.interpolate(grid, (5, 4), mode="bicubic")
    before, after = (torch.cat([first, each.flatten(2).movedim(1, -1)], 1) for each in (grid, stretched))
    same(student.interpolate_positions(before, (2, 3), (5, 4)), after)


@points(4)
@needs("PatchEmbedding")
@hint("The class token stands in front, once for every picture; then all N + 1 tokens get their positions.")
def test_vision_embedding(student, draw):
    """`VisionEmbedding` gives [class token; patches] + positions."""
    images, weights = draw(5, 3, 4, 6), embedding_weights(draw, 3, 2, 7, places=6)
    model = student.VisionEmbedding((4, 6), 2, 3, 7)
    load(model, weights)
    kernel, bias = weights["patches.projection.weight"].reshape(7, 3, 2, 2), weights["patches.projection.bias"]
    patches = F.conv2d(images, kernel, bias, stride=2).flatten(2).movedim(1, -1)
    tokens = torch.cat([weights["class_token"].repeat(5, 1, 1), patches], 1)
    same(model(images), tokens + weights["pos_embedding"])


# --- 3. the model ----------------------------------------------------------------------------------------------------


@points(3)
@hint("norm_first=True, activation='gelu', eps=1e-6 in every layer. What stands behind the last one?")
def test_vision_encoder(student, draw):
    """`VisionEncoder` is torch's stack of pre-LN layers with a last LayerNorm."""
    weights, x = encoder_weights(draw, 12, 20, 2), draw(2, 5, 12)
    model = student.VisionEncoder(12, 3, 20, 2)
    load(model, weights)
    same(model(x), torch_encoder(weights, 12, 3, 20, 2)(x))


@points(3)
@needs("VisionEmbedding", "VisionEncoder")
@hint("Which of the N + 1 vectors goes into the head? Logits are scores: no softmax.")
def test_vit(student, draw):
    """`ViT` classifies by its class token."""
    embedding, encoder = embedding_weights(draw, 3, 2, 12, places=6), encoder_weights(draw, 12, 20, 2)
    head = linear_weights(draw, "head", 12, 5)
    parts = {"embedding": embedding, "encoder": encoder}
    weights = head | {f"{part}.{name}": weight for part, own in parts.items() for name, weight in own.items()}
    model = student.ViT((4, 6), 2, 3, 5, 12, 3, 20, 2)
    load(model, weights)
    images = draw(4, 3, 4, 6)
    kernel, bias = embedding["patches.projection.weight"], embedding["patches.projection.bias"]
    patches = F.conv2d(images, kernel.reshape(12, 3, 2, 2), bias, stride=2).flatten(2).movedim(1, -1)
    tokens = torch.cat([embedding["class_token"].repeat(4, 1, 1), patches], 1) + embedding["pos_embedding"]
    encoded = torch_encoder(encoder, 12, 3, 20, 2)(tokens)
    same(model(images), F.linear(encoded.select(1, 0), head["head.weight"], head["head.bias"]))


@points(2)
@hint("Weights and biases: projection, class token, N + 1 positions, layers (with two norms), the last norm, the head.")
def test_vit_parameters(student):
    """`vit_parameters` knows how large known models are."""
    # ViT-Tiny of Touvron et al. 2021 (arXiv 2012.12877), table 1: 5 million; patches of 16 x 16, 1000 classes.
    same(student.vit_parameters((224, 224), 16, 3, 1000, 192, 768, 12), 5_717_416)


@points(2)
@hint("conv1, relu, the maximum of 2 x 2, conv2, relu, the mean over height and width, head.")
def test_small_cnn(student, draw):
    """`SmallCNN` is two convolutions, a pool and a mean."""
    shapes = {"conv1": (4, 3, 3, 3), "conv2": (8, 4, 3, 3), "head": (5, 8)}
    weights = {f"{name}.weight": draw.uniform(*shape, low=-0.5, high=0.5) for name, shape in shapes.items()}
    weights |= {f"{name}.bias": draw.uniform(shape[0], low=-0.5, high=0.5) for name, shape in shapes.items()}
    model = student.SmallCNN(3, 5, 4)
    load(model, weights)
    conv1, conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
    pooled = (nn.ReLU(), nn.MaxPool2d(2), conv2, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    oracle = nn.Sequential(conv1, *pooled, nn.Linear(8, 5))
    numbers = {"conv1": 0, "conv2": 3, "head": 7}
    renamed = {f"{numbers[name.split('.')[0]]}.{name.split('.')[1]}": weight for name, weight in weights.items()}
    images = draw(2, 3, 6, 8)
    same(model(images), with_weights(oracle, renamed)(images))


# --- 4. training and judging -----------------------------------------------------------------------------------------


@points(2)
@hint("The first step is number 1. At s = warmup the rate is the peak; at the last step it is 0.")
def test_cosine_rates(student):
    """`cosine_rates` rises in a straight line and falls like a cosine."""
    # Two steps up to 0.8, then six down: 1 + cos of 30, 60, ... 180 degrees.
    root = math.sqrt(3) / 2
    expected = [0.4, 0.8, *(0.4 * (1 + cosine) for cosine in (root, 0.5, 0.0, -0.5, -root, -1.0))]
    same(student.cosine_rates(8, 0.8, 2), expected)


def after_one_step(weight: Tensor, x: Tensor, labels: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """What one SGD step makes of a linear layer without bias on flat pictures x, and the loss before."""
    log_p = (x @ weight.mT).log_softmax(-1)
    right = torch.eye(len(weight)).to(weight)[labels]
    slope = (log_p.exp() - right).mT @ x / len(x)
    return weight - rate * slope, -(log_p * right).sum() / len(x)


def flat_model(side: Any, weight: Tensor) -> Any:
    """A linear layer without bias on flat pictures."""
    layer = builtin(side, "torch.nn.Linear", weight.shape[1], weight.shape[0], bias=False)
    model = builtin(side, "torch.nn.Sequential", builtin(side, "torch.nn.Flatten"), layer)
    load(model, {"1.weight": weight})
    return model


@points(3)
@trains(cpu_s=10)
@hint("What is in .grad before the second backward? Which batch does every step use? What is the loss divided by?")
def test_fit_worked_example(student, draw):
    """`fit` takes the known steps on a linear layer."""
    # The gradient of a linear layer's loss is (softmax minus one-hot) times its input: every step can be written down.
    weight = draw(5, 12)
    batches = [(draw(rows, 3, 2, 2), draw.ints(rows, high=5)) for rows in (4, 2, 7)]
    model = flat_model(student, weight)
    optimizer = builtin(student, "torch.optim.SGD", model.parameters(), lr=0.3)
    losses = student.fit(model, batches, optimizer)
    expected = []
    for images, labels in batches:
        weight, loss = after_one_step(weight, images.flatten(1), labels, 0.3)
        expected.append(loss.item())
    same(state(model)["1.weight"], weight, what="the weights after three batches")
    same(losses, expected, what="the losses")


@points(2)
@hint("The largest of a picture's K logits: over which axis? How many of the 5 pictures are right?")
def test_accuracy(student, draw):
    """`accuracy` is the share of pictures that get their own label."""
    images = torch.eye(4).to(draw(1))[[2, 0, 3, 1, 1]].reshape(5, 1, 2, 2)
    model = flat_model(student, torch.eye(4).to(draw(1)))  # it answers with the place of the only 1
    labels = torch.tensor([2, 1, 3, 1, 2])
    same([student.accuracy(model, images, labels), student.accuracy(model, images, labels, 2)], [0.6, 0.6])
