"""What stands on the page of a class, ready to be laid out: see view.py."""

from __future__ import annotations

from dataclasses import dataclass

from autograder.records import Outcome


@dataclass(frozen=True, slots=True)
class Column:
    """One check in the table of a class."""

    number: int
    id: str
    title: str
    part: str
    points: int
    public: bool
    passed: int
    failed: int
    not_run: int
    open: int

    @property
    def share(self) -> int:
        """Percent of the class that passed it."""
        return round(100 * self.passed / (self.passed + self.failed + self.not_run + self.open or 1))


@dataclass(frozen=True, slots=True)
class Row:
    """One student in the table of a class."""

    student: str
    page: str
    """Where their page for those who grade lies, relative to the class page; empty where there is none."""
    score: int
    provisional: bool
    human: bool
    """Somebody must look."""
    cells: tuple[Outcome | None, ...]
    """One a column; None: this result has no such check."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the distribution."""

    low: int
    high: int
    count: int


@dataclass(frozen=True, slots=True)
class Frequent:
    """What several students were told."""

    check: Column
    message: str
    hint: str
    students: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A known mistake that was named for certain."""

    id: str
    hint: str
    students: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """How the run went."""

    human: tuple[tuple[str, tuple[str, ...]], ...]
    """Students whom a human must look at, and why."""
    provisional: int
    timed_out: int
    crashed: int
    out_of_memory: int
    unconfined: int
    """Graded without full confinement."""
    missing: tuple[str, ...]
    torches: tuple[str, ...]
    """Versions of torch and devices, where there is more than one a reason to wonder."""


@dataclass(frozen=True, slots=True)
class ClassPage:
    """A class, for those who teach it."""

    language: str
    course: str
    assignment: str
    title: str
    made: str
    out_of: int
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    bars: tuple[Bar, ...]
    lowest: int
    median: float
    highest: int
    mean: float
    full: int
    """Students with every point."""
    named: tuple[Named, ...]
    frequent: tuple[Frequent, ...]
    health: Health
