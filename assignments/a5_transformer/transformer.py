"""Assignment 5: the Transformer, from one embedding to a model that translates.

Work from top to bottom: no part needs a part below it, and every part has checks of its own. Use an earlier part by
its name (`LayerNorm(...)`, not a copy of it): where it is wrong, the grader puts a right one in its place before it
looks at the parts that call it, so that one mistake costs its points once.

Shapes: B batch, S source length (keys), T target length (queries), d = d_model, h heads, V vocabulary.

Choices of this course (other books choose otherwise; these are graded):
    layout       batch first: (B, T, d)
    masks        boolean, True = may be attended; they broadcast to (B, h, T, S)
    empty rows   a query that may attend nothing gets zeros as its context, never NaN
    heads        head j takes the features j * d/h .. (j + 1) * d/h - 1 of q, k and v
    positions    counted from 0; sine at even features, cosine at odd ones
    LayerNorm    biased variance, eps inside the root, eps = 1e-5
    residuals    post-LN as in the paper; pre-LN with `norm_first=True`, then each stack ends with a LayerNorm
    dropout      on what every sub-layer returns, before it is added, and on the sums of words and positions
    padding      the id `pad`; targets that equal `pad` are no targets; a mean is over the real targets

Source of all equations: Vaswani et al. 2017, "Attention Is All You Need" (arXiv 1706.03762); sections are its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = str | Callable[[Tensor], Tensor]
"""What is between the two layers of a feed-forward network: "relu", "gelu" (the erf form) or a function."""

# ---------------------------------------------------------------------------------------------------------------------
# 1. What goes in: words and their places
# ---------------------------------------------------------------------------------------------------------------------


class TokenEmbedding(nn.Module):
    """Turn ids into vectors. `__init__` is given: `embedding` = nn.Embedding(V, d), drawn from N(0, 1/d)."""

    def __init__(self, vocab: int, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model
        self.embedding = nn.Embedding(vocab, d_model)  # weight (V, d)
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the rows of the embedding times sqrt(d): (B, T, d) for ids (B, T). Section 3.4."""
        raise NotImplementedError("write TokenEmbedding.forward: see handout.md, '1.1 TokenEmbedding'")


def positional_encoding(length: int, d_model: int) -> Tensor:
    """Make the table of positions: (length, d), floating point of torch's default dtype; d is even. Section 3.5.

    PE[pos, 2i] = sin(pos / 10000^(2i/d)) and PE[pos, 2i + 1] = cos(pos / 10000^(2i/d)), for pos = 0 .. length - 1.
    """
    raise NotImplementedError("write positional_encoding: see handout.md, '1.2 positional_encoding'")


class PositionalEncoding(nn.Module):
    """Add the table of positions to embedded tokens.

    The table (max_len, d) is made once, in `__init__`. It is a constant and not a parameter: register it as a buffer
    (under any name), so that `.to(...)` moves it along and no optimizer changes it.
    """

    def __init__(self, d_model: int, max_len: int = 128) -> None:
        super().__init__()
        raise NotImplementedError("write PositionalEncoding.__init__: see handout.md, '1.3 PositionalEncoding'")

    def forward(self, x: Tensor) -> Tensor:
        """Return x + PE[position] for x (B, T, d), T <= max_len. x itself stays as it is."""
        raise NotImplementedError("write PositionalEncoding.forward: see handout.md, '1.3 PositionalEncoding'")


# ---------------------------------------------------------------------------------------------------------------------
# 2. Who may look where
# ---------------------------------------------------------------------------------------------------------------------


def padding_mask(ids: Tensor, pad: int) -> Tensor:
    """Say which tokens of ids (B, S) are real: (B, 1, 1, S), boolean, True where ids differ from `pad`."""
    raise NotImplementedError("write padding_mask: see handout.md, '2.1 padding_mask'")


def causal_mask(length: int, device: torch.device | str | None = None) -> Tensor:
    """Let position t see the positions 0 .. t, itself included: (length, length), boolean, on `device`. Section 3.2.3.

    Rows are queries, columns are keys.
    """
    raise NotImplementedError("write causal_mask: see handout.md, '2.2 causal_mask'")


