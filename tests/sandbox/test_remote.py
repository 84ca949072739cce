"""The proxy that checks talk to: what it makes of answers, of hostile ones too, and the transcript that it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from autograder.errors import WireError
from autograder.records import Outcome
from autograder.sandbox import wire
from autograder.sandbox.faults import ChildEnded, StudentError, student_fault
from autograder.sandbox.remote import Exchange, LocalTransport, Remote, Session, handle_session
from autograder.sandbox.weights import read_state, train
from autograder.sandbox.worker import Executor

torch.set_num_threads(1)

ModuleOf = Callable[[str], tuple[ModuleType, Path]]

SOURCE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x, h=None):
        return self.layer(x), (h, {"n": x.shape[0]})


def noise(n, generator):
    return torch.randn(n, generator=generator), torch.rand(n)


def fit(model, batches, optimizer):
    for x, y in batches:
        optimizer.zero_grad()
        (model(x)[0] - y).square().mean().backward()
        optimizer.step()
    return [0.5]


def paint():
    raise ValueError("\\x1b[2J\\x07\\x9b31m right\\u202eteews\\ttab\\nline \\ud800")
"""


class Scripted:
    """A transport that answers as it was told, whatever is asked."""

    def __init__(self, answers: Iterable[object]) -> None:
        self._answers = iter(answers)

    def exchange(self, frame: bytes) -> bytes:
        """Return the next answer; a dict is packed, bytes go as they are."""
        answer: Any = next(self._answers)
        return answer if isinstance(answer, bytes) else wire.pack(answer, wire.Plain())


def saying(*answers: object) -> Remote:
    """The module of a submission that gives these answers."""
    return Session(Scripted(answers)).root


# --- answers ---------------------------------------------------------------------------------------------------------


def test_an_answer_to_another_question_is_refused() -> None:
    """Frames that come before they were asked for never count as answers."""
    for number in (1, -1, None, "0", 0.5):
        with pytest.raises(WireError, match="another question"):
            saying({"n": number, "answer": 1}).anything()
    side = saying({"n": 0, "answer": 1}, {"n": 0, "answer": 1})
    assert side.anything() == 1
    with pytest.raises(WireError, match="another question"):
        side.anything()


@pytest.mark.parametrize(
    "answer",
    [b"", b"\0" * 8, b"\0\0\0\2\0\0\0\0{}", {"n": 0}, {"n": 0, "error": None}, {"n": 0, "error": [1]}],
    ids=["nothing", "zeros", "empty", "no answer", "no error", "a list"],
)
def test_what_is_no_answer_is_a_wire_error(answer: object) -> None:
    """An answer without an answer, or an error that says nothing, is malformed."""
    with pytest.raises(WireError):
        saying(answer).anything()


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda side: side.f.echo(1), {"answer": 1}),
        (lambda side: side.f.echo(1), {"answer": 1, "inputs": 3}),
        (lambda side: side.f.vjp((), {}, []), {"answer": 1}),
        (lambda side: side.f.vjp((), {}, []), {"answer": 1, "inputs": [1.5], "parameters": {}}),
        (lambda side: side.f.vjp((), {}, []), {"answer": 1, "inputs": [], "parameters": {"w": "x"}}),
        (read_state, {"parameters": {}}),
        (read_state, {"parameters": {"w": 1}, "buffers": {}}),
    ],
)
def test_half_an_answer_is_a_wire_error(ask: Callable[[Any], object], answer: dict[str, object]) -> None:
    """Gradients, echoes and states that are none are malformed, and nothing else is ever raised for them."""
    handle = {"n": 0, "answer": 1}
    session = Session(Scripted([{**handle, **answer}]))
    side = Remote(session, 7, ()) if "parameters" in answer and "answer" not in answer else session.root
    with pytest.raises(WireError):
        ask(side)


def test_training_that_lies_about_its_answer_is_not_believed() -> None:
    """`losses_attached` counts only as True; losses may be anything, a state must be one."""
    session = Session(Scripted([{"n": 0, "parameters": {}, "buffers": {}, "losses": "x", "losses_attached": "yes"}]))
    trained = train(Remote(session, 1, ()), "fit", [], ("SGD", {}), {})
    assert (trained.losses, trained.attached, dict(trained.state)) == ("x", False, {})


def test_refused_operators_are_noted_once_each() -> None:
    """What the worker says was refused is remembered in order, without control characters, and within bounds."""
    session = Session(
        Scripted(
            [
                {"n": 0, "answer": 1, "refused": ["torch.lstm", "torch.rnn"]},
                {"n": 1, "answer": 1, "refused": ["torch.rnn", "a\x1b[2Jb", *map(str, range(1000))]},
                {"n": 2, "answer": 1, "refused": "torch.gru"},
            ]
        )
    )
    for _ in range(3):
        session.root.f()
    assert session.refused[:3] == ("torch.lstm", "torch.rnn", "a\N{REPLACEMENT CHARACTER}[2Jb")
    assert len(session.refused) < 40


# --- errors ----------------------------------------------------------------------------------------------------------


def test_control_characters_in_messages_are_gone(module_of: ModuleOf) -> None:
    """Escape sequences, bells, overrides of direction and lone surrogates of a message cannot reach a terminal."""
    session = Session(LocalTransport(Executor(*module_of(SOURCE))))
    with pytest.raises(StudentError) as caught:
        session.root.paint()
    mark = "\N{REPLACEMENT CHARACTER}"
    assert caught.value.message == f"{mark}[2J{mark}{mark}31m right{mark}teews\ttab\nline {mark}"


