"""Style: einsum, outputs written into tensors made in advance; rows run on to the end and their ends are picked later."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    a = torch.einsum("bi,gi->bg", x, weight_ih) + torch.einsum("bh,gh->bg", h, weight_hh) + (bias_ih + bias_hh)
    a = a.unflatten(1, (4, h.shape[1]))  # (B, 4, H)
    squashed = torch.sigmoid(a)
    return squashed[:, 0], squashed[:, 1], torch.tanh(a[:, 2]), squashed[:, 3]


def lstm_cell(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    i, f, g, o = lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh)
    c_next = torch.addcmul(f * c, i, g)
    return o * torch.tanh(c_next), c_next


def _uniform(*shape: int, hidden: int) -> nn.Parameter:
    parameter = nn.Parameter(torch.empty(*shape))
    nn.init.uniform_(parameter, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))
    return parameter


class LSTMCell(nn.Module):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_ih = _uniform(4 * hidden_size, input_size, hidden=hidden_size)
        self.weight_hh = _uniform(4 * hidden_size, hidden_size, hidden=hidden_size)
        self.bias_ih = _uniform(4 * hidden_size, hidden=hidden_size)
        self.bias_hh = _uniform(4 * hidden_size, hidden=hidden_size)

    def forward(self, x, state):
        return lstm_cell(x, *state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


@torch.no_grad()
def init_forget_bias(cell, value):
    start, end = cell.hidden_size, 2 * cell.hidden_size
    cell.bias_ih[start:end].zero_()
    cell.bias_hh[start:end].fill_(value)


def _ends(states: Tensor, lengths: Tensor | None) -> Tensor:
    """The state at each row's end, of (B, T, H)."""
    if lengths is None:
        return states[:, -1]
    index = (lengths - 1)[:, None, None].expand(-1, 1, states.shape[2])
    return states.gather(1, index).squeeze(1)


def lstm_forward(cell, x, state=None, lengths=None):
    batch, steps, _ = x.shape
    hidden = cell.hidden_size
    h, c = state if state is not None else x.new_zeros(2, batch, hidden)
    hs, cs = x.new_empty(batch, steps, hidden), x.new_empty(batch, steps, hidden)
    for t in range(steps):
        h, c = cell(x[:, t], (h, c))
        hs[:, t], cs[:, t] = h, c
    return hs, (_ends(hs, lengths), _ends(cs, lengths))


