"""What the process that runs checks tells the terminal: one JSON line an event."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from autograder.home.report import Gpu, Problem
from autograder.home.standing import Standing
from autograder.ledger import plain
from autograder.records import CheckResult, EarlierPart


@dataclass(frozen=True, slots=True)
class Ready:
    """torch is imported; an order may come."""

    kind: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class Started:
    """The submission was imported for a check."""

    check: str
    """Empty: for itself, before the first check."""
    cpu_s: float
    """What it may use from here on, in CPU seconds."""
    kind: Literal["started"] = "started"


@dataclass(frozen=True, slots=True)
class Imported:
    """The submission can be imported."""

    earlier: tuple[EarlierPart, ...]
    kind: Literal["imported"] = "imported"


@dataclass(frozen=True, slots=True)
class Settled:
    """A check has its result."""

    result: CheckResult
    stands: bool = False
    """It is that of the round before: its check runs again when all others are settled."""
    asked: tuple[str, ...] = ()
    rests_on: str = ""
    """What it would stand by in the next round (`Standing`); empty: it will not."""
    kind: Literal["settled"] = "settled"


@dataclass(frozen=True, slots=True)
class Unusable:
    """The submission cannot be imported: no check can run."""

    problem: Problem
    kind: Literal["unusable"] = "unusable"


@dataclass(frozen=True, slots=True)
class Stopped:
    """The process ends itself: the student's code has used more than it may."""

    words: str
    where: str
    kind: Literal["stopped"] = "stopped"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The rehearsal on a make-believe GPU is over."""

    gpu: Gpu
    kind: Literal["rehearsed"] = "rehearsed"


@dataclass(frozen=True, slots=True)
class Done:
    """The order is carried out."""

    kind: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class Failed:
    """A fault of ours, with its traceback."""

    detail: str
    kind: Literal["failed"] = "failed"


@dataclass(frozen=True, slots=True)
class Ended:
    """The process is gone. It never says so itself: the terminal's side notices."""

    words: str = ""
    where: str = ""
    timed_out: bool = False
    kind: Literal["ended"] = "ended"


Event = Ready | Started | Imported | Settled | Unusable | Stopped | Rehearsed | Done | Failed | Ended

_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


@dataclass(frozen=True, slots=True)
class Order:
    """What the process is to do."""

    folder_bytes: str
    """The assignment's folder as the system names it, in hexadecimal: a name may be no text in this locale."""
    wanted: tuple[str, ...]
    """Ids of the checks to run, with those that they need."""
    known: tuple[CheckResult, ...] = ()
    """Results that a process before this one came to."""
    standing: tuple[Standing, ...] = ()
    """Those of the round before, which may stand."""

    @property
    def folder(self) -> Path:
        """The assignment's folder."""
        return folder_of(self.folder_bytes)


def folder_of(name: str) -> Path:
    """Return the folder of a name in hexadecimal."""
    return Path(os.fsdecode(bytes.fromhex(name)))


def order(
    folder: Path,
    wanted: tuple[str, ...],
    known: tuple[CheckResult, ...] = (),
    standing: tuple[Standing, ...] = (),
) -> Order:
    """Return the order to run the checks `wanted` of the assignment in `folder`."""
    return Order(os.fsencode(folder).hex(), wanted, known, standing)


_ORDER: TypeAdapter[Order] = TypeAdapter(Order)


def line_of(event: Event) -> bytes:
    """Return an event as a line."""
    return _line(event)


def event_of(line: bytes) -> Event | None:
    """Return the event of a line; None for a line that is none (a student's program can write anything)."""
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None


def order_line(order: Order) -> bytes:
    """Return an order as a line."""
    return _line(order)


def order_of(line: bytes) -> Order:
    """Return the order of a line."""
    return _ORDER.validate_json(line)


def _line(record: Any) -> bytes:
    """A loss may be NaN, an error infinitely larger than what is allowed, and a text half a character."""
    return json.dumps(plain(record), allow_nan=False).encode() + b"\n"
