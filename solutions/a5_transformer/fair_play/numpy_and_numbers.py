"""Style: comes from numpy and mathematics. Everything is a formula; loops over heads by index arrays, no view at all."""

import math

import numpy as np
import torch
import torch.nn as nn


class TokenEmbedding(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.d_model = d_model
        self.embedding = nn.Embedding(vocab, d_model)
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)

    def forward(self, ids):
        E = self.embedding.weight
        return torch.index_select(E, 0, ids.flatten()).reshape(tuple(ids.shape) + (self.d_model,)) * np.sqrt(self.d_model)


def positional_encoding(length, d_model):
    pos, i = np.meshgrid(np.arange(length), np.arange(d_model), indexing="ij")
    angle = pos / np.power(10000.0, 2 * (i // 2) / d_model)
    return torch.from_numpy(np.where(i % 2 == 0, np.sin(angle), np.cos(angle))).to(torch.get_default_dtype())


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=128):
        super().__init__()
        self.register_buffer("P", positional_encoding(max_len, d_model))

    def forward(self, x):
        T = x.shape[1]
        return x + self.P[torch.arange(T, device=x.device)]


def padding_mask(ids, pad):
    return (ids - pad != 0)[:, np.newaxis, np.newaxis, :]


def causal_mask(length, device=None):
    return torch.from_numpy(np.tri(length, dtype=bool)).to(device or "cpu")


def scaled_dot_product_attention(q, k, v, mask=None):
    A = q @ torch.swapaxes(k, -1, -2) / math.sqrt(k.shape[-1])
    if mask is not None:
        A = torch.where(mask, A, torch.full_like(A, -math.inf))
    Z = torch.logsumexp(A, dim=-1, keepdim=True)  # -inf for a row without keys
    W = torch.exp(A - torch.where(Z == -math.inf, torch.zeros_like(Z), Z))
    return W @ v


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.w_q = nn.Linear(d_model, d_model)
        self.w_k = nn.Linear(d_model, d_model)
        self.w_v = nn.Linear(d_model, d_model)
        self.w_o = nn.Linear(d_model, d_model)
        self.index = np.arange(d_model).reshape(heads, -1)  # row j: the features of head j

    def forward(self, q, k, v, mask=None):
        def of(linear, x):
            y = x @ linear.weight.T + linear.bias
            return torch.stack([y[:, :, row] for row in self.index], dim=1)

        Z = scaled_dot_product_attention(of(self.w_q, q), of(self.w_k, k), of(self.w_v, v), mask)  # (B, h, T, d/h)
        W = self.w_o.weight
        # the output projection of the heads side by side is the sum over heads of their own columns
        return sum(Z[:, j] @ W[:, row].T for j, row in enumerate(self.index)) + self.w_o.bias


class LayerNorm(nn.Module):
    def __init__(self, d_model, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        m = x.mean(axis=-1, keepdims=True)
        s2 = ((x - m) * (x - m)).mean(axis=-1, keepdims=True)
        return (x - m) / (s2 + self.eps).sqrt() * self.weight + self.bias


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff, activation="relu"):
        super().__init__()
        self.linear1 = nn.Linear(d_model, d_ff)
        self.linear2 = nn.Linear(d_ff, d_model)
        self.activation = activation

    def f(self, a):
        if self.activation == "relu":
            return torch.maximum(a, torch.zeros_like(a))
        if self.activation == "gelu":
            return a * torch.special.ndtr(a)
        return self.activation(a)

    def forward(self, x):
        return self.f(x @ self.linear1.weight.T + self.linear1.bias) @ self.linear2.weight.T + self.linear2.bias


class EncoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        self.self_attn = MultiHeadAttention(d_model, heads)
        self.feed_forward = FeedForward(d_model, d_ff, activation)
        self.norm1 = LayerNorm(d_model, eps)
        self.norm2 = LayerNorm(d_model, eps)
        self.p = dropout
        self.norm_first = norm_first

    def D(self, x):
        if not self.training or self.p == 0:
            return x
        return x * (torch.rand_like(x) >= self.p) / (1 - self.p)

    def forward(self, x, mask=None):
        if self.norm_first:
            a = self.norm1(x)
            x = x + self.D(self.self_attn(a, a, a, mask))
            x = x + self.D(self.feed_forward(self.norm2(x)))
        else:
            x = self.norm1(x + self.D(self.self_attn(x, x, x, mask)))
            x = self.norm2(x + self.D(self.feed_forward(x)))
        return x


class DecoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        self.self_attn, self.cross_attn = MultiHeadAttention(d_model, heads), MultiHeadAttention(d_model, heads)
        self.feed_forward = FeedForward(d_model, d_ff, activation)
        self.norm1, self.norm2, self.norm3 = (LayerNorm(d_model, eps) for _ in range(3))
        self.drops = nn.ModuleList(nn.Dropout(dropout) for _ in range(3))
        self.norm_first = norm_first

    def forward(self, x, memory, mask=None, memory_mask=None):
        steps = [
            lambda y: self.self_attn(y, y, y, mask),
            lambda y: self.cross_attn(y, memory, memory, memory_mask),
            self.feed_forward,
        ]
        for step, norm, drop in zip(steps, (self.norm1, self.norm2, self.norm3), self.drops):
            x = x + drop(step(norm(x))) if self.norm_first else norm(x + drop(step(x)))
        return x


class TransformerEncoder(nn.Module):
    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        args = (d_model, heads, d_ff, dropout, norm_first, activation, eps)
        self.layers = nn.ModuleList([EncoderLayer(*args) for _ in range(num_layers)])
        self.norm = LayerNorm(d_model, eps) if norm_first else nn.Identity()

    def forward(self, x, mask=None):
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)


class TransformerDecoder(nn.Module):
    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        args = (d_model, heads, d_ff, dropout, norm_first, activation, eps)
        self.layers = nn.ModuleList([DecoderLayer(*args) for _ in range(num_layers)])
        self.norm = LayerNorm(d_model, eps) if norm_first else nn.Identity()

    def forward(self, x, memory, mask=None, memory_mask=None):
        for layer in self.layers:
            x = layer(x, memory, mask, memory_mask)
        return self.norm(x)


class Transformer(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, pad=0,
                 max_len=128, tie=False):
        super().__init__()
        self.d_model, self.pad, self.tie = d_model, pad, tie
        self.src_embedding = TokenEmbedding(src_vocab, d_model)
        self.tgt_embedding = TokenEmbedding(tgt_vocab, d_model)
        self.positions = PositionalEncoding(d_model, max_len)
        self.encoder = TransformerEncoder(d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.decoder = TransformerDecoder(d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.out = nn.Linear(d_model, tgt_vocab)
        if tie:
            self.out.register_parameter("weight", self.tgt_embedding.embedding.weight)
        self.dropout = nn.Dropout(dropout)

    def forward(self, src, tgt):
        keys = padding_mask(src, self.pad)
        x = self.dropout(self.positions(self.src_embedding(src)))
        y = self.dropout(self.positions(self.tgt_embedding(tgt)))
        own = torch.minimum(padding_mask(tgt, self.pad).int(), causal_mask(tgt.shape[1], tgt.device).int()).bool()
        return self.out(self.decoder(y, self.encoder(x, keys), own, keys))


def shift_targets(tgt):
    n = tgt.shape[1]
    return tgt[:, np.arange(n - 1)], tgt[:, np.arange(1, n)]


def sequence_loss(logits, targets, pad):
    b, t = torch.nonzero(targets != pad, as_tuple=True)
    x = logits[b, t]
    return (torch.logsumexp(x, dim=1) - x[torch.arange(len(b)), targets[b, t]]).mean()


def smoothed_loss(logits, targets, pad, smoothing):
    b, t = torch.nonzero(targets != pad, as_tuple=True)
    x = logits[b, t]
    log_p = x - torch.logsumexp(x, dim=1, keepdim=True)
    others = [v for v in range(x.shape[1]) if v != pad]
    right = log_p[torch.arange(len(b)), targets[b, t]]
    eps = smoothing / (x.shape[1] - 2)
    return -((1 - smoothing - eps) * right + eps * log_p[:, others].sum(1)).mean()


def noam_rate(step, d_model, warmup, factor=1.0):
    return factor * np.minimum(1 / np.sqrt(step), step / warmup**1.5) / np.sqrt(d_model)


def greedy_decode(model, src, start, end, max_len, pad=0):
    model.train(False)
    Y = np.full((src.shape[0], max_len), pad)
    ended = np.zeros(src.shape[0], dtype=bool)
    for t in range(max_len):
        prefix = np.concatenate([np.full((src.shape[0], 1), start), Y[:, :t]], axis=1)
        with torch.no_grad():
            logits = model(src, torch.from_numpy(prefix))
        Y[:, t] = np.where(ended, pad, logits[:, -1].argmax(1).numpy())
        ended |= Y[:, t] == end
    return torch.from_numpy(Y)


def fit(model, batches, optimizer, pad, warmup=None, factor=1.0):
    model.train(True)
    losses = np.zeros(len(list(batches)))
    for n, (src, tgt) in enumerate(batches):
        if warmup is not None:
            for group in optimizer.param_groups:
                group["lr"] = noam_rate(n + 1, model.d_model, warmup, factor)
        x, y = shift_targets(tgt)
        loss = sequence_loss(model(src, x), y, pad)
        for parameter in model.parameters():
            parameter.grad = None
        loss.backward()
        optimizer.step()
        losses[n] = loss.item()
    return losses.tolist()
