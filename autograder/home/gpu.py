"""Would it run on a GPU? The calls of passed checks are made once more on a make-believe one.

That is a stage whose tensors have numbers (`stage`). What cannot be played there is tried with torch's own fakes
(FakeTensorMode): they have none, but torch knows a shape for many an operator that has no kernel on the CPU. Modules
are moved to the GPU as soon as they are made, arguments before they are passed. Two outcomes are findings: a tensor on
the CPU meets one on the GPU at a line of the student's own, or a line of theirs made the answer on the CPU although
there are arguments on the GPU (`origins`). Whatever else goes wrong (with fakes, code that asks for a value) says
nothing about a GPU: not testable here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from autograder.checks.exceptions import BESIDE_ITS_NEIGHBOURS, LENGTHS
from autograder.errors import WireError
from autograder.home.asked import Asked
from autograder.home.origins import ON_PURPOSE, Line, Origins
from autograder.home.report import Gpu, Problem
from autograder.home.stage import OnStage, Stage, TwoDevices, Unplayable
from autograder.sandbox import wire
from autograder.sandbox.described import describe
from autograder.sandbox.devices import MISMATCH
from autograder.sandbox.remote import Exchange, LocalTransport
from autograder.sandbox.worker import Executor

LONGEST_S = 2.0
"""CPU seconds after which a check is given up: a loop over thousands of rows shows all it can show at its first."""
WORDS = "on a GPU this line fails: one of its tensors lies on the CPU."
MADE_AT = "on a GPU this line fails: one of its tensors lies on the CPU, where line {} made it."
PACKED = "on a GPU this line fails: packing takes its lengths from the CPU, `lengths.cpu()`."
ANSWERED = "on a GPU the answer lies on the CPU all the same: this line makes it there."


class LeftBehind(Exception):
    """A tensor of an answer lies on the CPU."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line
        """The line that made it."""


def rehearse(open_desk: Callable[[], LocalTransport], transcripts: Iterable[tuple[str, Sequence[Exchange]]]) -> Gpu:
    """Return what the calls of each check (its id and transcript) show on a make-believe GPU.

    `open_desk` imports the submission anew, without bans: an operator may be made of a banned one there.
    """
    findings: dict[str, Problem] = {}
    ready: list[str] = []
    untested: list[str] = []
    with_numbers, with_fakes = _Theatre(_stage, OnStage, open_desk), _Theatre(_fakes, _fake, open_desk)
    for check, transcript in transcripts:
        try:
            ended = with_numbers.tried(transcript)
        except Unplayable:
            ended = with_fakes.tried(transcript)
        if isinstance(ended, Problem):
            findings.setdefault(ended.where, ended)
        else:
            (ready if ended else untested).append(check)
    return Gpu(tuple(findings.values()), tuple(ready), tuple(untested), BESIDE_ITS_NEIGHBOURS if findings else "")


@dataclass
class _Theatre:
    """A make-believe GPU of one kind, and the submission as imported there: no other kind's tensors are in it."""

    surroundings: Callable[[str], tuple[FakeTensorMode, Origins]]
    """Of a folder with the student's files: in them, `cuda` is there."""
    there: Callable[[Tensor], Tensor]
    """Puts a tensor on the GPU."""
    open_desk: Callable[[], LocalTransport]

    @cached_property
    def desk(self) -> LocalTransport:
        """The submission."""
        return self.open_desk()

    @cached_property
    def around(self) -> tuple[FakeTensorMode, Origins]:
        """The surroundings, and what they know of tensors on the CPU."""
        return self.surroundings(self.desk.executor.folder)

    def tried(self, transcript: Sequence[Exchange]) -> Problem | bool:
        """Where a tensor was left on the CPU; else whether all questions could be asked. Raises Unplayable."""
        mode, origins = self.around
        origins.forget()
        if isinstance(mode, Stage):
            mode.until = time.process_time() + LONGEST_S
        try:
            with self.desk.guard(), _without_cuda():
                _Rehearsal(mode, origins, self.there, self.desk.executor).play(transcript)
        except (KeyboardInterrupt, Unplayable):
            raise
        except LeftBehind as left:
            return Problem(left.line.file, left.line.number, ANSWERED, detail=f"in {left.line.function}")
        except BaseException as error:  # noqa: BLE001 - the student's code runs here, and fakes raise what they like
            return _finding(error, self.desk.executor.folder, origins) or False
        return True


