"""torch's compiler stays out of the process that runs checks, until somebody really asks for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

ORDINARY = """
import sys
import torch
from autograder.home.uncompiled import keep_compiler_out
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
