"""Assignment 4: attention, which looks back at the source before it writes a token.

Work from top to bottom: no part needs a part below it, and every part has checks of its own. Use an earlier part by
its name (`attend(...)`, not a copy of it): where it is wrong, the grader puts a right one in its place before it looks
at the parts that call it, so that one mistake costs its points once. The same holds for what you import from your
seq2seq.py of assignment 3.

Shapes: B batch, S source length, T target length, E embedding size, H hidden size, D size of a value, V vocabulary.

Choices of this course (other books choose otherwise; these are graded):
    layout       batch first: (B, S) and (B, S, features); the decoder's state is (B, H)
    ids          PAD = 0, SOS = 1, EOS = 2, as in assignment 3; the same for all
    masks        boolean, True = a real token, which may be attended
    no token     a row of scores of which nothing may be attended gets zeros: weights and context
    scores       the plain dot product; a scale is an argument, 1.0 unless it is given
    query        h_t, the decoder's state after the cell of this step (Luong; Bahdanau takes the one before)
    keys, values the encoder's states at all places, both the same in the model; `attend` takes them apart
    order        attn_combine reads the context first, then the state: [context; h_t]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from seq2seq import Encoder, masked_ce, shift_targets
from torch import Tensor, nn

PAD, SOS, EOS = 0, 1, 2
"""Padding, start of sequence, end of sequence."""

# ---------------------------------------------------------------------------------------------------------------------
# 1. Attention
# ---------------------------------------------------------------------------------------------------------------------


def softmax(x: Tensor, dim: int = -1) -> Tensor:
    """Return exp(x) divided by its sum along `dim`: as large as x, positive, summing to 1 along `dim`.

    x is any floating-point tensor. Entries in the tens of thousands, positive or negative, do not overflow: the largest
    entry along `dim` may be subtracted first, since that changes nothing. An entry of -inf gets 0, as long as another
    one along `dim` is finite.
    """
    raise NotImplementedError("write softmax: see handout.md, '1.1 softmax'")


def dot_scores(q: Tensor, k: Tensor) -> Tensor:
    """Return the dot product of every query with every key of its row of the batch, unscaled.

    One query each: q (B, H), k (B, S, H) -> (B, S). Many: q (B, T, H), k (B, S, H) -> (B, T, S).
    Source: Luong, Pham, Manning 2015, equation 8 (dot).
    """
    raise NotImplementedError("write dot_scores: see handout.md, '1.2 dot_scores'")


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the softmax of the scores over the keys (the last axis), as if keys that are masked did not exist.

    scores (B, S) or (B, T, S); mask (B, S) bool, True = may be attended, the same for all T queries; None: all may.
    Masked keys get exactly 0, whatever their scores are and whatever those of the others are. A row without any key
    that may be attended gets zeros, and gradients of zeros: no NaN. `scores` itself is not changed.
    """
    raise NotImplementedError("write masked_softmax: see handout.md, '1.3 masked_softmax'")


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return (context, weights): for every query the mean of the values, weighted by how well their keys fit it.

    weights = masked_softmax(scale * dot_scores(q, k), mask), context = sum over s of weights[s] * v[s].
    q (B, H): context (B, D), weights (B, S). q (B, T, H): context (B, T, D), weights (B, T, S).
    k (B, S, H), v (B, S, D), mask (B, S) as in `masked_softmax`.
    Sources: Luong, Pham, Manning 2015, section 3.1; the scale: Vaswani et al. 2017, equation 1.
    """
    raise NotImplementedError("write attend: see handout.md, '1.4 attend'")


def score_variance(d: int, scale: float, n: int, generator: torch.Generator | None = None) -> Tensor:
    """Measure how large scores get: the variance of n scores scale * (q . k), a tensor of shape ().

    Each score has a query and a key of its own, both of size d, with independent entries from the standard normal
    distribution, all drawn from `generator`. The variance is the mean squared deviation from the mean, divided by n or
    by n - 1.
    """
    raise NotImplementedError("write score_variance: see handout.md, '1.5 score_variance'")


class AdditiveAttention(nn.Module):
    """Bonus (0 points): attention whose scores are computed by a small network, e = v . tanh(W_q q + W_k k).

    Source: Bahdanau, Cho, Bengio 2015, section 3.1 and appendix A.1.2.
    """

    def __init__(self, query_size: int, key_size: int, hidden: int) -> None:
        super().__init__()
        self.w_q = nn.Linear(query_size, hidden, bias=False)
        self.w_k = nn.Linear(key_size, hidden, bias=False)
        self.v = nn.Linear(hidden, 1, bias=False)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (context (B, D), weights (B, S)) for one query each.

        q (B, query_size), k (B, S, key_size), v (B, S, D), mask (B, S) as in `masked_softmax`.
        """
        raise NotImplementedError("write AdditiveAttention.forward: see handout.md, '1.6 Bonus: AdditiveAttention'")


# ---------------------------------------------------------------------------------------------------------------------
# 2. A decoder that attends
# ---------------------------------------------------------------------------------------------------------------------


