"""Style: numpy's. No matrix products, only broadcasting, products and sums; the target is read by nn.GRUCell at once."""

from typing import List, Tuple

import numpy as np
import torch
from torch import nn

import seq2seq


def softmax(x: torch.Tensor, dim: int = -1) -> torch.Tensor:
    x = x - x.amax(dim, True)
    return x.exp() * x.exp().sum(dim, True).reciprocal()


def dot_scores(q, k):
    if q.dim() == 2:
        return (q[:, None, :] * k).sum(2)
    return (q[:, :, None, :] * k[:, None, :, :]).sum(3)


def masked_softmax(scores, mask=None):
    if mask is None:
        return softmax(scores)
    keep = mask if scores.dim() == 2 else mask[:, None]
    x = torch.where(keep, scores, scores.new_full((), -1e30))
    x = softmax(x) * keep.to(scores.dtype)
    return x


def attend(q, k, v, mask=None, scale=1.0):
    w = masked_softmax(dot_scores(q, k) * scale, mask)
    return (w[..., None] * (v if w.dim() == 2 else v[:, None])).sum(-2), w


def score_variance(d, scale, n, generator=None):
    both = torch.randn(2, n, d, generator=generator)
    scores = scale * both.prod(0).sum(1)
    return torch.tensor(np.var(scores.numpy()))


class AdditiveAttention(nn.Module):
    def __init__(self, query_size, key_size, hidden):
        super().__init__()
        self.w_q = nn.Linear(query_size, hidden, bias=False)
        self.w_k = nn.Linear(key_size, hidden, bias=False)
        self.v = nn.Linear(hidden, 1, bias=False)

    def forward(self, q, k, v, mask=None):
        e = (self.v.weight[0] * (self.w_q(q)[:, None] + self.w_k(k)).tanh()).sum(-1)
        w = masked_softmax(e, mask)
        return (w[..., None] * v).sum(1), w


class AttnDecoder(nn.Module):
    def __init__(self, vocab: int, embed: int, hidden: int, dropout: float = 0.0):
        super(AttnDecoder, self).__init__()
        self.out = nn.Linear(hidden, vocab)
        self.dropout = nn.Dropout(dropout)
        self.attn_combine = nn.Linear(2 * hidden, hidden)
        self.cell = nn.GRUCell(embed, hidden)
        self.embedding = nn.Embedding(vocab, embed)

    def predict(self, h, enc_out, mask):
        c, w = attend(h, enc_out, enc_out, mask)
        return self.out(self.dropout(torch.tanh(self.attn_combine(torch.cat([c, h], -1))))), w

    def step(self, y, state, enc_out, mask=None):
        h = self.cell(self.embedding(y), state)
        logits, w = self.predict(h, enc_out, mask)
        return logits, h, w

    def forward(self, tgt_in, state, enc_out, mask=None):
        h: List[torch.Tensor] = [state]
        for t in range(tgt_in.shape[1]):
            h += [self.cell(self.embedding(tgt_in[:, t]), h[-1])]
        return self.predict(torch.stack(h[1:], 1), enc_out, mask)


class AttnSeq2Seq(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, embed, hidden, dropout=0.0):
        super().__init__()
        self.decoder = AttnDecoder(tgt_vocab, embed, hidden, dropout)
        self.encoder = seq2seq.Encoder(src_vocab, embed, hidden)

    def encode(self, src, lengths) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        enc_out, h_n = self.encoder(src, lengths)
        return enc_out, h_n.view(h_n.shape[1], h_n.shape[2]), (torch.cumsum(torch.ones_like(src), 1) <= lengths[:, None])

    def forward(self, src, lengths, tgt_in):
        enc_out, h, mask = self.encode(src, lengths)
        return self.decoder(tgt_in, h, enc_out, mask)


def fit(model, batches, optimizer, max_norm=None):
    model.train(True)

    def one(batch):
        src, lengths, tgt = batch
        for p in model.parameters():
            p.grad = None
        x, y = seq2seq.shift_targets(tgt)
        loss = seq2seq.masked_ce(model(src, lengths, x)[0], y, 0)
        loss.backward()
        if max_norm is not None:
            total = torch.sqrt(sum((p.grad**2).sum() for p in model.parameters() if p.grad is not None))
            factor = min(1.0, max_norm / (float(total) + 1e-6))
            for p in model.parameters():
                if p.grad is not None:
                    p.grad *= factor
        optimizer.step()
        return loss.detach().numpy().item()

    return [one(batch) for batch in batches]


def translate(model, src, lengths, max_len):
    with torch.no_grad():
        enc_out, h, mask = model.encode(src, lengths)
        y, ids, ws = torch.full((len(src),), 1), np.zeros((len(src), max_len), dtype=np.int64), []
        over = np.zeros(len(src), dtype=bool)
        for t in range(max_len):
            logits, h, w = model.decoder.step(y, h, enc_out, mask)
            y = logits.max(1)[1]
            ids[:, t] = np.where(over, 0, y.numpy())
            over |= ids[:, t] == 2
            ws.append(w)
        return torch.from_numpy(ids), torch.stack(ws, 1)


def attention_map(weights, src, ids, src_tokens, tgt_tokens):
    keep_r = torch.cumsum(((ids == 2) | (ids == 0)).long(), 0) == 0
    keep_c = src.bool()
    w = weights.data[keep_r][:, keep_c]
    return w, [tgt_tokens[int(i)] for i in ids[keep_r]], [src_tokens[int(i)] for i in src[keep_c]]