# ---------------------------------------------------------------------------------------------------------------------
# 3. Attention
# ---------------------------------------------------------------------------------------------------------------------


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V, equation 1: the context (..., T, d_v).

    q (..., T, d_k), k (..., S, d_k), v (..., S, d_v), with the same leading axes. `mask` is boolean and broadcasts to
    (..., T, S); where it is False the weight is exactly 0, whatever the scores are. A row of the mask that is False
    everywhere gives zeros, and its gradients are zeros, too: no NaN.
    """
    raise NotImplementedError("write scaled_dot_product_attention: see handout.md, '3.1 scaled_dot_product_attention'")


class MultiHeadAttention(nn.Module):
    """Attention in h subspaces at once. `__init__` is given: four nn.Linear(d, d), `w_q`, `w_k`, `w_v`, `w_o`."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        if d_model % heads:
            raise ValueError(f"d_model = {d_model} cannot be divided into {heads} heads")
        self.d_model = d_model
        self.heads = heads
        self.w_q = nn.Linear(d_model, d_model)
        self.w_k = nn.Linear(d_model, d_model)
        self.w_v = nn.Linear(d_model, d_model)
        self.w_o = nn.Linear(d_model, d_model)
        for linear in (self.w_q, self.w_k, self.w_v, self.w_o):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, T, d) for q (B, T, d), k and v (B, S, d); `mask` broadcasts to (B, h, T, S). Section 3.2.2.

        Project with w_q, w_k, w_v; split the features into h heads of d/h (head j takes features j * d/h and on);
        attend in every head by `scaled_dot_product_attention`; put the heads' contexts side by side; project by w_o.
        """
        raise NotImplementedError("write MultiHeadAttention.forward: see handout.md, '3.2 MultiHeadAttention'")


# ---------------------------------------------------------------------------------------------------------------------
# 4. What stands around attention
# ---------------------------------------------------------------------------------------------------------------------


class LayerNorm(nn.Module):
    """Normalise the features of every position. `__init__` is given: `weight` (d,) of ones and `bias` (d,) of zeros."""

    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Tensor) -> Tensor:
        """Return weight * (x - mean) / sqrt(variance + eps) + bias for x (..., d), over the last axis.

        The variance is the biased one: the mean of the squared deviations, divided by d. Source: Ba, Kiros, Hinton
        2016 (arXiv 1607.06450).
        """
        raise NotImplementedError("write LayerNorm.forward: see handout.md, '4.1 LayerNorm'")


class FeedForward(nn.Module):
    """Two linear layers at every position. `__init__` is given: `linear1` (d to d_ff), `linear2` (d_ff to d)."""

    def __init__(self, d_model: int, d_ff: int, activation: Activation = "relu") -> None:
        super().__init__()
        self.linear1 = nn.Linear(d_model, d_ff)
        self.linear2 = nn.Linear(d_ff, d_model)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Return linear2(f(linear1(x))), (..., d) for x (..., d): equation 2.

        f is what `self.activation` says: relu for "relu", x * Phi(x) for "gelu" (`F.gelu` as it comes), or itself where
        it is a function.
        """
        raise NotImplementedError("write FeedForward.forward: see handout.md, '4.2 FeedForward'")


class EncoderLayer(nn.Module):
    """Self-attention, then a feed-forward network, each with a residual sum and a LayerNorm. Section 3.1.

    Attributes: `self_attn` = MultiHeadAttention(d, h), `feed_forward` = FeedForward(d, d_ff, activation), `norm1` and
    `norm2` = LayerNorm(d, eps).
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        d_ff: int,
        dropout: float = 0.0,
        norm_first: bool = False,
        activation: Activation = "relu",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        raise NotImplementedError("write EncoderLayer.__init__: see handout.md, '4.3 EncoderLayer'")

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, T, d) for x (B, T, d); `mask` broadcasts to (B, h, T, T).

        post-LN (`norm_first=False`):  x = norm1(x + A(x)),  then  x = norm2(x + F(x))
        pre-LN  (`norm_first=True`):   x = x + A(norm1(x)),  then  x = x + F(norm2(x))
        A is self-attention followed by dropout, F the feed-forward network followed by dropout.
        Source of pre-LN: Xiong et al. 2020 (arXiv 2002.04745), figure 1.
        """
        raise NotImplementedError("write EncoderLayer.forward: see handout.md, '4.3 EncoderLayer'")


