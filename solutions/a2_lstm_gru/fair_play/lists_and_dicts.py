"""Style: a careful beginner's. Four named gates in dicts, many small steps, ModuleDict, explicit loops, shapes asserted."""

import math

import torch
from torch import nn


def lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    hidden = h.shape[-1]
    gate = {}
    for number, name in enumerate(["input", "forget", "cell", "output"]):
        start = number * hidden
        end = start + hidden
        from_input = torch.matmul(x, weight_ih[start:end].transpose(0, 1)) + bias_ih[start:end]
        from_state = torch.matmul(h, weight_hh[start:end].transpose(0, 1)) + bias_hh[start:end]
        gate[name] = from_input + from_state
        assert gate[name].shape == (x.shape[0], hidden)
    input_gate = torch.sigmoid(gate["input"])
    forget_gate = torch.sigmoid(gate["forget"])
    cell_gate = torch.tanh(gate["cell"])
    output_gate = torch.sigmoid(gate["output"])
    return input_gate, forget_gate, cell_gate, output_gate


def lstm_cell(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    gates = lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh)
    input_gate = gates[0]
    forget_gate = gates[1]
    cell_gate = gates[2]
    output_gate = gates[3]
    kept = forget_gate * c
    added = input_gate * cell_gate
    new_c = kept + added
    new_h = output_gate * torch.tanh(new_c)
    return new_h, new_c


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
        h = state[0]
        c = state[1]
        result = lstm_cell(
            x=x,
            h=h,
            c=c,
            weight_ih=self.weight_ih,
            weight_hh=self.weight_hh,
            bias_ih=self.bias_ih,
            bias_hh=self.bias_hh,
        )
        return result


def init_forget_bias(cell, value):
    new_ih = cell.bias_ih.detach().clone()
    new_hh = cell.bias_hh.detach().clone()
    for unit in range(cell.hidden_size, 2 * cell.hidden_size):
        new_ih[unit] = value
        new_hh[unit] = 0
    cell.bias_ih = nn.Parameter(new_ih)
    cell.bias_hh = nn.Parameter(new_hh)


def lstm_forward(cell, x, state=None, lengths=None):
    batch_size, sequence_length, _ = x.size()
    if state is None:
        h = torch.zeros(batch_size, cell.hidden_size, device=x.device, dtype=x.dtype)
        c = torch.zeros(batch_size, cell.hidden_size, device=x.device, dtype=x.dtype)
        state = (h, c)
    all_h = []
    all_c = []
    for time in range(sequence_length):
        state = cell(x[:, time, :], state)
        all_h.append(state[0])
        all_c.append(state[1])
    out = torch.stack(all_h, dim=1)
    if lengths is None:
        return out, state
    last_h = []
    last_c = []
    for row in range(batch_size):
        last = int(lengths[row]) - 1
        last_h.append(all_h[last][row])
        last_c.append(all_c[last][row])
    return out, (torch.stack(last_h), torch.stack(last_c))