def test_an_error_is_read_as_far_as_it_makes_sense() -> None:
    """Types, message and frames of an error are text and numbers of reasonable size, whatever was sent."""
    frames = [["a.py", 3, "f"], ["a.py", "3", "f"], "x", ["a\x1b.py", 4, "g\n"], [1, 2]]
    error = student_fault({"types": ["E" * 1000, 5], "message": ["m"] * 5000, "frames": frames})
    assert isinstance(error, StudentError)
    assert error.type_names == ("Exception", "Exception")  # no names, so nothing that hidden inputs could hide in
    assert len(error.message) == 2000
    assert error.frames == (("a.py", 3, "f"),)
    nameless = student_fault({})
    assert isinstance(nameless, StudentError)
    assert (nameless.type_names, nameless.where) == (("Exception",), "")


def test_running_out_of_memory_ends_the_worker() -> None:
    """A MemoryError is no exception of the student's but a limit that was hit."""
    error = student_fault({"types": ["MemoryError"], "message": "", "out_of_memory": True})
    assert isinstance(error, ChildEnded)
    assert error.outcome is Outcome.OUT_OF_MEMORY
    assert not error.waited


# --- handles ---------------------------------------------------------------------------------------------------------


def test_a_handle_stands_for_what_stayed(module_of: ModuleOf) -> None:
    """Handles can be called, asked and passed back; what is a tuple in an answer unpacks, what is none does not."""
    session = Session(LocalTransport(Executor(*module_of(SOURCE))))
    model = session.root.Net()
    out, (h, rest) = model(torch.ones(3, 2))
    assert (out.shape, h, rest) == ((3, 2), None, {"n": 3})
    assert repr(model) == "Net"
    assert repr(model.layer.weight) == "Net.layer.weight"
    assert repr(session.root.Net) == "submission.Net"
    assert handle_session(model) is session
    with pytest.raises(TypeError):
        iter(model)


def test_only_what_can_cross_is_sent(module_of: ModuleOf) -> None:
    """The check's author hears at once of an argument that cannot cross: an object, a handle from elsewhere, a path."""
    module = module_of(SOURCE)
    session, other = (Session(LocalTransport(Executor(*module))) for _ in range(2))
    model = session.root.Net()
    for argument in (object(), other.root.Net(), session.root, model.layer, torch.zeros(1, dtype=torch.float16)):
        with pytest.raises(TypeError, match="cannot be passed"):
            model(argument)
    assert session.root.Net().training.fetch() is True


def test_names_of_python_are_not_asked_for() -> None:
    """`hasattr(handle, "__len__")` and its like are answered here and ask nothing."""
    side = saying()
    assert not hasattr(side, "__len__")
    assert not hasattr(side, "__iter__")
    with pytest.raises(TypeError):
        len(side)


def test_the_guard_is_around_the_workers_code_alone(module_of: ModuleOf) -> None:
    """At home bans are on exactly while the student's code runs."""
    inside: list[str] = []

    @contextmanager
    def guard() -> Any:
        inside.append("in")
        yield
        inside.append("out")

    session = Session(LocalTransport(Executor(*module_of(SOURCE)), guard))
    session.root.Net()
    assert inside == ["in", "out"]
    with pytest.raises(StudentError):
        session.root.paint()
    assert inside == ["in", "out"] * 2


# --- the transcript --------------------------------------------------------------------------------------------------


def a_conversation(session: Session) -> None:
    """Something of everything that is asked."""
    side = session.root
    model = side.Net()
    state = read_state(model)
    session.ask("load", module=model, weights={name: torch.ones_like(p) for name, p in state.parameters.items()})
    model(torch.ones(3, 2), h=torch.zeros(1))
    model.vjp((torch.ones(3, 2),), {}, [torch.ones(3, 2)])
    side.noise(3, torch.Generator().manual_seed(5))
    train(model, "fit", [(torch.ones(1, 2), torch.zeros(1, 2))], ("Adam", {"lr": 0.1}), {})
    with pytest.raises(StudentError):
        side.paint()
    session.ask("release", ids=[model._root])
    Remote(session, "torch.nn.Linear", ())(2, 2)


def test_a_transcript_can_be_replayed(module_of: ModuleOf) -> None:
    """On a fresh worker of the same module, from the same seed, every question has its answer again, byte for byte."""
    module = module_of(SOURCE)
    session = Session(LocalTransport(Executor(*module)))
    torch.manual_seed(3)
    a_conversation(session)
    assert len(session.transcript) == 10
    assert all(isinstance(exchange, Exchange) for exchange in session.transcript)
    torch.manual_seed(3)
    again = Executor(*module)
    assert [again.reply(exchange.question) for exchange in session.transcript] == [
        exchange.answer for exchange in session.transcript
    ]


def test_a_replay_on_another_program_tells_the_difference(module_of: ModuleOf) -> None:
    """Where the program differs the answers differ from that question on; numbers of objects stay the same."""
    session = Session(LocalTransport(Executor(*module_of(SOURCE))))
    torch.manual_seed(3)
    a_conversation(session)
    other = Executor(*module_of(SOURCE.replace('{"n": x.shape[0]}', '{"n": x.shape[1]}')))
    torch.manual_seed(3)
    answers = [other.reply(exchange.question) for exchange in session.transcript]
    differ = [n for n, (a, e) in enumerate(zip(answers, session.transcript, strict=True)) if a != e.answer]
    assert differ == [3, 4]
