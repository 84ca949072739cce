"""The CUDA devices of a machine: which can be used, what a process is told of them, and words where there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from autograder.errors import DeviceMissing
from autograder.records import Limits
from autograder.sandbox import cards
from autograder.sandbox.host import ZygoteProcess
from autograder.sandbox.order import Order
from autograder.sandbox.remote import Session

ROW = ["A card", 80_000, 79_000]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")


def found(*rows: list[Any], cuda: str | None = "13.0", error: str = "") -> dict[str, object]:
    """What a look at the machine gives."""
    return {"torch": "2.14.1", "cuda": cuda, "cards": list(rows), "error": error}


def test_cards_are_called_as_the_environment_calls_them() -> None:
    """By number, or as CUDA_VISIBLE_DEVICES of whoever grades says; a full one is left alone."""
    full = ["A card", 80_000, 100]
    assert [card.token for card in cards.usable(found(ROW, full, ROW), "")] == ["0", "2"]
    assert [card.token for card in cards.usable(found(ROW, ROW), "3, GPU-af")] == ["3", "GPU-af"]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (found(cuda=None), "is built without CUDA: install"),
        (
            found(error="RuntimeError: Found no NVIDIA driver"),
            "finds no CUDA device on this machine: RuntimeError: Found no",
        ),
        (found(), "nvidia-smi says"),
        (found(["A card", 80_000, 7]), "no CUDA device has 2048 MB for a submission (A card: 7 of 80000 MB are free)"),
    ],
)
def test_why_there_is_none_is_said(seen: dict[str, object], words: str) -> None:
    """In one sentence, with what happens otherwise: nobody has been graded."""
    with pytest.raises(DeviceMissing) as raised:
        cards.usable(seen, "")
    assert words in str(raised.value)
    assert "Nothing was graded" in str(raised.value)


def test_each_process_takes_a_card_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zygotes of a process see that card and no other; the driver's library is found as the judge finds it."""
    monkeypatch.setenv(cards.VISIBLE, "0,1")
    cards.assign(cards.usable(found(ROW, ROW), ""), 1)
    told = cards.child_environment({**os.environ, "LD_LIBRARY_PATH": "/somewhere", "SECRET": "x"})
    assert (told[cards.VISIBLE], told["LD_LIBRARY_PATH"], told["NVIDIA_TF32_OVERRIDE"]) == ("1", "/somewhere", "0")
    assert "SECRET" not in told
    assert cards.child_environment({})[cards.VISIBLE] == "0"


def test_without_root_the_layers_are_fewer() -> None:
    """Who is not root cannot mount the /proc that CUDA needs into a namespace; the other layers stay."""
    layers = ("landlock", "seccomp", "namespaces")
    assert (cards.usable_layers(layers, 0), cards.usable_layers(layers, 1000)) == (layers, layers[:2])


LOOKS = """
import os
import threading


def look():
    seen = {}

    def name():
        own = f"/proc/self/task/{threading.get_native_id()}/comm"
        with open(own, "w") as file:
            file.write("abc")
        seen["name"] = open(own).read().strip()

    thread = threading.Thread(target=name)
    thread.start()
    thread.join()
    seen["maps"] = len(open("/proc/self/maps").read(10))
    for path in (f"/proc/{os.getppid()}/maps", "/proc/meminfo", "/proc/sys/kernel/hostname", "/etc/passwd"):
        try:
            seen[path] = len(open(path).read(10))
        except OSError as error:
            seen[path] = type(error).__name__
    return [seen["name"], seen["maps"], *sorted({str(value) for key, value in seen.items() if key.startswith("/")})]
"""


