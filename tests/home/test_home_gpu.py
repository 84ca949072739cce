"""The rehearsal on a make-believe GPU: what it finds, and what it must not claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from autograder.checks import builtin, load
from autograder.checks.bench import Wish
from autograder.checks.home import open_folder
from autograder.home.gpu import ANSWERED, MADE_AT, WORDS, move, rehearse
from autograder.home.report import Gpu
from autograder.home.stage import OnStage, Stage
from autograder.records import Assignment
from autograder.sandbox.remote import LocalTransport

SOURCE = """
import torch
from torch import nn

def zeros(x):
    out = torch.zeros(len(x), 3)
    return out + x

def like(x):
    return torch.zeros_like(x) + x.new_zeros(3) + torch.arange(3, device=x.device) + torch.tensor(2.0)

def asks(x):
    return x * 2 if x.sum().item() > -1e9 else x

def lists(x):
    return x * torch.tensor(x[0].tolist(), device=x.device)

def some(x):
    return torch.where(x > 0, x, 0)[x[:, 0] > -1]

def squeezed(x):
    return x.clone().unsqueeze_(0).squeeze_(0).transpose_(0, 1).t_()

def recurrent(x, kind):
    cell, layers = getattr(nn, kind + "Cell")(3, 4).to(x), getattr(nn, kind)(3, 4, 2, batch_first=True).to(x)
    packed = nn.utils.rnn.pack_padded_sequence(x[:, None], torch.ones(len(x), dtype=torch.long), batch_first=True)
    out, _ = nn.utils.rnn.pad_packed_sequence(layers(packed)[0], batch_first=True)
    state = cell(x)
    return out[:, 0] + (state[0] if isinstance(state, tuple) else state)

def inferred(x):
    layer = nn.GRU(3, 4).to(x)
    lengths = torch.ones(len(x), dtype=torch.long)
    with torch.inference_mode():
        return layer(nn.utils.rnn.pack_padded_sequence(x[:, None], lengths, batch_first=True))[0].data

def packed(x, lengths):
    return nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True).data

def stored(x):
    found = torch.zeros(len(x), 3)
    found[0] = x[0]
    found[torch.arange(1)] = x.sum()
    return found.to(x) + x[torch.zeros(2, dtype=torch.long)]

def filled(x, n=2):
    made = torch.empty(n)
    for i in range(n):
        made[i] = i if x is None else x[i].sum()
    return [made.view(-1, 1)]

def looked_up(x):
    return torch.ones(5)[x.long()]

def put(x):
    x = x.clone()
    x[torch.arange(1)] = torch.ones(1, 3)
    return x

def as_array(x):
    return torch.from_numpy(x.numpy())

