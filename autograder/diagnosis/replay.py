"""Asks another module what a submission was asked, and says how its answers differ.

A transcript names objects that stayed with the submission by their numbers there. In a replay each number means the
object that stands in the same place of the replaying module's own answers, so that neither needs to know how the other
numbers things, or whether it returns a tuple or a record.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from autograder.checks.bench import Transcript
from autograder.checks.case import default_dtype
from autograder.diagnosis.agree import Placeholders, Stayed, agreement
from autograder.errors import WireError
from autograder.sandbox import wire
from autograder.sandbox.worker import Executor, Kept

MAX_STEPS = 16
"""Training runs of more steps are judged by what they learn: their numbers name no mistake."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One exchange of a transcript, read once for all replays."""

    question: bytes
    operation: str
    answer: dict[str, Any]


def read(transcript: Transcript) -> tuple[tuple[Asked, ...], ...] | None:
    """Return the exchanges of each session, or None for what cannot be replayed: a long training, a broken answer."""
    sessions = []
    for exchanges in transcript.sessions:
        asked = []
        for exchange in exchanges:
            question = wire.unpack(exchange.question, Placeholders())
            if question["op"] == "train" and len(question["batches"]) > MAX_STEPS:
                return None
            try:
                answer = wire.unpack(exchange.answer, Placeholders())
            except (WireError, KeyError, TypeError):
                return None
            if question["op"] != "release":
                asked.append(Asked(exchange.question, question["op"], answer))
        sessions.append(tuple(asked))
    return tuple(sessions)


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
    found = agreement(asked.operation, asked.answer, answer)
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