class LSTM(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.cells = nn.ModuleDict()
        for layer in range(num_layers):
            if layer == 0:
                self.cells["0"] = LSTMCell(input_size, hidden_size)
            else:
                self.cells[str(layer)] = LSTMCell(hidden_size, hidden_size)
        self.num_layers = num_layers
        self.dropout_layer = nn.Dropout(p=dropout)

    def forward(self, x, state=None, lengths=None):
        output = x
        h_list = []
        c_list = []
        for layer in range(self.num_layers):
            if layer > 0:
                output = self.dropout_layer(output)
            if state is None:
                layer_state = None
            else:
                h_0, c_0 = state
                layer_state = (h_0[layer], c_0[layer])
            output, (h, c) = lstm_forward(self.cells[str(layer)], output, layer_state, lengths)
            h_list.append(h)
            c_list.append(c)
        h_n = torch.stack(h_list, dim=0)
        c_n = torch.stack(c_list, dim=0)
        return output, (h_n, c_n)


def gru_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    hidden = h.shape[-1]
    parts_x = []
    parts_h = []
    for number in range(3):
        rows = slice(number * hidden, (number + 1) * hidden)
        parts_x.append(x @ weight_ih[rows].T + bias_ih[rows])
        parts_h.append(h @ weight_hh[rows].T + bias_hh[rows])
    reset = torch.sigmoid(parts_x[0] + parts_h[0])
    update = torch.sigmoid(parts_x[1] + parts_h[1])
    candidate = torch.tanh(parts_x[2] + reset * parts_h[2])
    new_h = (1 - update) * candidate + update * h
    return new_h


def gru_cell_cho(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    hidden = h.shape[-1]
    rows = [slice(number * hidden, (number + 1) * hidden) for number in range(3)]
    reset = torch.sigmoid(x @ weight_ih[rows[0]].T + bias_ih[rows[0]] + h @ weight_hh[rows[0]].T + bias_hh[rows[0]])
    update = torch.sigmoid(x @ weight_ih[rows[1]].T + bias_ih[rows[1]] + h @ weight_hh[rows[1]].T + bias_hh[rows[1]])
    past = (reset * h) @ weight_hh[rows[2]].T + bias_hh[rows[2]]
    candidate = torch.tanh(x @ weight_ih[rows[2]].T + bias_ih[rows[2]] + past)
    return (1 - update) * candidate + update * h


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
    batch_size, sequence_length, _ = x.size()
    h = h0
    if h is None:
        h = torch.zeros(batch_size, cell.hidden_size, device=x.device, dtype=x.dtype)
    states = []
    for time in range(sequence_length):
        h = cell(x[:, time, :], h)
        states.append(h)
    out = torch.stack(states, dim=1)
    if lengths is None:
        return out, h
    return out, out[range(batch_size), lengths - 1]


class GRU(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.cells = nn.ModuleDict()
        for layer in range(num_layers):
            self.cells[str(layer)] = GRUCell(input_size if layer == 0 else hidden_size, hidden_size)
        self.dropout_layer = nn.Dropout(p=dropout)

    def forward(self, x, h0=None, lengths=None):
        output = x
        h_list = []
        for layer, cell in self.cells.items():
            if layer != "0":
                output = self.dropout_layer(output)
            start = None if h0 is None else h0[int(layer)]
            output, h = gru_forward(cell, output, start, lengths)
            h_list.append(h)
        return output, torch.stack(h_list, dim=0)


def bidirectional(ahead, back, x):
    out_ahead, h_ahead = ahead(x)
    reversed_x = torch.stack([x[:, t] for t in range(x.shape[1] - 1, -1, -1)], dim=1)
    out_back, h_back = back(reversed_x)
    out_back = torch.stack([out_back[:, t] for t in range(x.shape[1] - 1, -1, -1)], dim=1)
    return torch.cat([out_ahead, out_back], dim=-1), torch.stack([h_ahead[0], h_back[0]])


def count_params(kind, input_size, hidden_size, num_layers=1):
    def one_layer(size):
        weights = size * hidden_size + hidden_size * hidden_size
        biases = hidden_size + hidden_size
        return weights + biases

    numbers = one_layer(input_size)
    for _ in range(1, num_layers):
        numbers = numbers + one_layer(hidden_size)
    if kind == "lstm":
        return 4 * numbers
    if kind == "gru":
        return 3 * numbers
    return numbers


def grad_norm_vs_distance(model, x):
    x = torch.tensor(x.tolist(), dtype=x.dtype, requires_grad=True)
    out, _ = model(x)
    loss = out[:, out.shape[1] - 1].sum()
    loss.backward()
    result = []
    for distance in range(x.shape[1]):
        piece = x.grad[:, x.shape[1] - 1 - distance]
        result.append(torch.sqrt((piece * piece).sum()))
    return torch.stack(result)


class NameClassifier(nn.Module):
    def __init__(self, kind, vocab, embed, hidden, classes):
        super().__init__()
        self.kind = kind
        self.embedding = nn.Embedding(vocab, embed)
        if kind == "lstm":
            self.rnn = LSTM(embed, hidden, 1)
        else:
            self.rnn = GRU(embed, hidden, 1)
        self.out = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        embedded = self.embedding(ids)
        out, _ = self.rnn(embedded, None, lengths)
        last = torch.stack([out[row, length - 1] for row, length in enumerate(lengths.tolist())])
        logits = self.out(last)
        return logits


class SequenceRegressor(nn.Module):
    def __init__(self, kind, input_size, hidden_size):
        super().__init__()
        if kind == "lstm":
            self.rnn = LSTM(input_size, hidden_size, 1)
        else:
            self.rnn = GRU(input_size, hidden_size, 1)
        self.out = nn.Linear(hidden_size, 1)

    def forward(self, x):
        out, _ = self.rnn(x)
        last = out[:, -1, :]
        number = self.out(last)
        return number.reshape(x.shape[0])


def fit(model, batches, optimizer, loss_fn, max_norm=None):
    model.train()
    losses = []
    for batch in batches:
        inputs, targets = batch
        optimizer.zero_grad()
        prediction = model(*inputs)
        loss = loss_fn(prediction, targets)
        loss.backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses
