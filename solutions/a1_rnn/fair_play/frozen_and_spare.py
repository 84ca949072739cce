"""Style: spare parts. Frozen helper parameters, aliases, a base class, properties, state kept on the module on the side."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class Base(nn.Module):
    """Counts its parameters; every layer here inherits from it."""

    @property
    def size(self):
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def extra_repr(self):
        return f"{self.size} parameters"


def one_hot(ids, vocab):
    return torch.stack([(ids == v).to(torch.get_default_dtype()) for v in range(vocab)], dim=-1)


def activation(nonlinearity):
    if nonlinearity == "relu":
        return nn.ReLU()
    return nn.Tanh()


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity="tanh"):
    from_input = torch.matmul(x, torch.transpose(weight_ih, 0, 1)) + bias_ih
    from_state = torch.matmul(h, torch.transpose(weight_hh, 0, 1)) + bias_hh
    return activation(nonlinearity)(from_input + from_state)


class RNNCell(Base):
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

    def __call__(self, x, h):
        return self.forward(x, h)

    def forward(self, x, h):
        return rnn_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, self.nonlinearity)


def rnn_forward(cell, x, h0=None):
    def recurse(t, h):
        """The states from time t on."""
        if t == x.shape[1]:
            return []
        h = cell(x[:, t], h)
        return [h] + recurse(t + 1, h)

    first = x.new_zeros(x.shape[0], cell.hidden_size) if h0 is None else h0
    states = recurse(0, first)
    return torch.stack(states, dim=1), states[-1]


class RNN(Base):
    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh"):
        super().__init__()
        layers = {
            str(l): RNNCell(input_size if l == 0 else hidden_size, hidden_size, nonlinearity) for l in range(num_layers)
        }
        self.cells = nn.ModuleDict(layers)  # the names are the same as a list's
        self.trace = None

    def forward(self, x, h0=None):
        self.trace = []
        for name, cell in self.cells.items():
            start = None if h0 is None else h0[int(name)]
            x, h = rnn_forward(cell, x, start)
            self.trace.append(h)
        return x, torch.stack(tuple(self.trace))


def last_valid(out, lengths):
    ends = F.one_hot(lengths - 1, out.shape[1]).to(out.dtype)  # (B, T)
    return torch.bmm(ends.unsqueeze(1), out).squeeze(1)


def grad_norm_vs_distance(cell, x):
    zero = torch.zeros(x.shape[0], cell.hidden_size, dtype=x.dtype, device=x.device)
    # a zero that needs a gradient is added to every state: its gradient is that of the state
    probes = [torch.zeros_like(zero, requires_grad=True) for _ in range(x.shape[1])]
    h = zero
    for t, probe in enumerate(probes):
        h = cell(x[:, t], h) + probe
    grads = torch.autograd.grad(h.sum(), probes)
    return torch.stack([grad.norm() for grad in grads[::-1]])


def clip_grad_norm(grads, max_norm):
    norm = math.sqrt(math.fsum(g.double().square().sum().item() for g in grads if g is not None))
    if norm == 0 or norm <= max_norm:
        return grads, norm
    return [None if g is None else g / (norm / max_norm) for g in grads], norm


def rnn_cell_backward(dh_next, x, h, h_next, weight_ih, weight_hh):
    one = torch.ones_like(h_next)
    da = dh_next * (one - torch.square(h_next))
    return (
        torch.mm(da, weight_ih),
        torch.mm(da, weight_hh),
        torch.mm(da.t(), x),
        torch.mm(da.t(), h),
        da.sum(0),
        da.sum(0),
    )


class CharRNN(Base):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = RNN(embed, hidden)
        self.out = nn.Linear(hidden, vocab)
        self.unigram = nn.Parameter(torch.zeros(vocab), requires_grad=False)  # frozen, for plots

    @property
    def vocab(self):
        return self.out.out_features

    def forward(self, ids, h0=None):
        states, h_n = self.rnn(self.embedding(ids), h0)
        return self.out(states) + 0 * self.unigram, h_n


def char_loss(logits, targets, pad):
    log_p = logits - torch.logsumexp(logits, dim=-1, keepdim=True)
    picked = (log_p * one_hot(targets, logits.shape[-1]).to(logits.dtype)).sum(-1)
    weight = (targets != pad).to(logits.dtype)
    return -(picked * weight).sum() / weight.sum()


def truncated_bptt(model, ids, chunk):
    h, pieces = None, []
    for piece in torch.split(ids, split_size_or_sections=chunk, dim=1):
        logits, h = model(piece) if h is None else model(piece, h0=h)
        h = h.detach_()
        pieces.append(logits)
    return torch.concat(pieces, dim=1)


def sample(model, start, n, temperature, generator=None):
    with torch.no_grad():
        logits, h = model(start)
        ids = []
        for _ in range(n):
            scores = logits[:, -1]
            if temperature == 0:
                new = scores.argmax(-1)
            else:
                noise = torch.empty_like(scores).exponential_(generator=generator)
                new = (torch.softmax(scores / temperature, -1) / noise).argmax(-1)
            ids.append(new)
            logits, h = model(new.unsqueeze(-1), h)
    return torch.stack(ids, -1)


def fit(model, batches, optimizer, pad, max_norm=None):
    def parameters():
        return (p for p in model.parameters() if p.grad is not None)

    model.train()
    losses = []
    for inputs, targets in iter(batches):
        optimizer.zero_grad()
        out = model(inputs)
        logits = out[0] if isinstance(out, tuple) else out
        loss = char_loss(logits, targets, pad)
        loss.backward()
        if max_norm is not None:
            clipped, _ = clip_grad_norm([p.grad for p in parameters()], max_norm)
            for p, g in zip(parameters(), clipped):
                p.grad.data = g
        optimizer.step()
        losses.append(loss.item())
    return losses
