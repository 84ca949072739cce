"""The stand-ins for a Transformer's parts against torch's own layers, used another way."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autograder.sandbox.transformer_standins import TRANSFORMER_STAND_INS

BATCH, QUERIES, KEYS, MODEL, HEADS, D_FF = 2, 3, 5, 8, 4, 12
LAYER_OPTIONS: list[dict[str, Any]] = [
    {}, {"norm_first": True}, {"activation": "gelu"}, {"eps": 0.1, "norm_first": True, "activation": torch.sigmoid},
]  # fmt: skip


def build(name: str, *args: Any, **options: Any) -> Any:
    """A stand-in: a module in float64 with random parameters, none of them zero or one, or what a function gives."""
    built = TRANSFORMER_STAND_INS[name](*args, **options)
    if isinstance(built, nn.Module):
        built.double()
        with torch.no_grad():
            for parameter in built.parameters():
                parameter.copy_(0.5 * drawn(*parameter.shape))
    return built


def drawn(*shape: int) -> Tensor:
    """Float64 numbers from N(0, 1), the same for the same shape."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def by_hand(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Attention with exp and sums; rows without a key are zeros."""
    scores = torch.exp(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]))
    scores = scores if mask is None else scores * mask
    return torch.nan_to_num(scores / scores.sum(-1, keepdim=True)) @ v


def some_mask(*shape: int) -> Tensor:
    """A mask that leaves every query its first key, but hides all keys from the very first query."""
    mask = torch.rand(*shape, generator=torch.Generator().manual_seed(1)) > 0.4
    mask[..., 0] = True
    mask.flatten(0, -2)[0] = False
    return mask


def torch_attention(ours: nn.Module) -> nn.MultiheadAttention:
    """Torch's module with the stand-in's weights."""
    theirs = nn.MultiheadAttention(MODEL, HEADS, batch_first=True, dtype=torch.float64)
    state = ours.state_dict()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([state[f"w_{name}.weight"] for name in "qkv"]))
        theirs.in_proj_bias.copy_(torch.cat([state[f"w_{name}.bias"] for name in "qkv"]))
        theirs.out_proj.weight.copy_(state["w_o.weight"])
        theirs.out_proj.bias.copy_(state["w_o.bias"])
    return theirs


def torch_layer(ours: Any, kind: type[nn.Module], **options: Any) -> nn.Module:
    """Torch's encoder or decoder layer with the stand-in's weights."""
    renamed = {"layer_norm_eps" if name == "eps" else name: value for name, value in options.items()}
    theirs: Any = kind(MODEL, HEADS, D_FF, 0.0, batch_first=True, dtype=torch.float64, **renamed)
    theirs.self_attn = torch_attention(ours.self_attn)
    if hasattr(ours, "cross_attn"):
        theirs.multihead_attn = torch_attention(ours.cross_attn)
    theirs.linear1, theirs.linear2 = ours.feed_forward.linear1, ours.feed_forward.linear2
    theirs.norm1, theirs.norm2 = ours.norm1, ours.norm2
    if hasattr(ours, "norm3"):
        theirs.norm3 = ours.norm3
    return theirs


def names(module: nn.Module) -> list[str]:
    """The names of the parameters, those of an attention and a feed-forward network once each."""
    found = (name.rpartition(".")[0].split(".w_")[0].split(".linear")[0] for name, _ in module.named_parameters())
    return list(dict.fromkeys(found))


def test_embedding_scales_and_positions_are_added() -> None:
    """Rows times sqrt(d); sine and cosine of pos / 10000^(2i/d) alternate; the table is no parameter and no state."""
    embedding, ids = build("TokenEmbedding", 7, MODEL), torch.tensor([[3, 0], [6, 3]])
    torch.testing.assert_close(embedding(ids), embedding.embedding.weight[ids] * MODEL**0.5)
    table = TRANSFORMER_STAND_INS["positional_encoding"](11, 6)
    expected = [[f(p / 10000 ** (2 * i / 6)) for i in range(3) for f in (math.sin, math.cos)] for p in range(11)]
    torch.testing.assert_close(table, torch.tensor(expected))
    positions = TRANSFORMER_STAND_INS["PositionalEncoding"](6, 11)
    x = drawn(2, 5, 6).float()
    torch.testing.assert_close(positions(x), x + table[:5])
    assert not list(positions.parameters())
    assert not positions.state_dict()


