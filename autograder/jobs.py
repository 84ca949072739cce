"""What is to be graded, and how: the orders that reach a grading process, and those who give them need no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autograder.records import Confinement, Submission
from autograder.sandbox.cards import Card


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a process needs to grade submissions of one assignment."""

    folder: Path  # of the assignment, in solutions/
    confinement: Confinement
    layers: tuple[str, ...]
    missing: tuple[str, ...]
    ledger: Path
    datasets_digest: str
    device: str = "cpu"
    cards: tuple[Card, ...] = ()  # the CUDA devices to use, one submission at a time on each
    memory_mb: int = 0  # that one more submission must find free to be started beside others


@dataclass(frozen=True, slots=True)
class Job:
    """One submission to grade."""

    submission: Submission
    secret: bytes = field(repr=False)
    alone: bool = False
    """Nothing else runs: a child that only waits is believed now."""
    untried: frozenset[str] = frozenset()
    """Checks that are left out, as if skipped, unless the ledger holds them."""
