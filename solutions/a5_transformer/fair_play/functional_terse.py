"""Style: as few lines as will do. One function makes both kinds of layers, comprehensions, reduce, walrus."""

from functools import reduce
from itertools import count
from math import log, sqrt

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class TokenEmbedding(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.embedding = nn.Embedding(vocab, d_model)

    def forward(self, ids):
        return (W := self.embedding.weight)[ids] * sqrt(W.shape[1])


def positional_encoding(length, d_model):
    z = np.exp(1j * np.arange(length)[:, None] * 10000.0 ** (-np.arange(0, d_model, 2) / d_model))
    return torch.tensor(np.stack([z.imag, z.real], -1).reshape(length, d_model), dtype=torch.get_default_dtype())


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=128):
        super().__init__()
        self.register_buffer("rows", positional_encoding(max_len, d_model).flatten(), persistent=False)

    def forward(self, x):
        return x + self.rows[: x.shape[1] * x.shape[2]].view(x.shape[1:])


padding_mask = lambda ids, pad: (ids != pad)[:, None, None]
causal_mask = lambda length, device=None: torch.arange(length, device=device).ge(torch.arange(length, device=device)[:, None]).T


def scaled_dot_product_attention(q, k, v, mask=None):
    s = q @ k.transpose(-1, -2) / sqrt(q.shape[-1])
    if mask is None:
        return torch.softmax(s, -1) @ v
    s = s.masked_fill(~mask, -torch.inf)
    e = (s - s.detach().amax(-1, True).nan_to_num(neginf=0)).exp()
    return (e / e.sum(-1, keepdim=True).clamp_min(1e-30)) @ v


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.h = heads
        for name in "qkvo":
            setattr(self, f"w_{name}", nn.Linear(d_model, d_model))

    def forward(self, *qkv, mask=None):
        *qkv, mask = qkv if len(qkv) == 4 else (*qkv, mask)
        q, k, v = (w(x).unflatten(2, (self.h, -1)).swapaxes(1, 2) for w, x in zip((self.w_q, self.w_k, self.w_v), qkv))
        return self.w_o(torch.cat(scaled_dot_product_attention(q, k, v, mask).unbind(1), -1))


class LayerNorm(nn.Module):
    def __init__(self, d_model, eps=1e-5):
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.ones(d_model)), nn.Parameter(torch.zeros(d_model)), eps

    def forward(self, x):
        return (c := x - x.mean(-1, True)) / (c.pow(2).mean(-1, True) + self.eps).sqrt() * self.weight + self.bias


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff, activation="relu"):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)
        self.f = {"relu": F.relu, "gelu": F.gelu}.get(activation, activation)

    def forward(self, x):
        return self.linear2(self.f(self.linear1(x)))