class AttnDecoder(nn.Module):
    """Write a target, one token after the other, and look at the source before each.

    Attributes: `embedding` = nn.Embedding(V, E), `cell` = nn.GRUCell(E, H), `attn_combine` = nn.Linear(2 H, H),
    `dropout` = nn.Dropout(dropout), `out` = nn.Linear(H, V). V is the vocabulary of the targets.
    """

    def __init__(self, vocab: int, embed: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        raise NotImplementedError("write AttnDecoder.__init__: see handout.md, '2.1 AttnDecoder.step'")

    def step(
        self, y: Tensor, state: Tensor, enc_out: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Read one token of each row, y (B,) int64; return (logits (B, V), the next state (B, H), weights (B, S)).

        h_t = cell(embedding(y), state): the next state, and the query. Keys and values are enc_out (B, S, H), unscaled.
        h~_t = tanh(attn_combine([context; h_t])), logits = out(dropout(h~_t)): the scores of the token that follows y,
        no softmax. Dropout is active in training mode only.
        Source: Luong, Pham, Manning 2015, equations 5 and 6.
        """
        raise NotImplementedError("write AttnDecoder.step: see handout.md, '2.1 AttnDecoder.step'")

    def forward(
        self, tgt_in: Tensor, state: Tensor, enc_out: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Read the given tokens tgt_in (B, T) from `state` (B, H) on: (logits (B, T, V), weights (B, T, S)).

        The same numbers as T calls of `step`, each with the state of the one before (teacher forcing). Call `step`, or
        run the cell over all places first and attend with all T queries at once: both are right.
        """
        raise NotImplementedError("write AttnDecoder.forward: see handout.md, '2.2 AttnDecoder.forward'")


class AttnSeq2Seq(nn.Module):
    """An encoder, and a decoder that starts in its final state and attends to all its states.

    Attributes: `encoder` = Encoder(src_vocab, embed, hidden) of assignment 3 (one layer, kind "gru"),
    `decoder` = AttnDecoder(tgt_vocab, embed, hidden, dropout).
    """

    def __init__(self, src_vocab: int, tgt_vocab: int, embed: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        raise NotImplementedError("write AttnSeq2Seq.__init__: see handout.md, '2.3 AttnSeq2Seq'")

    def encode(self, src: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (enc_out (B, S, H), state (B, H), mask (B, S)): all that the decoder needs of the sources.

        src (B, S) and lengths (B,), both int64; row b is real at places 0 .. lengths[b] - 1, whatever ids stand there
        or behind: there the mask is True. The encoder's final state is (1, B, H); the decoder's is (B, H).
        """
        raise NotImplementedError("write AttnSeq2Seq.encode: see handout.md, '2.3 AttnSeq2Seq'")

    def forward(self, src: Tensor, lengths: Tensor, tgt_in: Tensor) -> tuple[Tensor, Tensor]:
        """Return (logits (B, T, V), weights (B, T, S)) for sources src (B, S) and true tokens tgt_in (B, T), SOS first.

        Padded places of a source get weight 0.
        """
        raise NotImplementedError("write AttnSeq2Seq.forward: see handout.md, '2.3 AttnSeq2Seq'")


# ---------------------------------------------------------------------------------------------------------------------
# 3. Training, translating, looking
# ---------------------------------------------------------------------------------------------------------------------


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    max_norm: float | None = None,
) -> list[float]:
    """Train `model` on every batch once, in the given order; return the loss of each batch, before its step, as floats.

    The model may come in evaluation mode: train it in training mode. A batch is (src (B, S), lengths (B,), tgt (B, T)),
    a tuple or a list, a target being SOS y1 .. yn EOS PAD ... `model(src, lengths, tgt_in)` returns the logits, or a
    tuple that begins with them. The loss is `masked_ce` of what the model predicts behind each token that it reads.
    With `max_norm`, the gradients of all parameters together are clipped to this norm before the step
    (torch.nn.utils.clip_grad_norm_ may do it).
    """
    raise NotImplementedError("write fit: see handout.md, '3.1 fit'")


def translate(model: AttnSeq2Seq, src: Tensor, lengths: Tensor, max_len: int) -> tuple[Tensor, Tensor]:
    """Translate src (B, S): return the ids (B, max_len), int64, that the model writes after SOS, and its attention.

    The next token is the argmax of the logits over all V ids. A row ends with its first EOS, which is part of the
    result; PAD follows it. attention (B, max_len, S) holds the weights with which each id was written; behind the end
    of a row it is left open. (Fewer columns are right, too, where every row has ended by then, and so is EOS again and
    again in place of PAD.) Neither result carries a graph.
    """
    raise NotImplementedError("write translate: see handout.md, '3.2 translate'")


def attention_map(
    weights: Tensor, src: Tensor, ids: Tensor, src_tokens: Sequence[str], tgt_tokens: Sequence[str]
) -> tuple[Tensor, list[str], list[str]]:
    """Make one translation ready to be drawn: (weights (t, s), row labels, column labels), real tokens alone.

    weights (T, S) and ids (T,) are one row of what `translate` returns, src (S,) is its source, padded with PAD at the
    end; the text of source id i is src_tokens[i], that of target id i is tgt_tokens[i].
    A row is one written token: those before the first EOS or PAD remain. A column is one token of the source: those
    before the padding. `weights` may carry a graph, the result does not: a picture needs no gradients.
    """
    raise NotImplementedError("write attention_map: see handout.md, '3.3 attention_map'")
