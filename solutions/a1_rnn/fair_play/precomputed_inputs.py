"""Style: for speed. All input products of a layer at once, flat indices, states in one buffer, no cell calls in `RNN`."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_f = {"tanh": torch.tanh, "relu": partial(F.relu, inplace=False)}


def one_hot(ids: Tensor, vocab: int) -> Tensor:
    out = torch.zeros(*ids.shape, vocab, device=ids.device)
    out.view(-1)[ids.flatten() + vocab * torch.arange(ids.numel(), device=ids.device)] = 1
    return out


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity="tanh"):
    return _f[nonlinearity](torch.baddbmm(*_batched(x, weight_ih, bias_ih)) + F.linear(h, weight_hh, bias_hh)[:, None])[
        :, 0
    ]


def _batched(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Arguments of baddbmm for x W^T + b, with an axis of one in the middle."""
    return bias.expand(len(x), 1, -1), x[:, None], weight.T.expand(len(x), -1, -1)


class RNNCell(nn.Module):
    __constants__ = ["input_size", "hidden_size", "nonlinearity"]

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
        return rnn_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, self.nonlinearity)

    def scan(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """All states; the inputs of all times in one product, and one product a step for the state."""
        f, inputs = _f[self.nonlinearity], F.linear(x, self.weight_ih, self.bias_ih + self.bias_hh)  # (B, T, H)
        w = self.weight_hh.T.contiguous()
        states = []
        for u in inputs.transpose(0, 1):
            h = f(torch.addmm(u, h, w))
            states.append(h)
        return torch.stack(states, 1), h


def rnn_forward(cell, x: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
    h = torch.zeros(x.shape[0], cell.hidden_size, device=x.device, dtype=x.dtype) if h0 is None else h0
    if hasattr(cell, "scan"):
        return cell.scan(x, h)
    states = [h]
    for u in torch.unbind(x, 1):
        states += [cell(u, states[-1])]
    return torch.stack(states[1:], 1), states[-1]


class RNN(nn.Module):
    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh") -> None:
        super().__init__()
        self.hidden_size = hidden_size
        make = partial(RNNCell, hidden_size=hidden_size, nonlinearity=nonlinearity)
        self.cells = nn.ModuleList(map(make, (input_size, *(hidden_size,) * (num_layers - 1))))

    def forward(self, x: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if h0 is None:
            h0 = torch.zeros((), dtype=x.dtype, device=x.device).expand(len(self.cells), len(x), self.hidden_size)
        last = []
        for cell, h in zip(self.cells, h0, strict=True):
            x, h = cell.scan(x, h)
            last.append(h)
        return x, torch.stack(last)


def last_valid(out: Tensor, lengths: Tensor) -> Tensor:
    steps = torch.arange(out.shape[1], device=out.device)
    return out.masked_select((steps + 1 == lengths[:, None])[..., None]).view(out.shape[0], out.shape[2])


def grad_norm_vs_distance(cell, x: Tensor) -> Tensor:
    with torch.enable_grad():
        states = [x.new_zeros(x.shape[0], cell.hidden_size)]
        for u in x.unbind(1):
            states.append(cell(u, states[-1]))
        last = states[-1]
        grads = torch.autograd.grad((last,), states[1:], (torch.ones_like(last),))
    return torch.stack(grads).flip(0).pow(2).sum((1, 2)).sqrt()


def clip_grad_norm(grads, max_norm: float):
    have = [g for g in grads if g is not None]
    norm = torch.stack(torch._foreach_norm(have)).norm()
    scaled = iter(torch._foreach_mul(have, min(1.0, max_norm / (float(norm) + 1e-6))))
    return [next(scaled) if g is not None else None for g in grads], norm


def rnn_cell_backward(dh_next, x, h, h_next, weight_ih, weight_hh):
    da = torch.addcmul(dh_next, dh_next, h_next * h_next, value=-1)
    dx, dh = (da @ torch.cat([weight_ih, weight_hh], 1)).tensor_split([x.shape[1]], dim=1)
    dw_ih, dw_hh = (da.T @ torch.cat([x, h], 1)).tensor_split([x.shape[1]], dim=1)
    db = da.sum(0)
    return dx, dh, dw_ih, dw_hh, db, db


class CharRNN(nn.Module):
    def __init__(self, vocab: int, embed: int, hidden: int) -> None:
        super().__init__()
        self.embedding, self.rnn, self.out = nn.Embedding(vocab, embed), RNN(embed, hidden), nn.Linear(hidden, vocab)

    def forward(self, ids: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        states, h_n = self.rnn(F.embedding(ids, self.embedding.weight), h0)
        return F.linear(states, self.out.weight, self.out.bias), h_n


def char_loss(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    real = targets.flatten().ne(pad).nonzero().squeeze(1)
    return F.cross_entropy(logits.flatten(0, 1)[real], targets.flatten()[real])


def truncated_bptt(model, ids: Tensor, chunk: int) -> Tensor:
    out, h = model(ids[:, :chunk])
    for piece in ids[:, chunk:].split(chunk, 1) if ids.shape[1] > chunk else ():
        more, h = model(piece, h.detach())
        out = torch.cat([out, more], 1)
    return out


@torch.inference_mode()
def sample(model, start: Tensor, n: int, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    if n == 0:
        return start[:, :0]
    h = None
    if start.shape[1] > 1:
        _, h = model(start[:, :-1])
    text = torch.cat([start[:, -1:], start.new_zeros(start.shape[0], n)], 1)
    for k in range(n):
        logits, h = model(text[:, k : k + 1], h)
        if temperature == 0:
            text[:, k + 1] = logits[:, 0].argmax(-1)
        else:
            text[:, k + 1] = logits[:, 0].div(temperature).softmax(-1).multinomial(1, generator=generator)[:, 0]
    return text[:, 1:].clone()


def fit(model, batches, optimizer, pad: int, max_norm: float | None = None) -> list[float]:
    model.train()
    params = [p for p in model.parameters() if p.requires_grad]
    losses = []
    optimizer.zero_grad(set_to_none=True)
    for x, y in batches:
        out = model(x)
        loss = char_loss(out if torch.is_tensor(out) else out[0], y, pad)
        loss.backward()
        if max_norm is not None:
            for p, g in zip(params, clip_grad_norm([p.grad for p in params], max_norm)[0], strict=True):
                p.grad = g
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
    return torch.stack(losses).tolist() if losses else []