class DecoderLayer(nn.Module):
    """Self-attention, attention to the encoder's output (`memory`), then a feed-forward network. Section 3.1.

    Attributes: `self_attn` and `cross_attn` = MultiHeadAttention(d, h), `feed_forward` = FeedForward(d, d_ff,
    activation), `norm1`, `norm2` and `norm3` = LayerNorm(d, eps), one for each sub-layer in this order.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        d_ff: int,
        dropout: float = 0.0,
        norm_first: bool = False,
        activation: Activation = "relu",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        raise NotImplementedError("write DecoderLayer.__init__: see handout.md, '4.4 DecoderLayer'")

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor | None = None, memory_mask: Tensor | None = None
    ) -> Tensor:
        """Return (B, T, d) for x (B, T, d) and memory (B, S, d).

        `mask` is for self-attention and broadcasts to (B, h, T, T); `memory_mask` is for cross-attention and broadcasts
        to (B, h, T, S). In cross-attention the queries come from x, the keys and values from memory. The three residual
        sums and norms are as in `EncoderLayer`; the memory itself is never normalised here.
        """
        raise NotImplementedError("write DecoderLayer.forward: see handout.md, '4.4 DecoderLayer'")


# ---------------------------------------------------------------------------------------------------------------------
# 5. The whole model
# ---------------------------------------------------------------------------------------------------------------------


class TransformerEncoder(nn.Module):
    """A stack of encoder layers, and a last LayerNorm if and only if it is pre-LN.

    Attributes: `layers`, an nn.ModuleList of `num_layers` layers with weights of their own, and for pre-LN `norm` =
    LayerNorm(d, eps). A post-LN stack has no parameters but those of its layers.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        d_ff: int,
        num_layers: int,
        dropout: float = 0.0,
        norm_first: bool = False,
        activation: Activation = "relu",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        raise NotImplementedError(
            "write TransformerEncoder.__init__: see handout.md, '5.1 and 5.2 TransformerEncoder, TransformerDecoder'"
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, S, d) for x (B, S, d); every layer gets `mask`, which broadcasts to (B, h, S, S)."""
        raise NotImplementedError(
            "write TransformerEncoder.forward: see handout.md, '5.1 and 5.2 TransformerEncoder, TransformerDecoder'"
        )


class TransformerDecoder(nn.Module):
    """A stack of decoder layers; attributes as `TransformerEncoder`."""

    def __init__(
        self,
        d_model: int,
        heads: int,
        d_ff: int,
        num_layers: int,
        dropout: float = 0.0,
        norm_first: bool = False,
        activation: Activation = "relu",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        raise NotImplementedError(
            "write TransformerDecoder.__init__: see handout.md, '5.1 and 5.2 TransformerEncoder, TransformerDecoder'"
        )

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor | None = None, memory_mask: Tensor | None = None
    ) -> Tensor:
        """Return (B, T, d) for x (B, T, d) and memory (B, S, d); every layer gets the same memory and both masks."""
        raise NotImplementedError(
            "write TransformerDecoder.forward: see handout.md, '5.1 and 5.2 TransformerEncoder, TransformerDecoder'"
        )


class Transformer(nn.Module):
    """The encoder-decoder of figure 1 of the paper: source ids and target ids to scores of the next target id.

    Attributes: `d_model`; `src_embedding` and `tgt_embedding` = TokenEmbedding; `positions` = PositionalEncoding(d,
    max_len), for both sides; `encoder` = TransformerEncoder and `decoder` = TransformerDecoder, both with activation
    "relu" and eps 1e-5; `out` = nn.Linear(d, tgt_vocab). With `tie=True` the matrix of `out` *is* that of
    `tgt_embedding.embedding`, one parameter under two names (section 3.4); the bias of `out` stays its own.
    """

    def __init__(
        self,
        src_vocab: int,
        tgt_vocab: int,
        d_model: int,
        heads: int,
        d_ff: int,
        num_layers: int,
        dropout: float = 0.0,
        norm_first: bool = False,
        pad: int = 0,
        max_len: int = 128,
        tie: bool = False,
    ) -> None:
        super().__init__()
        raise NotImplementedError("write Transformer.__init__: see handout.md, '5.3 Transformer'")

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Return logits (B, T, tgt_vocab) for src (B, S) and tgt (B, T), both ids: no softmax.

        logits[b, t] belong to the token after tgt[b, t], and depend on tgt[b, :t + 1] and on the real tokens of src[b].
        Nobody attends to padding: not the encoder, not the decoder in its own sentence, not cross-attention in the
        source. Target position t sees the real ones among the positions 0 .. t.
        """
        raise NotImplementedError("write Transformer.forward: see handout.md, '5.3 Transformer'")


