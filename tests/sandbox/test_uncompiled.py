"""torch's compiler stays out of the process that runs checks, until somebody really asks for it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from autograder.records import Limits
from autograder.sandbox.remote import Session

ORDINARY = """
import sys
import torch
from autograder.sandbox.uncompiled import keep_compiler_out
keep_compiler_out()
keep_compiler_out()  # once more changes nothing
model = torch.nn.TransformerEncoderLayer(4, 2, batch_first=True)
x = torch.ones(2, 3, 4)
optimizer = torch.optim.Adam(model.parameters())
y = model(x, src_key_padding_mask=torch.zeros(2, 3, dtype=torch.bool))
torch.autograd.backward([y], [torch.ones_like(y)])
optimizer.step()
optimizer.zero_grad()
try:
    torch.autograd.backward([model(x)], [torch.ones(1)])
except RuntimeError as error:
    assert "Mismatch in shape" in str(error), error
else:
    raise AssertionError("gradients of another shape were taken")
assert not {"sympy", "torch._dynamo.eval_frame"} & set(sys.modules)
"""
BY_A_NAME = """
assert torch.compiler.disable(len)([1]) == 1 and torch.compiler.disable()(len)([1]) == 1
assert not {"sympy", "torch._dynamo.eval_frame"} & set(sys.modules)
assert torch._dynamo.is_compiling() is False
"""
BY_A_PART = """
import torch._dynamo.source
from torch._dynamo.eval_frame import innermost_fn
from torch.fx.experimental.symbolic_shapes import ShapeEnv, expect_true
from torch._subclasses.fake_tensor import FakeTensorMode
assert torch._dynamo.source.LocalSource and innermost_fn(len) is len and expect_true(True) and ShapeEnv
with FakeTensorMode():
    assert torch.zeros(3, device="cuda").sum().shape == ()
"""


def run(source: str) -> None:
    """Run it in a process of its own."""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("asks", [BY_A_NAME, BY_A_PART], ids=["by a name", "by a part"])
def test_who_asks_for_more_gets_it(asks: str) -> None:
    """Ordinary work imports neither the compiler nor SymPy, and is as ever; who asks for more gets the real ones."""
    run(ORDINARY + asks)


COMPILES = """
import torch
import torch._dynamo

torch._dynamo.config.suppress_errors = True
torch._dynamo.reset()


@torch.compiler.disable
def once(x):
    return 2 * x


@torch.compile(mode="reduce-overhead")
def twice(x):
    return once(once(x))


def step(x):
    weight = torch.nn.Parameter(x)
    optimizer = torch.optim.Adam([weight], lr=0.5)
    twice(weight).sum().backward()
    optimizer.step()
    return weight.detach()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")
def test_a_locked_child_that_asks_for_it_gets_it(sandboxes: Any) -> None:
    """A file that sets up the compiler by its own names, as some do at home, is imported and computes."""
    child = sandboxes.open(COMPILES, cpu_s=60, limits=Limits(cpu_s=60, memory_mb=2048, output_kb=4, scratch_mb=2))
    try:
        student: Any = Session(child).root
        x = torch.ones(3, dtype=torch.float64)
        assert torch.equal(student.twice(x), 4 * x)
        assert torch.allclose(student.step(x), x - 0.5)
    finally:
        child.close()
