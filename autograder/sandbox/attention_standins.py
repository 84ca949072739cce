"""Stand-ins of the assignment on attention: torch's softmax, scaled dot-product attention and GRU, under its names.

See `standins.py`, which has those of all assignments together. Shapes: B batch, T queries, S keys, H hidden, V
vocabulary, d size of a query. Masks are boolean, True = may be attended; a row that may attend nothing gets zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.sandbox.seq2seq_standins import Encoder


def softmax(x: Tensor, dim: int = -1) -> Tensor:
    """torch.softmax."""
    return torch.softmax(x, dim)


def dot_scores(q: Tensor, k: Tensor) -> Tensor:
    """Dot products (B, T, S) of q (B, T, d) with k (B, S, d); (B, S) for q (B, d)."""
    return torch.einsum("b...d,bsd->b...s", q, k)


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Weights, as large as scores (B, S) or (B, T, S), of keys with a mask (B, S)."""
    one_hot = torch.eye(scores.shape[-1], dtype=scores.dtype, device=scores.device).expand(len(scores), -1, -1)
    # queries that are the scores, keys that are one-hot vectors: the dot products are the scores
    return attend(scores, one_hot, one_hot, mask)[1]


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Context (B, T, d) and weights (B, T, S); (B, d) and (B, S) for a query (B, d). `mask` (B, S) or (B, T, S)."""
    alone = q.dim() < k.dim()
    queries = q.unsqueeze(-2) if alone else q
    if mask is not None and mask.dim() == k.dim() - 1 and mask.shape == k.shape[:-1]:
        mask = mask.unsqueeze(-2)
    elif mask is not None and alone:
        raise ValueError(f"the mask of one query (B, d) must have the keys' shape {tuple(k.shape[:-1])}")
    one_hot = torch.eye(k.shape[-2], dtype=v.dtype, device=v.device).expand(*k.shape[:-1], -1)
    # attention to values that are one-hot vectors gives the weights themselves
    both = [F.scaled_dot_product_attention(queries, k, values, mask, scale=scale) for values in (v, one_hot)]
    context, weights = [each.squeeze(-2) for each in both] if alone else both
    return context, weights


class AttnDecoder(nn.Module):
    """torch's GRU and attention with the course's names: embedding, cell, attn_combine, out."""

    def __init__(self, vocab: int, embed: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding, self.cell = nn.Embedding(vocab, embed), nn.GRUCell(embed, hidden)
        self.attn_combine, self.out = nn.Linear(2 * hidden, hidden), nn.Linear(hidden, vocab)
        self.dropout = nn.Dropout(dropout)

    def _run(self, ids: Tensor, state: Tensor, enc_out: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, T, V), states (B, T, H) and weights (B, T, S) for ids (B, T)."""
        weights = list[Tensor](self.cell.parameters())
        options = (True, 1, 0.0, True, False, True)  # in training mode, without which cuDNN has no gradients
        h, _ = torch.gru(self.embedding(ids), state[None], weights, *options)
        both = attend(h, enc_out, enc_out, mask)
        return self.out(self.dropout(self.attn_combine(torch.cat((both[0], h), 2)).tanh())), h, both[1]

    def step(
        self, y: Tensor, state: Tensor, enc_out: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, V), next state (B, H), weights (B, S) for one token y (B,)."""
        logits, h, weights = (each[:, 0] for each in self._run(y[:, None], state, enc_out, mask))
        return logits, h, weights

    def forward(
        self, tgt_in: Tensor, state: Tensor, enc_out: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, T, V) and weights (B, T, S) for the tokens tgt_in (B, T)."""
        return self._run(tgt_in, state, enc_out, mask)[::2]


class AttnSeq2Seq(nn.Module):
    """The stand-ins for Encoder and AttnDecoder as one model."""

    def __init__(self, src_vocab: int, tgt_vocab: int, embed: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(src_vocab, embed, hidden), AttnDecoder(tgt_vocab, embed, hidden, dropout)

    def encode(self, src: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States (B, S, H), the last one (B, H), and the mask (B, S)."""
        read = self.encoder(src, lengths)
        places = torch.arange(src.size(-1)).to(src.device)
        return read[0], read[1][0], lengths.to(src.device).unsqueeze(1) > places

    def forward(self, src: Tensor, lengths: Tensor, tgt_in: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, T, V) and weights (B, T, S)."""
        states, last, real = self.encode(src, lengths)
        both: tuple[Tensor, Tensor] = self.decoder(tgt_in, last, enc_out=states, mask=real)
        return both


ATTENTION_STAND_INS: tuple[Callable[..., Any], ...] = (
    softmax, dot_scores, masked_softmax, attend, AttnDecoder, AttnSeq2Seq,
)  # fmt: skip
