"""Style: somebody's first month of PyTorch. One head after the other, everything spelled out, no shortcut taken."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class TokenEmbedding(nn.Module):
    def __init__(self, vocab, d_model):
        super(TokenEmbedding, self).__init__()
        self.d_model = d_model
        self.embedding = nn.Embedding(vocab, d_model)

    def forward(self, ids):
        vectors = self.embedding(ids)
        scaled = vectors * (self.d_model ** 0.5)
        return scaled


def positional_encoding(length, d_model):
    table = torch.zeros(length, d_model)
    for pos in range(length):
        for i in range(d_model // 2):
            angle = pos / (10000 ** (2 * i / d_model))
            table[pos, 2 * i] = math.sin(angle)
            table[pos, 2 * i + 1] = math.cos(angle)
    return table


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=128):
        super(PositionalEncoding, self).__init__()
        self.register_buffer("pe_table", positional_encoding(max_len, d_model))

    def forward(self, x):
        out = []
        for b in range(x.shape[0]):
            out.append(x[b] + self.pe_table[0 : x.shape[1]])
        return torch.stack(out)


def padding_mask(ids, pad):
    B = ids.shape[0]
    S = ids.shape[1]
    mask = torch.zeros(B, 1, 1, S, dtype=torch.bool)
    for b in range(B):
        for s in range(S):
            if ids[b, s] != pad:
                mask[b, 0, 0, s] = True
    return mask


def causal_mask(length, device=None):
    mask = torch.zeros(length, length, dtype=torch.bool, device=device)
    for i in range(length):
        for j in range(length):
            mask[i, j] = j <= i
    return mask


def scaled_dot_product_attention(q, k, v, mask=None):
    d_k = q.shape[-1]
    scores = torch.matmul(q, k.transpose(-1, -2))
    scores = scores / math.sqrt(d_k)
    if mask is not None:
        scores = scores.masked_fill(mask == False, -1e9)  # noqa: E712
    weights = torch.softmax(scores, dim=-1)
    if mask is not None:
        weights = weights * mask  # queries that see nothing
    return torch.matmul(weights, v)


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super(MultiHeadAttention, self).__init__()
        self.d_model = d_model
        self.heads = heads
        self.w_q = nn.Linear(d_model, d_model)
        self.w_k = nn.Linear(d_model, d_model)
        self.w_v = nn.Linear(d_model, d_model)
        self.w_o = nn.Linear(d_model, d_model)

    def forward(self, q, k, v, mask=None):
        q_all = self.w_q(q)
        k_all = self.w_k(k)
        v_all = self.w_v(v)
        size = self.d_model // self.heads
        if mask is not None:
            while mask.dim() < 4:
                mask = mask.unsqueeze(0)
        results = []
        for j in range(self.heads):
            first = j * size
            last = (j + 1) * size
            q_j = q_all[:, :, first:last]
            k_j = k_all[:, :, first:last]
            v_j = v_all[:, :, first:last]
            if mask is None:
                mask_j = None
            elif mask.shape[1] == 1:
                mask_j = mask[:, 0]
            else:
                mask_j = mask[:, j]
            results.append(scaled_dot_product_attention(q_j, k_j, v_j, mask_j))
        together = torch.cat(results, dim=2)
        return self.w_o(together)


class LayerNorm(nn.Module):
    def __init__(self, d_model, eps=1e-5):
        super(LayerNorm, self).__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        mean = x.mean(-1).unsqueeze(-1)
        var = ((x - mean) ** 2).mean(-1).unsqueeze(-1)
        normed = (x - mean) / ((var + self.eps) ** 0.5)
        return normed * self.weight + self.bias


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff, activation="relu"):
        super(FeedForward, self).__init__()
        self.linear1 = nn.Linear(d_model, d_ff)
        self.linear2 = nn.Linear(d_ff, d_model)
        self.activation = activation

    def forward(self, x):
        x = self.linear1(x)
        if self.activation == "relu":
            x = F.relu(x)
        elif self.activation == "gelu":
            x = F.gelu(x)
        else:
            x = self.activation(x)
        x = self.linear2(x)
        return x


class EncoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super(EncoderLayer, self).__init__()
        self.self_attn = MultiHeadAttention(d_model, heads)
        self.feed_forward = FeedForward(d_model, d_ff, activation)
        self.norm1 = LayerNorm(d_model, eps)
        self.norm2 = LayerNorm(d_model, eps)
        self.dropout1 = nn.Dropout(dropout)
        self.dropout2 = nn.Dropout(dropout)
        self.norm_first = norm_first

    def forward(self, x, mask=None):
        if self.norm_first == True:  # noqa: E712
            residual = x
            x = self.norm1(x)
            x = self.self_attn(x, x, x, mask)
            x = self.dropout1(x)
            x = residual + x
            residual = x
            x = self.norm2(x)
            x = self.feed_forward(x)
            x = self.dropout2(x)
            x = residual + x
        else:
            residual = x
            x = self.self_attn(x, x, x, mask)
            x = self.dropout1(x)
            x = self.norm1(residual + x)
            residual = x
            x = self.feed_forward(x)
            x = self.dropout2(x)
            x = self.norm2(residual + x)
        return x


class DecoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super(DecoderLayer, self).__init__()
        self.self_attn = MultiHeadAttention(d_model, heads)
        self.cross_attn = MultiHeadAttention(d_model, heads)
        self.feed_forward = FeedForward(d_model, d_ff, activation)
        self.norm1 = LayerNorm(d_model, eps)
        self.norm2 = LayerNorm(d_model, eps)
        self.norm3 = LayerNorm(d_model, eps)
        self.dropout1 = nn.Dropout(dropout)
        self.dropout2 = nn.Dropout(dropout)
        self.dropout3 = nn.Dropout(dropout)
        self.norm_first = norm_first

    def forward(self, x, memory, mask=None, memory_mask=None):
        if self.norm_first:
            normed = self.norm1(x)
            x = x + self.dropout1(self.self_attn(normed, normed, normed, mask))
            normed = self.norm2(x)
            x = x + self.dropout2(self.cross_attn(normed, memory, memory, memory_mask))
            normed = self.norm3(x)
            x = x + self.dropout3(self.feed_forward(normed))
        else:
            x = self.norm1(x + self.dropout1(self.self_attn(x, x, x, mask)))
            x = self.norm2(x + self.dropout2(self.cross_attn(x, memory, memory, memory_mask)))
            x = self.norm3(x + self.dropout3(self.feed_forward(x)))
        return x


class TransformerEncoder(nn.Module):
    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super(TransformerEncoder, self).__init__()
        self.layers = nn.ModuleList()
        for i in range(num_layers):
            self.layers.append(EncoderLayer(d_model, heads, d_ff, dropout, norm_first, activation, eps))
        self.norm_first = norm_first
        if norm_first:
            self.norm = LayerNorm(d_model, eps)

    def forward(self, x, mask=None):
        for i in range(len(self.layers)):
            x = self.layers[i](x, mask)
        if self.norm_first:
            x = self.norm(x)
        return x


class TransformerDecoder(nn.Module):
    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, activation="relu", eps=1e-5):
        super(TransformerDecoder, self).__init__()
        self.layers = nn.ModuleList()
        for i in range(num_layers):
            self.layers.append(DecoderLayer(d_model, heads, d_ff, dropout, norm_first, activation, eps))
        self.norm_first = norm_first
        if norm_first:
            self.norm = LayerNorm(d_model, eps)

    def forward(self, x, memory, mask=None, memory_mask=None):
        for i in range(len(self.layers)):
            x = self.layers[i](x, memory, mask, memory_mask)
        if self.norm_first:
            x = self.norm(x)
        return x


class Transformer(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, d_model, heads, d_ff, num_layers, dropout=0.0, norm_first=False, pad=0,
                 max_len=128, tie=False):
        super(Transformer, self).__init__()
        self.d_model = d_model
        self.pad = pad
        self.src_embedding = TokenEmbedding(src_vocab, d_model)
        self.tgt_embedding = TokenEmbedding(tgt_vocab, d_model)
        self.positions = PositionalEncoding(d_model, max_len)
        self.encoder = TransformerEncoder(d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.decoder = TransformerDecoder(d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.out = nn.Linear(d_model, tgt_vocab)
        self.embed_dropout = nn.Dropout(dropout)
        if tie:
            self.out.weight = self.tgt_embedding.embedding.weight

    def forward(self, src, tgt):
        src_mask = padding_mask(src, self.pad)
        tgt_pad = padding_mask(tgt, self.pad)
        past = causal_mask(tgt.shape[1])
        tgt_mask = torch.logical_and(tgt_pad, past)
        x = self.src_embedding(src)
        x = self.positions(x)
        x = self.embed_dropout(x)
        memory = self.encoder(x, src_mask)
        y = self.tgt_embedding(tgt)
        y = self.positions(y)
        y = self.embed_dropout(y)
        y = self.decoder(y, memory, tgt_mask, src_mask)
        return self.out(y)


def shift_targets(tgt):
    T = tgt.shape[1]
    return [tgt[:, 0 : T - 1], tgt[:, 1:T]]


def sequence_loss(logits, targets, pad):
    log_probs = torch.log_softmax(logits, dim=2)
    total = 0
    count = 0
    for b in range(targets.shape[0]):
        for t in range(targets.shape[1]):
            if targets[b, t] != pad:
                total = total - log_probs[b, t, targets[b, t]]
                count = count + 1
    return total / count


def smoothed_loss(logits, targets, pad, smoothing):
    log_probs = torch.log_softmax(logits, dim=2)
    vocab = logits.shape[2]
    total = 0
    count = 0
    for b in range(targets.shape[0]):
        for t in range(targets.shape[1]):
            if targets[b, t] != pad:
                for v in range(vocab):
                    if v == targets[b, t]:
                        total = total - (1 - smoothing) * log_probs[b, t, v]
                    elif v != pad:
                        total = total - smoothing / (vocab - 2) * log_probs[b, t, v]
                count = count + 1
    return total / count


def noam_rate(step, d_model, warmup, factor=1.0):
    if step < warmup:
        return factor / math.sqrt(d_model) * step / (warmup * math.sqrt(warmup))
    else:
        return factor / math.sqrt(d_model) / math.sqrt(step)


def greedy_decode(model, src, start, end, max_len, pad=0):
    was_training = model.training
    model.eval()
    sentences = []
    with torch.no_grad():
        for b in range(src.shape[0]):
            words = [start]
            while len(words) <= max_len:
                logits = model(src[b : b + 1], torch.tensor([words]))
                word = logits[0, -1].argmax().item()
                words.append(word)
                if word == end:
                    break
            words = words[1:]
            while len(words) < max_len:
                words.append(pad)
            sentences.append(words)
    if was_training:
        model.train()
    return torch.tensor(sentences)


def fit(model, batches, optimizer, pad, warmup=None, factor=1.0):
    model.train()
    losses = []
    step = 1
    for batch in batches:
        src = batch[0]
        tgt = batch[1]
        if warmup is not None:
            for group in optimizer.param_groups:
                group["lr"] = noam_rate(step, model.d_model, warmup, factor)
        tgt_in, tgt_out = shift_targets(tgt)
        logits = model(src, tgt_in)
        loss = sequence_loss(logits, tgt_out, pad)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
        step = step + 1
    return losses
