"""Replays: numbers of handles are translated, answers compared for what they say, transcripts kept as bytes."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks.bench import Transcript
from autograder.checks.known_answers import KnownAnswers
from autograder.diagnosis import replay, shelf
from autograder.diagnosis.agree import Stayed, Terms, agreement
from autograder.diagnosis.replay import MAX_STEPS, Player, distances, read
from autograder.sandbox.remote import Exchange, LocalTransport, Session
from autograder.sandbox.weights import train
from autograder.sandbox.worker import Executor

ModuleOf = Callable[[str], tuple[ModuleType, Path]]

WITH_RECORDS = """
from typing import NamedTuple

import torch


class State(NamedTuple):
    h: torch.Tensor
    c: torch.Tensor


def start(x):
    return State(x, 2 * x)


def step(x, state):
    h, c = state
    return State(h + x, c - x)
"""
WITH_TUPLES = """
def start(x):
    return x, x + x


def step(x, state):
    return x + state[0], state[1] - x
"""
WITH_OBJECTS = """
class Counter:
    def __init__(self, x):
        self.x = x

    def add(self, y):
        self.x = self.x + y
        return self.x


def spare():
    return Counter(0)
"""


def recorded(module: ModuleType, folder: Path, ask: Callable[[Any], object]) -> Transcript:
    """What `ask` asked the module."""
    session = Session(LocalTransport(Executor(module, folder)))
    ask(session.root)
    return Transcript("test_x", "float32", 1, (), (tuple(session.transcript),))


def replayed(transcript: Transcript, module: ModuleType, folder: Path, limit: float = math.inf) -> list[float]:
    """How far the module's answers lie from those of the transcript."""
    sessions = read(transcript)
    assert sessions is not None
    return [gap.distance for gap in distances(sessions, transcript, Player("m", lambda: module, folder), limit)]


def carry(student: Any) -> None:
    """Pass a state back, twice."""
    x = torch.arange(3.0)
    state = student.start(x)
    for _ in range(2):
        state = student.step(x, state)


@pytest.mark.parametrize(("theirs", "ours"), [(WITH_RECORDS, WITH_TUPLES), (WITH_TUPLES, WITH_RECORDS)])
def test_records_and_tuples_stand_for_each_other(module_of: ModuleOf, theirs: str, ours: str) -> None:
    """A state that is a record on one side and a tuple on the other passes back as what it is there."""
    transcript = recorded(*module_of(theirs), carry)
    assert replayed(transcript, *module_of(ours)) == [0, 0, 0]


def test_objects_are_those_of_the_replaying_module(module_of: ModuleOf) -> None:
    """Handles mean the object in the same place, whatever number it has there."""

    def ask(student: Any) -> None:
        student.spare()
        counter = student.Counter(torch.ones(2))
        counter.add(torch.ones(2))
        counter.add(torch.ones(2))

    transcript = recorded(*module_of(WITH_OBJECTS), ask)
    wrong = WITH_OBJECTS.replace("self.x = self.x + y", "self.x = self.x + 2 * y")
    assert replayed(transcript, *module_of(WITH_OBJECTS)) == [0, 0, 0, 0]
    assert [distance > 0 for distance in replayed(transcript, *module_of(wrong))] == [False, False, True, True]
    assert len(replayed(transcript, *module_of(wrong), limit=1e-6)) == 3


LOOPS = """
def find(x):
    while x < 0:
        try:
            pass
        except Exception:
            pass
    return x
"""


