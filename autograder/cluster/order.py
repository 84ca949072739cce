"""What travels between the one who asks and a judge on a worker: an order there, its answer back, both as bytes.

Both ends are the grader's own, so these are pickles. What a submission is or made is in them as bytes and text alone.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.jobs import Job, Settings

Entries = Mapping[str, bytes]
"""Files of a ledger: `measurements/ab/<key>.json` -> content."""


class Sealed(bytes):
    """Bytes that no log of Dask's prints: an order holds the course secret."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return how many bytes there are."""
        return f"<{len(self)} bytes>"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Order:
    """One submission to grade on a worker."""

    settings: Settings
    """Without this machine's folders: the worker has its own."""
    assignment: str
    job: Job
    entries: Entries = field(default_factory=dict, repr=False)
    """What the ledger holds of it already."""

    def sealed(self) -> Sealed:
        """Return its bytes."""
        return Sealed(pickle.dumps(self))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it."""

    grade: bytes = b""
    """As it is written into results; empty: none."""
    entries: Entries = field(default_factory=dict, repr=False)
    """What was measured, for the ledger of the one who asked."""
    lost: str = ""
    """Why there is no grade, in words; the submission may be tried elsewhere."""


@dataclass(frozen=True, slots=True)
class Place:
    """A seat on a worker, and what it grades with."""

    number: int
    """From 0 on each worker; of as many as it has places."""
    course: Path
    """Where the worker has unpacked the course."""
    card: str | None = None
    """The CUDA device that is this seat's alone, as `CUDA_VISIBLE_DEVICES` calls it."""


def opened(content: bytes) -> Any:
    """Return the record that was sealed."""
    return pickle.loads(content)  # noqa: S301 - from our own other end
