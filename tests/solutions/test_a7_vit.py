"""The solution of a7 against torchvision's VisionTransformer, weights copied over: they agree to 1e-8."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from autograder.sandbox.loading import import_apart

torch.set_num_threads(1)

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"
EXACT = {"rtol": 0.0, "atol": 1e-8}
SIZE, PATCH, CLASSES, D, HEADS, D_FF, LAYERS = 12, 4, 7, 24, 3, 40, 2
RENAMED = {
    "embedding.class_token": "class_token",
    "embedding.pos_embedding": "encoder.pos_embedding",
    "embedding.patches.projection.": "conv_proj.",
    "encoder.layers.": "encoder.layers.encoder_layer_",
    "encoder.norm.": "encoder.ln.",
    "norm1.": "ln_1.",
    "norm2.": "ln_2.",
    "self_attn.w_q.": "self_attention.in_proj_",
    "self_attn.w_o.": "self_attention.out_proj.",
    "feed_forward.linear1.": "mlp.0.",
    "feed_forward.linear2.": "mlp.3.",
    "head.": "heads.head.",
}
"""Beginnings and middles of our names and torchvision's, which keeps w_q, w_k and w_v in one matrix, in this order."""


@pytest.fixture(scope="module")
def ours() -> ModuleType:
    """The solution's module, on a5's."""
    return import_apart([SOLUTIONS / "a7_vit", SOLUTIONS / "a5_transformer"], "vit")


@pytest.fixture
def in_torchvision(renamed: Any) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    """Puts our parameters under torchvision's names; its patches are a convolution."""

    def under_its_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
        theirs: dict[str, Tensor] = renamed(state, RENAMED)
        theirs["conv_proj.weight"] = theirs["conv_proj.weight"].reshape(-1, 3, PATCH, PATCH)
        return theirs

    return under_its_names


def test_vit_is_torchvision_s(ours: ModuleType, drawn: Any, shaken: Any, in_torchvision: Any) -> None:
    """Logits, the gradient of the pictures and those of all parameters."""
    mine = shaken(ours.ViT((SIZE, SIZE), PATCH, 3, CLASSES, D, HEADS, D_FF, LAYERS))
    theirs = VisionTransformer(SIZE, PATCH, LAYERS, HEADS, D, D_FF, num_classes=CLASSES).double()
    theirs.load_state_dict(in_torchvision(mine.state_dict()))
    images = drawn(5, 3, SIZE, SIZE)
    answers, gradients = [], []
    for model in (mine, theirs.train()):
        given = images.clone().requires_grad_()
        logits = model(given)
        answers.append(logits.detach())
        (logits * drawn(*logits.shape)).sum().backward()
        gradients.append((given.grad, {name: value.grad for name, value in model.named_parameters()}))
    torch.testing.assert_close(*answers, **EXACT)
    torch.testing.assert_close(gradients[0][0], gradients[1][0], **EXACT)
    torch.testing.assert_close(in_torchvision(gradients[0][1]), gradients[1][1], **EXACT)
    torch.testing.assert_close(mine(images), theirs.eval()(images), **EXACT)


def test_parameters_are_counted_as_torchvision_has_them(ours: ModuleType) -> None:
    """For a small model, one by one, and for the paper's ViT-Base, without making it."""
    theirs = VisionTransformer(SIZE, PATCH, LAYERS, HEADS, D, D_FF, num_classes=CLASSES)
    found = ours.vit_parameters((SIZE, SIZE), PATCH, 3, CLASSES, D, D_FF, LAYERS)
    assert found == sum(parameter.numel() for parameter in theirs.parameters())
    assert ours.vit_parameters((224, 224), 16, 3, 1000, 768, 3072, 12) == 86_567_656


@pytest.mark.parametrize(("height", "width", "patch"), [(4, 10, 2), (9, 6, 3), (5, 5, 5)])
def test_unfold_convolution_and_linear_layer_agree(
    ours: ModuleType, height: int, width: int, patch: int, drawn: Any
) -> None:
    """Three ways to make tokens of patches."""
    images, weight = drawn(2, 3, height, width), drawn(7, 3, patch, patch)
    unfolded = F.unfold(images, patch, stride=patch).transpose(1, 2)
    torch.testing.assert_close(ours.patchify(images, patch), unfolded, rtol=0, atol=0)
    convolved = F.conv2d(images, weight, stride=patch).flatten(2).transpose(1, 2)
    torch.testing.assert_close(unfolded @ ours.conv_to_linear(weight).T, convolved, **EXACT)
    torch.testing.assert_close(ours.unpatchify(unfolded, patch, height, width), images, rtol=0, atol=0)


def test_without_positions_the_order_of_patches_is_nothing(ours: ModuleType, drawn: Any, shaken: Any) -> None:
    """With learned ones it is something; `shuffle_patches` is what shuffles."""
    model = shaken(ours.ViT((6, 4), 2, 3, CLASSES, D, HEADS, D_FF, LAYERS)).eval()
    images, order = drawn(2, 3, 6, 4), torch.tensor([4, 0, 5, 1, 3, 2])
    shuffled = ours.shuffle_patches(images, 2, order)
    torch.testing.assert_close(ours.patchify(shuffled, 2), ours.patchify(images, 2)[:, order], rtol=0, atol=0)
    assert (model(images) - model(shuffled)).abs().max() > 1e-3
    with torch.no_grad():
        model.embedding.pos_embedding.zero_()
    torch.testing.assert_close(model(images), model(shuffled), **EXACT)


def test_positions_of_the_same_grid_stay(ours: ModuleType, drawn: Any) -> None:
    """Interpolation to the size that is there changes nothing; a constant stays a constant on every grid."""
    positions = drawn(1, 13, 5)
    torch.testing.assert_close(ours.interpolate_positions(positions, (3, 4), (3, 4)), positions, **EXACT)
    constant = torch.cat([positions[:, :1], positions[:, 1:2].expand(-1, 12, -1)], 1)
    expected = torch.cat([positions[:, :1], positions[:, 1:2].expand(-1, 35, -1)], 1)
    torch.testing.assert_close(ours.interpolate_positions(constant, (3, 4), (5, 7)), expected, **EXACT)


def test_rates_are_torch_s_schedulers(ours: ModuleType) -> None:
    """A linear warm-up and a cosine, as torch.optim.lr_scheduler has them one after the other."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=9)
    falling = []
    for _ in range(9):
        optimizer.step()
        schedule.step()
        falling.append(schedule.get_last_lr()[0])
    rates = ours.cosine_rates(13, 0.3, 4)
    assert rates[:4] == pytest.approx([0.075, 0.15, 0.225, 0.3])
    assert rates[4:] == pytest.approx(falling)


def test_rollout_of_equal_attention_is_equal(ours: ModuleType) -> None:
    """Where every token looks at all others alike, the class token has seen as much of every patch; rows sum to one."""
    maps = [torch.full((2, 3, 5, 5), 0.2, dtype=torch.float64)] * 3
    found = ours.attention_rollout(maps)
    torch.testing.assert_close(found, found[:, :1].expand(-1, 4), **EXACT)
    assert bool((found.sum(-1) < 1).all())
