"""Style: a beginner's. Loops over rows and places, lists, nothing clever."""

import torch
import torch.nn as nn

from seq2seq import Encoder
from seq2seq import masked_ce
from seq2seq import shift_targets


def softmax(x, dim=-1):
    biggest = torch.max(x, dim, keepdim=True)[0]
    top = torch.exp(x - biggest)
    bottom = torch.sum(top, dim, keepdim=True)
    answer = top / bottom
    return answer


def dot_scores(q, k):
    if len(q.shape) == 2:
        rows = []
        for b in range(k.shape[0]):
            rows.append(torch.mv(k[b], q[b]))
        return torch.stack(rows)
    columns = []
    for t in range(q.shape[1]):
        columns.append(dot_scores(q[:, t], k))
    return torch.stack(columns, dim=1)


def masked_softmax(scores, mask=None):
    if mask is None:
        return softmax(scores, -1)
    if len(scores.shape) == 3:
        return torch.stack([masked_softmax(scores[:, t], mask) for t in range(scores.shape[1])], dim=1)
    rows = []
    for b in range(scores.shape[0]):
        places = [s for s in range(scores.shape[1]) if mask[b, s]]
        row = torch.zeros(scores.shape[1], dtype=scores.dtype)
        if len(places) > 0:
            row = row.index_put((torch.tensor(places),), softmax(scores[b, places], 0))
        rows.append(row)
    return torch.stack(rows)


def attend(q, k, v, mask=None, scale=1.0):
    weights = masked_softmax(scale * dot_scores(q, k), mask)
    if len(q.shape) == 2:
        context = 0
        for s in range(k.shape[1]):
            context = context + weights[:, s : s + 1] * v[:, s]
        return [context, weights]
    context = torch.stack([(weights[b] @ v[b]) for b in range(v.shape[0])])
    return [context, weights]


def score_variance(d, scale, n, generator=None):
    q = torch.randn(n, d, generator=generator)
    k = torch.randn(n, d, generator=generator)
    scores = (q * k).sum(1) * scale
    mean = scores.mean()
    return ((scores - mean) ** 2).sum() / n


class AdditiveAttention(nn.Module):
    def __init__(self, query_size, key_size, hidden):
        super().__init__()
        self.w_q = nn.Linear(query_size, hidden, bias=False)
        self.w_k = nn.Linear(key_size, hidden, bias=False)
        self.v = nn.Linear(hidden, 1, bias=False)

    def forward(self, q, k, v, mask=None):
        scores = []
        for s in range(k.shape[1]):
            scores.append(self.v(torch.tanh(self.w_q(q) + self.w_k(k[:, s]))))
        weights = masked_softmax(torch.cat(scores, dim=1), mask)
        context = 0
        for s in range(k.shape[1]):
            context = context + weights[:, s : s + 1] * v[:, s]
        return context, weights


class AttnDecoder(nn.Module):
    def __init__(self, vocab, embed, hidden, dropout=0.0):
        super().__init__()
        self.vocab = vocab
        self.embedding = nn.Embedding(vocab, embed)
        self.cell = nn.GRUCell(embed, hidden)
        self.attn_combine = nn.Linear(hidden + hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, vocab)
        self.last_weights = None

    def step(self, y, state, enc_out, mask=None):
        x = self.embedding(y)
        new_state = self.cell(x, state)
        context, weights = attend(new_state, enc_out, enc_out, mask)
        self.last_weights = weights
        both = torch.cat((context, new_state), dim=1)
        h_tilde = torch.tanh(self.attn_combine(both))
        h_tilde = self.dropout(h_tilde)
        logits = self.out(h_tilde)
        return logits, new_state, weights

    def forward(self, tgt_in, state, enc_out, mask=None):
        all_logits = []
        all_weights = []
        for t in range(tgt_in.shape[1]):
            logits, state, weights = self.step(tgt_in[:, t], state, enc_out, mask)
            all_logits.append(logits.unsqueeze(1))
            all_weights.append(weights.unsqueeze(1))
        return torch.cat(all_logits, dim=1), torch.cat(all_weights, dim=1)


class AttnSeq2Seq(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, embed, hidden, dropout=0.0):
        super().__init__()
        self.encoder = Encoder(src_vocab, embed, hidden)
        self.decoder = AttnDecoder(tgt_vocab, embed, hidden, dropout)

    def encode(self, src, lengths):
        enc_out, state = self.encoder(src, lengths)
        mask = []
        for b in range(src.shape[0]):
            mask.append([s < lengths[b].item() for s in range(src.shape[1])])
        return enc_out, state[0], torch.tensor(mask)

    def forward(self, src, lengths, tgt_in):
        enc_out, state, mask = self.encode(src, lengths)
        return self.decoder(tgt_in, state, enc_out, mask)


def fit(model, batches, optimizer, max_norm=None):
    model.train()
    losses = []
    for src, lengths, tgt in batches:
        tgt_in, tgt_out = shift_targets(tgt)
        answer = model(src, lengths, tgt_in)
        if type(answer) is tuple or type(answer) is list:
            answer = answer[0]
        loss = masked_ce(answer, tgt_out)
        model.zero_grad()
        loss.backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses


def translate(model, src, lengths, max_len):
    all_ids = []
    all_weights = []
    longest = src.shape[1]
    for b in range(src.shape[0]):  # one sentence after the other
        n = lengths[b].item()
        with torch.no_grad():
            enc_out, state, mask = model.encode(src[b : b + 1, :n], lengths[b : b + 1])
            y = torch.tensor([1])
            ids = []
            rows = []
            for _ in range(max_len):
                logits, state, weights = model.decoder.step(y, state, enc_out, mask)
                y = logits.argmax(1)
                ids.append(y.item())
                row = torch.zeros(longest, dtype=weights.dtype)
                row[:n] = weights[0]
                rows.append(row)
                if y.item() == 2:
                    break
            while len(ids) < max_len:
                ids.append(0)
                rows.append(torch.zeros(longest, dtype=weights.dtype))
        all_ids.append(ids)
        all_weights.append(torch.stack(rows))
    return torch.tensor(all_ids), torch.stack(all_weights)


def attention_map(weights, src, ids, src_tokens, tgt_tokens):
    rows = []
    for i in ids:
        if i == 2 or i == 0:
            break
        rows.append(tgt_tokens[i])
    columns = []
    for i in src:
        if i == 0:
            break
        columns.append(src_tokens[i])
    weights = torch.tensor(weights.tolist(), dtype=weights.dtype)
    return weights[: len(rows), : len(columns)], rows, columns
