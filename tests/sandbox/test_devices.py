"""Where a submission computes: what goes to a device, what stays, and which words mean that something did not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from autograder.sandbox.devices import MISMATCH, Device, DrawingAnywhere, Place, untouched
from autograder.sandbox.remote import LocalTransport, Session
from autograder.sandbox.worker import Executor

torch.set_num_threads(1)

ModuleOf = Callable[[str], tuple[ModuleType, Path]]
META = Device(torch.device("meta"))


class Pair(NamedTuple):
    """A record of a submission's own."""

    x: torch.Tensor
    y: torch.Tensor


def test_on_the_cpu_nothing_moves() -> None:
    """What arrives is handed on as it is, the very same object."""
    value = {"args": (torch.ones(2), [torch.ones(1)])}
    assert Place().sent(value) is value


def test_tensors_go_to_the_device_wherever_they_stand() -> None:
    """Nested ones, too; texts, numbers, generators and records that stay on this side are left alone."""
    generator, record = torch.Generator(), Pair(torch.ones(1), torch.ones(1))
    sent = META.sent({"op": "call", "args": (torch.ones(2), [torch.ones(1)], 3, generator, record)})
    first, second, number, same_generator, same_record = sent["args"]
    assert (first.device.type, second[0].device.type, sent["op"], number) == ("meta", "meta", "call", 3)
    assert same_generator is generator
    assert same_record is record


def test_modules_go_there() -> None:
    """Parameters and buffers are on the device; other objects are left alone."""
    layer = nn.Linear(2, 2)
    META.settle(object())
    layer.register_buffer("table", torch.ones(2))
    META.settle(layer)
    assert {tensor.device.type for tensor in (*layer.parameters(), *layer.buffers())} == {"meta"}


def test_a_module_is_moved_as_soon_as_it_is_made(module_of: ModuleOf) -> None:
    """Before the judge can ask anything of it, and what is asked arrives beside it."""
    module, folder = module_of(
        "from torch import nn\n\ndef where(layer, x):\n    return [str(layer.weight.device), str(x.device)]"
    )
    module.Linear = nn.Linear  # type: ignore[attr-defined]
    student: Any = Session(LocalTransport(Executor(module, folder, place=META))).root
    assert student.where(student.Linear(2, 2), torch.ones(2)) == ["meta", "meta"]


@pytest.mark.parametrize(
    "words",
    [
        "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
        "Expected all tensors to be on the same device, but got index is on cpu, different from others on cuda:0",
        "indices should be either on cpu or on the same device as the indexed tensor (cpu)",
        "expected self and mask to be on the same device, but got mask on cpu and self on cuda:0",
        "Expected condition, x and y to be on the same device, but condition is on cpu and x and y are on cuda:0",
        "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.",
        "'lengths' argument should be a 1D CPU int64 tensor, but got 1D cuda:0 Long tensor",
        "Input type (torch.cuda.DoubleTensor) and weight type (torch.DoubleTensor) should be the same",
        "Input type (CPUFloatType) and weight type (CUDAFloatType) should be the same or input should be MKLDNN",
        "Unhandled FakeTensor Device Propagation for aten.add.Tensor, found two different devices cuda:0, cpu",
    ],
)
def test_what_torch_says_of_two_devices_is_known(words: str) -> None:
    """All the ways in which torch 2.9 to 2.14 complain."""
    assert MISMATCH.search(words)


@pytest.mark.parametrize(
    "words",
    [
        "mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)",
        "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported",
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB",
        "Found no NVIDIA driver on your system.",
        "expected scalar type Double but found Float",
        "Input type (torch.cuda.DoubleTensor) and weight type (torch.cuda.FloatTensor) should be the same",
        "Input type (CUDADoubleType) and weight type (CUDAFloatType) should be the same",
    ],
)
def test_other_complaints_are_no_device_mistakes(words: str) -> None:
    """A wrong shape, and what only a GPU says, is told otherwise."""
    assert not MISMATCH.search(words)


def test_a_generator_draws_on_another_device_by_a_twin() -> None:
    """One twin for each generator, with its seed: the second draw goes on where the first ended."""
    generator = torch.Generator().manual_seed(5)

    def draw(*, generator: torch.Generator) -> torch.Tensor:
        if generator is given:
            raise RuntimeError("Expected a 'cpu' device type for generator but found 'cuda'")
        return torch.rand(3, generator=generator)

    given, mode = generator, DrawingAnywhere({})
    drawn = torch.cat([mode.__torch_function__(draw, (), (), {"generator": generator}) for _ in range(2)])
    assert torch.equal(drawn, torch.rand(6, generator=torch.Generator().manual_seed(5)))


def test_what_fails_for_another_reason_fails() -> None:
    """Only the words about the device of a generator are answered."""
    with DrawingAnywhere({}), pytest.raises(RuntimeError, match="probability"):
        torch.multinomial(-torch.ones(2), 1, generator=torch.Generator())


def test_nobody_asks_for_a_device_while_it_is_untouched() -> None:
    """Afterwards the question is torch's again."""
    original = torch.cuda.is_available
    with untouched():
        assert torch.cuda.is_available() is False
    assert torch.cuda.is_available is original
