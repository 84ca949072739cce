"""Style: a software engineer's. Frozen dataclasses, NamedTuples, protocols, small helpers, keyword arguments."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": F.relu}


class Cell(Protocol):
    hidden_size: int

    def __call__(self, x: Tensor, h: Tensor) -> Tensor: ...


@dataclasses.dataclass(frozen=True, slots=True)
class Sizes:
    inputs: int
    hidden: int

    @property
    def bound(self) -> float:
        return 1 / math.sqrt(self.hidden)


class States(NamedTuple):
    out: Tensor
    last: Tensor


class Prediction(NamedTuple):
    logits: Tensor
    h_n: Tensor


class Clipped(NamedTuple):
    grads: list[Tensor | None]
    norm: Tensor


@dataclasses.dataclass
class Reader:
    """Reads one time step after the other and remembers what it has seen."""

    cell: Cell
    h: Tensor
    seen: list[Tensor] = dataclasses.field(default_factory=list)

    def read(self, x: Tensor) -> Reader:
        self.h = self.cell(x, self.h)
        self.seen.append(self.h)
        return self

    def states(self) -> States:
        return States(out=torch.stack(self.seen, dim=1), last=self.h)


def one_hot(ids: Tensor, vocab: int) -> Tensor:
    return F.embedding(ids, torch.eye(vocab, device=ids.device))


def rnn_cell(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
    nonlinearity: str = "tanh",
) -> Tensor:
    return ACTIVATIONS[nonlinearity](F.linear(x, weight_ih, bias_ih) + F.linear(h, weight_hh, bias_hh))


class RNNCell(nn.Module):
    def __init__(self, input_size: int, hidden_size: int, nonlinearity: str = "tanh") -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.nonlinearity = nonlinearity
        sizes = Sizes(inputs=input_size, hidden=hidden_size)
        self.weight_ih = self._parameter(sizes, sizes.hidden, sizes.inputs)
        self.weight_hh = self._parameter(sizes, sizes.hidden, sizes.hidden)
        self.bias_ih = self._parameter(sizes, sizes.hidden)
        self.bias_hh = self._parameter(sizes, sizes.hidden)

    @staticmethod
    def _parameter(sizes: Sizes, *shape: int) -> nn.Parameter:
        return nn.Parameter(torch.empty(*shape).uniform_(-sizes.bound, sizes.bound))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return rnn_cell(
            x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, nonlinearity=self.nonlinearity
        )


def zero_state(cell: Cell, x: Tensor) -> Tensor:
    return torch.zeros((x.shape[0], cell.hidden_size), dtype=x.dtype, device=x.device)


def rnn_forward(cell: Cell, x: Tensor, h0: Tensor | None = None) -> States:
    reader = Reader(cell=cell, h=zero_state(cell, x) if h0 is None else h0)
    for t in range(x.shape[1]):
        reader.read(x.select(1, t))
    return reader.states()


class RNN(nn.Module):
    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh") -> None:
        super().__init__()
        self.cells = nn.ModuleList(self._cells(input_size, hidden_size, num_layers, nonlinearity))

    @staticmethod
    def _cells(input_size: int, hidden_size: int, num_layers: int, nonlinearity: str) -> Iterator[RNNCell]:
        yield RNNCell(input_size=input_size, hidden_size=hidden_size, nonlinearity=nonlinearity)
        for _ in range(num_layers - 1):
            yield RNNCell(input_size=hidden_size, hidden_size=hidden_size, nonlinearity=nonlinearity)

    def forward(self, x: Tensor, h0: Tensor | None = None) -> States:
        last: list[Tensor] = []
        for number, cell in enumerate(self.cells):
            states = rnn_forward(cell=cell, x=x, h0=None if h0 is None else h0[number])
            x = states.out
            last.append(states.last)
        return States(out=x, last=torch.stack(last, dim=0))


def last_valid(out: Tensor, lengths: Tensor) -> Tensor:
    return torch.stack([row[length - 1] for row, length in zip(out, lengths.tolist(), strict=True)])


def grad_norm_vs_distance(cell: Cell, x: Tensor) -> Tensor:
    reader = Reader(cell=cell, h=zero_state(cell, x))
    for t in range(x.shape[1]):
        reader.read(x[:, t])
    grads = torch.autograd.grad(outputs=reader.h, inputs=reader.seen, grad_outputs=torch.ones_like(reader.h))
    return torch.stack([torch.linalg.vector_norm(grad) for grad in grads]).flip(0)


def clip_grad_norm(grads: Sequence[Tensor | None], max_norm: float) -> Clipped:
    norms = torch.stack([torch.linalg.vector_norm(grad) for grad in grads if grad is not None])
    norm = torch.linalg.vector_norm(norms)
    factor = torch.clamp(max_norm / (norm + 1e-6), max=1.0)
    return Clipped(grads=[grad if grad is None else grad.mul(factor) for grad in grads], norm=norm)


def rnn_cell_backward(
    dh_next: Tensor, x: Tensor, h: Tensor, h_next: Tensor, weight_ih: Tensor, weight_hh: Tensor
) -> tuple[Tensor, ...]:
    da = dh_next * (1 - h_next.pow(2))
    dbias = da.sum(dim=0)
    return (da @ weight_ih, da @ weight_hh, da.mT @ x, da.mT @ h, dbias, dbias)


class CharRNN(nn.Module):
    def __init__(self, vocab: int, embed: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_embeddings=vocab, embedding_dim=embed)
        self.rnn = RNN(input_size=embed, hidden_size=hidden)
        self.out = nn.Linear(in_features=hidden, out_features=vocab)

    def forward(self, ids: Tensor, h0: Tensor | None = None) -> Prediction:
        states = self.rnn(x=self.embedding(ids), h0=h0)
        return Prediction(logits=self.out(states.out), h_n=states.last)


def char_loss(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return F.cross_entropy(input=logits.mT, target=targets, ignore_index=pad, reduction="mean")


def truncated_bptt(model: CharRNN, ids: Tensor, chunk: int) -> Tensor:
    h: Tensor | None = None
    predictions: list[Prediction] = []
    for piece in ids.split(chunk, dim=1):
        predictions.append(model(ids=piece, h0=h))
        h = predictions[-1].h_n.detach()
    return torch.cat([prediction.logits for prediction in predictions], dim=1)


def written(model: CharRNN, start: Tensor, choose: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
    """Endless new ids, each (B, 1)."""
    prediction = model(ids=start)
    while True:
        ids = choose(prediction.logits[:, -1])
        yield ids
        prediction = model(ids=ids, h0=prediction.h_n)


@torch.no_grad()
def sample(
    model: CharRNN, start: Tensor, n: int, temperature: float, generator: torch.Generator | None = None
) -> Tensor:
    def choose(logits: Tensor) -> Tensor:
        if temperature == 0:
            return logits.argmax(dim=-1, keepdim=True)
        return torch.multinomial(F.softmax(logits / temperature, dim=-1), num_samples=1, generator=generator)

    stream = written(model, start, choose)
    return torch.cat([next(stream) for _ in range(n)], dim=1)


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    pad: int,
    max_norm: float | None = None,
) -> list[float]:
    model.train()
    return [step(model, inputs, targets, optimizer, pad, max_norm) for inputs, targets in batches]


def step(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    optimizer: torch.optim.Optimizer,
    pad: int,
    max_norm: float | None,
) -> float:
    output = model(inputs)
    loss = char_loss(logits=output[0] if isinstance(output, tuple) else output, targets=targets, pad=pad)
    model.zero_grad()
    loss.backward()
    if max_norm is not None:
        parameters = list(model.parameters())
        clipped = clip_grad_norm(grads=[parameter.grad for parameter in parameters], max_norm=max_norm)
        for parameter, grad in zip(parameters, clipped.grads, strict=True):
            parameter.grad = grad
    optimizer.step()
    return loss.item()
