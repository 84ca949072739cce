"""Style: one matrix product for [x, h], time first inside, Gumbel noise instead of multinomial."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def one_hot(ids, vocab):
    return torch.eye(vocab, device=ids.device)[ids]


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity="tanh"):
    weight = torch.cat([weight_ih, weight_hh], dim=1)  # (H, I + H)
    a = F.linear(torch.cat([x, h], dim=1), weight, bias_ih + bias_hh)
    return {"tanh": torch.tanh, "relu": torch.relu}[nonlinearity](a)


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

    def forward(self, x, h):
        return rnn_cell(
            x=x,
            h=h,
            weight_ih=self.weight_ih,
            weight_hh=self.weight_hh,
            bias_ih=self.bias_ih,
            bias_hh=self.bias_hh,
            nonlinearity=self.nonlinearity,
        )


def rnn_forward(cell, x, h0=None):
    x = x.transpose(0, 1)  # (T, B, I)
    h = torch.zeros(x.shape[1], cell.hidden_size, dtype=x.dtype, device=x.device) if h0 is None else h0
    out = []
    for x_t in x:
        h = cell(x_t, h)
        out += [h]
    return torch.stack(out).transpose(0, 1), h


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh"):
        super().__init__()
        self.cells = nn.ModuleList()
        for layer in range(num_layers):
            self.cells.append(RNNCell(hidden_size if layer else input_size, hidden_size, nonlinearity))

    def forward(self, x, h0=None):
        h_n = []
        for layer, cell in enumerate(self.cells):
            x, h = rnn_forward(cell, x, h0=h0[layer] if h0 is not None else None)
            h_n.append(h[None])
        return x, torch.cat(h_n)


def last_valid(out, lengths):
    index = (lengths - 1).view(-1, 1, 1).expand(-1, 1, out.size(2))
    return out.gather(1, index).squeeze(1)


def grad_norm_vs_distance(cell, x):
    h = torch.zeros(x.shape[0], cell.hidden_size, dtype=x.dtype, device=x.device)
    states = []
    for t in range(x.shape[1]):
        h = cell(x[:, t], h)
        h.retain_grad()
        states.append(h)
    states[-1].sum().backward()
    return torch.stack([state.grad.pow(2).sum().sqrt() for state in states[::-1]])


def clip_grad_norm(grads, max_norm):
    flat = torch.cat([grad.flatten() for grad in grads if grad is not None])
    norm = torch.linalg.vector_norm(flat)
    if norm <= max_norm:
        return list(grads), norm
    return [None if grad is None else grad * (max_norm / norm) for grad in grads], norm


def rnn_cell_backward(dh_next, x, h, h_next, weight_ih, weight_hh):
    da = dh_next - dh_next * h_next * h_next
    both = da.T @ torch.cat([x, h], dim=1)
    dweight_ih, dweight_hh = both.split([x.shape[1], h.shape[1]], dim=1)
    return da @ weight_ih, da @ weight_hh, dweight_ih, dweight_hh, da.sum(0), da.sum(0)


class CharRNN(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = RNN(embed, hidden, num_layers=1)
        self.out = nn.Linear(hidden, vocab)

    def forward(self, ids, h0=None):
        states, h_n = self.rnn(self.embedding(ids), h0=h0)
        return self.out(states), h_n


def char_loss(logits, targets, pad):
    log_p = F.log_softmax(logits, dim=-1).flatten(0, 1)
    return F.nll_loss(log_p, targets.flatten(), ignore_index=pad)


def truncated_bptt(model, ids, chunk):
    out, h = [], None
    for start in range(0, ids.shape[1], chunk):
        logits, h = model(ids[:, start : start + chunk], h if h is None else h.detach())
        out.append(logits)
    return torch.cat(out, dim=1)


@torch.no_grad()
def sample(model, start, n, temperature, generator=None):
    x, h, ids = start, None, torch.empty(start.shape[0], 0, dtype=torch.int64, device=start.device)
    while ids.shape[1] < n:
        logits, h = model(x, h)
        scores = logits[:, -1]
        if temperature > 0:  # Gumbel-max: the argmax of scores plus noise is a draw from their softmax
            uniform = torch.rand(scores.shape, generator=generator, dtype=scores.dtype, device=scores.device)
            scores = scores / temperature - torch.log(-torch.log(uniform.clamp_min(1e-12)))
        x = scores.argmax(dim=-1, keepdim=True)
        ids = torch.cat([ids, x], dim=1)
    return ids


def fit(model, batches, optimizer, pad, max_norm=None):
    model.train()
    history = []
    for x, y in batches:
        logits = model(x)
        if not torch.is_tensor(logits):
            logits, *_ = logits
        loss = char_loss(logits, y, pad)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if max_norm is not None:
            weights = [p for p in model.parameters() if p.grad is not None]
            for p, grad in zip(weights, clip_grad_norm([p.grad for p in weights], max_norm)[0], strict=True):
                p.grad.copy_(grad)
        optimizer.step()
        history.append(float(loss.detach()))
    return history
