"""Would it run on a GPU? The calls of passed checks are made once more on a make-believe one.

Under torch's FakeTensorMode a tensor has a shape, a dtype and a device and no numbers, so `cuda` needs no GPU. Modules
are moved there as soon as they are made, arguments before they are passed. Only one outcome is a finding: a tensor on
the CPU meets one on the GPU at a line of the student's own. Whatever else goes wrong (code that asks for a value, an
operator without a fake) says nothing about a GPU: not testable here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from autograder.checks.exceptions import BESIDE_ITS_NEIGHBOURS
from autograder.errors import WireError
from autograder.home.report import Gpu, Problem
from autograder.sandbox import wire
from autograder.sandbox.devices import MISMATCH
from autograder.sandbox.remote import Exchange, LocalTransport
from autograder.sandbox.worker import Executor, describe

WORDS = "on a GPU this line fails: one of its tensors lies on the CPU."


def rehearse(desk: LocalTransport, transcripts: Iterable[tuple[str, Sequence[Exchange]]]) -> Gpu:
    """Return what the calls of each check (its id and transcript) show on a make-believe GPU.

    `desk` has the submission, imported without bans: an operator may be made of a banned one there.
    """
    findings: dict[str, Problem] = {}
    ready: list[str] = []
    untested: list[str] = []
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    for check, transcript in transcripts:
        try:
            with desk.guard():
                _Rehearsal(mode, desk.executor).play(transcript)
            ready.append(check)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - the student's code runs here, and fakes raise what they like
            if finding := _finding(error, desk.executor.folder):
                findings.setdefault(finding.where, finding)
            else:
                untested.append(check)
    return Gpu(tuple(findings.values()), tuple(ready), tuple(untested), BESIDE_ITS_NEIGHBOURS if findings else "")


def _finding(error: BaseException, folder: str) -> Problem | None:
    described = describe(error, folder)
    if not described["frames"] or not MISMATCH.search(described["message"]):
        return None
    file, line, function = described["frames"][-1]
    return Problem(file, line, WORDS, detail=f"in {function}")


@dataclass(frozen=True, slots=True)
class _Handle:
    """What stood for an object in a recorded frame."""

    id: int
    values: tuple[Any, ...]


class _Ids:
    """Reads a recorded answer: where handles are in it."""

    def put(self, value: object) -> wire.Json:
        raise WireError(f"a {type(value).__name__} in a frame that is only read")

    def get(self, document: wire.Json) -> _Handle:
        return _Handle(document["id"], tuple(document.get("values", ())))


@dataclass
class _Rehearsal:
    """One check's calls, one after the other; objects are known by the numbers that they had."""

    mode: FakeTensorMode
    executor: Executor
    objects: dict[int, object] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)

    def put(self, value: object) -> wire.Json:
        """Nothing is written here."""
        raise WireError(f"a {type(value).__name__} in a frame that is only read")

    def get(self, document: wire.Json) -> object:
        """Return the object of a handle in a question."""
        return self.objects[document["id"]]

    def play(self, transcript: Sequence[Exchange]) -> None:
        """Ask every question again."""
        for exchange in transcript:
            request = wire.unpack(exchange.question, self)
            answered = wire.unpack(exchange.answer, _Ids())
            if "error" in answered or self._is_known(request, answered.get("answer")):  # it was to raise, and did
                continue
            del request["n"]
            request = {name: self._on_gpu(value) for name, value in request.items()}
            with self.mode:
                answer = self.executor.perform(forward_only(request))
                self._bind(answered.get("answer"), answer.get("answer"))

    def _is_known(self, request: dict[str, Any], recorded: object) -> bool:
        """Whether the same was asked of the same object before, with tensors of other sizes at most."""
        key = repr(_outline({name: value for name, value in request.items() if name != "n"}))
        known = key in self._asked and not _has_handle(recorded)
        self._asked.add(key)
        return known

    def _on_gpu(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            with self.mode:
                return torch.empty_strided(value.size(), value.stride(), dtype=value.dtype, device="cuda")
        if isinstance(value, dict):
            return {key: self._on_gpu(item) for key, item in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self._on_gpu(item) for item in value)
        return value

    def _bind(self, recorded: Any, answer: Any) -> None:
        """Give the objects in an answer the numbers that they had; modules go to the GPU."""
        if isinstance(recorded, _Handle):
            self.objects[recorded.id] = answer
            if isinstance(answer, nn.Module):
                move(answer)
            if recorded.values:
                self._bind(recorded.values, wire.fields(answer)[1])
        elif isinstance(recorded, dict):
            for key, item in recorded.items():
                self._bind(item, answer[key])
        elif isinstance(recorded, tuple | list):
            for one, other in zip(recorded, answer, strict=True):
                self._bind(one, other)


def _outline(value: Any) -> Any:
    """A question without the numbers and sizes of its tensors."""
    if isinstance(value, Tensor):
        return value.dtype, value.dim()
    if isinstance(value, dict):
        return {key: _outline(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_outline(item) for item in value]
    return value if isinstance(value, str | int | float | None) else id(value)


def _has_handle(recorded: object) -> bool:
    if isinstance(recorded, dict):
        return any(map(_has_handle, recorded.values()))
    return any(map(_has_handle, recorded)) if isinstance(recorded, tuple | list) else isinstance(recorded, _Handle)


def forward_only(request: dict[str, Any]) -> dict[str, Any]:
    """Return a question for gradients as one for the answer alone."""
    if request["op"] != "vjp":
        return request
    return {name: value for name, value in request.items() if name != "cotangents"} | {"op": "call"}


def move(module: nn.Module) -> None:
    """Move parameters and buffers to the make-believe GPU; tied ones stay tied.

    `Module.to` cannot: it swaps what a parameter holds, and a fake tensor's device is fixed.
    """
    moved: dict[int, Tensor] = {}

    def there(tensor: Tensor) -> Tensor:
        if id(tensor) not in moved:
            copy = torch.empty_like(tensor, device="cuda")
            is_parameter = isinstance(tensor, nn.Parameter)
            moved[id(tensor)] = nn.Parameter(copy, tensor.requires_grad) if is_parameter else copy
        return moved[id(tensor)]

    for each in module.modules():
        for tensors in (each._parameters, each._buffers):
            for name, tensor in list(tensors.items()):
                if tensor is not None:
                    tensors[name] = there(tensor)  # type: ignore[assignment]


def warm_up() -> None:
    """Import and look up what the first rehearsal would (torch does so operator by operator), while nobody waits."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        x = torch.empty(2, 3, 4, device="cuda", dtype=torch.float64)
        ids = torch.empty(2, 3, device="cuda", dtype=torch.int64)
        w = torch.empty(4, 4, device="cuda", dtype=torch.float64)
        h = torch.tanh(nn.functional.linear(x[:, 0], w, w[0]) + x[:, 1] @ w.T).sigmoid().relu()
        h = torch.cat([torch.stack([h, h], dim=1), x.new_zeros(2, 1, 4)], dim=1).transpose(1, 2).contiguous()
        scores = (h @ h.transpose(-2, -1) * 0.5).masked_fill(ids[:, :1, None] == 0, 0.0).softmax(-1)
        nn.functional.layer_norm(torch.einsum("bij,bjk->bik", scores, h), (3,)).reshape(2, -1).mean(-1)
        logits = nn.functional.embedding(ids, w)
        nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten(), ignore_index=0)
        torch.where(ids[..., None] > 0, logits.log_softmax(-1), 0.0).gather(-1, logits.argmax(-1, keepdim=True))
        torch.zeros_like(logits).scatter_(-1, ids[..., None], 1.0).sum(dim=1).unbind(0)
