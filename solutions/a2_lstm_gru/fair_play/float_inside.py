"""Style: `.float()` wherever dtypes did not fit once, extra buffers, helper modules, prints, numpy for counting."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    x, h = x.float(), h.float()
    a = F.linear(x, weight_ih.float(), bias_ih.float()) + F.linear(h, weight_hh.float(), bias_hh.float())
    i, f, g, o = a.view(a.shape[0], 4, -1).permute(1, 0, 2)
    return F.sigmoid(i), F.sigmoid(f), F.tanh(g), F.sigmoid(o)


def lstm_cell(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    i, f, g, o = lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh)
    c = f * c.float() + i * g
    return o * F.tanh(c), c


class LSTMCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        bound = 1 / math.sqrt(hidden_size)
        for name, shape in [("weight_ih", (4 * hidden_size, input_size)), ("weight_hh", (4 * hidden_size, hidden_size))]:
            setattr(self, name, nn.Parameter(torch.empty(*shape).uniform_(-bound, bound)))
        for name in ["bias_ih", "bias_hh"]:
            setattr(self, name, nn.Parameter(torch.empty(4 * hidden_size).uniform_(-bound, bound)))
        self.register_buffer("steps_seen", torch.zeros(1))

    def forward(self, x, state):
        self.steps_seen += 1
        return lstm_cell(x, state[0], state[1], self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


def init_forget_bias(cell, value):
    bias = cell.state_dict()
    bias["bias_ih"][cell.hidden_size : 2 * cell.hidden_size] = float(value)
    bias["bias_hh"][cell.hidden_size : 2 * cell.hidden_size] = 0.0


def lstm_forward(cell, x, state=None, lengths=None):
    b, s, _ = x.shape
    h, c = state if state is not None else (torch.zeros(b, cell.hidden_size).to(x), torch.zeros(b, cell.hidden_size).to(x))
    mask = torch.ones(b, s, dtype=torch.bool) if lengths is None else torch.arange(s).expand(b, s) < lengths.unsqueeze(1)
    outputs = []
    for t in range(s):
        nh, nc = cell(x[:, t], (h, c))
        h = torch.where(mask[:, t : t + 1], nh, h.to(nh))
        c = torch.where(mask[:, t : t + 1], nc, c.to(nc))
        outputs.append(h * mask[:, t : t + 1])
    return torch.stack(outputs, 1), (h, c)


class LSTM(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.cells = nn.ModuleList([LSTMCell(hidden_size if n > 0 else input_size, hidden_size) for n in range(num_layers)])
        self.dropouts = nn.ModuleList([nn.Dropout(dropout) for _ in range(num_layers - 1)])
        self.identity = nn.Identity()
        self.register_buffer("version", torch.tensor(3))

    def forward(self, x, state=None, lengths=None):
        x = self.identity(x).float()
        finals = []
        for n, cell in enumerate(self.cells):
            x, final = lstm_forward(cell, x, (state[0][n], state[1][n]) if state is not None else None, lengths)
            finals.append(final)
            if n < len(self.dropouts):
                x = self.dropouts[n](x)
        return x, tuple(torch.stack([final[k] for final in finals]) for k in range(2))


def gru_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    x, h = x.float(), h.float()
    x_r, x_z, x_n = F.linear(x, weight_ih.float(), bias_ih.float()).view(x.shape[0], 3, -1).unbind(1)
    h_r, h_z, h_n = F.linear(h, weight_hh.float(), bias_hh.float()).view(h.shape[0], 3, -1).unbind(1)
    r, z = F.sigmoid(x_r + h_r), F.sigmoid(x_z + h_z)
    return (1.0 - z) * F.tanh(x_n + r * h_n) + z * h


def gru_cell_cho(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    x, h = x.float(), h.float()
    hidden = h.shape[1]
    x_r, x_z, x_n = F.linear(x, weight_ih.float(), bias_ih.float()).view(x.shape[0], 3, -1).unbind(1)
    w, b = weight_hh.float(), bias_hh.float()
    h_r, h_z = F.linear(h, w[: 2 * hidden], b[: 2 * hidden]).view(h.shape[0], 2, -1).unbind(1)
    r, z = F.sigmoid(x_r + h_r), F.sigmoid(x_z + h_z)
    return (1.0 - z) * F.tanh(x_n + F.linear(r * h, w[2 * hidden :], b[2 * hidden :])) + z * h


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
        self.last_update = None

    def forward(self, x, h):
        new = gru_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        self.last_update = float((new - h).abs().mean())
        return new


def gru_forward(cell, x, h0=None, lengths=None):
    b, s, _ = x.shape
    h = h0 if h0 is not None else torch.zeros(b, cell.hidden_size).to(x)
    mask = torch.ones(b, s, dtype=torch.bool) if lengths is None else torch.arange(s).expand(b, s) < lengths.unsqueeze(1)
    outputs = []
    for t in range(s):
        new = cell(x[:, t], h)
        h = torch.where(mask[:, t : t + 1], new, h.to(new))
        outputs.append(h * mask[:, t : t + 1])
    return torch.stack(outputs, 1), h


class GRU(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.cells = nn.ModuleList([GRUCell(hidden_size if n > 0 else input_size, hidden_size) for n in range(num_layers)])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, h0=None, lengths=None):
        h_n = []
        for n, cell in enumerate(self.cells):
            x, h = gru_forward(cell, x, None if h0 is None else h0[n], lengths)
            h_n.append(h)
            x = self.dropout(x) if n + 1 < len(self.cells) else x
        return x, torch.stack(h_n)


def bidirectional(ahead, back, x):
    out, h = ahead(x)
    out_r, h_r = back(x.flip([1]))
    return torch.cat([out, out_r.flip([1])], -1), torch.cat([h, h_r], 0)


def count_params(kind, input_size, hidden_size, num_layers=1):
    inputs = np.array([input_size] + [hidden_size] * (num_layers - 1))
    return int((({"rnn": 1, "gru": 3, "lstm": 4}[kind] * hidden_size) * (inputs + hidden_size + 2)).sum())


def grad_norm_vs_distance(model, x):
    x = x.detach().clone().requires_grad_(True)
    y = model(x)[0]
    g = torch.autograd.grad(y[:, -1].sum(), x)[0].double().numpy()
    return torch.from_numpy(np.sqrt((g**2).sum(axis=(0, 2)))[::-1].copy()).float()


class NameClassifier(nn.Module):
    def __init__(self, kind, vocab, embed, hidden, classes):
        super().__init__()
        print("a", kind, "for", classes, "languages")
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = (LSTM if kind == "lstm" else GRU)(embed, hidden)
        self.out = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        out, _ = self.rnn(self.embedding(ids.long()), lengths=lengths.long())
        return self.out.float()(out[torch.arange(len(ids)), lengths.long() - 1])


class SequenceRegressor(nn.Module):
    def __init__(self, kind, input_size, hidden_size):
        super().__init__()
        self.rnn = (LSTM if kind == "lstm" else GRU)(input_size, hidden_size)
        self.out = nn.Linear(hidden_size, 1)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.out.float()(out[:, -1]).squeeze(1)


def fit(model, batches, optimizer, loss_fn, max_norm=None):
    model.train()
    losses = []
    for inputs, targets in batches:
        outputs = model(*inputs)
        loss = loss_fn(outputs, targets if targets.dtype == torch.int64 else targets.to(outputs.dtype))
        optimizer.zero_grad()
        loss.backward()
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses
