"""Style: a numerical analyst's. tanh from the logistic function, addmm, torch.clip_grad by hand on one flat vector."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


def one_hot(ids: Tensor, vocab: int) -> Tensor:
    out = torch.zeros(ids.numel(), vocab, device=ids.device)
    out[torch.arange(ids.numel(), device=ids.device), ids.reshape(-1)] = 1.0
    return out.reshape(*ids.shape, vocab)


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity="tanh"):
    a = torch.addmm(torch.addmm(bias_ih + bias_hh, x, weight_ih.t()), h, weight_hh.t())
    if nonlinearity == "relu":
        return torch.maximum(a, torch.zeros_like(a))
    return 2 * torch.sigmoid(2 * a) - 1  # tanh(a) = 2 s(2a) - 1


class RNNCell(nn.Module):
    def __init__(self, input_size: int, hidden_size: int, nonlinearity: str = "tanh") -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.nonlinearity = nonlinearity
        bound = 1 / math.sqrt(hidden_size)
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, hidden_size).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(hidden_size).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(hidden_size).uniform_(-bound, bound))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return rnn_cell(x, h, *weights, self.nonlinearity)


def rnn_forward(cell, x, h0=None):
    states = [torch.zeros_like(x[:, 0, :1]).expand(-1, cell.hidden_size) if h0 is None else h0]
    for x_t in x.unbind(dim=1):
        states.append(cell(x_t, states[-1]))
    return torch.stack(states[1:], dim=1), states[-1]


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh"):
        super().__init__()
        widths = [input_size, *[hidden_size] * num_layers]
        self.cells = nn.ModuleList(RNNCell(i, h, nonlinearity) for i, h in pairwise(widths))

    def forward(self, x, h0=None):
        starts = [None] * len(self.cells) if h0 is None else h0.unbind(0)
        ends = []
        for cell, start in zip(self.cells, starts, strict=True):
            x, end = rnn_forward(cell, x, start)
            ends.append(end)
        return x, torch.stack(ends)


def last_valid(out, lengths):
    return torch.take_along_dim(out, (lengths - 1)[:, None, None], dim=1).squeeze(1)


def grad_norm_vs_distance(cell, x):
    """The hook sees the gradient of every state on its way back."""
    norms: list[Tensor] = []
    h = torch.zeros_like(x[:, 0, :1]).expand(-1, cell.hidden_size)
    for x_t in x.unbind(dim=1):
        h = cell(x_t, h)
        h.register_hook(lambda grad: norms.append(grad.norm()))
    h.sum().backward()
    return torch.stack(norms).detach()


def clip_grad_norm(grads, max_norm):
    present = [g for g in grads if g is not None]
    flat = torch.cat([g.reshape(-1) for g in present])
    norm = (flat @ flat).sqrt()
    flat = flat * torch.where(norm > max_norm, max_norm / norm, torch.ones_like(norm))
    pieces = iter(flat.split([g.numel() for g in present]))
    return [None if g is None else next(pieces).reshape(g.shape) for g in grads], norm


def rnn_cell_backward(dh_next, x, h, h_next, weight_ih, weight_hh):
    da = dh_next * (1 - h_next) * (1 + h_next)
    ones = torch.ones(len(da), dtype=da.dtype)
    return da.mm(weight_ih), da.mm(weight_hh), da.t().mm(x), da.t().mm(h), da.t().mv(ones), da.t().mv(ones)


class CharRNN(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.out = nn.Linear(hidden, vocab)  # another order of declaration
        self.rnn = RNN(embed, hidden)
        self.embedding = nn.Embedding(vocab, embed)

    def forward(self, ids, h0=None):
        states, h_n = self.rnn(self.embedding.weight[ids], h0)
        return states @ self.out.weight.t() + self.out.bias, h_n


def char_loss(logits, targets, pad):
    """Shift by the maximum, then log of the sum of exponentials."""
    rows, labels = logits[targets != pad], targets[targets != pad]
    rows = rows - rows.max(dim=1, keepdim=True).values
    log_p = rows - rows.exp().sum(dim=1, keepdim=True).log()
    return -log_p[torch.arange(len(labels), device=labels.device), labels].mean()


def truncated_bptt(model, ids, chunk):
    def run(rest, h):
        if rest.shape[1] == 0:
            return []
        logits, h = model(rest[:, :chunk], h)
        return [logits, *run(rest[:, chunk:], h.detach())]

    return torch.cat(run(ids, None), dim=1)


@torch.no_grad()
def sample(model, start, n, temperature, generator=None):
    text = start
    for _ in range(n):  # no state: the whole text again for each new id
        logits, _ = model(text)
        scores = logits[:, -1]
        if temperature:
            p = torch.softmax(scores / temperature, dim=-1)
            new = torch.multinomial(p, 1, replacement=True, generator=generator)
        else:
            new = scores.topk(1).indices
        text = torch.hstack([text, new])
    return text[:, start.shape[1] :]


def fit(model, batches, optimizer, pad, max_norm=None):
    """Hands the optimizer a closure."""
    model.train()
    losses = []
    for inputs, targets in batches:

        def closure(inputs=inputs, targets=targets):
            optimizer.zero_grad()
            output = model(inputs)
            loss = char_loss(output[0] if isinstance(output, tuple) else output, targets, pad)
            loss.backward()
            if max_norm is not None:
                parameters = [p for p in model.parameters() if p.requires_grad]
                clipped, _ = clip_grad_norm([p.grad for p in parameters], max_norm)
                for p, grad in zip(parameters, clipped, strict=True):
                    p.grad = grad
            return loss

        losses.append(optimizer.step(closure).item())
    return losses