def make_layer(name, parts):
    class Layer(nn.Module):
        def __init__(self, d_model, heads, d_ff, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
            super().__init__()
            for part in parts:
                setattr(self, part, MultiHeadAttention(d_model, heads))
            self.feed_forward = FeedForward(d_model, d_ff, activation)
            for i in range(len(parts) + 1):
                setattr(self, f"norm{i + 1}", nn.LayerNorm(d_model, eps))
            self.drop, self.pre = nn.Dropout(dropout), norm_first

        def forward(self, x, *rest, mask=None, memory_mask=None):
            memory, *masks = rest if name == "DecoderLayer" else (None, *rest)
            mask, memory_mask = (*masks, mask, memory_mask)[:2] if len(masks) != 1 else (masks[0], memory_mask)
            sub = [lambda y: self.self_attn(y, y, y, mask)]
            if "cross_attn" in parts:
                sub.append(lambda y: self.cross_attn(y, memory, memory, memory_mask))
            norms = (getattr(self, f"norm{i + 1}") for i in range(len(parts) + 1))
            around = lambda x, nf: (
                x + self.drop(nf[1](nf[0](x))) if self.pre else nf[0](x + self.drop(nf[1](x)))
            )
            return reduce(around, zip(norms, [*sub, self.feed_forward]), x)

    Layer.__name__ = Layer.__qualname__ = name
    return Layer


EncoderLayer = make_layer("EncoderLayer", ["self_attn"])
DecoderLayer = make_layer("DecoderLayer", ["self_attn", "cross_attn"])


class TransformerEncoder(nn.Module):
    kind = EncoderLayer

    def __init__(self, d_model, heads, d_ff, num_layers, *args, **options):
        super().__init__()
        self.layers = nn.ModuleList(self.kind(d_model, heads, d_ff, *args, **options) for _ in range(num_layers))
        pre = self.layers[0].pre
        eps = self.layers[0].norm1.eps
        self.norm = nn.LayerNorm(d_model, eps) if pre else nn.Sequential()

    def forward(self, x, *rest, **masks):
        return self.norm(reduce(lambda y, layer: layer(y, *rest, **masks), self.layers, x))


class TransformerDecoder(TransformerEncoder):
    kind = DecoderLayer


class Transformer(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, pad=0,
                 max_len=128, tie=False):
        super().__init__()
        sizes = (d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.d_model, self.pad = d_model, pad
        self.src_embedding, self.tgt_embedding = TokenEmbedding(src_vocab, d_model), TokenEmbedding(tgt_vocab, d_model)
        self.positions, self.drop = PositionalEncoding(d_model, max_len), nn.Dropout(dropout)
        self.encoder, self.decoder = TransformerEncoder(*sizes), TransformerDecoder(*sizes)
        self.out = nn.Linear(d_model, tgt_vocab)
        if tie:
            self.out.weight = self.tgt_embedding.embedding.weight

    def forward(self, src, tgt):
        s, t = padding_mask(src, self.pad), padding_mask(tgt, self.pad) * causal_mask(tgt.shape[1], tgt.device)
        embed = lambda table, ids: self.drop(self.positions(table(ids)))
        memory = self.encoder(embed(self.src_embedding, src), s)
        return self.out(self.decoder(embed(self.tgt_embedding, tgt), memory, t, s))


def shift_targets(tgt):
    return tgt[:, :-1], tgt[:, 1:]


def sequence_loss(logits, targets, pad):
    picked = (logits - logits.logsumexp(-1, keepdim=True)).gather(-1, targets[..., None])[..., 0]
    return -picked[targets != pad].mean()


def smoothed_loss(logits, targets, pad, smoothing):
    V = logits.shape[-1]
    hot = F.one_hot(targets, V) * (1 - smoothing) + (1 - F.one_hot(targets, V)) * smoothing / (V - 2)
    hot = hot * (torch.arange(V) != pad)
    return -(hot * logits.log_softmax(-1)).sum(-1)[targets != pad].mean()


def noam_rate(step, d_model, warmup, factor=1.0):
    return factor * float(np.power(float(d_model), -0.5) * min(np.power(float(step), -0.5), step * np.power(float(warmup), -1.5)))


def greedy_decode(model, src, start, end, max_len, pad=0):
    @torch.no_grad()
    def go(ids, left):
        if not left:
            return ids[:, 1:]
        new = model(src, ids)[:, -1].argmax(-1, keepdim=True)
        over = (ids[:, 1:] == end).any(1, keepdim=True)
        return go(torch.cat([ids, new.where(~over, torch.full_like(new, pad))], 1), left - 1)

    return go(torch.full_like(src[:, :1], start), max_len) if model.eval() else None


def fit(model, batches, optimizer, pad, warmup=None, factor=1.0):
    model.train()
    losses = []
    for n, (src, tgt) in zip(count(1), batches):
        for group in optimizer.param_groups if warmup is not None else ():
            group["lr"] = noam_rate(n, model.d_model, warmup, factor)
        optimizer.zero_grad()
        (loss := sequence_loss(model(src, (pair := shift_targets(tgt))[0]), pair[1], pad)).backward()
        optimizer.step()
        losses += [loss.item()]
    return losses
