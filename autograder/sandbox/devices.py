"""Where a submission computes: on the CPU, or on a CUDA device, while judge and reference stay on the CPU.

What arrives for the submission is put on the device, modules go there as soon as they are made, and answers come back
as numbers (`wire` reads them off any device). So no check knows of it, and right work is what would run on a GPU.
"""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

CPU, CUDA = "cpu", "cuda"
LEAST_MB = 1024
"""Of a device's memory for one submission: libraries of torch's take some hundred for themselves."""
_HERE, _THERE = r"\((torch\.\w+Tensor|CPU\w+Type)\)", r"\((torch\.cuda\.\w+|CUDA\w+Type)\)"
"""Types as convolutions name them: (torch.FloatTensor), (torch.cuda.FloatTensor)."""
MISMATCH = re.compile(
    r"two (different )?devices|on the same device|can't convert cuda|\bcpu\b.*\b(cuda|gpu)|\b(cuda|gpu)\b.*\bcpu\b"
    f"|{_HERE}.*{_THERE}|{_THERE}.*{_HERE}",
    re.IGNORECASE | re.DOTALL,
)
"""How torch says that a tensor lies on another device than its neighbour."""


class Place:
    """The CPU: everything stays where it is."""

    def sent(self, value: Any) -> Any:
        """Return what the judge sent, as the submission is to find it."""
        return value

    def settle(self, value: object) -> None:
        """Put an object that stays on this side where it belongs."""

    def inside(self) -> AbstractContextManager[object]:
        """The surroundings in which the submission's code runs."""
        return nullcontext()

    def seed(self, seed: int) -> None:
        """Start the random numbers of everybody's generators."""
        random.seed(seed)
        torch.default_generator.manual_seed(seed)  # torch.manual_seed looks for every accelerator there is: 2 ms


class Device(Place):
    """A device of torch's beside the CPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._twins: dict[int, tuple[torch.Generator, torch.Generator]] = {}

    def sent(self, value: Any) -> Any:
        """Tensors on the device; generators stay, since where they are needed only the submission knows."""
        return on_device(value, lambda tensor: tensor.to(self.device))

    def settle(self, value: object) -> None:
        """Modules go to the device, as by the student's own `model.to(device)`."""
        if isinstance(value, nn.Module):
            value.to(self.device)

    def inside(self) -> AbstractContextManager[object]:
        """Generators draw on any device."""
        return DrawingAnywhere(self._twins)

    def seed(self, seed: int) -> None:
        """Those of the device, too."""
        super().seed(seed)
        torch.cuda.manual_seed_all(seed)
        self._twins.clear()


def on_device(value: Any, there: Callable[[Tensor], Tensor]) -> Any:
    """Return a nested value with `there` of each tensor in place of it."""
    if isinstance(value, Tensor):
        return there(value)
    if isinstance(value, dict):
        return {key: on_device(item, there) for key, item in value.items()}
    if type(value) in (list, tuple):  # a record of the submission's own stays as it is
        return type(value)(on_device(item, there) for item in value)
    return value


class DrawingAnywhere(TorchFunctionMode):
    """A generator given by the judge draws on whatever device it is asked to.

    `torch.rand(n, generator=g).to(x.device)` needs it on the CPU, `torch.multinomial(p, 1, generator=g)` where p is,
    and right work is written either way. On the other device a twin with the same seed draws in its place.
    """

    def __init__(self, twins: dict[int, tuple[torch.Generator, torch.Generator]]) -> None:
        super().__init__()
        self._twins = twins

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call `func`; once more with the twin where the generator was on another device."""
        kwargs = kwargs or {}
        generator = kwargs.get("generator")
        if not isinstance(generator, torch.Generator):
            return func(*args, **kwargs)
        try:
            return func(*args, **kwargs)
        except RuntimeError as error:
            wanted = re.search(r"Expected an? '(\w+)' device type for generator", str(error))
            if wanted is None:
                raise
            return func(*args, **{**kwargs, "generator": self._twin(generator, wanted[1])})

    def _twin(self, generator: torch.Generator, device: str) -> torch.Generator:
        if id(generator) not in self._twins:
            twin = torch.Generator(device).manual_seed(generator.initial_seed())
            self._twins[id(generator)] = generator, twin  # the first is kept, so that its id stays its own
        return self._twins[id(generator)][1]


def start(memory_mb: int, seed: int) -> Device:
    """Open the CUDA device for this process, for good, and return it. Raises RuntimeError where there is none.

    Products are computed in float32 where they are said to be (no TF32), the same way each time. A process may take
    `memory_mb` of the device: a neighbour's share cannot be taken by accident.
    """
    torch.cuda.init()  # type: ignore[no-untyped-call]
    device = torch.device(CUDA, torch.cuda.current_device())
    share = max(memory_mb, LEAST_MB) * 2**20 / torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(share, 1.0), device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.cuda.manual_seed_all(seed)
    x = torch.ones(2, 2, device=device, requires_grad=True)
    (x @ x).sum().backward()  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)
    return Device(device)


@contextlib.contextmanager
def untouched() -> Iterator[None]:
    """Nobody asks for a CUDA device inside, as an import may: who has cannot fork children that use it."""
    original = torch.cuda.is_available
    torch.cuda.is_available = lambda: False
    try:
        yield
    finally:
        torch.cuda.is_available = original
