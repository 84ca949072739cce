"""What the stand-ins of transformers call: each is run dry, and every operator and function that torch runs is noted.

    .venv/bin/python tests/sandbox/dry_runs.py --write

This writes autograder/sandbox/calls.json, by which a child seals all bans but those of what its stand-ins call. A
stand-in that has no run here is one of which nobody knows what it calls, and all bans can be lifted beside it. So a run
belongs to every branch of a stand-in: with masks and without, in training and not, with gradients and without.
"""

from __future__ import annotations

import fnmatch
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import product
from types import CodeType, FrameType
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn
from torch.autograd.profiler import profile
from torch.nn.attention import SDPBackend, sdpa_kernel

from autograder.sandbox.ban_groups import GROUPS
from autograder.sandbox.ban_plan import Plan, base_name, prepare
from autograder.sandbox.calls import RECORDED, release
from autograder.sandbox.standins import STAND_INS

EVERY_KERNEL = [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]


@dataclass(frozen=True, slots=True)
class Run:
    """One call of a stand-in; of a class `method` is called, on an object made with `made` and `options`."""

    given: tuple[Any, ...]
    made: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    method: str = "forward"


def drawn(*shape: int) -> Tensor:
    """Numbers from N(0, 1), the same for the same shape; in the precision that is set when they are used."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


X, MEMORY, IDS = drawn(2, 5, 8), drawn(2, 3, 8), torch.tensor([[1, 5, 3, 4, 0], [2, 6, 0, 0, 0]])
REAL = IDS != 0
SELF, CROSS = torch.ones(5, 5, dtype=torch.bool).tril(), torch.tensor([[True, True, False], [True, False, False]])
MASKS = (None, SELF, SELF.expand(2, 5, 5), REAL[:, None, None, :])
TO_MEMORY = ((), (CROSS[:, None, None, :],), (None,), (CROSS[:, None].expand(2, 5, 3),))
LAYER = (8, 2, 16)
KINDS = tuple(
    {"norm_first": first, "activation": activation, "dropout": dropout}
    for first, activation, dropout in (
        (False, "relu", 0.0), (True, "gelu", 0.1), (False, torch.tanh, 0.1), (True, "relu", 0.0)
    )
)  # fmt: skip
BERT = (9, 8, 2, 16, 2)
SEGMENTS, LABELS, NEXT = (IDS > 3).long(), IDS.where(IDS > 3, -100), torch.tensor([0, 1])
IMAGES = drawn(2, 3, 8, 12)

RUNS: Mapping[str, tuple[Run, ...]] = {
    "TokenEmbedding": (Run((IDS,), (9, 8)),),
    "positional_encoding": (Run((5, 8)), Run((1, 7))),
    "PositionalEncoding": (Run((X,), (8,)), Run((X[:, :1],), (8, 5))),
    "padding_mask": (Run((IDS, 0)),),
    "causal_mask": (Run((5,)), Run((1, "cpu"))),
    "scaled_dot_product_attention": tuple(
        Run((q, k, k, mask))
        for q, k, mask in (
            (X, MEMORY, None), (X, X, SELF), (X, X, torch.zeros(5, 5, dtype=torch.bool)), (X[0], X[0], SELF),
            (X.unflatten(2, (2, 4)).mT.mT, X.unflatten(2, (2, 4)), None), (X[None], X[None], SELF),
        )
    ),
    "MultiHeadAttention": (
        *(Run((X, X, X, mask), (8, 2)) for mask in MASKS),
        *(Run((X, MEMORY, MEMORY, *mask), (8, 2)) for mask in TO_MEMORY),
    ),
    "LayerNorm": (Run((X,), (8,)), Run((X[0, 0],), (8, 1e-3))),
    "FeedForward": tuple(Run((X,), (8, 16, kind)) for kind in ("relu", "gelu", "silu", torch.tanh)),
    "EncoderLayer": tuple(Run((X, mask), LAYER, kind) for mask, kind in zip(MASKS, KINDS, strict=True)),
    "DecoderLayer": tuple(
        Run((X, MEMORY, mask, *other), LAYER, kind) for mask, other, kind in zip(MASKS, TO_MEMORY, KINDS, strict=True)
    ),
    "TransformerEncoder": tuple(Run((X, mask), (*LAYER, 2), kind) for mask, kind in zip(MASKS, KINDS, strict=True)),
    "TransformerDecoder": tuple(
        Run((X, MEMORY, mask, *other), (*LAYER, 2), kind)
        for mask, other, kind in zip(MASKS, TO_MEMORY, KINDS, strict=True)
    ),
    "Transformer": tuple(
        Run((IDS, targets), (9, 9, *LAYER, 2), {"norm_first": first, "dropout": dropout, "tie": tie})
        for targets, first, dropout, tie in ((IDS, False, 0.0, False), (IDS[:, :1], True, 0.1, True))
    ),
    "apply_masks": (Run((IDS, REAL, torch.rand(2, 5), IDS.flip(1))),),
    "gelu": (Run((X,)),),
    "BertEmbeddings": tuple(Run((IDS, SEGMENTS), (9, 8, 16, dropout)) for dropout in (0.0, 0.1)),
    "Bert": tuple(Run((IDS, SEGMENTS, REAL), BERT, {"dropout": dropout}) for dropout in (0.0, 0.1)),
    "MLMHead": (Run((X, drawn(9, 8)), (8, 9)), Run((X[0, :2], drawn(9, 8)), (8, 9))),
    "pretrain_loss": tuple(
        Run((drawn(2, 5, 9), drawn(2, 2), labels, NEXT)) for labels in (LABELS, torch.full_like(IDS, -100))
    ),
    "BertForPreTraining": (
        Run((IDS, SEGMENTS, REAL), BERT, {"dropout": 0.1}),
        Run((IDS, SEGMENTS, REAL, LABELS, NEXT), BERT, method="loss"),
    ),
    "BertForClassification": (
        Run((IDS, SEGMENTS, REAL), (3, *BERT), {"dropout": 0.1}),
        Run((IDS, SEGMENTS, REAL, NEXT), (3, *BERT), method="loss"),
    ),
    "patchify": (Run((IMAGES, 4)), Run((IMAGES, 1))),
    "unpatchify": (Run((drawn(2, 6, 48), 4, 8, 12)),),
    "PatchEmbedding": (Run((IMAGES,), (3, 4, 8)), Run((IMAGES[:1, :1],), (1, 2, 8))),
    "interpolate_positions": (Run((drawn(1, 7, 8), (2, 3), (2, 3))), Run((drawn(1, 7, 8), (2, 3), (4, 5)))),
    "VisionEmbedding": tuple(
        Run((images,), ((8, 12), 4, 3, 8, dropout)) for images, dropout in product((IMAGES, IMAGES.mT), (0.0, 0.1))
    ),
    "VisionEncoder": tuple(Run((X,), (*LAYER, 2, dropout)) for dropout in (0.0, 0.1)),
}  # fmt: skip


def play(
    runs: Iterable[Run], stand_in: Callable[..., Any], around: Callable[[], AbstractContextManager[object]]
) -> None:
    """Do runs of a stand-in: in both precisions, with attention's plain kernel too, in training, with gradients.

    Each call is made inside `around`; its gradients are asked for outside, as in a check.
    """
    before = torch.get_default_dtype()
    kernels = ((torch.float32, EVERY_KERNEL), (torch.float64, EVERY_KERNEL), (torch.float32, [SDPBackend.MATH]))
    moods = ((True, True), (False, True), (False, False))
    try:
        for run, (dtype, backends), (training, differentiated) in product(runs, kernels, moods):
            torch.set_default_dtype(dtype)
            with torch.set_grad_enabled(differentiated), sdpa_kernel(backends):
                answering, given = _ready(run, stand_in, dtype, training=training)
                with around():
                    found = answering(*given)
                for leaf in found if isinstance(found, tuple) else (found,):
                    if leaf.requires_grad:
                        leaf.sin().sum().backward(retain_graph=True)
    finally:
        torch.set_default_dtype(before)


def _ready(
    run: Run, stand_in: Callable[..., Any], dtype: torch.dtype, *, training: bool
) -> tuple[Any, tuple[Any, ...]]:
    given = tuple(_sent(value, dtype) for value in run.given)
    if not isinstance(stand_in, type):
        return stand_in, given
    made: nn.Module = stand_in(*run.made, **run.options)
    return getattr(made.train(training), run.method), given


def _sent(value: Any, dtype: torch.dtype) -> Any:
    """The value as a check sends it: a tensor of its own that wants a gradient."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return value
    return value.detach().to(dtype).clone().requires_grad_(torch.is_grad_enabled())


