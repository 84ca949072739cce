"""Style: a Transformer user's. Additive float masks, addmm and baddbmm, scaled queries, functional dropout."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from seq2seq import Encoder, masked_ce, shift_targets
from torch import Tensor, nn


def softmax(x: Tensor, dim: int = -1) -> Tensor:
    return (x - x.logsumexp(dim, keepdim=True)).exp()


def dot_scores(q: Tensor, k: Tensor) -> Tensor:
    if q.dim() == 2:
        return torch.baddbmm(q.new_zeros(len(q), 1, k.shape[1]), q[:, None], k.mT)[:, 0]
    return torch.baddbmm(q.new_zeros(len(q), q.shape[1], k.shape[1]), q, k.mT)


def as_bias(mask: Tensor, like: Tensor) -> Tensor:
    """0 where a key may be attended, else a number that no score survives."""
    bias = torch.zeros(mask.shape, dtype=like.dtype, device=like.device)
    return bias.masked_fill(~mask, torch.finfo(like.dtype).min / 2)


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    if mask is None:
        return F.softmax(scores, dim=-1)
    if scores.dim() == 3:
        mask = mask[:, None]
    weights = F.softmax(scores + as_bias(mask, scores), dim=-1)
    return torch.where(mask.expand_as(weights), weights, 0.0)


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, scale: float = 1.0
) -> tuple[Tensor, Tensor]:
    single = q.dim() == 2
    weights = masked_softmax(dot_scores((q[:, None] if single else q) * scale, k), mask)
    context = torch.einsum("bts,bsd->btd", weights, v)
    return (context[:, 0], weights[:, 0]) if single else (context, weights)


def score_variance(d: int, scale: float, n: int, generator: torch.Generator | None = None) -> float:
    pairs = torch.empty(n, 2, d).normal_(generator=generator)
    return (pairs[:, 0].mul(pairs[:, 1]).sum(-1) * scale).var(unbiased=False).item()


class AdditiveAttention(nn.Module):
    def __init__(self, query_size: int, key_size: int, hidden: int) -> None:
        super().__init__()
        self.w_q = nn.Linear(query_size, hidden, bias=False)
        self.w_k = nn.Linear(key_size, hidden, bias=False)
        self.v = nn.Linear(hidden, 1, bias=False)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        energy = torch.tanh(self.w_k(k) + self.w_q(q)[:, None])
        weights = masked_softmax((energy @ self.v.weight.T)[..., 0], mask)
        return torch.einsum("bs,bsd->bd", weights, v), weights


class AttnDecoder(nn.Module):
    def __init__(self, vocab: int, embed: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.embedding = nn.Embedding(vocab, embed, padding_idx=0)
        self.cell = nn.GRUCell(embed, hidden)
        self.attn_combine = nn.Linear(2 * hidden, hidden)
        self.out = nn.Linear(hidden, vocab)
        self.register_buffer("positions", torch.arange(512), persistent=False)

    def head(self, context: Tensor, state: Tensor) -> Tensor:
        h = F.linear(torch.cat([context, state], dim=-1), self.attn_combine.weight, self.attn_combine.bias).tanh()
        return self.out(F.dropout(h, self.dropout, self.training))

    def step(self, y: Tensor, state: Tensor, enc_out: Tensor, mask: Tensor | None = None):
        logits, weights, state = self.run(y[:, None], state, enc_out, mask)
        return logits[:, 0], state, weights[:, 0]

    def run(self, ids: Tensor, state: Tensor, enc_out: Tensor, mask: Tensor | None):
        # F.embedding by hand: a padding_idx would leave row 0 without a gradient
        states = []
        for x in self.embedding.weight[ids].unbind(1):
            state = self.cell(x, state)
            states.append(state)
        queries = torch.stack(states, dim=1)
        context, weights = attend(queries, enc_out, enc_out, mask)
        return self.head(context, queries), weights, state

    def forward(self, tgt_in: Tensor, state: Tensor, enc_out: Tensor, mask: Tensor | None = None):
        return self.run(tgt_in, state, enc_out, mask)[:2]


class AttnSeq2Seq(nn.Module):
    def __init__(self, src_vocab: int, tgt_vocab: int, embed: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = Encoder(src_vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0)
        self.decoder = AttnDecoder(tgt_vocab, embed, hidden, dropout)

    def encode(self, src: Tensor, lengths: Tensor):
        enc_out, h = self.encoder(src, lengths)
        return enc_out, h[-1], torch.arange(src.shape[1]).repeat(len(src), 1) < lengths.reshape(-1, 1)

    def forward(self, src: Tensor, lengths: Tensor, tgt_in: Tensor):
        enc_out, state, mask = self.encode(src, lengths)
        return self.decoder(tgt_in, state, enc_out, mask)


def fit(model, batches, optimizer, max_norm=None):
    model.train()
    losses = []
    for src, lengths, tgt in batches:
        tgt_in, tgt_out = shift_targets(tgt)
        loss = masked_ce(model(src, lengths, tgt_in)[0], tgt_out)
        gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = gradient
        torch.nn.utils.clip_grad_norm_(model.parameters(), float("inf") if max_norm is None else max_norm)
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def translate(model, src, lengths, max_len):
    with torch.no_grad():
        enc_out, state, mask = model.encode(src, lengths)
        ids = src.new_zeros(len(src), max_len)
        attention = enc_out.new_zeros(len(src), max_len, src.shape[1])
        y, going = src.new_ones(len(src)), src.new_ones(len(src)).bool()
        for t in range(max_len):
            logits, state, attention[:, t] = model.decoder.step(y, state, enc_out, mask)
            y = logits.argmax(-1) * going
            ids[:, t] = y
            going &= y != 2
    return ids, attention.detach()


def attention_map(weights, src, ids, src_tokens, tgt_tokens):
    t = next((place for place, i in enumerate(ids.tolist()) if i in (0, 2)), len(ids))
    s = int(src.count_nonzero())
    return (
        weights.detach().clone()[:t, :s],
        list(map(tgt_tokens.__getitem__, ids.tolist()[:t])),
        list(map(src_tokens.__getitem__, src.tolist()[:s])),
    )