@contextmanager
def _without_cuda() -> Iterator[None]:
    """What torch's layers do on a GPU, of operators that are played: not cuDNN's; `Module.to` makes new parameters."""
    overwritten = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwritten)


def _stage(folder: str) -> tuple[FakeTensorMode, Origins]:
    stage = Stage(folder)
    return stage, stage.origins


def _fakes(folder: str) -> tuple[FakeTensorMode, Origins]:
    return FakeTensorMode(allow_non_fake_inputs=True), Origins(folder)  # nobody tells the second of anything


def _fake(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="cuda")


def _finding(error: BaseException, folder: str, origins: Origins) -> Problem | None:
    described = describe(error, folder)
    if not described["frames"] or not MISMATCH.search(described["message"]):
        return None
    file, line, function = described["frames"][-1]
    if LENGTHS.search(described["message"]):
        return Problem(file, line, PACKED, detail=f"in {function}")
    left = error.left if isinstance(error, TwoDevices) else ()
    made = {origin.number for tensor in left if (origin := origins.of(tensor)) and origin.file == file} - {line}
    words = MADE_AT.format(*made) if len(made) == 1 else WORDS
    return Problem(file, line, words, detail=f"in {function}")


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
    """One check's calls, each once, one after the other; objects are known by the numbers that they had."""

    mode: FakeTensorMode
    origins: Origins
    there: Callable[[Tensor], Tensor]
    executor: Executor
    objects: dict[int, object] = field(default_factory=dict)
    asked: Asked = field(default_factory=Asked)

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
            del request["n"]
            if "error" in answered:  # it was to raise, and did
                continue
            if self.asked.again(request) and not _has_handle(
                answered.get("answer")
            ):  # what makes something does so anew
                continue
            request = {name: self._on_gpu(value) for name, value in request.items()}
            with self.mode:
                answer = self.executor.perform(forward_only(request))
                if request["op"] in ("call", "vjp") and list(_tensors([request["args"], request["kwargs"]])):
                    self._look_at(answer["answer"])
                self._bind(answered.get("answer"), answer.get("answer"))

    def _on_gpu(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            with self.mode:
                return self.there(value)
        if isinstance(value, dict):
            return {key: self._on_gpu(item) for key, item in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self._on_gpu(item) for item in value)
        return value

    def _look_at(self, answer: object) -> None:
        """Raise LeftBehind where a line of the student's made an answer's tensor on the CPU; a number may be there."""
        for tensor in _tensors(answer):
            if tensor.dim() and tensor.device.type == "cpu":
                line = self.origins.of(tensor)
                if line is not None and line is not ON_PURPOSE:
                    raise LeftBehind(line)

    def _bind(self, recorded: Any, answer: Any) -> None:
        """Give the objects in an answer the numbers that they had; modules go to the GPU."""
        if isinstance(recorded, _Handle):
            self.objects[recorded.id] = answer
            self.asked.gave(answer)
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


def _tensors(value: Any) -> Iterator[Tensor]:
    """Those of a nested value, its records' too."""
    if isinstance(value, Tensor):
        yield value
    elif wire.is_record(value):
        yield from _tensors(wire.fields(value)[1])
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


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
            copy = tensor.detach().to("cuda", copy=True)
            is_parameter = isinstance(tensor, nn.Parameter)
            moved[id(tensor)] = nn.Parameter(copy, tensor.requires_grad) if is_parameter else copy
        return moved[id(tensor)]

    for each in module.modules():
        for tensors in (each._parameters, each._buffers):
            for name, tensor in list(tensors.items()):
                if tensor is not None:
                    tensors[name] = there(tensor)  # type: ignore[assignment]
