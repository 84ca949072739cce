"""Style: a numerical analyst's. The logistic function by hand, no F, no nn.Embedding, no nn.Linear, clipping on one vector."""

import torch
from torch import nn


class Table(nn.Module):
    def __init__(self, rows, columns):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(rows, columns))

    def forward(self, ids):
        return self.weight[ids]


class Affine(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.rand(outputs, inputs) * 2 * bound - bound)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return torch.matmul(x, self.weight.transpose(0, 1)) + self.bias


def logistic(a):
    return 1 / (1 + torch.exp(-a))


def hyperbolic(a):
    return 2 * logistic(2 * a) - 1


def lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    units = h.size(1)
    gates = []
    for number in range(4):
        rows = torch.arange(number * units, (number + 1) * units)
        a = x.mm(weight_ih[rows].t()) + bias_ih[rows] + h.mm(weight_hh[rows].t()) + bias_hh[rows]
        gates.append(hyperbolic(a) if number == 2 else logistic(a))
    return tuple(gates)


def lstm_cell(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    i, f, g, o = lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh)
    c = c.mul(f).add(i.mul(g))
    return [o.mul(hyperbolic(c)), c]


class Weights(nn.Module):
    def __init__(self, gates, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        rows = gates * hidden_size
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size), "bias_ih": (rows,), "bias_hh": (rows,)}
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter((2 * torch.rand(shape) - 1) / hidden_size**0.5))


class LSTMCell(Weights):
    def __init__(self, input_size, hidden_size):
        super().__init__(4, input_size, hidden_size)

    def forward(self, x, state):
        return lstm_cell(x, *state, *self.parameters())


class GRUCell(Weights):
    def __init__(self, input_size, hidden_size):
        super().__init__(3, input_size, hidden_size)

    def forward(self, x, h):
        return gru_cell(x, h, *self.parameters())


def init_forget_bias(cell, value):
    units = cell.hidden_size
    mask = torch.zeros_like(cell.bias_ih)
    mask[units : 2 * units] = 1
    with torch.no_grad():
        cell.bias_ih.copy_(cell.bias_ih * (1 - mask) + (value - 0.25) * mask)
        cell.bias_hh.copy_(cell.bias_hh * (1 - mask) + 0.25 * mask)


def lstm_forward(cell, x, state=None, lengths=None):
    h, c = state or (x.new_zeros(len(x), cell.hidden_size), x.new_zeros(len(x), cell.hidden_size))
    hs = []
    for t in range(x.size(1)):
        before = h, c
        h, c = cell(x[:, t], (h, c))
        if lengths is not None:
            over = (lengths <= t).view(-1, 1)
            h = h.masked_fill(over, 0) + before[0].masked_fill(~over, 0)
            c = c.masked_fill(over, 0) + before[1].masked_fill(~over, 0)
        hs.append(h)
    return torch.stack(hs, 1), (h, c)


