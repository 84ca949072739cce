"""The proxy that checks talk to: the same at home and in `grade`; only the transport differs.

A `Session` speaks the wire's protocol over a `Transport` and keeps the transcript of all that was asked and
answered. A `Remote` is a name on the other side; calling it is one exchange. Everything that comes back is data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from autograder.errors import WireError
from autograder.records import Picture
from autograder.sandbox import wire
from autograder.sandbox.faults import plain_name, student_fault, words

if TYPE_CHECKING:
    from autograder.sandbox.weights import Trained
from autograder.sandbox.worker import Executor, float_leaves

MAX_REFUSED = 32


class Transport(Protocol):
    """Carries frames to a worker and back."""

    def exchange(self, frame: bytes) -> bytes:
        """Return the answer to a frame; raises ChildEnded or WireError."""


class LocalTransport:
    """A worker in this process: the student's own at home, the reference solution in the judge."""

    def __init__(self, executor: Executor, guard: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        self.executor = executor
        self.guard = guard

    def exchange(self, frame: bytes) -> bytes:
        """Return the worker's answer, computed under the guard (bans in force only while the student's code runs)."""
        with self.guard():
            return self.executor.reply(frame)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer, as the bytes that crossed; what diagnosis replays."""

    question: bytes
    answer: bytes
    counts: bytes = b""
    """Which places of the answer's float tensors the check looked at, packed as `{"only": masks}`; empty: at all."""


@dataclass(frozen=True, slots=True)
class Vjp:
    """Answer and vector-Jacobian products of one call."""

    answer: Any
    arg_grads: tuple[Tensor | None, ...]
    """For every float tensor among the arguments, in order."""
    parameter_grads: Mapping[str, Tensor | None]


Call = tuple[str, tuple[tuple[int, ...], ...]]
"""What was called, and the shapes of the tensors that it was given."""


@dataclass
class Session:
    """One worker, from its first question to its last."""

    transport: Transport
    transcript: list[Exchange] = field(default_factory=list)
    answers: list[object] = field(default_factory=list, repr=False)
    """What the answers of the transcript held, each beside its exchange: comparisons leave on a tensor what counts."""
    refused: tuple[str, ...] = ()
    """Banned operators that were called so far."""
    figures: dict[str, float] = field(default_factory=dict)
    """Numbers that checks leave for the report: a held-out loss, its bound."""
    curve: tuple[float, ...] = ()
    """Losses of the last training run."""
    trained: Trained | None = None
    """What the last training run returned."""
    pictures: tuple[Picture, ...] = ()
    """What the case at hand wants seen."""
    operators: dict[Call, int] = field(default_factory=dict)
    """How many operators each call ran whose gradients were asked for, as its side says."""
    renamed: dict[str, str] = field(default_factory=dict)
    """The handout's names of parameters -> those that were taken for them, since only their shapes fit."""
    begin: tuple[int, str] | None = None
    """Seed and default dtype with which a worker that has served others begins anew; None: it is new."""

    @property
    def root(self) -> Remote:
        """The submission's module."""
        return Remote(self, None, ())

    def ask(self, operation: str, **payload: object) -> dict[str, Any]:
        """Return the answer to one operation. Raises StudentFault, or WireError for an answer that is none."""
        number = len(self.transcript)
        payload |= {"begin": list(self.begin)} if number == 0 and self.begin else {}
        question = wire.pack({"n": number, "op": operation, **payload}, self)
        answer = self.transport.exchange(question)
        self.transcript.append(Exchange(question, answer))
        self.answers.append(None)
        document = wire.unpack(answer, self)
        self.answers[-1] = document.get("answer")
        if document.get("n") != number:
            raise WireError("an answer to another question than was asked")
        self._note_refused(document.get("refused"))
        if "error" in document:
            raise student_fault(document["error"])
        return document

    def put(self, value: object) -> wire.Json:
        """The document of a handle that goes back to where it came from."""
        if isinstance(value, Remote) and value._session is self and not value._path and isinstance(value._root, int):
            return {"h": {"id": value._root}}
        raise TypeError(f"a {type(value).__name__} cannot be passed to a submission; pass a tensor or a plain value")

    def get(self, document: wire.Json) -> Remote:
        """The proxy of a handle that came back."""
        if not isinstance(document, dict) or not isinstance(document.get("id"), int):
            raise WireError("a handle without a number")
        names, values = document.get("fields", []), document.get("values", [])
        texts = [document.get("type"), *names] if isinstance(names, list) else [None]
        if not all(isinstance(text, str) for text in texts) or not isinstance(values, list):
            raise WireError("a handle whose names are no text")
        kind = " ".join(plain_name(word, "...") for word in str(texts[0])[:80].split())
        names = [words(text)[:80] for text in texts[1:]]
        if "fields" in document and len(names) == len(values):
            return Record(self, document["id"], kind, tuple(names), tuple(values))
        return Remote(self, document["id"], (), kind)

    def _note_refused(self, names: object) -> None:
        if isinstance(names, list):
            new = dict.fromkeys((*self.refused, *(words(name)[:80] for name in names[:MAX_REFUSED])))
            self.refused = tuple(new)[:MAX_REFUSED]


class Remote:
    """A name on the other side: the submission's module, something in it, or an object that stayed there."""

    def __init__(self, session: Session, root: int | str | None, path: tuple[str, ...], kind: str = "") -> None:
        self._session = session
        self._root = root
        self._path = path
        self._kind = kind

    def __getattr__(self, name: str) -> Remote:
        if name.startswith("__"):
            raise AttributeError(name)
        return Remote(self._session, self._root, (*self._path, name), self._kind)

    def __repr__(self) -> str:
        return ".".join([self._kind or str(self._root or "submission"), *self._path])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the answer of calling it there."""
        return self._ask("call", args=args, kwargs=kwargs)["answer"]

    def fetch(self) -> Any:
        """Return the value that stands there."""
        return self._ask("getattr")["answer"]

    def echo(self, *args: Any, **kwargs: Any) -> tuple[Any, tuple[Any, ...]]:
        """Return the answer and the positional arguments as they are on the other side after the call.

        A float tensor among them requires a gradient where it does so there.
        """
        document = self._ask("call", args=args, kwargs=kwargs, echo=True)
        inputs, attached = document.get("inputs"), document.get("inputs_attached")
        if not (isinstance(inputs, list) and inputs and isinstance(inputs[0], list) and isinstance(attached, list)):
            raise WireError("an echo without its inputs")
        for leaf, requires_grad in zip(float_leaves(inputs[0]), attached, strict=False):
            leaf.requires_grad_(requires_grad is True)
        return document["answer"], tuple(inputs[0])

    def vjp(self, args: Sequence[Any], kwargs: Mapping[str, Any], cotangents: Sequence[Tensor]) -> Vjp:
        """Return the answer and its vector-Jacobian products against `cotangents`, one for each float tensor in it."""
        document = self._ask("vjp", args=tuple(args), kwargs=dict(kwargs), cotangents=list(cotangents))
        call = ".".join([*([self._kind] if self._kind else []), *self._path]), tuple(_shapes([*args, *kwargs.values()]))
        if type(count := document.get("operators")) is int:
            self._session.operators[call] = count
        inputs, parameters = document.get("inputs"), document.get("parameters")
        if not isinstance(inputs, list) or not isinstance(parameters, dict):
            raise WireError("gradients that are no gradients")
        return Vjp(
            document["answer"],
            tuple(_tensor_or_none(item) for item in inputs),
            {words(name): _tensor_or_none(item) for name, item in parameters.items()},
        )

    def _ask(self, operation: str, **payload: object) -> dict[str, Any]:
        root = Remote(self._session, self._root, ()) if isinstance(self._root, int) else self._root
        document = self._session.ask(operation, root=root, path=list(self._path), **payload)
        if "answer" not in document:
            raise WireError("an answer without an answer in it")
        return document


class Record(Remote):
    """A NamedTuple or dataclass instance of the student's: unpacks like a tuple, goes back as itself."""

    def __init__(
        self, session: Session, root: int, kind: str, fields: tuple[str, ...], values: tuple[Any, ...]
    ) -> None:
        super().__init__(session, root, (), kind)
        self.fields = fields
        self._values = values

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: int) -> Any:
        return self._values[index]


def handle_session(handle: Remote) -> Session:
    """Return the session in which a handle lives."""
    return handle._session


def _shapes(values: Sequence[object]) -> Iterator[tuple[int, ...]]:
    for value in values:
        if isinstance(value, Tensor):
            yield tuple(value.shape)
        elif isinstance(value, list | tuple):
            yield from _shapes(value)


def plain_tensor(value: object) -> Tensor:
    """Return `value`; raises WireError where it is no tensor."""
    if not isinstance(value, Tensor):
        raise WireError("a parameter that is no plain tensor")
    return value


def _tensor_or_none(value: object) -> Tensor | None:
    return None if value is None else plain_tensor(value)