@dataclass
class Noting:
    """Notes the operators that the dispatcher sees, in C++ too, and which of the functions with a ban run."""

    bannable: Mapping[CodeType, str]
    operators: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Note what runs inside."""
        with profile() as seen:
            sys.setprofile(self._look)
            try:
                yield
            finally:
                sys.setprofile(None)
        results: Any = seen.kineto_results
        names = {event.name() for event in results.events()}
        self.operators |= {base_name(name) for name in names if "::" in name}

    def _look(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in self.bannable:
            self.functions.add(self.bannable[frame.f_code])


def record(name: str, plan: Plan) -> list[str]:
    """Return what a stand-in calls, as `Bans.seal` understands it, sorted; of Python functions those of the plan."""
    bannable = {function.body.__code__: function.place for function in plan.functions if function.body is not None}
    noted, kin = Noting(bannable), _kin()
    play(RUNS[name], STAND_INS[name], noted)
    return sorted(noted.functions.union(*(kin.get(operator, {operator}) for operator in noted.operators)))


def whatever_may_be_banned() -> Plan:
    """Return a plan of all groups of bans and of all operators."""
    return prepare([*GROUPS, *_every_operator()])


def _every_operator() -> list[str]:
    return sorted({name.partition(".")[0] for name in torch._C._dispatch_get_all_op_names() if name[:6] == "aten::"})


def banned_somewhere() -> set[str]:
    """Return the operators that groups of bans mean."""
    return {base_name(operator.name) for operator in prepare(GROUPS).operators}


def _kin() -> dict[str, set[str]]:
    """Return for each of them those that a group means by the same glob.

    Which of them runs depends on sizes, on precision and on what the machine can.
    """
    names = banned_somewhere()
    families = [set(fnmatch.filter(names, glob)) for group in GROUPS.values() for glob in group.operators]
    return {name: set[str]().union(*(each for each in families if name in each)) for name in names}


def as_text(recorded: Mapping[str, list[str]]) -> str:
    """Return what the file holds: a line for each stand-in."""
    lines = (f"    {json.dumps(name)}: {json.dumps(patterns)}" for name, patterns in recorded.items())
    return f'{{\n  "torch": {json.dumps(release())},\n  "calls": {{\n' + ",\n".join(lines) + "\n  }\n}\n"


if __name__ == "__main__":
    everything = whatever_may_be_banned()
    text = as_text({name: record(name, everything) for name in RUNS})
    if "--write" in sys.argv:
        RECORDED.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
