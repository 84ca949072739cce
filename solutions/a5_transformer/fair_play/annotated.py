"""Style: after a famous blog post. clones, a class for what is around a sub-layer, -1e9, one dropout everywhere."""

import copy
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def clones(module, N):
    "Produce N identical layers."
    return nn.ModuleList([copy.deepcopy(module) for _ in range(N)])


class TokenEmbedding(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.d_model = d_model
        self.embedding = nn.Embedding(vocab, d_model)

    def forward(self, ids):
        return self.embedding(ids) * math.sqrt(self.d_model)


def positional_encoding(length, d_model):
    "Compute the positional encodings once in log space."
    pe = torch.zeros(length, d_model)
    position = torch.arange(0.0, length).unsqueeze(1)
    div_term = torch.exp(torch.arange(0.0, d_model, 2) * -(math.log(10000.0) / d_model))
    pe[:, 0::2] = torch.sin(position * div_term)
    pe[:, 1::2] = torch.cos(position * div_term)
    return pe


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=128):
        super().__init__()
        self.register_buffer("pe", positional_encoding(max_len, d_model).unsqueeze(0))

    def forward(self, x):
        return x + self.pe[:, : x.size(1)].requires_grad_(False)


def padding_mask(ids, pad):
    return (ids != pad).unsqueeze(-2).unsqueeze(-2)


def causal_mask(length, device=None):
    "Mask out subsequent positions."
    subsequent = torch.triu(torch.ones(length, length, device=device), diagonal=1).type(torch.uint8)
    return subsequent == 0


def scaled_dot_product_attention(query, key, value, mask=None):
    d_k = query.size(-1)
    scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(d_k)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e9)
    p_attn = scores.softmax(dim=-1)
    if mask is not None:
        p_attn = p_attn.masked_fill(mask == 0, 0)
    return torch.matmul(p_attn, value)


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        assert d_model % heads == 0
        self.d_k = d_model // heads
        self.h = heads
        self.w_q, self.w_k, self.w_v, self.w_o = clones(nn.Linear(d_model, d_model), 4)

    def forward(self, query, key, value, mask=None):
        nbatches = query.size(0)
        query, key, value = [
            lin(x).view(nbatches, -1, self.h, self.d_k).transpose(1, 2)
            for lin, x in zip((self.w_q, self.w_k, self.w_v), (query, key, value))
        ]
        x = scaled_dot_product_attention(query, key, value, mask=mask)
        x = x.transpose(1, 2).contiguous().view(nbatches, -1, self.h * self.d_k)
        return self.w_o(x)


class LayerNorm(nn.Module):
    def __init__(self, d_model, eps=1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.eps = eps

    def forward(self, x):
        mean = x.mean(-1, keepdim=True)
        var = x.var(-1, unbiased=False, keepdim=True)
        return self.weight * (x - mean) / torch.sqrt(var + self.eps) + self.bias


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff, activation="relu"):
        super().__init__()
        self.linear1 = nn.Linear(d_model, d_ff)
        self.linear2 = nn.Linear(d_ff, d_model)
        self.act = activation if callable(activation) else getattr(F, activation)

    def forward(self, x):
        return self.linear2(self.act(self.linear1(x)))


class Residual(nn.Module):
    "A residual connection and a layer norm, in either order. The norm lies in the layer, so that its name is right."

    def __init__(self, dropout, norm_first):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.norm_first = norm_first

    def forward(self, x, norm, sublayer):
        if self.norm_first:
            return x + self.dropout(sublayer(norm(x)))
        return norm(x + self.dropout(sublayer(x)))


class EncoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        self.self_attn = MultiHeadAttention(d_model, heads)
        self.feed_forward = FeedForward(d_model, d_ff, activation)
        self.norm1, self.norm2 = clones(LayerNorm(d_model, eps), 2)
        self.around = Residual(dropout, norm_first)

    def forward(self, x, mask=None):
        x = self.around(x, self.norm1, lambda x: self.self_attn(x, x, x, mask))
        return self.around(x, self.norm2, self.feed_forward)


class DecoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        self.self_attn = MultiHeadAttention(d_model, heads)
        self.cross_attn = MultiHeadAttention(d_model, heads)
        self.feed_forward = FeedForward(d_model, d_ff, activation)
        self.norm1, self.norm2, self.norm3 = clones(LayerNorm(d_model, eps), 3)
        self.around = Residual(dropout, norm_first)

    def forward(self, x, memory, mask=None, memory_mask=None):
        m = memory
        x = self.around(x, self.norm1, lambda x: self.self_attn(x, x, x, mask))
        x = self.around(x, self.norm2, lambda x: self.cross_attn(x, m, m, memory_mask))
        return self.around(x, self.norm3, self.feed_forward)


class TransformerEncoder(nn.Module):
    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        self.layers = clones(EncoderLayer(d_model, heads, d_ff, dropout, norm_first, activation, eps), num_layers)
        self.norm = LayerNorm(d_model, eps) if norm_first else lambda x: x

    def forward(self, x, mask=None):
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)


