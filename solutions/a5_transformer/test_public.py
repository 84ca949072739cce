"""The checks that you have: `pytest` in this folder runs them against your transformer.py.

The right answers come from torch's own layers or from a case small enough for pencil and paper. `student` stands for
your file, `draw` makes random numbers. Sizes are pairwise different, so that a wrong axis cannot go unnoticed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.checks import Draw, bans, builtin, hint, load, needs, points, same, state, trains

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


def attention_weights(draw: Draw, name: str, d: int) -> Weights:
    """Random weights of a MultiHeadAttention."""
    return {key: w for part in "qkvo" for key, w in linear_weights(draw, f"{name}w_{part}", d, d).items()}


def layer_weights(draw: Draw, d: int, d_ff: int, *, decoder: bool = False) -> Weights:
    """Random weights of an EncoderLayer, or of a DecoderLayer."""
    weights = attention_weights(draw, "self_attn.", d)
    weights |= attention_weights(draw, "cross_attn.", d) if decoder else {}
    weights |= linear_weights(draw, "feed_forward.linear1", d, d_ff)
    weights |= linear_weights(draw, "feed_forward.linear2", d_ff, d)
    for number in range(1, 4 if decoder else 3):
        weights |= norm_weights(draw, f"norm{number}", d)
    return weights


def stack_weights(draw: Draw, d: int, d_ff: int, *, decoder: bool = False, norm: bool = False) -> Weights:
    """Random weights of a TransformerEncoder or TransformerDecoder of two layers."""
    layers = [layer_weights(draw, d, d_ff, decoder=decoder) for _ in range(2)]
    weights = {f"layers.{number}.{name}": w for number, layer in enumerate(layers) for name, w in layer.items()}
    return weights | (norm_weights(draw, "norm", d) if norm else {})


TORCH_NAMES = {"w_q.": "in_proj_", "w_o.": "out_proj.", "cross_attn.": "multihead_attn.", "feed_forward.": ""}


def torch_name(name: str) -> str:
    """What torch calls a weight of this course."""
    for ours, theirs in TORCH_NAMES.items():
        name = name.replace(ours, theirs)
    return name


def in_torch(weights: Mapping[str, Tensor]) -> Weights:
    """The same weights under torch's names: there w_q, w_k and w_v lie in one matrix, called in_proj."""
    renamed = {torch_name(name): w for name, w in weights.items() if "w_k." not in name and "w_v." not in name}
    for name in weights:
        if "w_q." in name:
            parts = [weights[name.replace("w_q.", f"w_{part}.")] for part in "qkv"]
            renamed[torch_name(name)] = torch.cat(parts)
    return renamed


# --- 1. what goes in -------------------------------------------------------------------------------------------------


@points(2)
@hint("Section 3.4 ends with a factor. How long is a row of the embedding without it, and how long is a row of PE?")
def test_token_embedding(student, draw):
    """`TokenEmbedding` looks ids up and scales their vectors."""
    table, ids = draw(11, 6), draw.ints(3, 5, high=11)
    model = student.TokenEmbedding(11, 6)
    load(model, {"embedding.weight": table})
    same(model(ids), F.embedding(ids, table) * 6**0.5)


def four_features(length: int, like: Tensor) -> Tensor:
    """The table of positions for d = 4, where the two angles are pos and pos / 100."""
    rows = [[math.sin(p), math.cos(p), math.sin(p / 100), math.cos(p / 100)] for p in range(length)]
    return torch.tensor(rows).to(like)


@points(2)
@hint("Row 0 is 0, 1, 0, 1: sine and cosine alternate. With d = 4 the angles of row pos are pos and pos / 100.")
def test_positional_encoding(student, draw):
    """`positional_encoding` is right for four features."""
    same(student.positional_encoding(7, 4), four_features(7, draw(1)))


@points(1)
@needs("positional_encoding")
@hint("Position t gets row t of the table, in every sentence of the batch: x is (B, T, d).")
def test_positions_are_added(student, draw):
    """`PositionalEncoding` adds the table to every sentence."""
    x = draw(3, 5, 4)
    same(student.PositionalEncoding(4, 9)(x), x + four_features(5, x))


