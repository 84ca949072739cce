"""Style: one matrix product for [x, h] and one bias; masks are multiplied; time comes first inside."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def _affine(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    return F.linear(torch.cat([x, h], dim=1), torch.cat([weight_ih, weight_hh], dim=1), bias_ih + bias_hh)


def lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    H = h.shape[1]
    a = _affine(x, h, weight_ih, weight_hh, bias_ih, bias_hh)
    return a[:, :H].sigmoid(), a[:, H : 2 * H].sigmoid(), a[:, 2 * H : 3 * H].tanh(), a[:, 3 * H :].sigmoid()


def lstm_cell(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    i, f, g, o = lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh)
    c_new = f * c + i * g
    h_new = o * c_new.tanh()
    return h_new, c_new


class LSTMCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        bound = 1 / math.sqrt(hidden_size)
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(4 * hidden_size).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(4 * hidden_size).uniform_(-bound, bound))

    def forward(self, x, state):
        return lstm_cell(x, state[0], state[1], self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


def init_forget_bias(cell, value):
    H = cell.hidden_size
    cell.bias_ih.data[H : 2 * H] = value / 2
    cell.bias_hh.data[H : 2 * H] = value / 2


def lstm_forward(cell, x, state=None, lengths=None):
    B, T, _ = x.shape
    if state is None:
        h = torch.zeros(B, cell.hidden_size, dtype=x.dtype, device=x.device)
        c = torch.zeros(B, cell.hidden_size, dtype=x.dtype, device=x.device)
    else:
        h, c = state
    out = []
    for t, x_t in enumerate(x.transpose(0, 1)):  # (T, B, I)
        h_new, c_new = cell(x_t, (h, c))
        if lengths is not None:
            m = (lengths > t).to(x.dtype)[:, None]
            h_new = m * h_new + (1 - m) * h
            c_new = m * c_new + (1 - m) * c
        h, c = h_new, c_new
        out += [h]
    return torch.stack(out).transpose(0, 1), (h, c)


class LSTM(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.cells = nn.ModuleList()
        for l in range(num_layers):
            self.cells.append(LSTMCell(input_size if l == 0 else hidden_size, hidden_size))
        self.drop = nn.Dropout(dropout)

    def forward(self, x, state=None, lengths=None):
        hs, cs = [], []
        for l, cell in enumerate(self.cells):
            if l:
                x = self.drop(x)
            s = None
            if state is not None:
                s = state[0][l], state[1][l]
            x, (h, c) = lstm_forward(cell, x, s, lengths)
            hs.append(h)
            cs.append(c)
        return x, (torch.stack(hs), torch.stack(cs))


def gru_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    H = h.shape[1]
    k = 2 * H
    rz = _affine(x, h, weight_ih[:k], weight_hh[:k], bias_ih[:k], bias_hh[:k]).sigmoid()
    r, z = rz[:, :H], rz[:, H:]
    n = torch.tanh(F.linear(x, weight_ih[k:], bias_ih[k:]) + r * F.linear(h, weight_hh[k:], bias_hh[k:]))
    return n + z * (h - n)


def gru_cell_cho(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    H = h.shape[1]
    k = 2 * H
    rz = _affine(x, h, weight_ih[:k], weight_hh[:k], bias_ih[:k], bias_hh[:k]).sigmoid()
    r, z = rz[:, :H], rz[:, H:]
    n = _affine(x, r * h, weight_ih[k:], weight_hh[k:], bias_ih[k:], bias_hh[k:]).tanh()
    return n + z * (h - n)


class GRUCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        bound = 1 / math.sqrt(hidden_size)
        self.weight_ih = nn.Parameter(torch.empty(3 * hidden_size, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(3 * hidden_size, hidden_size).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(3 * hidden_size).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(3 * hidden_size).uniform_(-bound, bound))

    def forward(self, x, h):
        return gru_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


def gru_forward(cell, x, h0=None, lengths=None):
    h = torch.zeros(x.shape[0], cell.hidden_size, dtype=x.dtype, device=x.device) if h0 is None else h0
    out = []
    for t, x_t in enumerate(x.transpose(0, 1)):
        new = cell(x_t, h)
        if lengths is not None:
            m = (lengths > t).to(x.dtype)[:, None]
            new = m * new + (1 - m) * h
        h = new
        out += [h]
    return torch.stack(out).transpose(0, 1), h


class GRU(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.cells = nn.ModuleList()
        for l in range(num_layers):
            self.cells.append(GRUCell(input_size if l == 0 else hidden_size, hidden_size))
        self.drop = nn.Dropout(dropout)

    def forward(self, x, h0=None, lengths=None):
        hs = []
        for l, cell in enumerate(self.cells):
            if l:
                x = self.drop(x)
            x, h = gru_forward(cell, x, h0[l] if h0 is not None else None, lengths)
            hs.append(h)
        return x, torch.stack(hs)


def bidirectional(ahead, back, x):
    out1, h1 = ahead(x)
    out2, h2 = back(torch.flip(x, dims=[1]))
    return torch.cat([out1, torch.flip(out2, dims=[1])], dim=2), torch.cat([h1, h2], dim=0)


def count_params(kind, input_size, hidden_size, num_layers=1):
    g = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    total = 0
    for l in range(num_layers):
        total += g * hidden_size * ((input_size if l == 0 else hidden_size) + hidden_size + 2)
    return total


def grad_norm_vs_distance(model, x):
    x = x.clone().detach()
    x.requires_grad = True
    out = model(x)[0]
    out[:, -1, :].sum().backward()
    g = x.grad
    return torch.tensor([g[:, x.shape[1] - 1 - k].norm() for k in range(x.shape[1])], dtype=x.dtype)


class NameClassifier(nn.Module):
    def __init__(self, kind, vocab, embed, hidden, classes):
        super().__init__()
        self.kind = kind
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = {"lstm": LSTM, "gru": GRU}[kind](embed, hidden)
        self.out = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        _, s = self.rnn(self.embedding(ids), lengths=lengths)
        h = s[0][0] if self.kind == "lstm" else s[0]
        return self.out(h)


class SequenceRegressor(nn.Module):
    def __init__(self, kind, input_size, hidden_size):
        super().__init__()
        self.rnn = {"lstm": LSTM, "gru": GRU}[kind](input_size, hidden_size)
        self.out = nn.Linear(hidden_size, 1)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.out(out[:, -1])[:, 0]


def fit(model, batches, optimizer, loss_fn, max_norm=None):
    model.train()
    losses = []
    for inputs, targets in batches:
        loss = loss_fn(model(*inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        if max_norm:
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        losses.append(float(loss))
    return losses
