"""Style: whoever learned on (T, B, d) and bmm. Heads lie in the batch axis, masks become additive biases at once."""

import math
from math import inf

import torch
from torch import nn
from torch.nn import functional as F


class TokenEmbedding(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.scale = d_model ** .5
        self.embedding = nn.Embedding(vocab, d_model)
        nn.init.normal_(self.embedding.weight, mean=0, std=d_model ** -.5)

    def forward(self, ids):
        one_hot = F.one_hot(ids, self.embedding.num_embeddings).to(self.embedding.weight)
        return torch.matmul(one_hot, self.embedding.weight) * self.scale


def positional_encoding(length, d_model):
    rate = torch.pow(torch.tensor(10000.0, dtype=torch.double), -torch.arange(0, d_model, 2).double() / d_model)
    angle = torch.arange(length).double().outer(rate)
    out = torch.empty(length, d_model, dtype=torch.double)
    out[:, ::2] = torch.sin(angle)
    out[:, 1::2] = torch.cos(angle)
    return out.to(torch.get_default_dtype())


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=128):
        super().__init__()
        self.register_buffer("weight", positional_encoding(max_len, d_model)[:, None], persistent=False)  # (L, 1, d)

    def forward(self, x):
        x = x.transpose(0, 1)  # (T, B, d)
        x = x + self.weight[:len(x)]
        return x.transpose(0, 1)


def padding_mask(ids, pad):
    batch, length = ids.shape
    return torch.logical_not(ids == pad).view(batch, 1, 1, length)


def causal_mask(length, device=None):
    return ~torch.triu(torch.ones((length, length), dtype=torch.bool, device=device), 1)


def scaled_dot_product_attention(q, k, v, mask=None):
    if mask is None:
        return F.softmax(q @ k.mT / q.shape[-1] ** .5, dim=-1) @ v
    # keys that nobody may see are pushed to the lowest number there is; rows without keys are erased at the end
    lowest = torch.finfo(q.dtype).min
    logits = torch.where(mask, q @ k.mT / q.shape[-1] ** .5, torch.tensor(lowest, dtype=q.dtype, device=q.device))
    return torch.where(mask.any(-1, keepdim=True), F.softmax(logits, dim=-1) @ v, torch.zeros((), dtype=v.dtype))


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.num_heads, self.head_dim = heads, d_model // heads
        for name in ("w_q", "w_k", "w_v", "w_o"):
            self.add_module(name, nn.Linear(d_model, d_model))

    def _fold(self, x):
        """(L, B, d) -> (B * h, L, d / h)"""
        L, B, _ = x.shape
        return x.contiguous().view(L, B * self.num_heads, self.head_dim).transpose(0, 1)

    def forward(self, q, k, v, mask=None):
        q, k, v = (x.transpose(0, 1) for x in (q, k, v))
        T, B, d = q.shape
        S = k.shape[0]
        Q, K, V = self._fold(self.w_q(q)), self._fold(self.w_k(k)), self._fold(self.w_v(v))
        if mask is not None:
            mask = torch.broadcast_to(mask, (B, self.num_heads, T, S)).reshape(B * self.num_heads, T, S)
        context = scaled_dot_product_attention(Q, K, V, mask)
        context = context.transpose(0, 1).contiguous().view(T, B, d)
        return self.w_o(context).transpose(0, 1)


class LayerNorm(nn.Module):
    def __init__(self, d_model, eps=1e-5):
        super().__init__()
        self.d, self.eps = d_model, eps
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        mu = x.sum(-1, keepdim=True) / self.d
        sigma2 = torch.einsum("...i,...i->...", x - mu, x - mu).unsqueeze(-1) / self.d
        return torch.mul((x - mu) / (sigma2 + self.eps) ** .5, self.weight) + self.bias


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff, activation="relu"):
        super().__init__()
        self.linear1 = nn.Linear(d_model, d_ff)
        self.linear2 = nn.Linear(d_ff, d_model)
        functions = {"relu": nn.ReLU(), "gelu": nn.GELU()}
        self.activation = functions[activation] if isinstance(activation, str) else activation

    def forward(self, x):
        return nn.Sequential(self.linear1, self.activation, self.linear2)(x) if isinstance(
            self.activation, nn.Module) else self.linear2(self.activation(self.linear1(x)))


