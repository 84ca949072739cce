"""A seed does once what children of its zygotes will do, so that none of them does it for the first time.

What a process does for the first time costs it: imports, symbols that are bound when they are called, kernels that look
at the CPU, code that Python specialises after some eight runs. And each of them writes to memory that a forked child
must copy first. The seed plays a small submission of its own, in both precisions, over the wire, until all is warm.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from autograder.sandbox import loading
from autograder.sandbox.faults import StudentFault
from autograder.sandbox.order import Order
from autograder.sandbox.remote import LocalTransport, Session
from autograder.sandbox.weights import read_state, train
from autograder.sandbox.worker import Executor

ROUNDS = 10
"""Python specialises code in its first eight or so runs."""
TRAININGS = 4
"""In so many of them `fit` is called, too: each call runs the code of its steps several times, and costs the most."""
Optimizer = tuple[str, Mapping[str, Any]]
OPTIMIZERS: tuple[Optimizer, ...] = (
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("Adam", {"lr": 1e-3}),
    ("AdamW", {"lr": 1e-3}),
)
MODULE = "rehearsal_of_a_submission"
SOURCE = '''
"""What submissions are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class State(NamedTuple):
    h: Tensor
    c: Tensor


@dataclass
class Settings:
    size: int = 4


def cell(x: Tensor, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.tanh(x @ weight.T + bias + h) + torch.sigmoid(x) * F.relu(h) + F.gelu(x) - torch.exp(-h.abs()).sqrt()


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    scores = math.sqrt(1 / q.shape[-1]) * (q @ torch.transpose(k, -2, -1))
    weights = torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1)
    return weights @ v, weights


def shapes(x: Tensor) -> list[Tensor]:
    rows, steps, size = x.shape
    flat = x.reshape(rows * steps, size).view(rows, steps, size).permute(1, 0, 2).contiguous()
    pieces = [*torch.split(flat, 1, dim=0), *flat.chunk(2, dim=-1), *flat.unbind(0)]
    joined = torch.stack([piece.mean() for piece in pieces] + [torch.zeros(()), torch.ones(1).sum()])
    joined = torch.cat([joined, joined.clone()]).unsqueeze(0).expand(2, -1)
    picked = joined.gather(1, joined.argmax(dim=1, keepdim=True)).squeeze(1)
    lower = torch.tril(torch.ones(steps, steps)).bool()
    best = torch.where(lower, 1.0, 0.0).topk(2).values.cumsum(0).max(dim=-1).values
    return [picked, best, torch.einsum("bij,bkj->bik", x, x), torch.arange(steps), torch.bmm(x, x.mT)]


class Model(nn.Module):
    def __init__(self, vocab: int, size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab, size)
        self.layers = nn.ModuleList([nn.Linear(size, size) for _ in range(2)])
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(0.1)
        self.out = nn.Linear(size, vocab, bias=False)
        self.scale = nn.Parameter(torch.ones(size))
        self.register_buffer("table", torch.zeros(3, size))

    def forward(self, ids: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        states = self.embedding(ids)
        h = torch.zeros(ids.shape[0], states.shape[-1], dtype=states.dtype) if h is None else h
        outputs = []
        for step in range(ids.shape[1]):
            for layer in self.layers:
                h = torch.tanh(layer(states[:, step]) + h * self.scale)
            outputs.append(h)
        return self.out(self.dropout(self.norm(torch.stack(outputs, dim=1)))), h


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    own = -F.log_softmax(logits, dim=-1).gather(-1, targets[..., None]).mean()
    return F.cross_entropy(logits.flatten(end_dim=1), targets.flatten(), ignore_index=0) + own


def state_of(h: Tensor) -> State:
    return State(h, h)


def sample(model: Model, ids: Tensor, generator: torch.Generator) -> Tensor:
    with torch.no_grad():
        return torch.multinomial(model(ids)[0][:, -1].softmax(-1), 1, generator=generator)


def fit(model: Model, batches: Iterable[tuple[Tensor, Tensor]], optimizer: torch.optim.Optimizer) -> list[float]:
    model.train()
    losses = []
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = loss_of(model(inputs)[0], targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def fail() -> None:
    raise NotImplementedError("not yet")
'''


def rehearse(folder: Path) -> None:
    """Play a submission whose file is written into `folder`; leaves nothing behind but warmth."""
    order = Order({f"{MODULE}.py": SOURCE}, MODULE, "float32", 1, (), (), ("torch", "numpy"))
    before, drawn = torch.get_default_dtype(), torch.get_rng_state()
    try:
        for number in range(ROUNDS):
            torch.set_default_dtype((torch.float32, torch.float64)[number % 2])
            Order.read(order.frame())
            _play(_load(folder), folder, trains=number < TRAININGS)
    finally:
        torch.set_default_dtype(before)
        torch.set_rng_state(drawn)
        (folder / f"{MODULE}.py").unlink()


def _load(folder: Path) -> ModuleType:
    """Import the submission as a child does, and forget that it was."""
    path, finders = list(sys.path), list(sys.meta_path)
    (folder / f"{MODULE}.py").unlink(missing_ok=True)
    loading.write_files({f"{MODULE}.py": SOURCE.encode()}, folder)
    try:
        code = loading.compile_submission(folder, MODULE)
        return loading.import_submission(folder, MODULE, code, ("torch", "numpy"), inert=True)
    finally:
        sys.path[:], sys.meta_path[:] = path, finders
        del sys.modules[MODULE]


def _play(module: ModuleType, folder: Path, *, trains: bool) -> None:
    """Ask for what checks ask: calls, attributes, gradients, weights, training where it `trains`, and an exception."""
    session = Session(LocalTransport(Executor(module, folder)))
    student: Any = session.root
    x, ids = torch.randn(3, 5, 4), torch.randint(1, 7, (3, 5))
    cell = (torch.randn(3, 4), torch.randn(3, 4), torch.randn(4, 4), torch.randn(4))
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    student.cell(*cell)
    student.cell.vjp(cell, {}, [torch.randn(3, 4)])
    student.attend.vjp((x, x, x), {"mask": mask}, [torch.randn(3, 5, 4), torch.randn(3, 5, 5)])
    student.shapes.echo(x)
    model = student.Model(7, size=4)
    state = read_state(model)
    session.ask("load", module=model, weights=dict(state.parameters))
    model.eval()
    logits, h = model(ids)
    model.vjp((ids, h), {}, [torch.randn_like(logits), torch.randn_like(h)])
    student.loss_of.vjp((logits, ids), {}, [torch.ones(())])
    student.state_of(h)
    student.sample(model, ids, torch.Generator().manual_seed(1))
    model.training.fetch()
    for optimizer in OPTIMIZERS if trains else ():
        train(model, "fit", [(ids, ids)] * 2, optimizer, {})
    for name in ("fail", "no_such_name"):
        try:
            getattr(student, name)()
        except StudentFault:
            continue