class LSTM(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        widths = [input_size, *[hidden_size] * num_layers]
        self.cells = nn.ModuleList(LSTMCell(widths[l], widths[l + 1]) for l in range(num_layers))
        self.between = nn.Dropout(dropout)

    def forward(self, x, state=None, lengths=None):
        layers, batch, hidden = len(self.cells), x.shape[0], self.cells[0].hidden_size
        h0, c0 = state if state is not None else (x.new_zeros(layers, batch, hidden),) * 2
        h_n, c_n = x.new_empty(layers, batch, hidden), x.new_empty(layers, batch, hidden)
        for l, cell in enumerate(self.cells):
            x, (h_n[l], c_n[l]) = lstm_forward(cell, x if l == 0 else self.between(x), (h0[l], c0[l]), lengths)
        return x, (h_n, c_n)


def gru_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    wide = (3, h.shape[1])
    from_x = (torch.einsum("bi,gi->bg", x, weight_ih) + bias_ih).unflatten(1, wide)
    from_h = (torch.einsum("bh,gh->bg", h, weight_hh) + bias_hh).unflatten(1, wide)
    gates = torch.sigmoid(from_x[:, :2] + from_h[:, :2])
    n = torch.tanh(torch.addcmul(from_x[:, 2], gates[:, 0], from_h[:, 2]))
    return torch.lerp(n, h, gates[:, 1])


def gru_cell_cho(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    hidden = h.shape[1]
    w_r, w_z, w_n = weight_hh.unflatten(0, (3, hidden))
    b_r, b_z, b_n = (bias_ih + bias_hh).unflatten(0, (3, hidden))
    x_r, x_z, x_n = torch.einsum("bi,ghi->gbh", x, weight_ih.unflatten(0, (3, hidden)))
    r = torch.sigmoid(x_r + torch.einsum("bk,hk->bh", h, w_r) + b_r)
    z = torch.sigmoid(x_z + torch.einsum("bk,hk->bh", h, w_z) + b_z)
    n = torch.tanh(x_n + torch.einsum("bk,hk->bh", r * h, w_n) + b_n)
    return torch.lerp(n, h, z)


class GRUCell(nn.Module):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_ih = _uniform(3 * hidden_size, input_size, hidden=hidden_size)
        self.weight_hh = _uniform(3 * hidden_size, hidden_size, hidden=hidden_size)
        self.bias_ih = _uniform(3 * hidden_size, hidden=hidden_size)
        self.bias_hh = _uniform(3 * hidden_size, hidden=hidden_size)

    def forward(self, x, h):
        return gru_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


def gru_forward(cell, x, h0=None, lengths=None):
    h = h0 if h0 is not None else x.new_zeros(x.shape[0], cell.hidden_size)
    out = x.new_empty(x.shape[0], x.shape[1], cell.hidden_size)
    for t in range(x.shape[1]):
        h = cell(x[:, t], h)
        out[:, t] = h
    return out, _ends(out, lengths)


class GRU(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        widths = [input_size, *[hidden_size] * num_layers]
        self.cells = nn.ModuleList(GRUCell(widths[l], widths[l + 1]) for l in range(num_layers))
        self.between = nn.Dropout(dropout)

    def forward(self, x, h0=None, lengths=None):
        h_n = x.new_empty(len(self.cells), x.shape[0], self.cells[0].hidden_size)
        for l, cell in enumerate(self.cells):
            start = h0[l] if h0 is not None else None
            x, h_n[l] = gru_forward(cell, x if l == 0 else self.between(x), start, lengths)
        return x, h_n


def bidirectional(ahead, back, x):
    steps = torch.arange(x.shape[1] - 1, -1, -1)
    (out_f, h_f), (out_b, h_b) = ahead(x), back(x[:, steps])
    out = x.new_empty(*out_f.shape[:2], 2 * out_f.shape[2])
    out[..., : out_f.shape[2]], out[..., out_f.shape[2] :] = out_f, out_b[:, steps]
    return out, torch.stack([h_f[0], h_b[0]])


def count_params(kind, input_size, hidden_size, num_layers=1):
    blocks = 1 if kind == "rnn" else 3 if kind == "gru" else 4
    first = hidden_size * input_size + hidden_size**2 + 2 * hidden_size
    further = 2 * hidden_size**2 + 2 * hidden_size
    return blocks * (first + (num_layers - 1) * further)


def grad_norm_vs_distance(model, x):
    leaf = x.detach().clone().requires_grad_(True)
    last = model(leaf)[0][:, -1]
    grad = torch.autograd.grad(last, leaf, torch.ones_like(last))[0]
    return torch.linalg.vector_norm(grad, dim=(0, 2)).flip(0)


class NameClassifier(nn.Module):
    def __init__(self, kind, vocab, embed, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = LSTM(embed, hidden) if kind == "lstm" else GRU(embed, hidden)
        self.out = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        states, _ = self.rnn(self.embedding(ids))  # a padded end does not change what stood before it
        return self.out(_ends(states, lengths))


class SequenceRegressor(nn.Module):
    def __init__(self, kind, input_size, hidden_size):
        super().__init__()
        self.rnn = LSTM(input_size, hidden_size) if kind == "lstm" else GRU(input_size, hidden_size)
        self.out = nn.Linear(hidden_size, 1)

    def forward(self, x):
        return self.out(self.rnn(x)[0])[:, -1, 0]


def fit(model, batches, optimizer, loss_fn, max_norm=None):
    model.train(True)
    losses = []
    for inputs, targets in batches:
        optimizer.zero_grad(set_to_none=False)
        loss = loss_fn(model(*inputs), targets)
        loss.backward()
        if max_norm is not None:
            grads = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
            norm = torch.sqrt(sum((grad**2).sum() for grad in grads))
            if float(norm) > max_norm:
                for grad in grads:
                    grad.mul_(max_norm / norm)
        optimizer.step()
        losses.append(loss.detach().item())
    return losses