# --- 2. who may look where -------------------------------------------------------------------------------------------


@points(1)
@hint("True is a real token. The two axes of size one are for the heads and the queries.")
def test_padding_mask(student):
    """`padding_mask` tells real tokens from padding."""
    ids = torch.tensor([[5, 3, 9], [4, 7, 7]])
    same(student.padding_mask(ids, 7), torch.tensor([[[[True, True, True]]], [[[True, False, False]]]]))


@points(2)
@hint("Rows are queries, columns are keys. Which triangle is the past? May a token see itself?")
def test_causal_mask(student):
    """`causal_mask` lets nobody see the future."""
    hidden = nn.Transformer.generate_square_subsequent_mask(
        5
    )  # torch's is added to scores: -inf where one may not look
    same(student.causal_mask(5), hidden == 0)


# --- 3. attention ----------------------------------------------------------------------------------------------------


@points(3)
@hint("softmax(Q K^T / sqrt(d_k)) V: over which axis do the weights of one query sum to one? What is d_k here?")
def test_attention(student, draw):
    """`scaled_dot_product_attention` is equation 1."""
    q, k, v = draw(2, 3, 5, 4), draw(2, 3, 7, 4), draw(2, 3, 7, 6)
    same(student.scaled_dot_product_attention(q, k, v), F.scaled_dot_product_attention(q, k, v))


@points(2)
@needs("test_attention")
@hint("Where the mask is False the weight is 0. What must the score be for that, before the softmax?")
def test_attention_with_mask(student, draw):
    """`scaled_dot_product_attention` gives hidden keys no weight."""
    q, k, v = draw(2, 3, 5, 4), draw(2, 3, 7, 4), draw(2, 3, 7, 6)
    mask = draw.uniform(2, 1, 5, 7) < 0.5
    mask[..., 2] = True  # no query without keys
    same(student.scaled_dot_product_attention(q, k, v, mask), F.scaled_dot_product_attention(q, k, v, mask))


@points(3)
@needs("scaled_dot_product_attention")
@hint("A head sees whole tokens: split the features, then move the axis of the heads. Undo exactly that at the end.")
def test_self_attention(student, draw):
    """`MultiHeadAttention` of a sentence with itself is that of torch."""
    weights, x = attention_weights(draw, "", 12), draw(2, 5, 12)
    model = student.MultiHeadAttention(12, 3)
    load(model, weights)
    oracle = with_weights(nn.MultiheadAttention(12, 3, batch_first=True), in_torch(weights))
    same(model(x, x, x), oracle(x, x, x)[0])


@points(2)
@needs("test_self_attention")
@hint("Queries, keys and values are three inputs of their own. What does the mask say about every head?")
def test_cross_attention(student, draw):
    """`MultiHeadAttention` takes queries, keys, values and a mask from different places."""
    weights = attention_weights(draw, "", 12)
    q, k, v = draw(2, 5, 12), draw(2, 7, 12), draw(2, 7, 12)
    mask = draw.uniform(5, 7) < 0.5
    mask[:, 2] = True
    model = student.MultiHeadAttention(12, 3)
    load(model, weights)
    oracle = with_weights(nn.MultiheadAttention(12, 3, batch_first=True), in_torch(weights))
    same(model(q, k, v, mask), oracle(q, k, v, attn_mask=~mask)[0])  # in nn.MultiheadAttention True is hidden


# --- 4. around attention ---------------------------------------------------------------------------------------------


@points(2)
@bans("attention", "layer_norm")
@hint("Mean and variance over the last axis only; the variance divides by d, and eps stands inside the root.")
def test_layer_norm(student, draw):
    """`LayerNorm` is that of torch."""
    weights, x = norm_weights(draw, "", 6), 3 * draw(4, 5, 6) + 1
    weights = {name.removeprefix("."): weight for name, weight in weights.items()}
    model = student.LayerNorm(6)
    load(model, weights)
    same(model(x), F.layer_norm(x, (6,), weights["weight"], weights["bias"]))