def test_masks_say_what_may_be_attended() -> None:
    """True is real, and not later than oneself."""
    ids = torch.tensor([[4, 2, 4], [2, 2, 9]])
    found = TRANSFORMER_STAND_INS["padding_mask"](ids, 2)
    assert found.shape == (2, 1, 1, 3)
    assert torch.equal(found[:, 0, 0], torch.tensor([[True, False, True], [False, False, True]]))
    assert torch.equal(TRANSFORMER_STAND_INS["causal_mask"](4), torch.ones(4, 4, dtype=torch.bool).tril())
    assert TRANSFORMER_STAND_INS["causal_mask"](1).all()


def test_attention_is_equation_one() -> None:
    """Heads in front, masks that broadcast, and zeros where nothing may be attended."""
    q, k, v = drawn(BATCH, HEADS, QUERIES, 6), drawn(BATCH, HEADS, KEYS, 6), drawn(BATCH, HEADS, KEYS, 7)
    keys = torch.tensor([True] * 3 + [False] * 2).view(1, 1, 1, KEYS)
    for mask in (None, some_mask(BATCH, 1, QUERIES, KEYS), keys):
        torch.testing.assert_close(
            TRANSFORMER_STAND_INS["scaled_dot_product_attention"](q, k, v, mask), by_hand(q, k, v, mask)
        )


def test_multi_head_attention_is_torch_s() -> None:
    """Same numbers and gradients as nn.MultiheadAttention, whose masks mean the opposite."""
    ours = build("MultiHeadAttention", MODEL, HEADS)
    assert list(ours.state_dict()) == [f"w_{name}.{kind}" for name in "qkvo" for kind in ("weight", "bias")]
    theirs = torch_attention(ours)
    q, k, v = drawn(BATCH, QUERIES, MODEL).requires_grad_(), drawn(BATCH, KEYS, MODEL), drawn(BATCH, KEYS, MODEL) + 1
    mask = torch.rand(QUERIES, KEYS, generator=torch.Generator().manual_seed(3)) > 0.3
    mask[:, 0] = True
    for given, hidden in ((None, None), (mask, ~mask), (mask.expand(BATCH, 1, QUERIES, KEYS), ~mask)):
        got, expected = ours(q, k, v, given), theirs(q, k, v, attn_mask=hidden)[0]
        torch.testing.assert_close(got, expected)
        torch.testing.assert_close(
            torch.autograd.grad(got.sin().sum(), q), torch.autograd.grad(expected.sin().sum(), q)
        )


def test_multi_head_attention_gives_a_row_without_keys_the_output_bias() -> None:
    """The context of a query that may attend nothing is zeros, before the output projection."""
    ours = build("MultiHeadAttention", MODEL, HEADS)
    q, k = drawn(BATCH, QUERIES, MODEL), drawn(BATCH, KEYS, MODEL)
    for context in (torch.enable_grad, torch.no_grad):
        with context():
            torch.testing.assert_close(ours(q, k, k, some_mask(BATCH, QUERIES, KEYS))[0, 0], ours.w_o.bias)


def test_layer_norm_and_feed_forward_are_torch_s() -> None:
    """Own eps; relu, gelu and functions of the caller's."""
    norm, x = build("LayerNorm", MODEL, 0.1), drawn(BATCH, KEYS, MODEL)
    expected = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 0.1).sqrt()
    torch.testing.assert_close(norm(x), norm.weight * expected + norm.bias)
    for activation, function in (("relu", nn.ReLU()), ("gelu", nn.GELU()), (torch.sin, torch.sin)):
        network = build("FeedForward", MODEL, D_FF, activation)
        torch.testing.assert_close(network(x), network.linear2(function(network.linear1(x))))


@pytest.mark.parametrize("options", LAYER_OPTIONS, ids=range(len(LAYER_OPTIONS)))
def test_encoder_layer_is_torch_s(options: dict[str, Any]) -> None:
    """Same numbers in training and evaluation as nn.TransformerEncoderLayer with these weights, and all gradients."""
    ours = build("EncoderLayer", MODEL, HEADS, D_FF, **options)
    theirs = torch_layer(ours, nn.TransformerEncoderLayer, **options)
    x, causal = drawn(BATCH, KEYS, MODEL).requires_grad_(), torch.ones(KEYS, KEYS).tril().bool()
    for training in (True, False):
        got, expected = ours.train(training)(x, causal), theirs.train(training)(x, src_mask=~causal)
        torch.testing.assert_close(got, expected)
    gradients = torch.autograd.grad(got.sin().sum(), [x, *ours.parameters()])
    assert len(gradients) == 1 + 8 + 4 + 4
    assert all(bool(gradient.any()) for gradient in gradients)


