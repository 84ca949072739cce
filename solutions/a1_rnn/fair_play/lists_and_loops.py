"""Style: somebody's second week of Python. Lists, loops, index by index; everything spelled out."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def one_hot(ids, vocab):
    B, T = ids.shape
    result = torch.zeros(B, T, vocab)
    for b in range(B):
        for t in range(T):
            result[b][t][ids[b][t]] = 1
    return result


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity="tanh"):
    rows = []
    for b in range(len(x)):
        a = weight_ih @ x[b] + bias_ih + weight_hh @ h[b] + bias_hh
        if nonlinearity == "tanh":
            rows.append(torch.tanh(a))
        elif nonlinearity == "relu":
            rows.append(torch.relu(a))
        else:
            raise ValueError("unknown nonlinearity")
    return torch.stack(rows)


class RNNCell(nn.Module):
    def __init__(self, input_size, hidden_size, nonlinearity="tanh"):
        super(RNNCell, self).__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.nonlinearity = nonlinearity
        bound = 1 / math.sqrt(hidden_size)
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, hidden_size).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(hidden_size).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(hidden_size).uniform_(-bound, bound))

    def forward(self, x, h):
        if self.nonlinearity == "relu":
            return rnn_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, "relu")
        else:
            return rnn_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


def rnn_forward(cell, x, h0=None):
    B = x.shape[0]
    T = x.shape[1]
    if h0 is None:
        h = torch.zeros(B, cell.hidden_size).to(x)
    else:
        h = h0
    outputs = []
    for t in range(T):
        x_t = x[:, t, :]
        h = cell(x_t, h)
        outputs.append(h.unsqueeze(1))
    return torch.cat(outputs, dim=1), h


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh"):
        super(RNN, self).__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        cells = []
        for l in range(num_layers):
            if l == 0:
                cells.append(RNNCell(input_size, hidden_size, nonlinearity))
            else:
                cells.append(RNNCell(hidden_size, hidden_size, nonlinearity))
        self.cells = nn.ModuleList(cells)

    def forward(self, x, h0=None):
        # all layers together, one time step after the other
        B, T, _ = x.shape
        h = []
        for l in range(self.num_layers):
            if h0 is None:
                h.append(torch.zeros(B, self.hidden_size).to(x))
            else:
                h.append(h0[l])
        outputs = []
        for t in range(T):
            value = x[:, t]
            for l in range(self.num_layers):
                h[l] = self.cells[l](value, h[l])
                value = h[l]
            outputs.append(value)
        return torch.stack(outputs, 1), torch.stack(h, 0)


def last_valid(out, lengths):
    rows = []
    for b in range(out.shape[0]):
        rows.append(out[b, lengths[b].item() - 1])
    return torch.stack(rows)


def grad_norm_vs_distance(cell, x):
    T = x.shape[1]
    norms = []
    for k in range(T):  # runs everything again for every distance: slow, but right
        h = torch.zeros(x.shape[0], cell.hidden_size).to(x)
        start = None
        for t in range(T):
            h = cell(x[:, t], h)
            if t == T - 1 - k:
                h = h.detach().requires_grad_()
                start = h
        loss = h.sum()
        g = torch.autograd.grad(loss, start)[0]
        norms.append(torch.sqrt((g * g).sum()))
    return torch.stack(norms).detach()


def clip_grad_norm(grads, max_norm):
    total = 0.0
    for g in grads:
        if g is not None:
            total = total + torch.sum(g * g)
    total = torch.sqrt(torch.as_tensor(total))
    clipped = []
    for g in grads:
        if g is None:
            clipped.append(None)
        elif total > max_norm:
            clipped.append(g * max_norm / total)
        else:
            clipped.append(g)
    return clipped, total


def rnn_cell_backward(dh_next, x, h, h_next, weight_ih, weight_hh):
    B, H = dh_next.shape
    da = dh_next * (1 - h_next * h_next)
    dx = torch.zeros_like(x)
    dh = torch.zeros_like(h)
    dw_ih = torch.zeros_like(weight_ih)
    dw_hh = torch.zeros_like(weight_hh)
    db = torch.zeros(H).to(da)
    for b in range(B):
        dx[b] = weight_ih.T @ da[b]
        dh[b] = weight_hh.T @ da[b]
        dw_ih += torch.outer(da[b], x[b])
        dw_hh += torch.outer(da[b], h[b])
        db += da[b]
    return dx, dh, dw_ih, dw_hh, db, db.clone()


class CharRNN(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super(CharRNN, self).__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = RNN(embed, hidden)
        self.out = nn.Linear(hidden, vocab)

    def forward(self, ids, h0=None):
        emb = self.embedding(ids)
        states, h_n = self.rnn(emb, h0)
        logits = []
        for t in range(states.shape[1]):
            logits.append(self.out(states[:, t]))
        return torch.stack(logits, dim=1), h_n


def char_loss(logits, targets, pad):
    total = 0.0
    count = 0
    log_p = F.log_softmax(logits, dim=2)
    for t in range(targets.shape[1]):
        for b in range(targets.shape[0]):
            if targets[b, t] != pad:
                total = total - log_p[b, t, targets[b, t]]
                count = count + 1
    return total / count


def truncated_bptt(model, ids, chunk):
    logits = []
    h = None
    t = 0
    while t < ids.shape[1]:
        piece = ids[:, t : t + chunk]
        if h is None:
            out, h = model(piece)
        else:
            out, h = model(piece, h.detach())
        logits.append(out)
        t = t + chunk
    return torch.cat(logits, dim=1)


def sample(model, start, n, temperature, generator=None):
    model.eval()
    new_ids = []
    h = None
    x = start
    with torch.no_grad():
        for i in range(n):
            logits, h = model(x, h)
            last = logits[:, logits.shape[1] - 1, :]
            if temperature == 0:
                x = torch.argmax(last, dim=1)
            else:
                p = F.softmax(last / temperature, dim=1)
                x = torch.multinomial(p, num_samples=1, generator=generator)[:, 0]
            new_ids.append(x)
            x = x.unsqueeze(1)
    return torch.stack(new_ids, dim=1)


def fit(model, batches, optimizer, pad, max_norm=None):
    losses = []
    criterion = nn.CrossEntropyLoss(ignore_index=pad)  # char_loss, but fast
    for i in range(len(batches)):
        model.train()
        inputs, targets = batches[i]
        optimizer.zero_grad()
        out = model(inputs)
        if type(out) is tuple:
            out = out[0]
        loss = criterion(out.permute(0, 2, 1), targets)
        loss.backward()
        if max_norm is not None:
            parameters = list(model.parameters())
            grads = []
            for p in parameters:
                grads.append(p.grad)
            grads, total = clip_grad_norm(grads, max_norm)
            for p, g in zip(parameters, grads):
                p.grad = g
        optimizer.step()
        losses.append(loss.item())
    return losses
