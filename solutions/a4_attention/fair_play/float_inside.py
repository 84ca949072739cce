"""Style: somebody's who was bitten by half precision. Softmaxes run in float32, whatever comes in; the rest follows."""

from __future__ import annotations

import torch
from seq2seq import Encoder, masked_ce, shift_targets
from torch import nn

NEG = -1e9


def softmax(x, dim=-1):
    y = x.float()
    y = torch.exp(y - y.amax(dim, keepdim=True))
    return (y / y.sum(dim, keepdim=True)).type_as(x)


def dot_scores(q, k):
    return (k * q.unsqueeze(1)).sum(-1) if q.dim() == 2 else q.matmul(k.transpose(-2, -1))


def masked_softmax(scores, mask=None):
    if mask is None:
        return softmax(scores)
    m = mask if scores.dim() == 2 else mask.unsqueeze(1)
    return softmax(scores.float().masked_fill(m == 0, NEG)).type_as(scores) * m


def attend(q, k, v, mask=None, scale=1.0):
    w = masked_softmax(dot_scores(q, k) * scale, mask)
    return ((w.unsqueeze(1) @ v).squeeze(1) if q.dim() == 2 else w @ v), w


def score_variance(d, scale, n, generator=None):
    q, k = torch.randn(n, d, generator=generator), torch.randn(n, d, generator=generator)
    return torch.var(scale * torch.sum(q * k, -1))


class AdditiveAttention(nn.Module):
    def __init__(self, query_size, key_size, hidden):
        super().__init__()
        self.w_q = nn.Linear(query_size, hidden, bias=False)
        self.w_k = nn.Linear(key_size, hidden, bias=False)
        self.v = nn.Linear(hidden, 1, bias=False)

    def forward(self, q, k, v, mask=None):
        w = masked_softmax(self.v(torch.tanh(self.w_q(q).unsqueeze(1) + self.w_k(k))).squeeze(-1), mask)
        return (w.unsqueeze(1) @ v).squeeze(1), w


class AttnDecoder(nn.Module):
    def __init__(self, vocab, embed, hidden, dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.cell = nn.GRUCell(embed, hidden)
        self.attn_combine = nn.Linear(2 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, vocab)

    def step(self, y, state, enc_out, mask=None):
        state = self.cell(self.embedding(y), state)
        context, weights = attend(state, enc_out, enc_out, mask)
        return self.out(self.dropout(self.attn_combine(torch.hstack([context, state])).tanh())), state, weights

    def forward(self, tgt_in, state, enc_out, mask=None):
        logits, weights = [], []
        for t in range(tgt_in.size(1)):
            l, state, w = self.step(tgt_in[:, t], state, enc_out, mask)
            logits.append(l)
            weights.append(w)
        return torch.stack(logits, 1), torch.stack(weights, 1)


class AttnSeq2Seq(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, embed, hidden, dropout=0.0):
        super().__init__()
        self.encoder = Encoder(src_vocab, embed, hidden)
        self.decoder = AttnDecoder(tgt_vocab, embed, hidden, dropout)

    def encode(self, src, lengths):
        enc_out, h_n = self.encoder(src, lengths)
        return enc_out, h_n[0], torch.arange(src.size(1)).unsqueeze(0) < lengths.unsqueeze(1)

    def forward(self, src, lengths, tgt_in):
        enc_out, h, mask = self.encode(src, lengths)
        return self.decoder(tgt_in, h, enc_out, mask)


def fit(model, batches, optimizer, max_norm=None):
    model.train()
    out = []
    for src, lengths, tgt in batches:
        optimizer.zero_grad()
        a, b = shift_targets(tgt)
        loss = masked_ce(model(src, lengths, a)[0], b)
        loss.backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        out.append(loss.item())
    return out


@torch.no_grad()
def translate(model, src, lengths, max_len):
    enc_out, h, mask = model.encode(src, lengths)
    y = torch.full((src.size(0),), 1, dtype=torch.long, device=src.device)
    fin = torch.zeros_like(y).bool()
    ids, ws = [], []
    for _ in range(max_len):
        logits, h, w = model.decoder.step(y, h, enc_out, mask)
        y = torch.where(fin, torch.zeros_like(y), logits.argmax(-1))
        fin = fin | y.eq(2)
        ids.append(y)
        ws.append(w)
        if bool(fin.all()):
            break
    return torch.stack(ids, 1), torch.stack(ws, 1)


def attention_map(weights, src, ids, src_tokens, tgt_tokens):
    rows, cols = [], [src_tokens[i] for i in src.tolist() if i]
    for i in ids.tolist():
        if i in {0, 2}:
            break
        rows.append(tgt_tokens[i])
    return weights.detach()[: len(rows), : len(cols)], rows, cols
