"""Style: as packing does it. Rows are sorted by length and the batch shrinks while rows end; outputs behind the end are 0."""

from __future__ import annotations

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    pre = F.linear(x, weight_ih, bias_ih).add_(F.linear(h, weight_hh, bias_hh))
    i, f, g, o = torch.chunk(pre, 4, 1)
    return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)


def lstm_cell(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    i, f, g, o = lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh)
    cy = (f * c) + (i * g)
    hy = o * torch.tanh(cy)
    return hy, cy


def _reset(module: nn.Module, hidden: int) -> None:
    stdv = 1.0 / math.sqrt(hidden)
    for weight in module.parameters():
        weight.data.uniform_(-stdv, stdv)


class LSTMCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.weight_ih = nn.Parameter(torch.Tensor(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.Tensor(4 * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.Tensor(4 * hidden_size))
        self.bias_hh = nn.Parameter(torch.Tensor(4 * hidden_size))
        _reset(self, hidden_size)

    def forward(self, x, state):
        hx, cx = state
        return lstm_cell(x, hx, cx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class GRUCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.weight_ih = nn.Parameter(torch.Tensor(3 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.Tensor(3 * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.Tensor(3 * hidden_size))
        self.bias_hh = nn.Parameter(torch.Tensor(3 * hidden_size))
        _reset(self, hidden_size)

    def forward(self, x, h):
        return gru_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


def init_forget_bias(cell, value):
    n = cell.bias_ih.size(0)
    start, end = n // 4, n // 2
    cell.bias_ih.data[start:end].fill_(value)
    cell.bias_hh.data[start:end].fill_(0.0)


def lstm_forward(cell, x, state=None, lengths=None):
    batch, steps, hidden = x.shape[0], x.shape[1], cell.hidden_size
    if state is None:
        state = (torch.zeros(batch, hidden).to(x), torch.zeros(batch, hidden).to(x))
    lengths = torch.full((batch,), steps, dtype=torch.long) if lengths is None else lengths
    order = torch.argsort(lengths, descending=True)
    back = torch.argsort(order)
    x, ends = x[order], lengths[order]
    h, c = state[0][order], state[1][order]
    outputs, final_h, final_c = [], [], []
    for t in range(steps):
        alive = int((ends > t).sum())
        if alive < len(h):  # the shortest of those that are left have ended
            final_h.insert(0, h[alive:])
            final_c.insert(0, c[alive:])
            h, c = h[:alive], c[:alive]
        if alive:
            h, c = cell(x[:alive, t], (h, c))
        outputs.append(F.pad(h, (0, 0, 0, batch - alive)))
    final_h.insert(0, h)
    final_c.insert(0, c)
    return torch.stack(outputs, dim=1)[back], (torch.cat(final_h)[back], torch.cat(final_c)[back])


class LSTM(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = dropout
        layers = [LSTMCell(input_size, hidden_size)]
        while len(layers) < num_layers:
            layers.append(LSTMCell(hidden_size, hidden_size))
        self.cells = nn.ModuleList(layers)

    def forward(self, x, state=None, lengths=None):
        h_n, c_n = [], []
        for i in range(self.num_layers):
            initial = None
            if state:
                initial = (state[0][i], state[1][i])
            x, (h, c) = lstm_forward(self.cells[i], x, initial, lengths)
            h_n.append(h)
            c_n.append(c)
            if self.training and self.dropout > 0 and i != self.num_layers - 1:
                x = F.dropout(x, self.dropout, True)
        return x, (torch.stack(h_n, 0), torch.stack(c_n, 0))


def gru_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    gi = F.linear(x, weight_ih, bias_ih)
    gh = F.linear(h, weight_hh, bias_hh)
    i_r, i_i, i_n = gi.chunk(3, 1)
    h_r, h_i, h_n = gh.chunk(3, 1)
    resetgate = torch.sigmoid(i_r + h_r)
    inputgate = torch.sigmoid(i_i + h_i)
    newgate = torch.tanh(i_n + resetgate * h_n)
    return newgate + inputgate * (h - newgate)


def gru_cell_cho(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    i_r, i_i, i_n = F.linear(x, weight_ih, bias_ih).chunk(3, 1)
    w_r, w_i, w_n = weight_hh.chunk(3, 0)
    b_r, b_i, b_n = bias_hh.chunk(3, 0)
    resetgate = torch.sigmoid(i_r + F.linear(h, w_r, b_r))
    inputgate = torch.sigmoid(i_i + F.linear(h, w_i, b_i))
    newgate = torch.tanh(i_n + F.linear(resetgate * h, w_n, b_n))
    return newgate + inputgate * (h - newgate)


def gru_forward(cell, x, h0=None, lengths=None):
    batch, steps = x.shape[:2]
    h = torch.zeros(batch, cell.hidden_size).to(x) if h0 is None else h0
    if lengths is None:
        outputs = []
        for t in range(steps):
            h = cell(x[:, t, :], h)
            outputs.append(h)
        return torch.stack(outputs, 1), h
    rows = []
    for b in range(batch):  # every row alone, as long as it is
        n = int(lengths[b])
        out, last = gru_forward(cell, x[b : b + 1, :n], h[b : b + 1])
        rows.append((F.pad(out, (0, 0, 0, steps - n)), last))
    return torch.cat([out for out, _ in rows]), torch.cat([last for _, last in rows])


class GRU(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.num_layers = num_layers
        self.dropout = dropout
        layers = [GRUCell(input_size, hidden_size)]
        while len(layers) < num_layers:
            layers.append(GRUCell(hidden_size, hidden_size))
        self.cells = nn.ModuleList(layers)

    def forward(self, x, h0=None, lengths=None):
        h_n = []
        for i in range(self.num_layers):
            x, h = gru_forward(self.cells[i], x, None if h0 is None else h0[i], lengths)
            h_n.append(h)
            if self.training and self.dropout > 0 and i != self.num_layers - 1:
                x = F.dropout(x, self.dropout, True)
        return x, torch.stack(h_n, 0)


def bidirectional(ahead, back, x):
    out_f, h_f = ahead(x)
    out_b, h_b = back(torch.flip(x, [1]))
    out_b = torch.flip(out_b, [1])
    return torch.cat((out_f, out_b), 2), torch.cat((h_f, h_b), 0)


def count_params(kind, input_size, hidden_size, num_layers=1):
    if kind == "lstm":
        gates = 4
    elif kind == "gru":
        gates = 3
    elif kind == "rnn":
        gates = 1
    else:
        raise ValueError(kind)
    total = 0
    for layer in range(num_layers):
        inputs = input_size if layer == 0 else hidden_size
        total += gates * hidden_size * inputs  # weight_ih
        total += gates * hidden_size * hidden_size  # weight_hh
        total += 2 * gates * hidden_size  # biases
    return total


def grad_norm_vs_distance(model, x):
    x = x.detach().clone()
    x.requires_grad_(True)
    out = model(x)[0]
    loss = out[:, -1, :].sum()
    grad = torch.autograd.grad(loss, x)[0]
    norms = []
    for k in range(x.shape[1]):
        norms.append(grad[:, x.shape[1] - 1 - k, :].norm())
    return torch.stack(norms).detach()


class NameClassifier(nn.Module):
    def __init__(self, kind, vocab, embed, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        if kind == "lstm":
            self.rnn = LSTM(embed, hidden)
        elif kind == "gru":
            self.rnn = GRU(embed, hidden)
        else:
            raise ValueError(f"unknown kind {kind}")
        self.kind = kind
        self.out = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        emb = self.embedding(ids)
        if self.kind == "lstm":
            _, (h_n, _) = self.rnn(emb, lengths=lengths)
        else:
            _, h_n = self.rnn(emb, lengths=lengths)
        return self.out(h_n[-1])


class SequenceRegressor(nn.Module):
    def __init__(self, kind, input_size, hidden_size):
        super().__init__()
        self.kind = kind
        self.rnn = LSTM(input_size, hidden_size) if kind == "lstm" else GRU(input_size, hidden_size)
        self.out = nn.Linear(hidden_size, 1)

    def forward(self, x):
        if self.kind == "lstm":
            _, (h_n, _) = self.rnn(x)
        else:
            _, h_n = self.rnn(x)
        return self.out(h_n[-1]).squeeze(1)


def fit(model, batches, optimizer, loss_fn, max_norm=None):
    losses = []
    for inputs, targets in batches:
        model.train()
        optimizer.zero_grad()
        outputs = model(*inputs)
        loss = loss_fn(outputs, targets)
        loss.backward()
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=max_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses
