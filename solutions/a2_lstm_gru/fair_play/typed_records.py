"""Style: a software engineer's. NamedTuple states, one generic loop for every kind of cell, protocols, keyword arguments."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Gates(NamedTuple):
    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor


class Memory(NamedTuple):
    h: Tensor
    c: Tensor


class Run(NamedTuple):
    out: Tensor
    final: Any


@dataclasses.dataclass(frozen=True)
class Weights:
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor

    def from_x(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight_ih, self.bias_ih)

    def from_h(self, h: Tensor) -> Tensor:
        return F.linear(h, self.weight_hh, self.bias_hh)

    def rows(self, start: int, end: int) -> Weights:
        # dataclasses.astuple would copy the tensors, and gradients would end in the copies
        values = (getattr(self, field.name) for field in dataclasses.fields(self))
        return Weights(*(value[start:end] for value in values))


def lstm_gates(
    x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> Gates:
    hidden = h.size(-1)
    whole = [weight_ih, weight_hh, bias_ih, bias_hh]

    def gate(number: int, activation: Callable[[Tensor], Tensor]) -> Tensor:
        w_ih, w_hh, b_ih, b_hh = (each[number * hidden : (number + 1) * hidden] for each in whole)
        return activation(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh))

    return Gates(i=gate(0, torch.sigmoid), f=gate(1, torch.sigmoid), g=gate(2, torch.tanh), o=gate(3, torch.sigmoid))


def lstm_cell(
    x: Tensor, h: Tensor, c: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> Memory:
    i, f, g, o = lstm_gates(x, h, weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh)
    memory = f * c + i * g
    return Memory(h=o * torch.tanh(memory), c=memory)


class Cell(nn.Module):
    gates: int

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        bound = 1 / math.sqrt(hidden_size)
        rows = self.gates * hidden_size
        for name, shape in {
            "weight_ih": (rows, input_size),
            "weight_hh": (rows, hidden_size),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }.items():
            setattr(self, name, nn.Parameter(torch.empty(*shape).uniform_(-bound, bound)))


class LSTMCell(Cell):
    gates = 4

    def forward(self, x: Tensor, state: Sequence[Tensor]) -> Memory:
        h, c = state
        return lstm_cell(x, h, c, self.weight_ih, self.weight_hh, bias_ih=self.bias_ih, bias_hh=self.bias_hh)


class GRUCell(Cell):
    gates = 3

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return gru_cell(x, h, self.weight_ih, self.weight_hh, bias_ih=self.bias_ih, bias_hh=self.bias_hh)


def init_forget_bias(cell: LSTMCell, value: float) -> None:
    rows = slice(cell.hidden_size, 2 * cell.hidden_size)
    with torch.no_grad():
        cell.bias_ih[rows].copy_(value - cell.bias_hh[rows])


def hold(new: Tensor, old: Tensor, going: Tensor | None) -> Tensor:
    return new if going is None else torch.where(going, new, old)


def run(
    step: Callable[[Tensor, tuple[Tensor, ...]], Sequence[Tensor]],
    x: Tensor,
    state: tuple[Tensor, ...],
    lengths: Tensor | None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The loop of every recurrent network: `step` makes a tuple of states from x_t and the tuple before."""
    seen: list[Tensor] = []
    for t, x_t in enumerate(x.unbind(dim=1)):
        going = None if lengths is None else torch.gt(lengths, t).unsqueeze(dim=1)
        state = tuple(hold(new, old, going) for new, old in zip(step(x_t, state), state, strict=True))
        seen.append(state[0])
    return torch.stack(seen, dim=1), state


def zero_state(cell: Any, x: Tensor) -> Tensor:
    return torch.zeros((x.size(0), cell.hidden_size), dtype=x.dtype, device=x.device)


def lstm_forward(
    cell: LSTMCell, x: Tensor, state: Sequence[Tensor] | None = None, lengths: Tensor | None = None
) -> Run:
    start = (zero_state(cell, x), zero_state(cell, x)) if state is None else (state[0], state[1])
    out, (h, c) = run(cell, x, start, lengths)
    return Run(out=out, final=Memory(h=h, c=c))


def gru_forward(cell: GRUCell, x: Tensor, h0: Tensor | None = None, lengths: Tensor | None = None) -> Run:
    start = zero_state(cell, x) if h0 is None else h0
    out, (h,) = run(lambda x_t, state: (cell(x_t, state[0]),), x, (start,), lengths)
    return Run(out=out, final=h)


class Stack(nn.Module):
    def __init__(self, make: Callable[[int, int], nn.Module], inputs: int, hidden: int, layers: int, p: float) -> None:
        super().__init__()
        self.cells = nn.ModuleList([make(inputs if number == 0 else hidden, hidden) for number in range(layers)])
        self.p = p

    def thinned(self, x: Tensor, layer: int) -> Tensor:
        return F.dropout(x, p=self.p, training=self.training) if layer else x


class LSTM(Stack):
    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__(LSTMCell, input_size, hidden_size, num_layers, dropout)

    def forward(self, x: Tensor, state: Sequence[Tensor] | None = None, lengths: Tensor | None = None) -> Run:
        finals: list[Memory] = []
        for number, cell in enumerate(self.cells):
            start = None if state is None else Memory(h=state[0][number], c=state[1][number])
            x, final = lstm_forward(cell, x=self.thinned(x, number), state=start, lengths=lengths)
            finals.append(final)
        return Run(out=x, final=Memory(*(torch.stack(list(each)) for each in zip(*finals, strict=True))))


class GRU(Stack):
    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__(GRUCell, input_size, hidden_size, num_layers, dropout)

    def forward(self, x: Tensor, h0: Tensor | None = None, lengths: Tensor | None = None) -> Run:
        finals: list[Tensor] = []
        for number, cell in enumerate(self.cells):
            start = None if h0 is None else h0[number]
            x, final = gru_forward(cell, x=self.thinned(x, number), h0=start, lengths=lengths)
            finals.append(final)
        return Run(out=x, final=torch.stack(finals))


def gru_cell(x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    hidden, weights = h.size(-1), Weights(weight_ih, weight_hh, bias_ih, bias_hh)
    reset, update, new = (weights.rows(k * hidden, (k + 1) * hidden) for k in range(3))
    r = torch.sigmoid(reset.from_x(x) + reset.from_h(h))
    z = torch.sigmoid(update.from_x(x) + update.from_h(h))
    n = torch.tanh(new.from_x(x) + r * new.from_h(h))
    return (1 - z) * n + z * h


def gru_cell_cho(
    x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> Tensor:
    hidden, weights = h.size(-1), Weights(weight_ih, weight_hh, bias_ih, bias_hh)
    reset, update, new = (weights.rows(k * hidden, (k + 1) * hidden) for k in range(3))
    r = torch.sigmoid(reset.from_x(x) + reset.from_h(h))
    z = torch.sigmoid(update.from_x(x) + update.from_h(h))
    n = torch.tanh(new.from_x(x) + new.from_h(r * h))
    return (1 - z) * n + z * h


def bidirectional(ahead: nn.Module, back: nn.Module, x: Tensor) -> Run:
    forwards, backwards = ahead(x), back(x.flip(dims=(1,)))
    out = torch.cat([forwards[0], backwards[0].flip(dims=(1,))], dim=-1)
    return Run(out=out, final=torch.cat([forwards[1], backwards[1]], dim=0))


def count_params(kind: str, input_size: int, hidden_size: int, num_layers: int = 1) -> int:
    gates = dict(rnn=1, gru=3, lstm=4)[kind]
    widths = [input_size] + [hidden_size] * (num_layers - 1)
    return sum(gates * (hidden_size * (width + hidden_size) + 2 * hidden_size) for width in widths)


def grad_norm_vs_distance(model: nn.Module, x: Tensor) -> Tensor:
    inputs = [step.detach().requires_grad_() for step in x.unbind(dim=1)]
    out = model(torch.stack(inputs, dim=1))[0]
    grads = torch.autograd.grad(outputs=out[:, -1].sum(), inputs=inputs)
    return torch.stack([torch.linalg.vector_norm(grad) for grad in reversed(grads)])


LAYERS: dict[str, Callable[[int, int], nn.Module]] = {"lstm": LSTM, "gru": GRU}


class NameClassifier(nn.Module):
    def __init__(self, kind: str, vocab: int, embed: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_embeddings=vocab, embedding_dim=embed)
        self.rnn = LSTM(input_size=embed, hidden_size=hidden) if kind == "lstm" else GRU(embed, hidden_size=hidden)
        self.out = nn.Linear(in_features=hidden, out_features=classes)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        final = self.rnn(self.embedding(ids), lengths=lengths)[1]
        h_n = final if isinstance(final, Tensor) else final[0]
        return self.out(h_n.squeeze(0))


class SequenceRegressor(nn.Module):
    def __init__(self, kind: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.rnn = LSTM(input_size, hidden_size) if kind == "lstm" else GRU(input_size, hidden_size)
        self.out = nn.Linear(in_features=hidden_size, out_features=1)

    def forward(self, x: Tensor) -> Tensor:
        final = self.rnn(x)[1]
        h_n = final if isinstance(final, Tensor) else final[0]
        return self.out(h_n[0]).flatten()


def fit(
    model: nn.Module,
    batches: Iterable[tuple[tuple[Tensor, ...], Tensor]],
    optimizer: torch.optim.Optimizer,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    max_norm: float | None = None,
) -> list[float]:
    model.train()
    return [step(model, inputs, targets, optimizer, loss_fn, max_norm) for inputs, targets in batches]


def step(model, inputs, targets, optimizer, loss_fn, max_norm) -> float:
    prediction = model(*inputs)
    loss = loss_fn(prediction, targets)
    model.zero_grad()
    loss.backward()
    if max_norm is not None:
        nn.utils.clip_grad_norm_(parameters=model.parameters(), max_norm=max_norm)
    optimizer.step()
    return loss.item()
