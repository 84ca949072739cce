"""Style: a physicist's. Everything is an einsum, one-query calls are many-query calls with T = 1."""

from __future__ import annotations

import torch
from seq2seq import Encoder, masked_ce, shift_targets
from torch import Tensor, nn

PAD, SOS, EOS = 0, 1, 2


def softmax(x, dim=-1):
    z = torch.exp(x - torch.max(x, dim=dim, keepdim=True).values)
    return z / z.sum(dim, keepdim=True)


def dot_scores(q, k):
    return torch.einsum("b...h,bsh->b...s", q, k)


def masked_softmax(scores, mask=None):
    if mask is None:
        mask = torch.ones(scores.shape[0], scores.shape[-1], dtype=torch.bool, device=scores.device)
    mask = mask.view(mask.shape[0], *[1] * (scores.dim() - 2), mask.shape[1]).expand_as(scores)
    top = torch.where(mask, scores, torch.full_like(scores, -torch.inf)).amax(-1, keepdim=True)
    top = torch.where(torch.isfinite(top), top, torch.zeros_like(top))
    z = torch.where(mask, torch.exp(torch.where(mask, scores - top, torch.zeros_like(scores))), torch.zeros_like(scores))
    total = z.sum(-1, keepdim=True)
    return z / torch.where(total > 0, total, torch.ones_like(total))


def attend(q, k, v, mask=None, scale=1.0):
    a = masked_softmax(dot_scores(scale * q, k), mask)
    return torch.einsum("b...s,bsd->b...d", a, v), a


def score_variance(d, scale, n, generator=None):
    q = torch.randn((n, d), generator=generator)
    k = torch.randn((n, d), generator=generator)
    s = scale * torch.einsum("nd,nd->n", q, k)
    return ((s - s.mean()) ** 2).mean()


class AdditiveAttention(nn.Module):
    def __init__(self, query_size, key_size, hidden):
        super().__init__()
        self.w_q = nn.Linear(query_size, hidden, bias=False)
        self.w_k = nn.Linear(key_size, hidden, bias=False)
        self.v = nn.Linear(hidden, 1, bias=False)

    def forward(self, q, k, v, mask=None):
        e = torch.tanh(torch.einsum("bi,hi->bh", q, self.w_q.weight)[:, None] + torch.einsum("bsi,hi->bsh", k, self.w_k.weight))
        a = masked_softmax(torch.einsum("bsh,oh->bs", e, self.v.weight), mask)
        return torch.einsum("bs,bsd->bd", a, v), a


class AttnDecoder(nn.Module):
    def __init__(self, vocab, embed, hidden, dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.cell = nn.GRUCell(embed, hidden)
        self.attn_combine = nn.Linear(2 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, vocab)

    def step(self, y, state, enc_out, mask=None):
        h = self.cell(self.embedding(y), state)
        c, a = attend(h, enc_out, enc_out, mask)
        w_c, w_h = self.attn_combine.weight.chunk(2, dim=1)
        z = torch.tanh(
            torch.einsum("bh,oh->bo", c, w_c) + torch.einsum("bh,oh->bo", h, w_h) + self.attn_combine.bias
        )
        return torch.einsum("bh,vh->bv", self.dropout(z), self.out.weight) + self.out.bias, h, a

    def forward(self, tgt_in, state, enc_out, mask=None):
        logits, attention = [], []
        for t in range(tgt_in.size(1)):
            scores, state, a = self.step(tgt_in[:, t], state, enc_out, mask)
            logits.append(scores)
            attention.append(a)
        return torch.stack(logits, 1), torch.stack(attention, 1)


class AttnSeq2Seq(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, embed, hidden, dropout=0.0):
        super().__init__()
        self.encoder = Encoder(src_vocab, embed, hidden)
        self.decoder = AttnDecoder(tgt_vocab, embed, hidden, dropout)

    def encode(self, src, lengths):
        states, last = self.encoder(src, lengths)
        places = torch.arange(src.size(1)).expand(src.size(0), -1)
        return states, last.squeeze(0), places.lt(lengths.unsqueeze(1))

    def forward(self, src, lengths, tgt_in):
        states, last, mask = self.encode(src, lengths)
        return self.decoder(tgt_in, last, states, mask)


def fit(model, batches, optimizer, max_norm=None):
    model.train()
    history = []
    for src, lengths, tgt in batches:
        x, y = shift_targets(tgt)
        loss = masked_ce(model(src, lengths, x)[0], y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(list(model.parameters()), max_norm)
        optimizer.step()
        history.append(float(loss))
    return history


@torch.no_grad()
def translate(model, src, lengths, max_len):
    states, h, mask = model.encode(src, lengths)
    y = torch.ones(src.size(0), dtype=torch.long)
    alive = torch.ones(src.size(0), dtype=torch.bool)
    ids: list[Tensor] = []
    maps: list[Tensor] = []
    while len(ids) < max_len and alive.any():
        logits, h, a = model.decoder.step(y, h, states, mask)
        y = torch.where(alive, logits.argmax(1), torch.zeros_like(y))
        alive = alive & (y != EOS)
        ids.append(y)
        maps.append(a)
    return torch.stack(ids, 1), torch.stack(maps, 1)


def attention_map(weights, src, ids, src_tokens, tgt_tokens):
    rows = []
    for i in ids.tolist():
        if i in (PAD, EOS):
            break
        rows.append(tgt_tokens[i])
    columns = [src_tokens[i] for i in src.tolist() if i != PAD]
    return weights.detach()[: len(rows), : len(columns)], rows, columns