# ---------------------------------------------------------------------------------------------------------------------
# 6. Training and translating
# ---------------------------------------------------------------------------------------------------------------------


def shift_targets(tgt: Tensor) -> tuple[Tensor, Tensor]:
    """Split sentences tgt (B, T + 1) into what the decoder reads and what it has to predict, both (B, T).

    Read at position t is token t, to be predicted there is token t + 1: START a b END becomes START a b, and a b END.
    """
    raise NotImplementedError("write shift_targets: see handout.md, '6.1 shift_targets'")


def sequence_loss(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    """Return the mean cross-entropy, in nats per real target: a tensor of shape ().

    logits (B, T, V), targets (B, T) int64. Targets equal to `pad` (any id of the vocabulary) do not count, neither in
    the sum nor in the number that it is divided by. At least one target is real. Logits in the thousands are fine.
    """
    raise NotImplementedError("write sequence_loss: see handout.md, '6.2 sequence_loss'")


def smoothed_loss(logits: Tensor, targets: Tensor, pad: int, smoothing: float) -> Tensor:
    """Bonus (0 points): cross-entropy against smoothed targets, the mean over the real ones. Section 5.4.

    The right token has the probability 1 - smoothing; `smoothing` is spread evenly over the other V - 2 tokens, for
    `pad` is never right and gets nothing. So smoothing = 0 is `sequence_loss`, which also says what the arguments are.
    """
    raise NotImplementedError("write smoothed_loss: see handout.md, '6.3 Bonus: smoothed_loss'")


def noam_rate(step: int, d_model: int, warmup: int, factor: float = 1.0) -> float:
    """Return the learning rate of a step: it grows linearly for `warmup` steps, then falls as 1 / sqrt(step).

    rate = factor * d^(-1/2) * min(step^(-1/2), step * warmup^(-3/2)), equation 3. The first step is number 1.
    """
    raise NotImplementedError("write noam_rate: see handout.md, '6.4 noam_rate'")


def greedy_decode(model: nn.Module, src: Tensor, start: int, end: int, max_len: int, pad: int = 0) -> Tensor:
    """Translate src (B, S) word by word: the ids (B, max_len) that follow `start`, which is not among them.

    Every row begins with `start`. Each new id is the argmax of the logits `model(src, tgt)` of the last position, given
    all ids so far. A row that has written `end` is finished: all that follows in it is `pad`.
    Nothing but `end` ends a row, and no id is excluded: `start` and `pad` may be written as well.
    The model may come in training mode: translate in evaluation mode (no dropout), and without a graph. Call it as
    `model(src, tgt)` and use nothing else of it but eval() and train().
    """
    raise NotImplementedError("write greedy_decode: see handout.md, '6.5 greedy_decode'")


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    pad: int,
    warmup: int | None = None,
    factor: float = 1.0,
) -> list[float]:
    """Train `model` on every batch once, in the given order; return the loss of each batch, before its step, as floats.

    The model may come in evaluation mode: train it in training mode. A batch is (src (B, S), tgt (B, T + 1)); tgt is
    split by `shift_targets`, the model is called as `model(src, tgt_in)`, the loss is `sequence_loss` with `pad`.
    With `warmup`, step number 1, 2, ... is made with the rate `noam_rate(step, model.d_model, warmup, factor)`, in all
    the optimizer's `param_groups`; without, the optimizer keeps its own.
    """
    raise NotImplementedError("write fit: see handout.md, '6.6 fit'")