class TransformerDecoder(nn.Module):
    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super().__init__()
        self.layers = clones(DecoderLayer(d_model, heads, d_ff, dropout, norm_first, activation, eps), num_layers)
        self.norm = LayerNorm(d_model, eps) if norm_first else lambda x: x

    def forward(self, x, memory, mask=None, memory_mask=None):
        for layer in self.layers:
            x = layer(x, memory, mask, memory_mask)
        return self.norm(x)


class Transformer(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, pad=0,
                 max_len=128, tie=False):
        super().__init__()
        self.d_model = d_model
        self.pad = pad
        self.encoder = TransformerEncoder(d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.decoder = TransformerDecoder(d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.src_embedding = TokenEmbedding(src_vocab, d_model)
        self.tgt_embedding = TokenEmbedding(tgt_vocab, d_model)
        self.positions = PositionalEncoding(d_model, max_len)
        self.dropout = nn.Dropout(p=dropout)
        self.out = nn.Linear(d_model, tgt_vocab)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)
        if tie:
            self.out.weight = self.tgt_embedding.embedding.weight

    def encode(self, src, src_mask):
        return self.encoder(self.dropout(self.positions(self.src_embedding(src))), src_mask)

    def decode(self, memory, src_mask, tgt, tgt_mask):
        return self.decoder(self.dropout(self.positions(self.tgt_embedding(tgt))), memory, tgt_mask, src_mask)

    def forward(self, src, tgt):
        src_mask = padding_mask(src, self.pad)
        tgt_mask = padding_mask(tgt, self.pad) & causal_mask(tgt.size(-1), tgt.device).type_as(src_mask.data)
        return self.out(self.decode(self.encode(src, src_mask), src_mask, tgt, tgt_mask))


def shift_targets(tgt):
    return tgt[:, :-1], tgt[:, 1:]


def sequence_loss(logits, targets, pad):
    criterion = nn.NLLLoss(ignore_index=pad, reduction="sum")
    ntokens = (targets != pad).data.sum()
    log_p = F.log_softmax(logits, dim=-1)
    return criterion(log_p.contiguous().view(-1, log_p.size(-1)), targets.contiguous().view(-1)) / ntokens


def smoothed_loss(logits, targets, pad, smoothing):
    x = logits.log_softmax(-1).reshape(-1, logits.size(-1))
    target = targets.reshape(-1)
    true_dist = x.data.clone()
    true_dist.fill_(smoothing / (x.size(1) - 2))
    true_dist.scatter_(1, target.data.unsqueeze(1), 1.0 - smoothing)
    true_dist[:, pad] = 0
    mask = torch.nonzero(target.data == pad)
    if mask.dim() > 0:
        true_dist.index_fill_(0, mask.squeeze(-1), 0.0)
    # kl_div also subtracts the entropy of the targets, which smoothing alone decides about: cross-entropy has it back
    loss = F.kl_div(x, true_dist, reduction="sum")
    entropy = -(torch.xlogy(true_dist, true_dist)).sum()
    return (loss + entropy) / (target != pad).sum()


def noam_rate(step, d_model, warmup, factor=1.0):
    return factor * (d_model ** (-0.5) * min(step ** (-0.5), step * warmup ** (-1.5)))


def greedy_decode(model, src, start, end, max_len, pad=0):
    model.eval()
    ys = torch.zeros(src.size(0), 1).fill_(start).type_as(src.data)
    done = torch.zeros(src.size(0), dtype=torch.bool, device=src.device)
    for _ in range(max_len):
        with torch.no_grad():
            prob = model(src, ys)[:, -1]
        _, next_word = torch.max(prob, dim=1)
        next_word = torch.where(done, torch.full_like(next_word, pad), next_word)
        done = done | (next_word == end)
        ys = torch.cat([ys, next_word.unsqueeze(1)], dim=1)
    return ys[:, 1:]


class NoamOpt:
    "Optim wrapper that implements rate."

    def __init__(self, model_size, factor, warmup, optimizer):
        self.optimizer = optimizer
        self._step = 0
        self.warmup = warmup
        self.factor = factor
        self.model_size = model_size

    def step(self):
        "Update parameters and rate."
        self._step += 1
        if self.warmup is not None:
            for p in self.optimizer.param_groups:
                p["lr"] = noam_rate(self._step, self.model_size, self.warmup, self.factor)
        self.optimizer.step()


def fit(model, batches, optimizer, pad, warmup=None, factor=1.0):
    model.train()
    opt = NoamOpt(model.d_model, factor, warmup, optimizer)
    losses = []
    for i, (src, tgt) in enumerate(batches):
        tgt_in, tgt_y = shift_targets(tgt)
        loss = sequence_loss(model(src, tgt_in), tgt_y, pad)
        loss.backward()
        opt.step()
        opt.optimizer.zero_grad()
        losses.append(loss.item())
    return losses