@on_linux
def test_a_jail_for_a_driver_is_opened_for_that_and_nothing_else(
    sandboxes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its threads have names and it sees its own memory; other processes, and the rest of /proc, it does not see."""
    from autograder.sandbox import seed

    no_driver = "import autograder.sandbox.devices as devices; devices.start = lambda *_: devices.Place(); "
    monkeypatch.setattr(seed, "START", no_driver + seed.START)
    layers = cards.usable_layers(sandboxes.layers, os.geteuid())
    if "landlock" not in layers:
        pytest.skip("without Landlock /proc is as open as it is")
    with ZygoteProcess(layers, device="cuda") as zygote:
        order = Order({"tiny.py": LOOKS}, "tiny", "float32", 1, (), (), ("torch",))
        child = zygote.fork(order, Limits(cpu_s=9, memory_mb=256, output_kb=4, scratch_mb=2), 9)
        try:
            child.wait_loaded()
            student: Any = Session(child).root
            name, maps, *others = student.look()
        finally:
            child.close()
    assert (name, maps) == ("abc", 10)
    assert set(others) <= {"PermissionError", "FileNotFoundError"}


@on_linux
def test_what_opens_a_device_may_be_banned(sandboxes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backward pass with which torch opens it runs where a check bans autograd; the submission's does not."""
    from autograder.sandbox import seed
    from autograder.sandbox.faults import StudentError

    backward = """if True:
        import torch, autograder.sandbox.devices as devices
        def start(*_):
            torch.ones(2, requires_grad=True).sum().backward()
            return devices.Place()
        devices.start = start
    """
    monkeypatch.setattr(seed, "START", f"exec({backward!r}); {seed.START}")
    layers = cards.usable_layers(sandboxes.layers, os.geteuid())
    source = "import torch\n\n\ndef backward(x):\n    return torch.autograd.grad(x.requires_grad_().sum(), x)[0]\n"
    with ZygoteProcess(layers, device="cuda", bans=[(), ("autograd",)]) as zygote:
        order = Order({"tiny.py": source}, "tiny", "float32", 1, ("autograd",), (), ("torch",))
        child = zygote.fork(order, Limits(cpu_s=9, memory_mb=256, output_kb=4, scratch_mb=2), 9)
        try:
            child.wait_loaded()
            import torch

            student: Any = Session(child).root
            with pytest.raises(StudentError, match="is not allowed in this check"):
                student.backward(torch.ones(3))
        finally:
            child.close()


TRIES = """
import torch
from torch import nn


def left_behind(x):
    return x + torch.ones(3)


def draws(x, generator):
    there = torch.rand(3, generator=generator, device=x.device)
    here = torch.rand(3, generator=generator).to(x.device)
    return there, here


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 3, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0] @ self.rnn.weight_hh_l0[:3]


def fit(model, batches, optimizer):
    losses = []
    for x in batches:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
"""


on_cuda = pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="this machine has no CUDA device")


@pytest.mark.cuda
@on_cuda
def test_a_real_device_opens_whatever_is_banned(sandboxes: Any) -> None:
    """Each child has bans of its own, and several live at a time."""
    layers = cards.usable_layers(sandboxes.layers, os.geteuid())
    limits = Limits(cpu_s=60, memory_mb=1024, output_kb=64, scratch_mb=16)
    every: list[tuple[str, ...]] = [("recurrent",), ("autograd",), ("attention", "softmax"), ()]
    with ZygoteProcess(layers, device="cuda", bans=every) as zygote:
        orders = [Order({"tiny.py": TRIES}, "tiny", "float32", 1, bans, (), ("torch",)) for bans in every]
        children = [zygote.fork(order, limits, 60) for order in orders]
        try:
            for child in children:
                child.wait_loaded()
        finally:
            for child in children:
                child.close()


@pytest.mark.cuda
@on_cuda
def test_a_submission_computes_on_a_real_device(sandboxes: Any) -> None:
    """Forward, backward and training there, confined with all layers; a tensor that was left behind names its line."""
    from autograder.sandbox.faults import StudentError
    from autograder.sandbox.weights import train

    layers = cards.usable_layers(sandboxes.layers, os.geteuid())
    limits = Limits(cpu_s=60, memory_mb=1024, output_kb=64, scratch_mb=16)
    with ZygoteProcess(layers, device="cuda") as zygote:
        child = zygote.fork(Order({"tiny.py": TRIES}, "tiny", "float32", 1, (), (), ("torch",)), limits, 60)
        try:
            import torch

            child.wait_loaded()
            student: Any = Session(child).root
            model, x = student.Model(), torch.ones(2, 4, 3)
            assert model.vjp((x,), {}, [torch.ones(2, 4, 3)]).arg_grads[0] is not None
            there, here = student.draws(x, torch.Generator().manual_seed(1))
            assert there.shape == here.shape == (3,)
            assert len(train(model, "fit", [x, x], ("SGD", {"lr": 0.1}), {}).losses) == 2
            with pytest.raises(StudentError) as raised:
                student.left_behind(torch.ones(3))
        finally:
            child.close()
    assert raised.value.where == "tiny.py, line 7, in left_behind"
