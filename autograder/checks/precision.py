"""The two precisions of a check and every tolerance that depends on them.

Nobody sets a current precision: reference answers are in it, so the dtype of the expected tensor names it.

A check passes if it passes in either precision, hence a tolerance has two duties. Right code must pass in at least one:
rounding is 3e-15 of the largest value in float64 and 1.4e-6 in float32. A mistake must fail in both, with inputs that
amplify it, which works only if the tolerance shrinks with the answer. So an error may be

    atol * scale + rtol * |expected|,   scale = largest |expected| below `FILL_VALUE`, at least `floor`

The floor is for answers that are zero by cancellation (LayerNorm of a constant row leaves 1e-10 in float64). It can be
small in float32 since code that rounds well has passed in float64 by then. Values of `FILL_VALUE` and more are masks
(-1e9, finfo.min) or overflow probes: they are judged by rtol and do not widen the tolerance of their neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

FILL_VALUE = 1e3


@dataclass(frozen=True, slots=True)
class Precision:
    """Tolerances of one floating-point type; all are parts of a size, none is absolute."""

    name: str
    dtype: torch.dtype
    rtol: float
    """Allowed error as a part of each expected value."""
    atol: float
    """Allowed error as a part of the answer's scale."""
    floor: float
    """The scale is never taken smaller than this."""
    still: float
    """An output that must not move may move by this part of its largest value."""
    gradient: float
    """Allowed error of a gradient as a part of its own largest entry."""
    cancelled: float
    """The same as a part of the largest of all gradients: what rounding leaves where a gradient cancels to zero."""


FLOAT64 = Precision(
    "float64", torch.float64, rtol=1e-6, atol=1e-8, floor=1.0, still=1e-10, gradient=1e-8, cancelled=1e-12
)
FLOAT32 = Precision(
    "float32", torch.float32, rtol=1e-4, atol=1e-5, floor=1e-2, still=1e-5, gradient=1e-5, cancelled=2e-6
)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """`dtype` as torch's default for the length of a block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def precision_of(expected: Tensor | float) -> Precision:
    """FLOAT64 for a float64 tensor, else FLOAT32.

    A Python number has no dtype: one that float32 cannot hold was computed in float64; any other may be the `.item()`
    of a float32 tensor.
    """
    if isinstance(expected, Tensor):
        return FLOAT64 if expected.dtype == torch.float64 else FLOAT32
    held = torch.tensor(float(expected), dtype=torch.float32).item()
    return FLOAT32 if held == expected or math.isnan(expected) else FLOAT64


def tolerance(expected: Tensor, precision: Precision, rtol: float | None = None, atol: float | None = None) -> Tensor:
    """The allowed error of each value (float64, shape of `expected`); `rtol`, `atol` replace the precision's."""
    size = expected.detach().to(torch.float64).abs()
    largest = float(size.max()) if size.numel() else 0.0
    if not largest < FILL_VALUE:  # or not a number
        size = size.nan_to_num(nan=0.0, posinf=0.0)
        ordinary = size[size < FILL_VALUE]
        largest = float(ordinary.max()) if ordinary.numel() else 0.0
    scale = max(precision.floor, largest)
    relative = precision.rtol if rtol is None else rtol
    return (precision.atol if atol is None else atol) * scale + relative * size
