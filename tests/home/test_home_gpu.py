"""The rehearsal on a make-believe GPU: what it finds, and what it must not claim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder.checks import builtin, load
from autograder.checks.bench import Wish
from autograder.checks.home import open_folder
from autograder.home.gpu import rehearse, warm_up
from autograder.home.report import Gpu
from autograder.records import Assignment

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

Asks = Callable[[Any, torch.Tensor], object]


@pytest.fixture
def rehearsed(tiny: Assignment, tmp_path: Path) -> Callable[[Asks], Gpu]:
    """A function that asks the submission something, as a check does, and rehearses that."""
    (tmp_path / "tiny.py").write_text(SOURCE, encoding="utf-8")

    def play(asks: Asks) -> Gpu:
        desk = open_folder(tiny, tmp_path, Wish(tiny.checks[0], "float64", 0))
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            asks(desk.session.root, torch.ones(2, 3))
            return rehearse(desk.session.transport, [("test", desk.session.transcript)])
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
    ],
    ids=["zeros", "attribute", "global", "as an argument"],
)
def test_a_tensor_that_stays_behind_is_found(rehearsed: Callable[[Asks], Gpu], asks: Asks, line: str) -> None:
    """The line at which the CPU meets the GPU is named, once, with advice."""
    gpu = rehearsed(asks)
    assert [finding.line for finding in gpu.findings] == [SOURCE.split("\n").index(line) + 1]
    assert gpu.findings[0].file == "tiny.py"
    assert "device=x.device" in gpu.advice
    assert not gpu.ready


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
    ],
    ids=["new tensors beside x", "nested", "a module in a tuple", "parameters and buffers", "torch's own"],
)
def test_what_runs_there_is_ready(rehearsed: Callable[[Asks], Gpu], asks: Asks) -> None:
    """Tensors made beside their neighbours, parameters, buffers and what the judge sends are all on the GPU."""
    assert rehearsed(asks) == Gpu(ready=("test",))


def test_what_asks_for_values_is_not_testable(rehearsed: Callable[[Asks], Gpu]) -> None:
    """Code that needs numbers cannot be rehearsed, and that is nobody's fault."""
    assert rehearsed(lambda student, x: student.asks(x)) == Gpu(untested=("test",))


def test_what_was_to_raise_is_passed_over(rehearsed: Callable[[Asks], Gpu]) -> None:
    """A check that wants an exception got one; what it asks after that is still tried."""

    def asks(student: Any, x: torch.Tensor) -> None:
        with pytest.raises(Exception, match="ValueError"):
            student.raises(x)
        student.zeros(x)

    assert len(rehearsed(asks).findings) == 1


def test_warming_up_leaves_torch_as_it_is() -> None:
    """What imports the rehearsal's modules in advance makes no tensor fake afterwards."""
    warm_up()
    assert type(torch.ones(1)) is torch.Tensor
