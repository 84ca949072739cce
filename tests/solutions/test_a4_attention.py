"""The solution of a4 against torch's own softmax, attention and GRU: values and gradients agree to 1e-8 in float64."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.sandbox.loading import import_apart

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"
EXACT = {"rtol": 0.0, "atol": 1e-8}
B, S, T, H, D, E, V = 4, 7, 5, 6, 3, 8, 9
PAD, EOS = 0, 2


@pytest.fixture(scope="module")
def ours() -> ModuleType:
    """The solution's module, built on the solution of a3."""
    return import_apart([SOLUTIONS / "a4_attention", SOLUTIONS / "a3_seq2seq"], "attention")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Float64 numbers from N(0, 1)."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + sum(shape)))


def lengths() -> Tensor:
    """Lengths of B sources: one is full, one is a single token."""
    return torch.tensor([S, 1, 4, 6])


def real() -> Tensor:
    """Their mask (B, S)."""
    return torch.arange(S) < lengths()[:, None]


def close(got: Tensor, expected: Tensor, *inputs: Tensor) -> None:
    """Assert that values, and gradients against fixed random cotangents, agree."""
    torch.testing.assert_close(got, expected, **EXACT)
    cotangent = drawn(*got.shape, seed=5)
    both = [torch.autograd.grad(each, inputs, cotangent, retain_graph=True) for each in (got, expected)]
    for mine, theirs in zip(*both, strict=True):
        torch.testing.assert_close(mine, theirs, **EXACT)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_softmax_is_torch_s(ours: ModuleType, dim: int, shift: float) -> None:
    """Along every axis, for huge entries too."""
    x = (drawn(B, T, S) + shift).requires_grad_()
    close(ours.softmax(x, dim), torch.softmax(x, dim), x)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1 / math.sqrt(H)])
def test_attend_is_torch_s_attention(ours: ModuleType, scale: float, masked: bool) -> None:
    """F.scaled_dot_product_attention with the same boolean mask, also where a row has no key; one query and many."""
    q, k, v = (each.requires_grad_() for each in (drawn(B, T, H), drawn(B, S, H, seed=1), drawn(B, S, D)))
    mask = real() if masked else None
    if mask is not None:
        mask[2] = False
    context, weights = ours.attend(q, k, v, mask, scale)
    rows = None if mask is None else mask[:, None].expand(B, T, S)
    close(context, F.scaled_dot_product_attention(q, k, v, rows, scale=scale), q, k, v)
    one_hot = torch.eye(S, dtype=torch.float64).expand(B, S, S)
    close(weights, F.scaled_dot_product_attention(q, k, one_hot, rows, scale=scale), q, k)
    single = ours.attend(q[:, 0], k, v, mask, scale)
    torch.testing.assert_close(single, (context[:, 0], weights[:, 0]), **EXACT)


def test_attend_is_multi_head_attention_with_one_head(ours: ModuleType) -> None:
    """nn.MultiheadAttention whose four projections are the identity; its masks mean the opposite of ours."""
    theirs = nn.MultiheadAttention(H, 1, bias=False, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.eye(H).repeat(3, 1))
        theirs.out_proj.weight.copy_(torch.eye(H))
    q, k, v = drawn(B, T, H), drawn(B, S, H, seed=1), drawn(B, S, H, seed=2)
    expected = theirs(q, k, v, key_padding_mask=~real())
    torch.testing.assert_close(ours.attend(q, k, v, real(), H**-0.5), expected, **EXACT)


def shaken(module: nn.Module) -> Any:
    """The module in float64 with random parameters."""
    module.double()
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            parameter.copy_(0.5 * drawn(*parameter.shape, seed=number))
    return module


def test_the_model_is_torch_s_gru_and_attention(ours: ModuleType) -> None:
    """Encoder and decoder as nn.GRU with the same weights, attention as torch's: logits, weights and gradients."""
    model = shaken(ours.AttnSeq2Seq(11, V, E, H))
    ids = torch.arange(B * T).view(B, T) % V
    src = (torch.arange(B * S).view(B, S) % 8 + 3).masked_fill(~real(), PAD)
    enc_out, _, _ = model.encode(src, lengths())
    gru = nn.GRU(E, H, batch_first=True, dtype=torch.float64)
    gru.load_state_dict({f"{name}_l0": value for name, value in model.decoder.cell.state_dict().items()})
    last = enc_out[torch.arange(B), lengths() - 1]
    states, _ = gru(model.decoder.embedding(ids), last[None])
    context = F.scaled_dot_product_attention(states, enc_out, enc_out, real()[:, None], scale=1.0)
    expected = model.decoder.out(torch.tanh(model.decoder.attn_combine(torch.cat([context, states], dim=-1))))
    logits, weights = model(src, lengths(), ids)
    torch.testing.assert_close(logits, expected, **EXACT)
    assert not weights.masked_select(~real()[:, None].expand_as(weights)).any()
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, T, dtype=torch.float64))
    parameters = [each for name, each in model.named_parameters() if "cell" not in name]
    cotangent = drawn(B, T, V)
    both = [torch.autograd.grad(each, parameters, cotangent, retain_graph=True) for each in (logits, expected)]
    for mine, theirs in zip(*both, strict=True):
        torch.testing.assert_close(mine, theirs, **EXACT)


def test_a_translation_is_its_own_most_likely_continuation(ours: ModuleType) -> None:
    """Every id is the argmax of what teacher forcing gives behind those before it; the map shows no padding."""
    model = shaken(ours.AttnSeq2Seq(11, V, E, H))
    src = (torch.arange(B * S).view(B, S) % 8 + 3).masked_fill(~real(), PAD)
    ids, attention = ours.translate(model, src, lengths(), T)
    read = torch.cat([torch.ones(B, 1, dtype=torch.int64), ids[:, :-1]], dim=1)
    logits, weights = model(src, lengths(), read)
    running = (read == EOS).cumsum(1) == 0
    assert torch.equal(ids[running], logits.argmax(-1)[running])
    torch.testing.assert_close(attention[running], weights[running], **EXACT)
    assert not attention.requires_grad
    for row in range(B):
        names = [str(number) for number in range(11)]
        shown, rows, columns = ours.attention_map(attention[row], src[row], ids[row], names, names)
        assert shown.shape == (len(rows), len(columns))
        assert len(columns) == int(lengths()[row])


@pytest.mark.parametrize("d", [1, 8, 64])
def test_scores_have_the_variance_of_their_size(ours: ModuleType, d: int) -> None:
    """As large as the size unscaled, 1 with 1 / sqrt(d)."""
    for scale, expected in ((1.0, d), (d**-0.5, 1.0)):
        found = float(ours.score_variance(d, scale, 50_000, torch.Generator().manual_seed(d)))
        assert abs(found / expected - 1) < 0.1
