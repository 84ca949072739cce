"""Checks that take turns in one process tell the submission nothing that a later one would be answered with.

A submission may remember what it was asked in the checks before. So no numbers that the solution answers in one check
may have stood in a question of another check: what is asked must be of no use but to be computed with.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder.checks import judge
from autograder.checks.bench import Bench, Used, Wish
from autograder.checks.home import AtHome, load_dataset
from autograder.checks.shared import SHORT_CPU_S
from autograder.course import load_assignment
from autograder.records import Outcome
from autograder.sandbox import loading, wire
from autograder.sandbox.remote import LocalTransport, Session
from autograder.sandbox.worker import Executor

ROOT = Path(__file__).parents[2]
OPEN = sorted(file.parent.name for file in (ROOT / "solutions").glob("*/assignment.yml"))
SECRET = b"a secret of this test alone, 32 b"
TELLING = 6
"""Different numbers in a tensor: ones, ranges and masks may stand anywhere."""


class Anything:
    """Handles are of no interest here."""

    def put(self, value: object) -> Any:
        """No object crosses."""
        raise TypeError(value)

    def get(self, document: Any) -> object:
        """Its document."""
        return document


@dataclass
class Heard:
    """One check's worker, whose transcript outlives it."""

    check: str
    session: Session
    into: list[Heard] = field(repr=False)

    def close(self) -> Used:
        """Be remembered."""
        self.into.append(self)
        return Used()


def numbers(value: object) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """The telling tensors of a nested value, by shape and content."""
    if isinstance(value, torch.Tensor):
        if value.is_floating_point() and value.unique().numel() >= TELLING:
            yield tuple(value.shape), value.contiguous().numpy().tobytes()
    elif isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)


@pytest.mark.skipif(sys.platform != "linux", reason="one platform is enough")
@pytest.mark.parametrize("id_", OPEN)
def test_no_question_holds_what_another_check_is_answered_with(id_: str) -> None:
    """Of every check that may share a process, public ones included."""
    assignment = load_assignment(ROOT / "solutions" / id_)
    short = frozenset(check.id for check in assignment.checks if (check.trains_cpu_s or 0.0) <= SHORT_CPU_S)
    beside = [ROOT / "solutions" / used.id for used in assignment.builds_on]
    module = loading.import_apart([assignment.folder, *beside], assignment.module)
    heard: list[Heard] = []
    outcomes: dict[str, Outcome] = {}

    def opened() -> Session:
        return Session(LocalTransport(Executor(module, assignment.folder)))

    def student(wish: Wish) -> Heard:
        return Heard(wish.check.id, opened(), heard)

    def reference() -> AtHome:
        return AtHome(opened())

    bench = Bench(
        assignment, SECRET, student, reference, lambda r: outcomes.__setitem__(r.id, r.outcome), dataset=load_dataset
    )
    judge.run_checks(replace(bench, wanted=short, blame=False))
    assert {id_ for id_, outcome in outcomes.items() if outcome is not Outcome.PASSED} == set()

    told: dict[tuple[tuple[int, ...], bytes], set[str]] = {}
    for each in heard:
        for exchange in each.session.transcript:
            for found in numbers(wire.unpack(exchange.question, Anything())):
                told.setdefault(found, set()).add(each.check)
    assert len(told) > len(short), "hardly anything was asked; the test tests nothing"
    leaks = {
        (check, each.check)
        for each in heard
        for exchange in each.session.transcript
        for found in numbers(wire.unpack(exchange.answer, Anything()))
        for check in told.get(found, ())
        if check != each.check
    }
    assert leaks == set(), "the first of each pair tells what the second is answered with"
