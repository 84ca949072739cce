"""Style: for speed. All input products of a layer at once, one transposed weight, no cell calls in the loops."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@torch.jit.ignore
def _split(a: Tensor, parts: int):
    return a.tensor_split(parts, dim=-1)


def _lstm_update(a, c):
    hidden = c.size(-1)
    i, f, g, o = a.split(hidden, dim=-1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru_update(a_x, a_h, h):
    x_r, x_z, x_n = _split(a_x, 3)
    h_r, h_z, h_n = _split(a_h, 3)
    z = torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
    return z * h + n - z * n


def lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    i, f, g, o = _split(torch.addmm(bias_ih, x, weight_ih.t()) + torch.addmm(bias_hh, h, weight_hh.t()), 4)
    return i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()


def lstm_cell(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    return _lstm_update(torch.addmm(bias_ih, x, weight_ih.t()) + torch.addmm(bias_hh, h, weight_hh.t()), c)


class _Cell(nn.Module):
    def __init__(self, gates, input_size, hidden_size):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.weight_ih = nn.Parameter(torch.empty(gates * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(gates * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(gates * hidden_size))
        self.bias_hh = nn.Parameter(torch.empty(gates * hidden_size))
        for p in self.parameters():
            nn.init.uniform_(p, -1 / math.sqrt(hidden_size), 1 / math.sqrt(hidden_size))


class LSTMCell(_Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__(4, input_size, hidden_size)

    def forward(self, x, state):
        h, c = state
        return lstm_cell(x, h, c, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


def init_forget_bias(cell, value):
    with torch.no_grad():
        total = cell.bias_ih + cell.bias_hh
        part = total.view(4, -1)[1]
        cell.bias_ih.view(4, -1)[1] += value - part


def lstm_forward(cell, x, state=None, lengths=None):
    B, T, H = x.size(0), x.size(1), cell.hidden_size
    a_x = F.linear(x, cell.weight_ih, cell.bias_ih + cell.bias_hh)  # (B, T, 4H)
    w = cell.weight_hh.t().contiguous()
    h, c = state if state is not None else (x.new_zeros(B, H), x.new_zeros(B, H))
    keep = None if lengths is None else (torch.arange(T, device=x.device)[:, None] >= lengths).unsqueeze(-1)  # (T, B, 1)
    out = []
    for t in range(T):
        h_t, c_t = _lstm_update(a_x[:, t] + h @ w, c)
        if keep is not None:
            h_t, c_t = torch.where(keep[t], h, h_t), torch.where(keep[t], c, c_t)
        h, c = h_t, c_t
        out.append(h.unsqueeze(1))
    return torch.cat(out, dim=1), (h, c)


class LSTM(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.num_layers, self.p = num_layers, dropout
        self.cells = nn.ModuleList([LSTMCell(input_size, hidden_size)])
        self.cells.extend([LSTMCell(hidden_size, hidden_size) for _ in range(num_layers - 1)])

    def forward(self, x, state=None, lengths=None):
        starts = [None] * self.num_layers if state is None else list(zip(state[0], state[1]))
        ends = []
        for cell, start in zip(self.cells, starts):
            if ends:
                x = F.dropout(x, self.p, self.training)
            x, end = lstm_forward(cell, x, start, lengths)
            ends.append(end)
        h_n, c_n = zip(*ends)
        return x, (torch.stack(h_n), torch.stack(c_n))


def gru_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    return _gru_update(torch.addmm(bias_ih, x, weight_ih.t()), torch.addmm(bias_hh, h, weight_hh.t()), h)


def gru_cell_cho(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    H = h.size(-1)
    a_x = torch.addmm(bias_ih, x, weight_ih.t())
    a_h = torch.addmm(bias_hh[: 2 * H], h, weight_hh[: 2 * H].t())
    r, z = torch.sigmoid(a_x[:, : 2 * H] + a_h).tensor_split(2, dim=1)
    n = torch.tanh(a_x[:, 2 * H :] + torch.addmm(bias_hh[2 * H :], r * h, weight_hh[2 * H :].t()))
    return z * h + n - z * n


class GRUCell(_Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__(3, input_size, hidden_size)

    def forward(self, x, h):
        return gru_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


def gru_forward(cell, x, h0=None, lengths=None):
    B, T, H = x.size(0), x.size(1), cell.hidden_size
    a_x = F.linear(x, cell.weight_ih, cell.bias_ih)
    h = h0 if h0 is not None else x.new_zeros(B, H)
    keep = None if lengths is None else (torch.arange(T, device=x.device)[:, None] >= lengths).unsqueeze(-1)
    out = []
    for t in range(T):
        h_t = _gru_update(a_x[:, t], F.linear(h, cell.weight_hh, cell.bias_hh), h)
        h = h_t if keep is None else torch.where(keep[t], h, h_t)
        out.append(h.unsqueeze(1))
    return torch.cat(out, dim=1), h


class GRU(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.p = dropout
        self.cells = nn.ModuleList([GRUCell(input_size, hidden_size)])
        self.cells.extend([GRUCell(hidden_size, hidden_size) for _ in range(num_layers - 1)])

    def forward(self, x, h0=None, lengths=None):
        ends = []
        for cell in self.cells:
            if ends:
                x = F.dropout(x, self.p, self.training)
            x, end = gru_forward(cell, x, h0 if h0 is None else h0[len(ends)], lengths)
            ends.append(end)
        return x, torch.stack(ends)


def bidirectional(ahead, back, x):
    (out, h), (tuo, h_) = ahead(x), back(x.flip(1))
    return torch.cat((out, tuo.flip(1)), -1), torch.cat((h, h_), 0)


def count_params(kind, input_size, hidden_size, num_layers=1):
    per_gate = hidden_size * (input_size + hidden_size + 2) + (num_layers - 1) * 2 * hidden_size * (hidden_size + 1)
    return per_gate * ["rnn", None, "gru", "lstm"].index(kind) + per_gate


def grad_norm_vs_distance(model, x):
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        y, *_ = model(x)
        y[:, -1].backward(torch.ones_like(y[:, -1]))
    return x.grad.transpose(0, 1).flatten(1).norm(dim=1).flip(0)


class NameClassifier(nn.Module):
    def __init__(self, kind, vocab, embed, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = globals()[kind.upper()](embed, hidden)
        self.out = nn.Linear(hidden, classes)
        self.run = {"lstm": lstm_forward, "gru": gru_forward}[kind]

    def forward(self, ids, lengths):
        _, end = self.run(self.rnn.cells[0], self.embedding(ids), lengths=lengths)
        return self.out(end[0] if isinstance(end, tuple) else end)


class SequenceRegressor(nn.Module):
    def __init__(self, kind, input_size, hidden_size):
        super().__init__()
        self.rnn = globals()[kind.upper()](input_size, hidden_size)
        self.out = nn.Linear(hidden_size, 1)

    def forward(self, x):
        out = self.rnn(x)[0]
        return F.linear(out[:, -1], self.out.weight, self.out.bias).squeeze(1)


def fit(model, batches, optimizer, loss_fn, max_norm=None):
    model.train()
    params = [p for group in optimizer.param_groups for p in group["params"]]
    losses = []
    for inputs, targets in batches:
        for p in params:
            p.grad = None
        out = model(*inputs)
        loss = loss_fn(out, targets)
        loss.backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(params, max_norm)
        optimizer.step()
        losses.append(loss.detach())
    return [x.item() for x in losses]
