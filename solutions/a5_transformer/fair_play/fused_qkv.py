"""Style: speed. One matrix product for q, k and v where it can be, einsum, additive masks, softmax by hand."""

from __future__ import annotations

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


class TokenEmbedding(nn.Module):
    def __init__(self, vocab: int, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model
        self.embedding = nn.Embedding(vocab, d_model)
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.embedding.weight).mul(self.d_model**0.5)


def positional_encoding(length: int, d_model: int) -> Tensor:
    pe = torch.zeros(length, d_model)
    position = torch.arange(0, length).unsqueeze(1).to(pe.dtype)
    div_term = torch.exp(torch.arange(0, d_model, 2).to(pe.dtype) * -(math.log(10000.0) / d_model))
    pe[:, 0::2] = torch.sin(position * div_term)
    pe[:, 1::2] = torch.cos(position * div_term)
    return pe


class PositionalEncoding(nn.Module):
    def __init__(self, d_model: int, max_len: int = 128) -> None:
        super().__init__()
        self.register_buffer("pe", positional_encoding(max_len, d_model).unsqueeze(0))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pe[:, : x.size(1)]


def padding_mask(ids: Tensor, pad: int) -> Tensor:
    return ids.ne(pad).unsqueeze(1).unsqueeze(2)


def causal_mask(length: int, device=None) -> Tensor:
    steps = torch.arange(length, device=device)
    return steps[None, :] <= steps[:, None]


def bias_of(mask: Tensor, like: Tensor) -> Tensor:
    """What is added to the scores: 0 or -inf."""
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(mask.logical_not(), float("-inf"))


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = torch.einsum("...td,...sd->...ts", q * q.size(-1) ** -0.5, k)
    if mask is not None:
        scores = scores + bias_of(mask, scores)
    top = scores.amax(-1, keepdim=True).detach()
    top = torch.where(torch.isinf(top), torch.zeros_like(top), top)
    e = torch.exp(scores - top)
    total = e.sum(-1, keepdim=True)
    return torch.einsum("...ts,...sd->...td", e / torch.where(total == 0, torch.ones_like(total), total), v)


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        assert d_model % heads == 0
        self.d_model, self.heads = d_model, heads
        self.w_q = nn.Linear(d_model, d_model)
        self.w_k = nn.Linear(d_model, d_model)
        self.w_v = nn.Linear(d_model, d_model)
        self.w_o = nn.Linear(d_model, d_model)

    def fused(self, linears) -> tuple[Tensor, Tensor]:
        return torch.cat([each.weight for each in linears]), torch.cat([each.bias for each in linears])

    def project(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if q is k and k is v:
            return F.linear(q, *self.fused([self.w_q, self.w_k, self.w_v])).chunk(3, dim=-1)
        if k is v:
            return (self.w_q(q), *F.linear(k, *self.fused([self.w_k, self.w_v])).chunk(2, dim=-1))
        return self.w_q(q), self.w_k(k), self.w_v(v)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        split = [x.view(x.size(0), x.size(1), self.heads, -1).permute(0, 2, 1, 3) for x in self.project(q, k, v)]
        context = scaled_dot_product_attention(*split, mask)
        return self.w_o(context.permute(0, 2, 1, 3).contiguous().view(q.size(0), q.size(1), self.d_model))


class LayerNorm(nn.Module):
    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Tensor) -> Tensor:
        var, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
        return torch.addcmul(self.bias, (x - mean) * torch.rsqrt(var + self.eps), self.weight)


class FeedForward(nn.Module):
    def __init__(self, d_model: int, d_ff: int, activation="relu") -> None:
        super().__init__()
        self.linear1 = nn.Linear(d_model, d_ff)
        self.linear2 = nn.Linear(d_ff, d_model)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        h = self.linear1(x)
        if self.activation == "relu":
            h = h.clamp(min=0)
        elif self.activation == "gelu":
            h = 0.5 * h * (1 + torch.erf(h / math.sqrt(2)))
        else:
            h = self.activation(h)
        return self.linear2(h)


class EncoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        self.self_attn = MultiHeadAttention(d_model, heads)
        self.feed_forward = FeedForward(d_model, d_ff, activation)
        self.norm1, self.norm2 = LayerNorm(d_model, eps), LayerNorm(d_model, eps)
        self.drop = nn.Dropout(dropout)
        self.norm_first = norm_first

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if not self.norm_first:
            x = self.norm1(x + self.drop(self.self_attn(x, x, x, mask)))
            return self.norm2(x + self.drop(self.feed_forward(x)))
        n = self.norm1(x)
        x = x + self.drop(self.self_attn(n, n, n, mask))
        return x + self.drop(self.feed_forward(self.norm2(x)))