@pytest.mark.parametrize("options", LAYER_OPTIONS, ids=range(len(LAYER_OPTIONS)))
def test_decoder_layer_is_torch_s(options: dict[str, Any]) -> None:
    """Same numbers as nn.TransformerDecoderLayer with both masks, and all gradients, the memory's among them."""
    ours = build("DecoderLayer", MODEL, HEADS, D_FF, **options)
    theirs = torch_layer(ours, nn.TransformerDecoderLayer, **options)
    x, memory = drawn(BATCH, QUERIES, MODEL), drawn(BATCH, KEYS, MODEL).requires_grad_()
    causal, real = torch.ones(QUERIES, QUERIES).tril().bool(), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    got = ours(x, memory, causal, real[:, None, None])
    torch.testing.assert_close(got, theirs(x, memory, tgt_mask=~causal, memory_key_padding_mask=~real))
    gradients = torch.autograd.grad(got.sin().sum(), [memory, *ours.parameters()])
    assert len(gradients) == 1 + 16 + 4 + 6
    assert all(bool(gradient.any()) for gradient in gradients)


def test_layers_have_the_course_s_names() -> None:
    """State-dict names as printed in the handout."""
    encoder = ["self_attn", "feed_forward", "norm1", "norm2"]
    assert names(build("EncoderLayer", MODEL, HEADS, D_FF)) == encoder
    decoder = ["self_attn", "feed_forward", "norm1", "norm2", "cross_attn", "norm3"]
    assert names(build("DecoderLayer", MODEL, HEADS, D_FF)) == decoder


def test_dropout_acts_in_training_only() -> None:
    """Layers, stacks and the model forget at random while they train, and never in evaluation."""
    x, memory = drawn(BATCH, KEYS, MODEL), drawn(BATCH, QUERIES, MODEL)
    src, tgt = torch.ones(BATCH, KEYS, dtype=torch.int64), torch.ones(BATCH, QUERIES, dtype=torch.int64)
    cases: list[tuple[str, tuple[int, ...], tuple[Tensor, ...]]] = [
        ("EncoderLayer", (MODEL, HEADS, D_FF), (x,)),
        ("DecoderLayer", (MODEL, HEADS, D_FF), (x, memory)),
        ("TransformerEncoder", (MODEL, HEADS, D_FF, 2), (x,)),
        ("TransformerDecoder", (MODEL, HEADS, D_FF, 2), (x, memory)),
        ("Transformer", (7, 9, MODEL, HEADS, D_FF, 2), (src, tgt)),
    ]
    for name, sizes, inputs in cases:
        model = build(name, *sizes, dropout=0.5)
        assert not torch.equal(model(*inputs), model(*inputs)), name
        model.eval()
        assert torch.equal(model(*inputs), model(*inputs)), name


@pytest.mark.parametrize("norm_first", [False, True])
def test_stacks_are_their_layers_in_a_row(norm_first: bool) -> None:
    """Layer after layer with the same masks and memory, and a last norm if and only if they are pre-LN."""
    options = {"norm_first": norm_first, "eps": 0.1, "activation": "gelu"}
    x, memory, causal = drawn(BATCH, QUERIES, MODEL), drawn(BATCH, KEYS, MODEL), torch.ones(3, 3).tril().bool()
    real = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])[:, None, None]
    for name, inputs in (("TransformerEncoder", (causal,)), ("TransformerDecoder", (memory, causal, real))):
        stack = build(name, MODEL, HEADS, D_FF, 3, **options)
        expected = x
        for layer in stack.layers:
            expected = layer(expected, *inputs)
        assert hasattr(stack.norm, "weight") is norm_first
        torch.testing.assert_close(stack(x, *inputs), stack.norm(expected) if norm_first else expected)


def test_transformer_hides_padding_and_the_future() -> None:
    """Logits of a padded batch are those of each sentence alone, step by step."""
    model = build("Transformer", 7, 9, MODEL, HEADS, D_FF, 2, pad=2).eval()
    src, tgt = torch.tensor([[3, 4, 5, 6, 1], [1, 3, 2, 2, 2]]), torch.tensor([[1, 3, 4], [5, 8, 2]])
    together = model(src, tgt)
    for row, (read, written) in enumerate(((5, 3), (2, 2))):
        for seen in range(1, written + 1):
            alone = model(src[row : row + 1, :read], tgt[row : row + 1, :seen])
            torch.testing.assert_close(alone[0, -1], together[row, seen - 1])


def test_transformer_can_be_tied() -> None:
    """The last matrix is the target embedding's, and a step on one is a step on the other."""
    loose, tied = (build("Transformer", 7, 9, MODEL, HEADS, D_FF, 1, tie=tie) for tie in (False, True))
    assert tied.out.weight is tied.tgt_embedding.embedding.weight
    assert loose.out.weight is not loose.tgt_embedding.embedding.weight
    assert len(list(loose.parameters())) == len(list(tied.parameters())) + 1