@points(1)
@hint("linear2 of relu of linear1: where is the relu, and where is none?")
def test_feed_forward(student, draw):
    """`FeedForward` is two linear layers with relu between them."""
    weights = linear_weights(draw, "linear1", 5, 11) | linear_weights(draw, "linear2", 11, 5)
    x = draw(2, 3, 5)
    model = student.FeedForward(5, 11)
    load(model, weights)
    hidden = F.linear(x, weights["linear1.weight"], weights["linear1.bias"]).clamp(min=0)
    same(model(x), F.linear(hidden, weights["linear2.weight"], weights["linear2.bias"]))


def encoder_layer_case(student: Any, draw: Draw, *, norm_first: bool) -> tuple[Tensor, Tensor]:
    """What the student's layer and torch's own answer."""
    weights, x = layer_weights(draw, 12, 20), draw(2, 5, 12)
    model = student.EncoderLayer(12, 3, 20, norm_first=norm_first)
    load(model, weights)
    oracle = nn.TransformerEncoderLayer(12, 3, 20, 0.0, batch_first=True, norm_first=norm_first)
    return model(x), with_weights(oracle, in_torch(weights))(x)


@points(2)
@needs("MultiHeadAttention", "LayerNorm", "FeedForward")
@hint("x = norm1(x + A(x)), then x = norm2(x + F(x)): which x does the second sum start from?")
def test_encoder_layer(student, draw):
    """`EncoderLayer` is that of torch (post-LN)."""
    same(*encoder_layer_case(student, draw, norm_first=False))


@points(1)
@needs("MultiHeadAttention", "LayerNorm", "FeedForward")
@hint("x = x + A(norm1(x)), then x = x + F(norm2(x)): the path of x itself goes through no norm.")
def test_encoder_layer_pre_ln(student, draw):
    """`EncoderLayer` is that of torch with norm_first=True (pre-LN)."""
    same(*encoder_layer_case(student, draw, norm_first=True))


def decoder_layer_case(student: Any, draw: Draw, *, norm_first: bool) -> tuple[Tensor, Tensor]:
    """What the student's layer and torch's own answer, with a causal mask."""
    weights, x, memory = layer_weights(draw, 12, 20, decoder=True), draw(2, 5, 12), draw(2, 7, 12)
    past = torch.ones(5, 5, dtype=torch.bool).tril()
    model = student.DecoderLayer(12, 3, 20, norm_first=norm_first)
    load(model, weights)
    oracle = nn.TransformerDecoderLayer(12, 3, 20, 0.0, batch_first=True, norm_first=norm_first)
    return model(x, memory, past), with_weights(oracle, in_torch(weights))(x, memory, tgt_mask=~past)


@points(2)
@needs("MultiHeadAttention", "LayerNorm", "FeedForward")
@hint("Three sub-layers with a norm each. Who asks in cross-attention, and who is asked? Which mask belongs to which?")
def test_decoder_layer(student, draw):
    """`DecoderLayer` is that of torch (post-LN)."""
    same(*decoder_layer_case(student, draw, norm_first=False))


@points(1)
@needs("MultiHeadAttention", "LayerNorm", "FeedForward")
@hint("Each sub-layer reads its norm of x. The memory is as the encoder left it.")
def test_decoder_layer_pre_ln(student, draw):
    """`DecoderLayer` is that of torch with norm_first=True (pre-LN)."""
    same(*decoder_layer_case(student, draw, norm_first=True))


# --- 5. the whole model ----------------------------------------------------------------------------------------------


