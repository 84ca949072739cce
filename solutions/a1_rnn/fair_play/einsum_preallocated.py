"""Style: einsum, an output tensor made in advance and filled in place, inverse transform sampling."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def one_hot(ids: Tensor, vocab: int) -> Tensor:
    return (ids[..., None] == torch.arange(vocab, device=ids.device)).to(torch.get_default_dtype())


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity="tanh"):
    a = torch.einsum("bi,hi->bh", x, weight_ih) + torch.einsum("bk,hk->bh", h, weight_hh)
    a = a + bias_ih[None] + bias_hh[None]
    if nonlinearity == "relu":
        return a.clamp(min=0)
    return a.tanh()


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
        p = dict(self.named_parameters())
        return rnn_cell(x, h, **p, nonlinearity=self.nonlinearity)


def rnn_forward(cell, x: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
    batch, steps, _ = x.shape
    out = x.new_empty(batch, steps, cell.hidden_size)
    h = x.new_zeros(batch, cell.hidden_size)
    if h0 is not None:
        h = h + h0
    for t in range(steps):
        h = cell(x[:, t, :], h)
        out[:, t, :] = h
    return out, h


class RNN(nn.Module):
    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh") -> None:
        super().__init__()
        self.num_layers = num_layers
        self.hidden_size = hidden_size
        first = RNNCell(input_size, hidden_size, nonlinearity)
        rest = [RNNCell(hidden_size, hidden_size, nonlinearity) for _ in range(1, num_layers)]
        self.cells = nn.ModuleList([first, *rest])

    def forward(self, x: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if h0 is None:
            h0 = x.new_zeros(self.num_layers, x.shape[0], self.hidden_size)
        h_n = torch.empty_like(h0)
        for layer in range(self.num_layers):
            x, h_n[layer] = rnn_forward(self.cells[layer], x, h0[layer])
        return x, h_n


def last_valid(out: Tensor, lengths: Tensor) -> Tensor:
    picked = torch.arange(out.shape[1], device=out.device) == (lengths - 1)[:, None]  # (B, T)
    return torch.einsum("bt,bth->bh", picked.to(out.dtype), out)


def grad_norm_vs_distance(cell, x: Tensor) -> Tensor:
    """Steps back one at a time: the gradient at h_{t-1} is the vector-Jacobian product of one cell."""
    h = x.new_zeros(x.shape[0], cell.hidden_size)
    before = []
    for t in range(x.shape[1]):
        before.append(h)
        with torch.no_grad():
            h = cell(x[:, t], h)
    grad = torch.ones_like(h)
    norms = [grad.norm()]
    for t in range(x.shape[1] - 1, 0, -1):
        state = before[t].clone().requires_grad_()
        (grad,) = torch.autograd.grad(cell(x[:, t], state), state, grad)
        norms.append(grad.norm())
    return torch.stack(norms).detach()


def clip_grad_norm(grads, max_norm):
    total = sum(float((g**2).sum()) for g in grads if g is not None) ** 0.5
    if total > max_norm:
        for g in {id(g): g for g in grads if g is not None}.values():
            g *= max_norm / (total + 1e-6)
    return grads, torch.tensor(total)


def rnn_cell_backward(dh_next, x, h, h_next, weight_ih, weight_hh):
    da = dh_next * (1 - h_next**2)
    dx = torch.einsum("bh,hi->bi", da, weight_ih)
    dh = torch.einsum("bh,hk->bk", da, weight_hh)
    dweight_ih = torch.einsum("bh,bi->hi", da, x)
    dweight_hh = torch.einsum("bh,bk->hk", da, h)
    return dx, dh, dweight_ih, dweight_hh, torch.einsum("bh->h", da), torch.einsum("bh->h", da)


class CharRNN(nn.Module):
    def __init__(self, vocab: int, embed: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = RNN(embed, hidden)
        self.out = nn.Linear(hidden, vocab)

    def forward(self, ids: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        codes = one_hot(ids, self.embedding.num_embeddings).to(self.embedding.weight.dtype)
        states, h_n = self.rnn(torch.einsum("btv,ve->bte", codes, self.embedding.weight), h0)
        return torch.einsum("bth,vh->btv", states, self.out.weight) + self.out.bias, h_n


def char_loss(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    real = (targets != pad).to(logits.dtype)  # (B, T)
    picked = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return ((logits.logsumexp(dim=-1) - picked) * real).sum() / real.sum()


def truncated_bptt(model, ids: Tensor, chunk: int) -> Tensor:
    logits, h = model(ids[:, :chunk])
    out = logits.new_empty(*ids.shape, logits.shape[-1])
    out[:, :chunk] = logits
    for start in range(chunk, ids.shape[1], chunk):
        out[:, start : start + chunk], h = model(ids[:, start : start + chunk], h.detach())
    return out


def sample(model, start: Tensor, n: int, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    out = torch.zeros(start.shape[0], n, dtype=torch.long, device=start.device)
    with torch.inference_mode():
        logits, h = model(start)
        for k in range(n):
            last = logits[:, -1, :]
            if temperature == 0.0:
                out[:, k] = last.max(dim=1).indices
            else:  # the first id whose cumulative probability exceeds a uniform number
                cumulative = torch.softmax(last / temperature, dim=1).cumsum(dim=1)
                u = torch.rand(len(last), 1, generator=generator, dtype=last.dtype, device=last.device)
                out[:, k] = (cumulative < u * cumulative[:, -1:]).sum(dim=1)
            logits, h = model(out[:, k : k + 1], h)
    return out.clone()


def fit(model, batches, optimizer, pad, max_norm=None):
    model.train(True)
    losses = torch.zeros(len(batches))
    for step, (inputs, targets) in enumerate(batches):
        optimizer.zero_grad()
        result = model(inputs)
        loss = char_loss(result[0] if isinstance(result, (tuple, list)) else result, targets, pad)
        loss.backward()
        if max_norm:
            clip_grad_norm([p.grad for p in model.parameters()], max_norm)  # in place
        optimizer.step()
        losses[step] = loss.detach()
    return losses.tolist()