class LSTM(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.cells = nn.Sequential()  # numbered names, as ModuleList has them
        for layer in range(num_layers):
            self.cells.append(LSTMCell([hidden_size, input_size][layer == 0], hidden_size))
        self.keep = 1 - dropout

    def forward(self, x, state=None, lengths=None):
        results = []
        for layer, cell in enumerate(self.cells):
            if layer and self.training and self.keep < 1:
                x = x * (torch.rand_like(x) < self.keep) / self.keep
            x, final = lstm_forward(cell, x, None if state is None else (state[0][layer], state[1][layer]), lengths)
            results.append(torch.stack(final))
        h_n, c_n = torch.stack(results, dim=1)
        return x, (h_n, c_n)


def gru_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    units = h.size(1)
    w_ir, w_iz, w_in = weight_ih.split(units)
    w_hr, w_hz, w_hn = weight_hh.split(units)
    b_ir, b_iz, b_in = bias_ih.split(units)
    b_hr, b_hz, b_hn = bias_hh.split(units)
    r = logistic(x.mm(w_ir.t()) + b_ir + h.mm(w_hr.t()) + b_hr)
    z = logistic(x.mm(w_iz.t()) + b_iz + h.mm(w_hz.t()) + b_hz)
    n = hyperbolic(x.mm(w_in.t()) + b_in + r * (h.mm(w_hn.t()) + b_hn))
    return n - z * n + z * h


def gru_cell_cho(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    units = h.size(1)
    w_ir, w_iz, w_in = weight_ih.split(units)
    w_hr, w_hz, w_hn = weight_hh.split(units)
    b_r, b_z, b_n = (bias_ih + bias_hh).split(units)
    r = logistic(x.mm(w_ir.t()) + h.mm(w_hr.t()) + b_r)
    z = logistic(x.mm(w_iz.t()) + h.mm(w_hz.t()) + b_z)
    n = hyperbolic(x.mm(w_in.t()) + (r * h).mm(w_hn.t()) + b_n)
    return n - z * n + z * h


def gru_forward(cell, x, h0=None, lengths=None):
    h = x.new_zeros(len(x), cell.hidden_size) if h0 is None else h0
    hs = []
    for t in range(x.size(1)):
        new = cell(x[:, t], h)
        h = new if lengths is None else h + (t < lengths).to(h.dtype).view(-1, 1) * (new - h)
        hs.append(h)
    return torch.stack(hs, -2), hs[-1]


class GRU(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.cells = nn.Sequential(*(GRUCell([hidden_size, input_size][l == 0], hidden_size) for l in range(num_layers)))
        self.keep = 1 - dropout

    def forward(self, x, h0=None, lengths=None):
        finals = []
        for layer, cell in enumerate(self.cells):
            if layer and self.training and self.keep < 1:
                x = x * (torch.rand_like(x) < self.keep) / self.keep
            x, h = gru_forward(cell, x, None if h0 is None else h0[layer], lengths)
            finals.append(h)
        return x, torch.stack(finals)


def bidirectional(ahead, back, x):
    last_first = list(range(x.size(1)))[::-1]
    one, h_one = ahead(x)
    two, h_two = back(x[:, last_first])
    return torch.cat([one, two[:, last_first]], 2), torch.cat([h_one, h_two])


def count_params(kind, input_size, hidden_size, num_layers=1):
    cells = {"rnn": 1, "lstm": 4, "gru": 3}
    numbers, width = 0, input_size
    for _ in range(num_layers):
        numbers += cells[kind] * (width * hidden_size + hidden_size * hidden_size + hidden_size + hidden_size)
        width = hidden_size
    return numbers


def grad_norm_vs_distance(model, x):
    leaf = x.detach() + 0
    leaf.requires_grad_()
    out = model(leaf)[0]
    (grad,) = torch.autograd.grad(out.select(1, -1).sum(), [leaf])
    return torch.tensor([grad[:, t].pow(2).sum().sqrt() for t in reversed(range(x.size(1)))]).to(x)


class NameClassifier(nn.Module):
    def __init__(self, kind, vocab, embed, hidden, classes):
        super().__init__()
        self.embedding = Table(vocab, embed)
        self.rnn = LSTM(embed, hidden) if kind == "lstm" else GRU(embed, hidden)
        self.out = Affine(hidden, classes)

    def forward(self, ids, lengths):
        final = self.rnn(self.embedding(ids), None, lengths)[1]
        return self.out((final[0] if type(final) is tuple else final)[0])


class SequenceRegressor(nn.Module):
    def __init__(self, kind, input_size, hidden_size):
        super().__init__()
        self.rnn = LSTM(input_size, hidden_size) if kind == "lstm" else GRU(input_size, hidden_size)
        self.out = Affine(hidden_size, 1)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1]).view(-1)


def fit(model, batches, optimizer, loss_fn, max_norm=None):
    model.train()
    losses = []
    for number, (inputs, targets) in enumerate(batches):
        assert isinstance(inputs, (tuple, list)), f"batch {number} has no tuple of inputs"
        loss = loss_fn(model.forward(*inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        if max_norm is not None:
            flat = torch.cat([p.grad.reshape(-1) for p in model.parameters() if p.grad is not None])
            factor = min(1.0, max_norm / (float(flat.norm()) + 1e-12))
            for p in model.parameters():
                if p.grad is not None:
                    p.grad *= factor
        optimizer.step()
        losses.append(loss.item())
    return losses