class _Block(nn.Module):
    """Attention of one or two kinds, then feed-forward."""

    crosses = False

    def __init__(self, d_model, heads, d_ff, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        self.norm_first = norm_first
        self.p = dropout
        self.self_attn = MultiHeadAttention(d_model, heads)
        if self.crosses:
            self.cross_attn = MultiHeadAttention(d_model, heads)
        self.feed_forward = FeedForward(d_model, d_ff, activation)
        for i in range(2 + self.crosses):
            setattr(self, f"norm{i + 1}", LayerNorm(d_model, eps))

    def _step(self, x, norm, f):
        drop = lambda y: F.dropout(y, self.p, training=self.training)
        return x + drop(f(norm(x))) if self.norm_first else norm(x + drop(f(x)))


class EncoderLayer(_Block):
    def forward(self, x, mask=None):
        x = self._step(x, self.norm1, lambda y: self.self_attn(y, y, y, mask))
        return self._step(x, self.norm2, self.feed_forward)


class DecoderLayer(_Block):
    crosses = True

    def forward(self, x, memory, mask=None, memory_mask=None):
        x = self._step(x, self.norm1, lambda y: self.self_attn(y, y, y, mask))
        x = self._step(x, self.norm2, lambda y: self.cross_attn(y, memory, memory, memory_mask))
        return self._step(x, self.norm3, self.feed_forward)


class _Stack(nn.Module):
    layer = None

    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        layers = {str(i): self.layer(d_model, heads, d_ff, dropout, norm_first, activation, eps)
                  for i in range(num_layers)}
        self.layers = nn.ModuleDict(layers)  # the names are those of a list
        if norm_first:
            self.norm = LayerNorm(d_model, eps)

    def forward(self, x, *rest, **masks):
        for block in self.layers.values():
            x = block(x, *rest, **masks)
        return self.norm(x) if hasattr(self, "norm") else x


class TransformerEncoder(_Stack):
    layer = EncoderLayer


class TransformerDecoder(_Stack):
    layer = DecoderLayer


class Transformer(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, pad=0,
                 max_len=128, tie=False):
        super().__init__()
        self.d_model, self.pad = d_model, pad
        self.src_embedding = TokenEmbedding(src_vocab, d_model)
        self.tgt_embedding = TokenEmbedding(tgt_vocab, d_model)
        self.positions = PositionalEncoding(d_model, max_len)
        self.encoder = TransformerEncoder(d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.decoder = TransformerDecoder(d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.out = nn.Linear(d_model, tgt_vocab)
        self.drop = nn.Dropout(dropout)
        if tie:
            self.out.weight = self.tgt_embedding.embedding.weight

    def forward(self, src, tgt):
        read, past = padding_mask(src, self.pad), causal_mask(tgt.shape[1], tgt.device)
        memory = self.encoder(self.drop(self.positions(self.src_embedding(src))), mask=read)
        # padding stands at the end of a target, so the past of a real word holds none: causality hides it already
        decoded = self.decoder(self.drop(self.positions(self.tgt_embedding(tgt))), memory, mask=past, memory_mask=read)
        return self.out(decoded)


def shift_targets(tgt):
    return tgt.narrow(1, 0, tgt.size(1) - 1), tgt.narrow(1, 1, tgt.size(1) - 1)


def sequence_loss(logits, targets, pad):
    real = targets != pad
    return F.cross_entropy(logits[real], targets[real])


def smoothed_loss(logits, targets, pad, smoothing):
    real = targets != pad
    log_p, targets = logits[real].log_softmax(-1), targets[real]
    right = log_p[torch.arange(len(targets)), targets]
    others = log_p.sum(-1) - right - log_p[:, pad]
    return -((1 - smoothing) * right + smoothing * others / (log_p.shape[-1] - 2)).mean()


def noam_rate(step, d_model, warmup, factor=1.0):
    peak = factor / math.sqrt(d_model * warmup)
    return peak * (step / warmup if step <= warmup else math.sqrt(warmup / step))


def greedy_decode(model, src, start, end, max_len, pad=0):
    model.eval()
    ids = src.new_full((len(src), 1), start)
    with torch.inference_mode():
        while ids.shape[1] <= max_len:
            logits = model(src, ids)[:, -1]
            over = (ids == end).any(dim=1)
            if over.all():
                break
            ids = torch.hstack([ids, torch.where(over, pad, logits.argmax(1))[:, None]])
    return F.pad(ids[:, 1:], (0, max_len + 1 - ids.shape[1]), value=pad).clone()


def fit(model, batches, optimizer, pad, warmup=None, factor=1.0):
    mode = model.training
    model.train()

    def step(number, src, tgt):
        if warmup:
            for group in optimizer.param_groups:
                group.update(lr=noam_rate(number, model.d_model, warmup, factor))
        optimizer.zero_grad()
        read, wanted = shift_targets(tgt)
        loss = sequence_loss(model(src, read), wanted, pad)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    losses = [step(number + 1, *batch) for number, batch in enumerate(batches)]
    model.train(mode)
    return losses
