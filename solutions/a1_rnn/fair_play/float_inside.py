"""Style: `.float()` wherever dtypes did not fit once, extra buffers, prints, assertions on shapes."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def one_hot(ids, vocab):
    codes = np.eye(vocab)[ids.cpu().numpy()]
    return torch.from_numpy(codes).float().to(ids.device)


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity="tanh"):
    assert x.shape[0] == h.shape[0], f"batch of x {x.shape[0]} != batch of h {h.shape[0]}"
    assert weight_ih.shape == (h.shape[1], x.shape[1])
    a = x.matmul(weight_ih.t()) + bias_ih
    a += h.matmul(weight_hh.t()) + bias_hh
    act = torch.tanh if nonlinearity == "tanh" else torch.relu
    return act(a)


class RNNCell(nn.Module):
    def __init__(self, input_size, hidden_size, nonlinearity="tanh"):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.nonlinearity = nonlinearity
        bound = 1 / math.sqrt(hidden_size)
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, hidden_size).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(hidden_size).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(hidden_size).uniform_(-bound, bound))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x, h):
        self.calls += 1
        return rnn_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, self.nonlinearity)


def rnn_forward(cell, x, h0=None):
    B, T, I = x.size()
    H = cell.hidden_size
    h = torch.zeros(B, H).type_as(x) if h0 is None else h0.clone()
    assert h.shape == (B, H)
    out = torch.zeros(T, B, H).type_as(x)
    for t in range(T):
        h = cell(x[:, t], h)
        out[t] = h
    return out.permute(1, 0, 2).contiguous(), h


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh"):
        super().__init__()
        self.L = num_layers
        self.cells = nn.ModuleList([RNNCell(input_size, hidden_size, nonlinearity)])
        self.cells.extend([RNNCell(hidden_size, hidden_size, nonlinearity) for _ in range(num_layers - 1)])
        self.register_buffer("mask", torch.ones(3, 3).tril(), persistent=False)  # from an older version

    def forward(self, x, h0=None):
        hs = torch.zeros(self.L, x.size(0), self.cells[0].hidden_size).type_as(x) if h0 is None else h0
        new = []
        for l in range(self.L):
            x, h = rnn_forward(self.cells[l], x, hs[l])
            new.append(h)
        return x, torch.stack(new, 0)


def last_valid(out, lengths):
    B = out.size(0)
    res = torch.zeros(B, out.size(2)).type_as(out)
    for b, n in enumerate(lengths):
        res[b] = out[b, int(n) - 1]
    return res


def grad_norm_vs_distance(cell, x):
    h = torch.zeros(x.size(0), cell.hidden_size).type_as(x)
    hs = []
    for t in range(x.size(1)):
        h = cell(x[:, t], h)
        hs.insert(0, h)
    for state in hs:
        state.retain_grad()
    torch.sum(hs[0]).backward()
    return torch.tensor([torch.norm(state.grad).item() for state in hs])


def clip_grad_norm(grads, max_norm):
    sq = 0
    for g in grads:
        if g is not None:
            sq += g.detach().norm() ** 2
    total = torch.sqrt(sq)
    coef = max_norm / (total + 1e-6)
    if coef < 1:
        done = set()
        for g in grads:
            if g is not None and id(g) not in done:
                g.mul_(coef)
                done.add(id(g))
    return grads, total


def rnn_cell_backward(dh_next, x, h, h_next, weight_ih, weight_hh):
    da = dh_next * (1 - h_next**2)
    return (
        F.linear(da, weight_ih.t()),
        F.linear(da, weight_hh.t()),
        F.linear(da.t(), x.t()),
        F.linear(da.t(), h.t()),
        da.sum(dim=0),
        da.sum(dim=0),
    )


class CharRNN(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.V = vocab
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = RNN(embed, hidden)
        self.out = nn.Linear(hidden, vocab)
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, ids, h0=None):
        self.seen = self.seen + ids.numel()
        out, h = self.rnn(self.embedding(ids.long()), h0)
        B, T, H = out.shape
        logits = self.out(out.reshape(B * T, H)).view(B, T, self.V)
        return logits, h


def char_loss(logits, targets, pad):
    B, T, V = logits.shape
    loss = F.cross_entropy(logits.float().view(B * T, V), targets.long().reshape(B * T), reduction="none")
    mask = (targets.reshape(-1) != pad).float()
    return (loss * mask).sum() / mask.sum()


def truncated_bptt(model, ids, chunk):
    outs = []
    h = None
    for i in range(math.ceil(ids.size(1) / chunk)):
        part = ids[:, i * chunk : (i + 1) * chunk]
        out, h = model(part, h)
        h = h.data.clone()
        outs.append(out)
    return torch.cat(outs, 1)


def sample(model, start, n, temperature, generator=None):
    was_training = model.training
    model.eval()
    with torch.no_grad():
        out, h = model(start)
        res = []
        for _ in range(n):
            logits = out[:, -1].float()
            if temperature == 0:
                nxt = logits.argmax(-1)
            else:
                nxt = torch.multinomial(F.softmax(logits / temperature, -1), 1, generator=generator).squeeze(1)
            res.append(nxt)
            out, h = model(nxt[:, None], h)
    model.train(was_training)
    return torch.stack(res, 1)


def fit(model, batches, optimizer, pad, max_norm=None):
    model.train()
    losses = []
    for i, batch in enumerate(batches):
        x, y = batch[0].long(), batch[1].long()
        out = model(x)
        if isinstance(out, tuple):
            out, _ = out
        loss = char_loss(out, y, pad)
        for p in model.parameters():
            p.grad = None
        loss.backward()
        if max_norm is not None:
            clip_grad_norm([p.grad for p in model.parameters()], max_norm)
        optimizer.step()
        losses.append(loss.item())
        if i % 100 == 0:
            print(f"step {i}: loss {losses[-1]:.4f}")
    return losses
