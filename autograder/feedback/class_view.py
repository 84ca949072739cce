"""What stands on the page of a class, ready to be laid out: see view.py."""

from __future__ import annotations

from dataclasses import dataclass

from autograder.gradebook.queue import Why
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
    discrimination: float | None
    """How well it tells strong submissions from weak ones: the correlation of passing it with the points of all other
    checks, -1 to 1; None where nobody or everybody passed, or too few were graded."""

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
    score: int | None
    """None: what was handed in could not be read, and was not graded."""
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
    count: int
    """Of all of them, also where not all are named."""
    share: int
    """Percent of the class."""
    place: str
    """The part that it lies in, as students know it; empty where nobody knows."""
    rule: str
    """What the handout says of that part in formulas."""
    change: str
    """How its code differs from the solution's."""


@dataclass(frozen=True, slots=True)
class Similar:
    """Two submissions that have rare passages in common."""

    one: str
    other: str
    pages: tuple[str, str]
    """Where their pages for those who grade lie; empty where there is none."""
    share: int
    """Percent of the shorter one's own passages."""
    mistakes: tuple[str, ...]
    """Rare mistakes that both made."""
    same: tuple[str, ...]
    """More submissions with the very same code as these two."""
    same_count: int


@dataclass(frozen=True, slots=True)
class Waits:
    """One thing that waits for a human."""

    why: Why
    student: str
    check: str
    words: str


@dataclass(frozen=True, slots=True)
class Health:
    """How the run went."""

    provisional: int
    unread: int
    """Hand-ins that could not be read, and were not graded."""
    timed_out: int
    crashed: int
    out_of_memory: int
    unconfined: int
    """Graded without full confinement."""
    missing: tuple[str, ...]
    layers: tuple[str, ...]
    """What confined the submissions."""
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
    similar: tuple[Similar, ...]
    compared: int
    """Submissions whose code was at hand to be compared."""
    waiting: tuple[Waits, ...]
    waiting_count: int
    """Of all of them, also where not all are listed."""
    health: Health
