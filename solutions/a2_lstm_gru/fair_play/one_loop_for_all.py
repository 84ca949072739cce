"""Style: don't repeat yourself. One base for both kinds, states as tuples throughout, masks made once, `match`."""

from __future__ import annotations

from functools import reduce
from operator import add

import torch
import torch.nn.functional as F
from torch import nn

σ = torch.sigmoid


def lstm_gates(x, h, *weights):
    w_ih, w_hh, b_ih, b_hh = (w.chunk(4) for w in weights)
    pre = [F.linear(x, w_ih[k], b_ih[k]) + F.linear(h, w_hh[k], b_hh[k]) for k in range(4)]
    return [act(a) for act, a in zip((σ, σ, torch.tanh, σ), pre, strict=True)]


def lstm_cell(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    match lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
        case [i, f, g, o]:
            c = reduce(add, (f * c, i * g))
            return o * c.tanh(), c
        case i, f, g, o:  # any other sequence of four
            c = f * c + i * g
            return o * c.tanh(), c


class _Cell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        k = hidden_size**-0.5
        n = self.blocks * hidden_size
        self.weight_ih = nn.Parameter(k * (2 * torch.rand(n, input_size) - 1))
        self.weight_hh = nn.Parameter(k * (2 * torch.rand(n, hidden_size) - 1))
        self.bias_ih = nn.Parameter(k * (2 * torch.rand(n) - 1))
        self.bias_hh = nn.Parameter(k * (2 * torch.rand(n) - 1))

    @property
    def weights(self):
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh


class LSTMCell(_Cell):
    blocks = 4

    def forward(self, x, state):
        return lstm_cell(x, *state, *self.weights)


class GRUCell(_Cell):
    blocks = 3

    def forward(self, x, h):
        return gru_cell(x, h, *self.weights)


def init_forget_bias(cell, value):
    for bias, number in ((cell.bias_ih, 0.5 * value), (cell.bias_hh, 0.5 * value)):
        nn.init.constant_(bias.data.narrow(0, cell.hidden_size, cell.hidden_size), number)


def _run(cell, x, states, lengths, step):
    time = x.size(1)
    if lengths is not None:
        over = torch.arange(time, device=x.device).unsqueeze(1).ge(lengths).unsqueeze(2)  # (T, B, 1)
    out = []
    for t in range(time):
        after = step(cell, x[:, t], states)
        if lengths is not None:
            after = tuple(torch.where(over[t], old, new) for old, new in zip(states, after, strict=True))
        states = after
        out.append(states[0])
    return torch.stack(out, 1), states


def _zeros(cell, x, count):
    return tuple(x.new_zeros(x.size(0), cell.hidden_size) for _ in range(count))


def lstm_forward(cell, x, state=None, lengths=None):
    out, (h, c) = _run(cell, x, tuple(state or _zeros(cell, x, 2)), lengths, lambda cell, x, s: tuple(cell(x, s)))
    return out, (h, c)


def gru_forward(cell, x, h0=None, lengths=None):
    start = _zeros(cell, x, 1) if h0 is None else (h0,)
    out, (h,) = _run(cell, x, start, lengths, lambda cell, x, s: (cell(x, *s),))
    return out, h


class _Layers(nn.Module):
    def __init__(self, cells, dropout):
        super().__init__()
        self.cells, self.dropout = nn.ModuleList(cells), dropout

    def over_layers(self, x, run, starts, lengths):
        for layer, (cell, start) in enumerate(zip(self.cells, starts, strict=True)):
            x = F.dropout(x, self.dropout if layer else 0.0, self.training)
            x, final = run(cell, x, start, lengths)
            yield x, final


class LSTM(_Layers):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__((LSTMCell(i, hidden_size) for i in [input_size] + [hidden_size] * (num_layers - 1)), dropout)

    def forward(self, x, state=None, lengths=None):
        starts = [None] * len(self.cells) if state is None else zip(*state, strict=True)
        outs, finals = zip(*self.over_layers(x, lstm_forward, starts, lengths), strict=True)
        h_n, c_n = map(torch.stack, zip(*finals, strict=True))
        return outs[-1], (h_n, c_n)


class GRU(_Layers):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__((GRUCell(i, hidden_size) for i in [input_size] + [hidden_size] * (num_layers - 1)), dropout)

    def forward(self, x, h0=None, lengths=None):
        starts = [None] * len(self.cells) if h0 is None else h0
        outs, finals = zip(*self.over_layers(x, gru_forward, starts, lengths), strict=True)
        return outs[-1], torch.stack(finals)


def gru_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    (xr, xz, xn), (hr, hz, hn) = F.linear(x, weight_ih, bias_ih).chunk(3, 1), F.linear(h, weight_hh, bias_hh).chunk(3, 1)
    z = σ(xz + hz)
    return z * h + (1 - z) * torch.tanh(xn + σ(xr + hr) * hn)


def gru_cell_cho(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    gate = lambda k, s: F.linear(x, weight_ih.chunk(3)[k], bias_ih.chunk(3)[k]) + F.linear(
        s, weight_hh.chunk(3)[k], bias_hh.chunk(3)[k]
    )
    r, z = σ(gate(0, h)), σ(gate(1, h))
    return z * h + (1 - z) * torch.tanh(gate(2, r * h))


def bidirectional(ahead, back, x):
    (a, h_a), (b, h_b) = ahead(x), back(x.flip(1))
    return torch.cat((a, b.flip(1)), 2), torch.cat((h_a, h_b))


def count_params(kind, input_size, hidden_size, num_layers=1):
    match kind:
        case "rnn":
            blocks = 1
        case "gru":
            blocks = GRUCell.blocks
        case "lstm":
            blocks = LSTMCell.blocks
        case _:
            raise ValueError(f"kind must be rnn, gru or lstm, not {kind!r}")
    layer = lambda i: blocks * hidden_size * (i + hidden_size + 2)
    return layer(input_size) + (num_layers - 1) * layer(hidden_size)


def grad_norm_vs_distance(model, x):
    def last(x):
        return model(x)[0][:, -1].sum()

    return torch.func.grad(last)(x.detach()).pow(2).sum((0, 2)).sqrt().flip(0).detach()


class _Model(nn.Module):
    def __init__(self, kind, inputs, hidden, outputs):
        super().__init__()
        self.rnn = {"lstm": LSTM, "gru": GRU}[kind](inputs, hidden)
        self.out = nn.Linear(hidden, outputs)

    def last(self, x, lengths=None):
        _, final = self.rnn(x, lengths=lengths)
        while not isinstance(final, torch.Tensor):
            final = final[0]
        return self.out(final[-1])


class NameClassifier(_Model):
    def __init__(self, kind, vocab, embed, hidden, classes):
        super().__init__(kind, embed, hidden, classes)
        self.embedding = nn.Embedding(vocab, embed)

    def forward(self, ids, lengths):
        return self.last(self.embedding(ids), lengths)


class SequenceRegressor(_Model):
    def __init__(self, kind, input_size, hidden_size):
        super().__init__(kind, input_size, hidden_size, 1)

    def forward(self, x):
        return self.last(x).squeeze(-1)


def fit(model, batches, optimizer, loss_fn, max_norm=None):
    model.train()
    losses = []
    for args, target in batches:

        def closure():
            optimizer.zero_grad()
            loss = loss_fn(model(*args), target)
            loss.backward()
            if max_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            return loss

        losses.append(optimizer.step(closure).item())
    return losses