def test_an_answer_that_never_comes_is_waited_for_a_while(module_of: ModuleOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that would loop for ever answers as one that raises; it is asked on, and next time that is known."""
    monkeypatch.setattr(replay, "LONGEST_S", 0.05)

    def ask(student: Any) -> None:
        for x in (1, -1, 2):
            student.find(x)

    transcript = recorded(*module_of(LOOPS.replace("x < 0", "x < -9")), ask)
    module, folder = module_of(LOOPS)
    memory, made = KnownAnswers(errors=True), list[ModuleType]()

    def making() -> ModuleType:
        made.append(module)
        return module

    sessions = read(transcript)
    assert sessions is not None
    for _ in range(2):
        found = distances(sessions, transcript, Player("m", making, folder, memory))
        assert [gap.distance > 0 for gap in found] == [False, True, False]
        assert len(made) == 1
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)


def test_who_was_asked_the_same_before_is_not_asked_again(module_of: ModuleOf) -> None:
    """Answers come from memory; from the first question that is new on, the module hears what it has missed."""

    def ask(student: Any, last: float) -> None:
        counter = student.Counter(torch.ones(2))
        counter.add(torch.ones(2))
        counter.add(torch.full((2,), last))

    theirs, memory, made = module_of(WITH_OBJECTS), KnownAnswers(), []
    module, folder = module_of(WITH_OBJECTS.replace("self.x + y", "self.x + 2 * y"))
    player = Player("m", lambda: made.append(1) or module, folder, memory)
    for last, times in ((3.0, 1), (3.0, 1), (5.0, 2)):
        transcript = recorded(*theirs, lambda student, last=last: ask(student, last))
        sessions = read(transcript)
        assert sessions is not None
        found = distances(sessions, transcript, player)
        assert found == distances(sessions, transcript, Player("m", lambda: module, folder))
        assert [gap.distance > 0 for gap in found] == [False, True, True]
        assert len(made) == times
    other = Player("n", lambda: theirs[0], folder, memory)
    assert [gap.distance for gap in distances(sessions, transcript, other)] == [0, 0, 0]


def test_what_cannot_be_imported_answers_nothing(module_of: ModuleOf) -> None:
    """A mistake may make a file that Python cannot read."""
    transcript = recorded(*module_of(WITH_OBJECTS), lambda student: student.spare().add(1))
    sessions = read(transcript)
    assert sessions is not None
    found = distances(sessions, transcript, Player("m", lambda: None, Path()))
    assert [gap.distance for gap in found] == [math.inf, math.inf]


def test_what_is_not_there_is_infinitely_far(module_of: ModuleOf) -> None:
    """A module that raises, and one that lacks an object that is asked for, answer nothing alike."""
    transcript = recorded(*module_of(WITH_TUPLES), carry)
    broken = WITH_TUPLES.replace("return x, x + x", "raise ValueError")
    assert replayed(transcript, *module_of(broken)) == [math.inf, 0, 0]  # tuples cross as values: later calls go on
    objects = recorded(*module_of(WITH_OBJECTS), lambda student: student.spare().add(1))
    assert replayed(objects, *module_of("def spare():\n    return 3\n")) == [math.inf, math.inf]


def test_long_trainings_and_broken_answers_are_not_replayed(module_of: ModuleOf) -> None:
    """Hundreds of steps name no mistake, unless they are tiny; an answer that cannot be read ends it."""
    source = "import torch\n\n\ndef model():\n    return torch.nn.Linear(2, 1)\n\n\ndef fit(*_):\n    return []\n"

    def ask(student: Any, steps: int, rows: int = 100) -> None:
        train(student.model(), "fit", [torch.ones(rows, 2)] * steps, ("SGD", {"lr": 0.1}), {})

    module, folder = module_of(source)
    assert read(recorded(module, folder, lambda student: ask(student, MAX_STEPS))) is not None
    assert read(recorded(module, folder, lambda student: ask(student, MAX_STEPS + 1))) is None
    assert read(recorded(module, folder, lambda student: ask(student, 120, rows=2))) is not None
    whole = recorded(module, folder, lambda student: student.model())
    torn = tuple(replace(each, answer=each.answer[:-1]) for each in whole.sessions[0])
    assert read(replace(whole, sessions=(torn,))) is None


ZEROS = torch.zeros(2)


@pytest.mark.parametrize(
    ("operation", "one", "other", "alike"),
    [
        ("call", {"answer": torch.ones(2)}, {"answer": torch.ones(2, dtype=torch.float64)}, True),
        ("call", {"answer": torch.ones(2)}, {"answer": torch.ones(1, 2)}, False),
        ("call", {"answer": torch.ones(2)}, {"answer": torch.ones(2, dtype=torch.int64)}, False),
        ("call", {"answer": torch.tensor([1.0, math.nan])}, {"answer": torch.tensor([1.0, math.nan])}, True),
        ("call", {"answer": torch.tensor([1.0, math.nan])}, {"answer": torch.tensor([1.0, 2.0])}, False),
        ("call", {"answer": torch.tensor([math.inf])}, {"answer": torch.tensor([-math.inf])}, False),
        ("call", {"answer": [ZEROS, None]}, {"answer": (ZEROS, None)}, True),
        ("call", {"answer": [ZEROS]}, {"answer": (ZEROS, ZEROS)}, False),
        ("call", {"answer": {"a": 1}}, {"answer": {"b": 1}}, False),
        ("call", {"answer": "a"}, {"answer": "b"}, False),
        ("call", {"answer": torch.tensor([True])}, {"answer": torch.tensor([1])}, False),
        ("call", {"answer": [[7, 8], 9]}, {"answer": ([7, 8], 9)}, True),
        ("call", {"answer": [7, 8]}, {"answer": [7, 9]}, False),
        ("call", {"answer": torch.Generator()}, {"answer": torch.Generator()}, True),
        ("call", {"answer": Stayed(3, None)}, {"answer": Stayed(8, None)}, True),
        ("call", {"answer": Stayed(3, None)}, {"answer": 8}, False),
        ("call", {"error": {"types": ["ValueError"]}}, {"error": {"types": ["ValueError", "Exception"]}}, True),
        ("call", {"error": {"types": ["ValueError"]}}, {"error": {"types": ["IndexError"]}}, False),
        ("call", {"error": {"types": ["ValueError"]}}, {"answer": 1}, False),
        ("vjp", {"answer": 1, "inputs": [None]}, {"answer": 1, "inputs": [ZEROS]}, True),
        (
            "vjp",
            {"answer": 1, "parameters": {"w": None, "own": ZEROS}},
            {"answer": 1, "parameters": {"w": ZEROS}},
            True,
        ),
        ("vjp", {"answer": 1, "parameters": {}}, {"answer": 1, "parameters": {"w": torch.ones(2)}}, False),
        ("load", {"renamed": {}, "expected": {"w": [1]}, "found": {}}, {"renamed": {}}, False),
        ("train", {"parameters": {"w": ZEROS}, "losses": [1.0]}, {"parameters": {"w": ZEROS}, "losses": [1.0]}, True),
        ("train", {"parameters": {"w": ZEROS}, "losses": [1.0]}, {"parameters": {"w": ZEROS}, "losses": [2.0]}, False),
    ],
)
def test_answers_agree_where_they_say_the_same(operation: str, one: Any, other: Any, alike: bool) -> None:
    """Containers' kinds, precision and missing zero gradients say nothing; shapes, NaN, types of errors do."""
    assert (agreement(operation, one, other).distance <= 1e-6) is alike


def test_new_parameters_agree_by_their_law() -> None:
    """Initial values are drawn anew on each side: their spread tells, the numbers do not."""

    def state(scale: float, **more: Any) -> dict[str, Any]:
        weights = scale * (2 * torch.rand(40, 40) - 1)
        return {"parameters": {"w": weights, **more}, "shared": []}

    assert agreement("state", state(1), state(1)).distance == 0
    assert not agreement("state", state(1), state(1)).literal
    assert agreement("state", state(1) | (drawn := state(1)), drawn).literal
    assert agreement("state", state(1), state(2)).distance == math.inf
    assert agreement("state", state(1, b=ZEROS), state(1)).distance == math.inf
    both = state(1, v=ZEROS)
    assert agreement("state", both | {"shared": [["w", "v"]]}, both).distance == math.inf
    assert agreement("state", both | {"frozen": ["v"]}, both).distance == math.inf


def test_what_a_student_adds_of_their_own_makes_no_state_another() -> None:
    """Frozen parameters, second names and another order of names are each student's own."""
    weights = torch.rand(3, 4)
    due = {"parameters": {"a": weights, "b": ZEROS}, "shared": [], "frozen": []}
    more = {"b": ZEROS, "again": weights, "table": torch.ones(5), "a": weights}
    theirs = {"parameters": more, "shared": [["again", "a"]], "frozen": ["table"]}
    assert agreement("state", theirs, due, Terms(exact=True)).distance == 0
    assert agreement("state", theirs | {"frozen": []}, due).distance == math.inf
    other = due | {"parameters": {"a": 1 - weights, "b": ZEROS}}
    assert agreement("state", theirs, other, Terms(exact=True)).distance > 0.01


def test_only_what_a_check_looks_at_is_compared() -> None:
    """What stands behind the end of a row is nobody's affair, in the diagnosis neither."""
    one, other = torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)
    one[1, 2] = 7.0
    real = torch.tensor([[True, True, True], [True, True, False]])
    answers = ({"answer": (one, ZEROS)}, {"answer": (other, ZEROS)})
    assert agreement("call", *answers).distance > 0
    assert agreement("call", *answers, Terms((real,))).distance == 0
    assert agreement("call", *answers, Terms((None, torch.ones(2, dtype=torch.bool)))).distance > 0
    other[0, 0] = 1.0
    assert agreement("call", *answers, Terms((real,))).distance > 0


