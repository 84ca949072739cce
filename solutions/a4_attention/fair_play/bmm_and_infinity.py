"""Style: a textbook's. bmm, -inf, and rows without a key looked after by hand."""

from __future__ import annotations

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from seq2seq import Encoder, masked_ce, shift_targets


def softmax(x, dim=-1):
    m, _ = x.max(dim=dim, keepdim=True)
    e = torch.exp(x - m.detach())
    return torch.div(e, torch.sum(e, dim=dim, keepdim=True))


def dot_scores(q, k):
    one_query = q.ndim == 2
    if one_query:
        q = q.unsqueeze(1)
    scores = torch.bmm(q, k.permute(0, 2, 1))
    return scores.squeeze(1) if one_query else scores


def masked_softmax(scores, mask=None):
    if mask is None:
        return softmax(scores, dim=-1)
    if scores.ndim == 3:
        mask = mask[:, None, :].repeat(1, scores.size(1), 1)
    empty = ~mask.any(dim=-1, keepdim=True)  # rows of which nothing may be attended
    mask = mask | empty  # let them see everything for a moment
    weights = softmax(scores.masked_fill(mask.logical_not(), -math.inf), dim=-1)
    return weights.masked_fill(empty, 0.0)


def attend(q, k, v, mask=None, scale=1.0):
    weights = masked_softmax(torch.mul(dot_scores(q, k), scale), mask)
    if weights.ndim == 2:
        context = torch.bmm(weights.unsqueeze(1), v).squeeze(1)
    else:
        context = torch.bmm(weights, v)
    return context, weights


def score_variance(d, scale, n, generator=None):
    scores = []
    for _ in range(n // 1000):
        q = torch.randn(1000, d, generator=generator)
        k = torch.randn(1000, d, generator=generator)
        scores.append(scale * (q * k).sum(1))
    rest = n % 1000
    q = torch.randn(rest, d, generator=generator)
    k = torch.randn(rest, d, generator=generator)
    scores.append(scale * (q * k).sum(1))
    return torch.var(torch.cat(scores), unbiased=True)


class AdditiveAttention(nn.Module):
    def __init__(self, query_size, key_size, hidden):
        super().__init__()
        self.w_q = nn.Linear(query_size, hidden, bias=False)
        self.w_k = nn.Linear(key_size, hidden, bias=False)
        self.v = nn.Linear(hidden, 1, bias=False)

    def forward(self, q, k, v, mask=None):
        query = self.w_q(q).unsqueeze(1).repeat(1, k.size(1), 1)
        scores = self.v(torch.tanh(query + self.w_k(k))).squeeze(2)
        weights = masked_softmax(scores, mask)
        return torch.bmm(weights.unsqueeze(1), v).squeeze(1), weights


class AttnDecoder(nn.Module):
    def __init__(self, vocab, embed, hidden, dropout=0.0):
        super().__init__()
        self.hidden_size = hidden
        self.p = dropout
        self.embedding = nn.Embedding(vocab, embed)
        self.cell = nn.GRUCell(embed, hidden)
        self.attn_combine = nn.Linear(hidden * 2, hidden)
        self.out = nn.Linear(hidden, vocab)

    def step(self, y, state, enc_out, mask=None):
        embedded = self.embedding(y)
        h = self.cell(embedded, state)
        context, attn_weights = attend(q=h, k=enc_out, v=enc_out, mask=mask)
        output = torch.cat((context, h), 1)
        output = self.attn_combine(output).tanh()
        output = F.dropout(output, self.p, training=self.training)
        return self.out(output), h, attn_weights

    def forward(self, tgt_in, state, enc_out, mask=None):
        B, T = tgt_in.shape
        outputs = torch.zeros(B, T, self.out.out_features)
        attentions = torch.zeros(B, T, enc_out.shape[1])
        for t in range(T):
            out, state, w = self.step(tgt_in[:, t], state, enc_out, mask)
            outputs[:, t] = out
            attentions[:, t] = w
        return outputs, attentions


class AttnSeq2Seq(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, embed, hidden, dropout=0.0):
        super().__init__()
        self.encoder = Encoder(src_vocab, embed, hidden)
        self.decoder = AttnDecoder(tgt_vocab, embed, hidden, dropout=dropout)

    def encode(self, src, lengths):
        enc_out, hidden = self.encoder(src, lengths)
        mask = torch.zeros(src.shape, dtype=torch.bool)
        for i, n in enumerate(lengths.tolist()):
            mask[i, :n] = True
        return enc_out, hidden[0], mask

    def forward(self, src, lengths, tgt_in):
        enc_out, hidden, mask = self.encode(src, lengths)
        logits, attentions = self.decoder(tgt_in, hidden, enc_out, mask)
        return logits, attentions


def fit(model, batches, optimizer, max_norm=None):
    losses = []
    for batch in batches:
        model.train()
        src, lengths, tgt = batch
        optimizer.zero_grad()
        decoder_input, target = shift_targets(tgt)
        logits, _ = model(src, lengths, decoder_input)
        loss = masked_ce(logits, target)
        loss.backward()
        if max_norm:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=max_norm)
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    return losses


def translate(model, src, lengths, max_len):
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        enc_out, hidden, mask = model.encode(src, lengths)
        token = torch.LongTensor([1] * len(src))
        out_ids, out_attn = [], []
        done = [False] * len(src)
        for _ in range(max_len):
            logits, hidden, w = model.decoder.step(token, hidden, enc_out, mask)
            token = logits.argmax(-1)
            for i in range(len(src)):
                if done[i]:
                    token[i] = 0
                elif token[i] == 2:
                    done[i] = True
            out_ids.append(token.clone())
            out_attn.append(w)
    if was_training:
        model.train()
    return torch.stack(out_ids, dim=1).clone(), torch.stack(out_attn, dim=1).clone()


def attention_map(weights, src, ids, src_tokens, tgt_tokens):
    out = ids.tolist()
    for stop in (2, 0):
        if stop in out:
            out = out[: out.index(stop)]
    source = [i for i in src.tolist() if i != 0]
    picture = weights.detach().clone()[: len(out)][:, : len(source)]
    return picture, [tgt_tokens[i] for i in out], [src_tokens[i] for i in source]
