"""Asks another module what a submission was asked, and says how its answers differ.

A transcript names objects that stayed with the submission by their numbers there. In a replay each number means the
object that stands in the same place of the replaying module's own answers, so that neither needs to know how the other
numbers things, or whether it returns a tuple or a record.
"""

from __future__ import annotations

import hashlib
import math
import random
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from autograder.checks.bench import Transcript
from autograder.checks.known_answers import KnownAnswers
from autograder.checks.precision import default_dtype
from autograder.diagnosis.agree import Placeholders, Stayed, Terms, agreement
from autograder.errors import WireError
from autograder.sandbox import wire
from autograder.sandbox.devices import Place
from autograder.sandbox.remote import Exchange
from autograder.sandbox.worker import Executor, Kept

MAX_STEPS, MAX_NUMBERS = 16, 2000
"""Training runs of more steps are judged by what they learn: their numbers name no mistake. Those whose batches hold so
few numbers in all are compared exactly, however many steps they take, and are soon asked again."""
LONGEST_S = 3.0
"""CPU seconds for one answer: asked what another submission was asked, some mistakes would never come back."""


class _TooLongError(BaseException):
    """An answer that does not come; no `except Exception` of the code that is asked may catch it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One exchange of a transcript, read once for all replays."""

    question: bytes
    place: bytes
    """A digest of all that was asked so far, and of what stayed where: who was asked the same answers the same."""
    operation: str
    frame: bytes
    """The answer as it crossed."""
    answer: dict[str, Any]
    stayed: tuple[Stayed, ...] = ()
    """What stayed with the submission of it."""
    only: tuple[Tensor | None, ...] = ()
    """Which places of the answer's float tensors the check looked at."""
    exact: bool = True
    """Whether a state holds numbers that were loaded before; else they are drawn at random."""
    drawn: bool = False
    """Whether the answer was drawn from a generator that the question brought."""

    @property
    def terms(self) -> Terms:
        """On what terms another answer is compared with this one."""
        return Terms(self.only, self.exact, self.drawn)


def read(transcript: Transcript) -> tuple[tuple[Asked, ...], ...] | None:
    """Return the exchanges of each session, or None for what cannot be replayed: a long training, a broken answer."""
    sessions = []
    start = f"{transcript.dtype} {transcript.seed} {transcript.stand_ins}".encode()
    for exchanges in transcript.sessions:
        asked: list[Asked] = []
        place = start
        loaded: set[int] = set()
        for exchange in exchanges:
            question = wire.unpack(exchange.question, Placeholders())
            if question["op"] == "train" and _is_long(question["batches"]):
                return None
            if question["op"] == "release":
                continue
            try:
                place = hashlib.sha256(place + exchange.question).digest()
                asked.append(_asked(exchange, question, place, loaded))
                place += repr([(each.number, each.values is None) for each in asked[-1].stayed]).encode()
            except (WireError, KeyError, TypeError):
                return None
        sessions.append(tuple(asked))
    return tuple(sessions)


def _is_long(batches: Sequence[object]) -> bool:
    if len(batches) <= MAX_STEPS:
        return False
    return sum(leaf.numel() for leaf in wire.leaves(batches) if isinstance(leaf, Tensor)) > MAX_NUMBERS


def _asked(exchange: Exchange, question: dict[str, Any], place: bytes, loaded: set[int]) -> Asked:
    """One exchange; `loaded` are the numbers of the modules that have been given weights, and it adds to them."""
    module = question.get("module")
    known = isinstance(module, Stayed) and module.number in loaded
    if question["op"] == "load" and isinstance(module, Stayed):
        loaded.add(module.number)
    placeholders = Placeholders()
    return Asked(
        exchange.question,
        place,
        question["op"],
        exchange.answer,
        wire.unpack(exchange.answer, placeholders),
        tuple(placeholders.met),
        tuple(wire.unpack(exchange.counts, Placeholders())["only"]) if exchange.counts else (),
        exact=known,
        drawn=any(
            isinstance(value, torch.Generator) for value in wire.leaves((question.get("args"), question.get("kwargs")))
        ),
    )


@dataclass(frozen=True, slots=True)
class Gap:
    """How far one answer of a module lies from the submission's."""

    distance: float
    literal: bool = True
    """Whether both drew the same random numbers where only their law counts."""
    said: int = 0
    """Tells the module's answer from others that lie as far away."""
    drawn: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """The module's own answer where it drew one from a generator that the question brought."""


NOTHING = Gap(math.inf, literal=False)