def slopes(x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad((x * x).sum(), x)[0]

def unknown(x):
    return torch.ops.aten._fused_dropout(x, 0.5)[0] if x.is_cuda else x

def slow(x):
    for number in range(10**5 if x.is_cuda else 1):
        try:
            y = x + number
        except Exception:
            y = x
    return y

def raises(x):
    raise ValueError("as it should")

def both(x):
    return {"twice": (like(x), [x])}

def pair(x):
    return Scale(), x

class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.tied = self.weight
        self.register_buffer("shift", torch.ones(3))

    def forward(self, x):
        return x * self.weight + self.tied + self.shift

class Constant(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = torch.ones(3)

    def forward(self, x):
        return x + self.shift

def apply(module, x):
    return module(x)

SHIFT = torch.ones(3)

def shifts(x):
    return x + SHIFT
"""

PACKED = "    return nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True).data"
Asks = Callable[[Any, torch.Tensor], object]


@pytest.fixture
def rehearsed(tiny: Assignment, tmp_path: Path, apart: Callable[..., Gpu]) -> Callable[[Asks], Gpu]:
    """A function that asks the submission something, as a check does, and rehearses that."""
    (tmp_path / "tiny.py").write_text(SOURCE, encoding="utf-8")

    def play(asks: Asks) -> Gpu:
        open_desk = partial(open_folder, tiny, tmp_path, Wish(replace(tiny.checks[0], bans=()), "float64", 0))
        desk = open_desk()
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            asks(desk.session.root, torch.ones(2, 3))
            again = lambda: cast("LocalTransport", open_desk().session.transport)  # noqa: E731 - nothing to name
            return apart(lambda: rehearse(again, [("test", desk.session.transcript)]))
        finally:
            torch.set_default_dtype(before)

    return play


def module(name: str) -> Asks:
    """Make a module there and call it."""
    return lambda student, x: getattr(student, name)()(x)


@pytest.mark.parametrize(
    ("asks", "line"),
    [
        (lambda student, x: student.zeros(x), "    return out + x"),
        (module("Constant"), "        return x + self.shift"),
        (lambda student, x: student.shifts(x), "    return x + SHIFT"),
        (lambda student, x: student.apply(student.Constant(), x), "        return x + self.shift"),
        (lambda student, x: student.looked_up(x), "    return torch.ones(5)[x.long()]"),
        (lambda student, x: student.put(x), "    x[torch.arange(1)] = torch.ones(1, 3)"),
        (lambda student, x: student.as_array(x), "    return torch.from_numpy(x.numpy())"),
        (lambda student, x: student.packed(x, torch.tensor([3, 2])), PACKED),
    ],
    ids=["zeros", "attribute", "global", "as an argument", "a table", "values put", "NumPy", "lengths"],
)
def test_a_tensor_that_stays_behind_is_found(rehearsed: Callable[[Asks], Gpu], asks: Asks, line: str) -> None:
    """The line at which the CPU meets the GPU is named, once, with advice."""
    gpu = rehearsed(asks)
    assert [finding.line for finding in gpu.findings] == [SOURCE.split("\n").index(line) + 1]
    assert gpu.findings[0].file == "tiny.py"
    assert "device=x.device" in gpu.advice
    assert not gpu.ready


@pytest.mark.parametrize(
    ("asks", "made"),
    [
        (lambda student, x: student.zeros(x), "    out = torch.zeros(len(x), 3)"),
        (module("Constant"), "        self.shift = torch.ones(3)"),
        (lambda student, x: student.looked_up(x), ""),
        (lambda student, x: student.shifts(x), ""),
    ],
    ids=["zeros", "attribute", "made at that very line", "made before anybody looked"],
)
def test_where_it_was_made_is_said(rehearsed: Callable[[Asks], Gpu], asks: Asks, made: str) -> None:
    """Beside the line that fails, where that is another one."""
    (found,) = rehearsed(asks).findings
    assert found.message == (MADE_AT.format(SOURCE.split("\n").index(made) + 1) if made else WORDS)


def test_an_answer_on_the_cpu_is_found_where_it_was_made(rehearsed: Callable[[Asks], Gpu]) -> None:
    """Only where something lies on the GPU to begin with: of numbers alone nobody knows where the answer belongs."""
    (found,) = rehearsed(lambda student, x: student.filled(x)).findings
    assert (found.line, found.message) == (SOURCE.split("\n").index("    made = torch.empty(n)") + 1, ANSWERED)
    assert rehearsed(lambda student, x: student.filled(None)) == Gpu(ready=("test",))


def trains_a_layer(student: Any, x: torch.Tensor) -> None:
    """A layer of torch's own with weights from the judge, and the gradients of the student's function of it."""
    layer = builtin(student, "torch.nn.Linear", 3, 3)
    load(layer, {"weight": torch.ones(3, 3), "bias": torch.ones(3)})
    student.apply(layer, x)
    student.like.vjp([x], {}, [torch.ones(2, 3)])


@pytest.mark.parametrize(
    "asks",
    [
        lambda student, x: student.like(x),
        lambda student, x: student.both(x),
        lambda student, x: student.pair(x)[0](x),
        module("Scale"),
        trains_a_layer,
        lambda student, x: [student.recurrent(x, kind) for kind in ("RNN", "LSTM", "GRU")],
        lambda student, x: student.stored(x),
        lambda student, x: student.unknown(x),
    ],
    ids=[
        "new tensors beside x",
        "nested",
        "a module in a tuple",
        "parameters and buffers",
        "torch's own",
        "torch's recurrent layers",
        "places and numbers from the other device",
        "known to torch's fakes alone",
    ],
)
def test_what_runs_there_is_ready(rehearsed: Callable[[Asks], Gpu], asks: Asks) -> None:
    """Tensors made beside their neighbours, parameters, buffers and what the judge sends are all on the GPU."""
    assert rehearsed(asks) == Gpu(ready=("test",))


@pytest.mark.parametrize(
    "name",
    ["asks", "lists", "some", "squeezed"],
    ids=["item()", "tolist()", "boolean index", "changed where it stands"],
)
def test_what_asks_for_values_has_them(rehearsed: Callable[[Asks], Gpu], name: str) -> None:
    """The make-believe GPU has numbers: code that decides by them runs to its end, and what comes after is tried."""
    assert rehearsed(lambda student, x: getattr(student, name)(x)) == Gpu(ready=("test",))
    gpu = rehearsed(lambda student, x: student.zeros(getattr(student, name)(x)))
    assert len(gpu.findings) == 1


def test_inference_mode_is_no_finding(rehearsed: Callable[[Asks], Gpu]) -> None:
    """There torch hands over whole layers, whose lengths lie on the CPU by right: nothing is claimed of them."""
    assert rehearsed(lambda student, x: student.inferred(x)).findings == ()


def test_what_neither_can_play_is_not_testable(rehearsed: Callable[[Asks], Gpu]) -> None:
    """Gradients within a call need the GPU's own threads: that is nobody's fault."""
    assert rehearsed(lambda student, x: student.slopes(x)) == Gpu(untested=("test",))


def test_a_call_without_end_is_given_up(rehearsed: Callable[[Asks], Gpu], monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop over very many rows is not testable, though it passes over every exception."""
    monkeypatch.setattr("autograder.home.gpu.LONGEST_S", 0.2)
    assert rehearsed(lambda student, x: student.slow(x)) == Gpu(untested=("test",))


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrent_layers_compute_what_they_do_on_the_cpu(kind: str) -> None:
    """What stands for the GPU's own kernels gives the same numbers: what is decided by them is decided as before."""
    layer = getattr(torch.nn, kind)(3, 4, 2, bidirectional=True)
    x = torch.randn(5, 2, 3)
    expected = layer(x)[0]
    with Stage(), torch.backends.cudnn.flags(enabled=False):
        move(layer)
        answer = layer(OnStage(x))[0]
    assert answer.device.type == "cuda"
    torch.testing.assert_close(answer.numbers, expected)


def test_what_was_to_raise_is_passed_over(rehearsed: Callable[[Asks], Gpu]) -> None:
    """A check that wants an exception got one; what it asks after that is still tried."""

    def asks(student: Any, x: torch.Tensor) -> None:
        with pytest.raises(Exception, match="ValueError"):
            student.raises(x)
        student.zeros(x)

    assert len(rehearsed(asks).findings) == 1
