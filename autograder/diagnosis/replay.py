"""Asks another module what a submission was asked, and says how its answers differ.

A transcript names objects that stayed with the submission by their numbers there. In a replay each number means the
object that stands in the same place of the replaying module's own answers, so that neither needs to know how the other
numbers things, or whether it returns a tuple or a record.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from autograder.checks.bench import Transcript
from autograder.checks.case import default_dtype
from autograder.diagnosis.agree import Placeholders, Stayed, Terms, agreement
from autograder.errors import WireError
from autograder.sandbox import wire
from autograder.sandbox.remote import Exchange
from autograder.sandbox.worker import Executor, Kept

MAX_STEPS = 16
"""Training runs of more steps are judged by what they learn: their numbers name no mistake."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One exchange of a transcript, read once for all replays."""

    question: bytes
    operation: str
    answer: dict[str, Any]
    only: tuple[Tensor | None, ...] = ()
    """Which places of the answer's float tensors the check looked at."""
    exact: bool = True
    """Whether a state holds numbers that were loaded before; else they are drawn at random."""
    drawn: bool = False
    """Whether the answer was drawn from a generator that the question brought."""


def read(transcript: Transcript) -> tuple[tuple[Asked, ...], ...] | None:
    """Return the exchanges of each session, or None for what cannot be replayed: a long training, a broken answer."""
    sessions = []
    for exchanges in transcript.sessions:
        asked: list[Asked] = []
        loaded: set[int] = set()
        for exchange in exchanges:
            question = wire.unpack(exchange.question, Placeholders())
            if question["op"] == "train" and len(question["batches"]) > MAX_STEPS:
                return None
            if question["op"] == "release":
                continue
            try:
                asked.append(_asked(exchange, question, loaded))
            except (WireError, KeyError, TypeError):
                return None
        sessions.append(tuple(asked))
    return tuple(sessions)


def _asked(exchange: Exchange, question: dict[str, Any], loaded: set[int]) -> Asked:
    """One exchange; `loaded` are the numbers of the modules that have been given weights, and it adds to them."""
    module = question.get("module")
    known = isinstance(module, Stayed) and module.number in loaded
    if question["op"] == "load" and isinstance(module, Stayed):
        loaded.add(module.number)
    return Asked(
        exchange.question,
        question["op"],
        wire.unpack(exchange.answer, Placeholders()),
        tuple(wire.unpack(exchange.counts, Placeholders())["only"]) if exchange.counts else (),
        exact=known,
        drawn=any(
            isinstance(value, torch.Generator) for value in _values((question.get("args"), question.get("kwargs")))
        ),
    )


def _values(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        for item in value:
            yield from _values(item)
    else:
        yield value


def distances(
    sessions: Sequence[Sequence[Asked]], transcript: Transcript, module: ModuleType, folder: Path, limit: float
) -> list[float]:
    """Return, for each exchange in order, how far the module's answer lies from the submission's.

    It ends at the first distance above `limit`. Where the module has nothing that a question asks for, the distance is
    infinite.
    """
    found: list[float] = []
    for session in sessions:
        known = _Known()
        executor = Executor(module, folder, kept=known)
        with _as_in_the_child(transcript):
            for asked in session:
                found.append(_difference(asked, executor, known))
                if found[-1] > limit:
                    return found
    return found


def _difference(asked: Asked, executor: Executor, known: _Known) -> float:
    try:
        answer = wire.unpack(executor.reply(asked.question), Placeholders())
    except WireError:  # an object is asked for that this module's answers did not contain
        return math.inf
    found = agreement(asked.operation, asked.answer, answer, Terms(asked.only, asked.exact, asked.drawn))
    for theirs, ours in found.pairs:
        known.pair(theirs, ours)
    return found.distance


class _Known(Kept):
    """Objects of the replaying module under the numbers that they have in the transcript."""

    def __init__(self) -> None:
        super().__init__()
        self._theirs: dict[int, object] = {}

    def pair(self, theirs: Stayed, ours: Any) -> None:
        """Let the submission's number stand for our object, or for the plain values that we have in its place."""
        self._theirs[theirs.number] = self._objects.get(ours.number) if isinstance(ours, Stayed) else ours

    def get(self, document: wire.Json) -> object:
        """Return our object."""
        try:
            return self._theirs[document["id"]]
        except (KeyError, TypeError) as error:
            raise WireError("nothing here corresponds to that handle") from error


@contextmanager
def _as_in_the_child(transcript: Transcript) -> Iterator[None]:
    """The child's default dtype and its seed; the judge's own random state is left as it was."""
    with torch.random.fork_rng(devices=[]), default_dtype(getattr(torch, transcript.dtype)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a mistake makes torch warn of is no news to the instructor
        torch.default_generator.manual_seed(transcript.seed)
        yield