class DecoderLayer(EncoderLayer):
    """An encoder layer with one more attention."""

    def __init__(self, d_model, heads, d_ff, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__(d_model, heads, d_ff, dropout, norm_first, activation, eps)
        self.cross_attn = MultiHeadAttention(d_model, heads)
        self.norm3 = LayerNorm(d_model, eps)

    def forward(self, x, memory, mask=None, memory_mask=None) -> Tensor:
        if not self.norm_first:
            x = self.norm1(x + self.drop(self.self_attn(x, x, x, mask)))
            x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, memory_mask)))
            return self.norm3(x + self.drop(self.feed_forward(x)))
        n = self.norm1(x)
        x = x + self.drop(self.self_attn(n, n, n, mask))
        x = x + self.drop(self.cross_attn(self.norm2(x), memory, memory, memory_mask))
        return x + self.drop(self.feed_forward(self.norm3(x)))


class TransformerEncoder(nn.Module):
    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        self.layers = nn.ModuleList(
            EncoderLayer(d_model, heads, d_ff, dropout, norm_first, activation, eps) for _ in range(num_layers)
        )
        self.norm = LayerNorm(d_model, eps) if norm_first else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for layer in self.layers:
            x = layer(x, mask=mask)
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(nn.Module):
    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        self.layers = nn.ModuleList(
            DecoderLayer(d_model, heads, d_ff, dropout, norm_first, activation, eps) for _ in range(num_layers)
        )
        self.norm = LayerNorm(d_model, eps) if norm_first else None

    def forward(self, x, memory, mask=None, memory_mask=None) -> Tensor:
        for layer in self.layers:
            x = layer(x, memory, mask=mask, memory_mask=memory_mask)
        return x if self.norm is None else self.norm(x)


class Transformer(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, pad=0,
                 max_len=128, tie=False):
        super().__init__()
        self.d_model, self.pad = d_model, pad
        self.src_embedding = TokenEmbedding(src_vocab, d_model)
        self.tgt_embedding = TokenEmbedding(tgt_vocab, d_model)
        self.positions = PositionalEncoding(d_model, max_len)
        self.drop = nn.Dropout(dropout)
        self.encoder = TransformerEncoder(d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.decoder = TransformerDecoder(d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.out = nn.Linear(d_model, tgt_vocab)
        if tie:
            self.out.weight = self.tgt_embedding.embedding.weight

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        real = padding_mask(src, self.pad)
        memory = self.encoder(self.drop(self.positions(self.src_embedding(src))), real)
        seen = padding_mask(tgt, self.pad).logical_and(causal_mask(tgt.size(1), tgt.device))
        return self.out(self.decoder(self.drop(self.positions(self.tgt_embedding(tgt))), memory, seen, real))


def shift_targets(tgt: Tensor) -> tuple[Tensor, Tensor]:
    return tgt[..., :-1].contiguous(), tgt[..., 1:].contiguous()


def sequence_loss(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=pad)


def smoothed_loss(logits: Tensor, targets: Tensor, pad: int, smoothing: float) -> Tensor:
    V = logits.size(-1)
    log_p = F.log_softmax(logits, dim=-1)
    nll = -log_p.gather(-1, targets[..., None])[..., 0]
    rest = -log_p.sum(-1) - nll + log_p[..., pad]
    loss = (1 - smoothing) * nll + smoothing / (V - 2) * rest
    real = targets != pad
    return loss[real].sum() / real.sum()


def noam_rate(step: int, d_model: int, warmup: int, factor: float = 1.0) -> float:
    return factor * (d_model ** (-0.5) * min(step ** (-0.5), step * warmup ** (-1.5)))


@torch.no_grad()
def greedy_decode(model, src: Tensor, start: int, end: int, max_len: int, pad: int = 0) -> Tensor:
    model.eval()
    out = torch.full((src.size(0), max_len + 1), pad, dtype=torch.long, device=src.device)
    out[:, 0] = start
    alive = torch.ones(src.size(0), dtype=torch.bool, device=src.device)
    for t in range(max_len):
        best = model(src, out[:, : t + 1])[:, t].argmax(-1)
        out[:, t + 1] = torch.where(alive, best, out[:, t + 1])
        alive &= best != end
        if not alive.any():
            break
    return out[:, 1:]


def fit(model, batches, optimizer, pad, warmup=None, factor=1.0):
    model.train()
    losses = []
    step = 0
    for src, tgt in batches:
        step += 1
        if warmup is not None:
            rate = noam_rate(step, model.d_model, warmup, factor)
            for group in optimizer.param_groups:
                group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        inputs, targets = shift_targets(tgt)
        loss = sequence_loss(model(src, inputs), targets, pad)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().item())
    return losses