@dataclass(frozen=True, slots=True)
class Player:
    """A module that is asked again, and what it answered when others were asked the same."""

    name: str
    module: Callable[[], ModuleType | None]
    """Returns it, or None for one that cannot be imported; called when an answer is not known."""
    folder: Path
    memory: KnownAnswers | None = None
    """What modules of all names answered; None: it is asked each time."""
    watched: Callable[[bytes], AbstractContextManager[object]] = nullcontext
    """Made of a question's place, and entered while the module works out the answer."""


def distances(
    sessions: Sequence[Sequence[Asked]],
    transcript: Transcript,
    player: Player,
    limit: float = math.inf,
    *,
    literally: bool = False,
) -> list[Gap]:
    """Return, for each exchange in order, how far the module's answer lies from the submission's.

    It ends at the first distance above `limit`, and with `literally` at the first random number that is another one.
    Where the module has nothing that a question asks for, the distance is infinite.
    """
    found: list[Gap] = []
    for session in sessions:
        with default_dtype(getattr(torch, transcript.dtype)), closing(_Playing(player, transcript.seed)) as playing:
            for asked in session:
                found.append(_difference(asked, playing))
                if found[-1].distance > limit or (literally and not found[-1].literal):
                    return found
    return found


def _difference(asked: Asked, playing: _Playing) -> Gap:
    try:
        frame = playing.answer(asked)
        if frame == asked.frame:  # most mistakes leave most answers as they are, to the last bit
            for each in asked.stayed:
                playing.known.pair(each, each)
            return Gap(0.0, said=hash(frame))
        answer = wire.unpack(frame, Placeholders())
    except WireError:  # an object is asked for that this module's answers did not contain
        return NOTHING
    found = agreement(asked.operation, asked.answer, answer, asked.terms)
    for theirs, ours in found.pairs:
        playing.known.pair(theirs, ours)
    return Gap(found.distance, found.literal, hash(frame), answer if asked.drawn else None)


class _Playing:
    """A player in one session: it answers from memory where it can, and hears later what it has missed."""

    def __init__(self, player: Player, seed: int) -> None:
        self.known = _Known()
        self._player = player
        self._seed = seed
        self._missed: list[bytes] = []
        self._executor: Executor | None = None
        self._open = ExitStack()

    def answer(self, asked: Asked) -> bytes:
        """Return the frame that answers. Raises WireError where there is nothing that could."""
        memory, place = self._player.memory, asked.place + self._player.name.encode()
        if self._executor is None and memory and (answer := memory.get(place)) is not None:
            self._missed.append(asked.question)
            return answer
        if self._executor is None:
            self._executor = self._live()
        with self._player.watched(asked.place):
            answer = _in_time(self._executor, asked.question)
        if memory:
            memory.put(place, answer)
        return answer

    def _live(self) -> Executor:
        module = self._player.module()
        if module is None:
            raise WireError("this mistake makes a file that cannot be imported")
        self._open.enter_context(_seeded(self._seed))
        executor = Executor(module, self._player.folder, kept=self.known)
        for question in self._missed:
            _in_time(executor, question)
        return executor

    def close(self) -> None:
        """Leave the judge's own random states as they were."""
        self._open.close()


def _in_time(executor: Executor, question: bytes) -> bytes:
    """The frame that answers; for an answer that takes too long, one that says so, as of whatever code raises.

    Raises WireError where there is none at all.
    """
    if threading.current_thread() is not threading.main_thread():  # Python hears signals there alone
        return executor.reply(question)

    def stop(*_: object) -> None:
        raise _TooLongError(f"no answer within {LONGEST_S:g} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_S)
        return executor.reply(question)
    except _TooLongError as error:  # raised between two lines of ours
        raise WireError(str(error)) from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class _Known(Kept):
    """Objects of the replaying module under the numbers that they have in the transcript."""

    def __init__(self) -> None:
        super().__init__()
        self._theirs: dict[int, Any] = {}

    def pair(self, theirs: Stayed, ours: Any) -> None:
        """Let the submission's number stand for our object, or for the plain values that we have in its place."""
        self._theirs[theirs.number] = ours

    def get(self, document: wire.Json) -> object:
        """Return our object."""
        try:
            ours = self._theirs[document["id"]]
            return self._objects.get(ours.number) if isinstance(ours, Stayed) else ours
        except (KeyError, TypeError) as error:
            raise WireError("nothing here corresponds to that handle") from error


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The child's seeds; the judge's own random states are left as they were."""
    pythons = random.getstate()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a mistake makes torch warn of is no news to the instructor
        Place().seed(seed)
        try:
            yield
        finally:
            random.setstate(pythons)
