"""What the reference answered before is not computed again, and never mixed up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from autograder.checks.bench import Bench
from autograder.checks.judge import CheckFiles
from autograder.checks.known_answers import KnownAnswers
from autograder.records import Assignment
from autograder.sandbox import wire
from autograder.sandbox.described import describe
from autograder.sandbox.faults import StudentError
from autograder.sandbox.remote import LocalTransport, Session
from autograder.sandbox.worker import Executor, Kept

torch.set_num_threads(1)

SOURCE = """
import torch

class Counter:
    def __init__(self, start):
        self.count = start

    def add(self, number):
        self.count = self.count + number
        return self.count

def zeros():
    return torch.zeros(3)

def moody(calls=[]):
    calls.append(1)
    if len(calls) == 1:
        raise OSError
    return len(calls)
"""


@dataclass
class Counted:
    """A worker that knows what reached it."""

    worker: LocalTransport
    heard: list[bytes] = field(default_factory=list)

    def exchange(self, frame: bytes) -> bytes:
        """Pass it on."""
        self.heard.append(frame)
        return self.worker.exchange(frame)


@pytest.fixture
def opened(module_of: Callable[[str], tuple[ModuleType, Path]]) -> Callable[[KnownAnswers], tuple[Any, list[bytes]]]:
    """A function that returns the module behind a new session over one memory, and what its worker hears."""
    module, folder = module_of(SOURCE)

    def make(known: KnownAnswers) -> tuple[Any, list[bytes]]:
        counted = Counted(LocalTransport(Executor(module, folder)))
        session = Session(counted)
        known.serve(session)
        return session.root, counted.heard

    return make


def test_the_same_questions_are_answered_once(opened: Any) -> None:
    """A second session that asks the same hears the same, handles and all, and its worker nothing."""
    known = KnownAnswers()
    answers = []
    for _ in range(2):
        root, heard = opened(known)
        counter = root.Counter(torch.arange(3))
        answers.append([counter.add(1), counter.add(10)])
    assert [torch.stack(each).tolist() for each in answers] == [[[1, 2, 3], [11, 12, 13]]] * 2
    assert heard == []


def test_the_first_new_question_reaches_a_worker_that_knows_all_before_it(opened: Any) -> None:
    """State that earlier questions made is there when the worker is needed."""
    known = KnownAnswers()
    for last, total in ((1, 11), (2, 12), (2, 12), (1, 11)):
        counter = opened(known)[0].Counter(0)
        assert counter.add(10) == 10
        assert counter.add(last) == total


def test_an_answer_belongs_to_all_that_was_asked_before_it(opened: Any) -> None:
    """The same words after other ones are another question."""
    known = KnownAnswers()
    counter = opened(known)[0].Counter(0)
    assert [counter.add(1), counter.add(1)] == [1, 2]
    counter = opened(known)[0].Counter(5)
    assert [counter.add(1), counter.add(1)] == [6, 7]


def test_precisions_have_answers_of_their_own(opened: Any) -> None:
    """What the default dtype decides is not carried from one precision to the other."""
    known = KnownAnswers()
    before = torch.get_default_dtype()
    try:
        for dtype in (torch.float64, torch.float32, torch.float64):
            torch.set_default_dtype(dtype)
            assert opened(known)[0].zeros().dtype == dtype
    finally:
        torch.set_default_dtype(before)


def test_a_failure_is_not_remembered(opened: Any) -> None:
    """A reference that failed once is asked again."""
    known = KnownAnswers()
    with pytest.raises(StudentError):
        opened(known)[0].moody()
    assert opened(known)[0].moody() == 2


def test_who_asks_for_mistakes_keeps_their_failures() -> None:
    """An exception is what a mistake answers, each time; a want of memory is not."""
    known, exact = KnownAnswers(), KnownAnswers(errors=True)
    failed = wire.pack({"n": 1, "error": describe(ValueError("no"), "")}, Kept())
    starved = wire.pack({"n": 1, "error": describe(MemoryError(), "")}, Kept())
    for each in (known, exact):
        each.put(b"failed", failed)
        each.put(b"starved", starved)
    assert (known.get(b"failed"), exact.get(b"failed")) == (None, failed)
    assert (known.get(b"starved"), exact.get(b"starved")) == (None, None)


def test_memory_is_bounded_and_forgets_what_was_long_unused(opened: Any) -> None:
    """Answers beyond the bound push out the oldest; what was pushed out is computed again."""
    known = KnownAnswers(largest=2000)
    for number in range(40):
        assert opened(known)[0].Counter(number).add(1) == number + 1
    root, heard = opened(known)
    assert root.Counter(0).add(1) == 1
    assert len(heard) == 2
    root, heard = opened(known)
    assert root.Counter(39).add(1) == 40
    assert heard == []


def test_a_change_by_a_check_stays_in_that_check(opened: Any) -> None:
    """Each session builds its own tensors: one that is changed in place is not the next one's."""
    known = KnownAnswers()
    opened(known)[0].zeros().add_(1)
    assert opened(known)[0].zeros().tolist() == [0, 0, 0]


def test_submissions_share_the_reference_but_not_its_verdict(
    local_bench: Callable[..., tuple[Bench, Any]], tiny: Assignment, edited: Callable[..., str]
) -> None:
    """Right and wrong work in turn, over one memory and one reading of the check files, gets what it gets alone."""
    files, known = CheckFiles(tiny), KnownAnswers()
    wrong = edited(("return 2 * x", "return 3 * x"))
    for source, outcome in ((None, "passed"), (wrong, "failed"), (None, "passed"), (wrong, "failed")):
        bench, run = local_bench(tiny, *([source] if source else []), answers=known)
        files.run(bench)
        assert str(run.results["test_double"].outcome) == outcome
        assert [str(run.results[id_].outcome) for id_ in ("test_rnn_cell", "test_run", "test_fit")] == ["passed"] * 3