@points(1)
@needs("EncoderLayer", "DecoderLayer")
@hint("Layer after layer, and a last norm if and only if norm_first: post-LN layers end with a norm of their own.")
@pytest.mark.parametrize("norm_first", [False, True])
def test_stacks(student, draw, norm_first):
    """`TransformerEncoder` and `TransformerDecoder` run their layers one after the other, as torch's do."""
    d, d_ff, heads, x, memory = 12, 20, 3, draw(2, 5, 12), draw(2, 7, 12)
    for decoder in (False, True):
        weights = stack_weights(draw, d, d_ff, decoder=decoder, norm=norm_first)
        model = (student.TransformerDecoder if decoder else student.TransformerEncoder)(
            d, heads, d_ff, 2, norm_first=norm_first
        )
        load(model, weights)
        layer = (nn.TransformerDecoderLayer if decoder else nn.TransformerEncoderLayer)(
            d, heads, d_ff, 0.0, batch_first=True, norm_first=norm_first
        )
        norm = nn.LayerNorm(d) if norm_first else None
        oracle = nn.TransformerDecoder(layer, 2, norm) if decoder else nn.TransformerEncoder(layer, 2, norm, False)
        inputs = (x, memory) if decoder else (x,)
        what = "decoder" if decoder else "encoder"
        same(model(*inputs), with_weights(oracle, in_torch(weights))(*inputs), what=what)


def transformer_weights(draw: Draw, src_vocab: int, tgt_vocab: int, d: int, d_ff: int) -> Weights:
    """Random weights of a Transformer of two layers a side."""
    weights = {
        "src_embedding.embedding.weight": draw(src_vocab, d),
        "tgt_embedding.embedding.weight": draw(tgt_vocab, d),
    }
    for side in ("encoder", "decoder"):
        stack = stack_weights(draw, d, d_ff, decoder=side == "decoder")
        weights |= {f"{side}.{name}": weight for name, weight in stack.items()}
    return weights | linear_weights(draw, "out", d, tgt_vocab)


def of(part: str, weights: Mapping[str, Tensor]) -> Weights:
    """The weights of one part, under the names that they have in it."""
    return {name.removeprefix(f"{part}."): w for name, w in weights.items() if name.startswith(f"{part}.")}


