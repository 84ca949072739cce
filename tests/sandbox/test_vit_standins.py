"""The stand-ins for a ViT's parts against slices, loops and torch's own layers, used another way."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.sandbox.standins import STAND_INS


def drawn(*shape: int) -> Tensor:
    """Float64 numbers from N(0, 1), the same for the same shape."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def build(name: str, *args: Any) -> Any:
    """A stand-in in float64 with random parameters, none of them zero or one."""
    built = STAND_INS[name](*args).double()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(0.5 * drawn(*parameter.shape))
    return built


def squares(images: Tensor, patch: int) -> Tensor:
    """Patches as slices, row by row."""
    return torch.stack(
        [
            images[:, :, top : top + patch, left : left + patch].flatten(1)
            for top in range(0, images.shape[2], patch)
            for left in range(0, images.shape[3], patch)
        ],
        dim=1,
    )


@pytest.mark.parametrize(("height", "width", "patch"), [(4, 10, 2), (9, 6, 3), (3, 5, 1), (4, 4, 4)])
def test_patches_are_slices_of_the_picture(height: int, width: int, patch: int) -> None:
    """`patchify` lists them row by row, `unpatchify` puts them back, PatchEmbedding is a linear layer of them."""
    images = drawn(2, 3, height, width)
    patches = STAND_INS["patchify"](images, patch)
    torch.testing.assert_close(patches, squares(images, patch), rtol=0, atol=0)
    torch.testing.assert_close(STAND_INS["unpatchify"](patches, patch, height, width), images, rtol=0, atol=0)
    model = build("PatchEmbedding", 3, patch, 7)
    torch.testing.assert_close(model(images), model.projection(squares(images, patch)))


def test_patchify_refuses_what_does_not_fit() -> None:
    """As the assignment says, with a ValueError."""
    with pytest.raises(ValueError, match="no multiple of 2"):
        STAND_INS["patchify"](drawn(1, 1, 4, 5), 2)


def stretched(positions: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Positions feature by feature: each is a grey picture."""
    grids = [positions[0, 1:, d].reshape(1, 1, *old) for d in range(positions.shape[2])]
    features = [F.interpolate(grid, new, mode="bicubic").flatten() for grid in grids]
    return torch.cat([positions[:, :1], torch.stack(features, 1)[None]], 1)


@pytest.mark.parametrize(("old", "new"), [((2, 5), (4, 3)), ((3, 4), (3, 4)), ((4, 6), (2, 3))])
def test_positions_are_stretched_feature_by_feature(old: tuple[int, int], new: tuple[int, int]) -> None:
    """The class token's stays."""
    positions = drawn(1, 1 + old[0] * old[1], 5)
    torch.testing.assert_close(
        STAND_INS["interpolate_positions"](positions, old, new), stretched(positions, old, new), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("size", [(4, 12), (6, 8), (8, 6), (2, 2)])
def test_embedding_is_token_patches_and_positions(size: tuple[int, int]) -> None:
    """For pictures of the usual size and of others, as many patches included; dropout follows the mode."""
    model, images = build("VisionEmbedding", (4, 12), 2, 3, 5), drawn(2, 3, *size)
    positions = stretched(model.pos_embedding, (2, 6), (size[0] // 2, size[1] // 2))
    patches = model.patches.projection(squares(images, 2))
    expected = torch.cat([model.class_token + positions[:, :1]] * 2), patches + positions[:, 1:]
    torch.testing.assert_close(model(images), torch.cat(expected, 1))
    assert tuple(model.state_dict()) == (
        "class_token", "pos_embedding", "patches.projection.weight", "patches.projection.bias",
    )  # fmt: skip
    dropping = STAND_INS["VisionEmbedding"]((4, 12), 2, 3, 5, 0.5).double()
    assert not torch.equal(dropping(images), dropping(images))
    assert torch.equal(dropping.eval()(images), dropping(images))


def test_encoder_is_torch_s_pre_ln_stack() -> None:
    """The same layers one after the other, and a last LayerNorm; names as in the assignment."""
    model, x = build("VisionEncoder", 8, 2, 12, 3), drawn(2, 5, 8)
    expected = x
    for number in range(3):
        layer = build("EncoderLayer", 8, 2, 12, 0.0, True, "gelu", 1e-6)
        layer.load_state_dict(model.layers[number].state_dict())
        expected = layer(expected)
    norm = nn.LayerNorm(8, 1e-6).double()
    norm.load_state_dict(model.norm.state_dict())
    torch.testing.assert_close(model(x), norm(expected))
    assert {"layers.2.self_attn.w_q.weight", "layers.0.norm1.weight", "norm.bias"} <= set(model.state_dict())