def test_many_draws_are_compared_by_how_often_each_comes_up() -> None:
    """Who draws in another way draws other numbers of the same law; few draws are compared as they are."""
    source = torch.Generator().manual_seed(7)
    weights = torch.tensor([0.5, 0.3, 0.15, 0.05])
    one, other = (torch.multinomial(weights, 6000, True, generator=source).reshape(-1, 2) for _ in range(2))
    drawn = Terms(drawn=True)
    assert agreement("call", {"answer": one}, {"answer": other}, drawn).distance == 0
    assert agreement("call", {"answer": one}, {"answer": other}).distance > 0
    assert agreement("call", {"answer": one}, {"answer": 3 - other}, drawn).distance > 0
    assert agreement("call", {"answer": one[:9]}, {"answer": other[:9]}, drawn).distance > 0
    rows = [torch.randint(9, (60, 300), generator=source) for _ in range(2)]  # each row comes up once
    assert agreement("call", {"answer": rows[0]}, {"answer": rows[1]}, drawn).distance > 0
    both = [agreement("call", {"answer": one}, {"answer": each}, drawn) for each in (one, other)]
    assert [each.literal for each in both] == [True, False]


BYTES = st.binary(max_size=40)
TRANSCRIPTS = st.builds(
    Transcript,
    st.text(max_size=9),
    st.just("float64"),
    st.integers(0, 2**56),
    st.tuples(st.text(max_size=9)),
    st.lists(st.lists(st.builds(Exchange, BYTES, BYTES), max_size=3).map(tuple), max_size=3).map(tuple),
)


@given(TRANSCRIPTS)
def test_a_transcript_comes_back_as_it_was(transcript: Transcript) -> None:
    """Every frame to the last byte."""
    content = shelf.to_bytes(transcript)
    assert content is not None
    assert shelf.from_bytes(content) == transcript


@given(st.binary(max_size=60))
def test_what_is_no_transcript_is_refused(content: bytes) -> None:
    """Damage is a ValueError and nothing else."""
    with pytest.raises(ValueError, match="not a transcript"):
        shelf.from_bytes(content)


def test_a_transcript_of_many_megabytes_is_not_kept() -> None:
    """The ledger is no archive of trainings."""
    big = Exchange(bytes(shelf.MAX_BYTES), b"1")
    assert shelf.to_bytes(Transcript("test_x", "float64", 1, (), ((big,),))) is None