@points(2)
@needs(
    "TokenEmbedding", "PositionalEncoding", "padding_mask", "causal_mask", "TransformerEncoder", "TransformerDecoder"
)
@hint("Embed, add positions, encode; the same for the target, decode with the past only; then out. No softmax.")
def test_transformer(student, draw):
    """`Transformer` gives the logits that torch's stacks give between the same embeddings."""
    weights = transformer_weights(draw, 11, 9, 4, 10)
    src, tgt = draw.ints(3, 7, low=1, high=11), draw.ints(3, 5, low=1, high=9)
    model = student.Transformer(11, 9, 4, 2, 10, 2)
    load(model, weights)
    embedded = [
        F.embedding(ids, weights[f"{side}_embedding.embedding.weight"]) * 2 + four_features(ids.shape[1], draw(1))
        for side, ids in (("src", src), ("tgt", tgt))
    ]
    encoder_layer, decoder_layer = (
        layer(4, 2, 10, 0.0, batch_first=True) for layer in (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    )
    encoder = with_weights(nn.TransformerEncoder(encoder_layer, 2, None, False), in_torch(of("encoder", weights)))
    decoder = with_weights(nn.TransformerDecoder(decoder_layer, 2), in_torch(of("decoder", weights)))
    future = torch.ones(5, 5, dtype=torch.bool).triu(1)
    decoded = decoder(embedded[1], encoder(embedded[0]), tgt_mask=future)
    same(model(src, tgt), F.linear(decoded, weights["out.weight"], weights["out.bias"]))


# --- 6. training and translating -------------------------------------------------------------------------------------


@points(1)
@hint("START a b END: the decoder reads START a b and predicts a b END.")
def test_shift_targets(student, draw):
    """`shift_targets` lets every token predict the next one."""
    before = draw.ints(4, 6, high=9)
    same(student.shift_targets(before), (before.narrow(1, 0, 5), before.narrow(1, 1, 5)))


@points(2)
@hint("logits[b, t] and targets[b, t] belong together. Targets that equal pad count neither above nor below the line.")
def test_sequence_loss(student, draw):
    """`sequence_loss` is the mean cross-entropy over the real targets."""
    logits, targets = draw(3, 5, 7), draw.ints(3, 5, low=1, high=7)
    targets[0, 3:], targets[2, 1:] = 0, 0
    expected = F.cross_entropy(logits.movedim(-1, 1), targets, ignore_index=0)  # torch wants the classes on axis 1
    same(student.sequence_loss(logits, targets, 0), expected)


@points(2)
@hint("d^(-1/2) times the smaller of step^(-1/2) and step * warmup^(-3/2).")
def test_noam_rate(student):
    """`noam_rate` rises in a straight line to its peak and falls with the root of the step."""
    # d = 64 and warmup = 25: the peak, at step 25, is 1/8 * 1/5; half of it at step 12.5 and at step 100.
    expected = [0.001, 0.002, 0.012, 0.025, 0.0125, 0.00625]
    same([student.noam_rate(step, 64, 25) for step in (1, 2, 12, 25, 100, 400)], expected)


@points(2)
@needs("Transformer")
@hint("Which position's logits predict the next word? Every new id joins the input of the next step.")
def test_greedy_decode(student, draw):
    """`greedy_decode` appends the most likely id, again and again."""
    for _ in range(5):  # a random model may write the same word for ever; not all of five do
        # Small biases and long embeddings: what comes next depends on what was written last.
        drawn = transformer_weights(draw, 11, 9, 4, 10)
        weights = {name: weight * (0.1 if name.endswith("bias") else 1) for name, weight in drawn.items()}
        weights["tgt_embedding.embedding.weight"] *= 10
        weights["out.bias"][8] = -1000.0  # what is written is no padding
        model = student.Transformer(11, 9, 4, 2, 10, 2, pad=8)
        load(model, weights)
        src = draw.ints(6, 7, high=8)
        got = student.greedy_decode(model, src, 3, 12, 5, pad=8)  # there is no id 12: no sentence ends early
        same(list(got.shape), [6, 5], what="the shape of the ids")
        # Given all ids but the last one, the model's favourites at every place are the ids themselves.
        given = torch.cat([torch.full((6, 1), 3), got[:, :4]], dim=1)
        same(got, model(src, given).argmax(dim=-1))


def after_one_step(bias: Tensor, targets: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """What one SGD step makes of a bias that alone gives the logits, and the loss before; 0 is no target."""
    real = targets[targets != 0]
    log_p = bias.log_softmax(dim=-1)
    shares = torch.eye(len(bias)).to(bias)[real].mean(dim=0)  # how often each id is a target
    return bias - rate * (log_p.exp() - shares), -(shares * log_p).sum()


@points(3)
@needs("Transformer", "shift_targets", "sequence_loss")
@trains(cpu_s=10)
@hint("What is in .grad before the second backward? Which batch does every step use? What are the targets?")
def test_fit_worked_example(student, draw):
    """`fit` takes the known steps where only the last bias learns."""
    # The last norm is silenced (weight and bias 0), so the logits are the bias of `out` everywhere, and its gradient is
    # softmax minus the shares of the targets. The optimizer knows of nothing but `out`.
    weights = transformer_weights(draw, 11, 7, 4, 10)
    weights |= {f"decoder.layers.1.norm3.{kind}": 0 * draw(4) for kind in ("weight", "bias")}
    weights["out.weight"] = 0 * draw(7, 4)
    model = student.Transformer(11, 7, 4, 2, 10, 2)
    load(model, weights)
    optimizer = builtin(student, "torch.optim.SGD", model.out.parameters(), lr=0.7)
    batches = [(draw.ints(rows, 5, low=1, high=11), draw.ints(rows, 6, low=1, high=7)) for rows in (3, 2, 4)]
    for _, tgt in batches:
        tgt[1, 3:] = 0
    losses = student.fit(model, batches, optimizer, 0)
    bias, expected = weights["out.bias"], []
    for _, tgt in batches:
        bias, loss = after_one_step(bias, tgt[:, 1:], 0.7)
        expected.append(loss.item())
    same(state(model)["out.bias"], bias, what="the bias after three batches")
    same(losses, expected, what="the losses")
