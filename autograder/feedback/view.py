"""What stands on the page of a submission, ready to be laid out: frozen records without a word of HTML.

Text in here is what may be seen, as it is; the templates escape it. Sentences of our own stand in the templates alone,
where they can be translated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from autograder.feedback.pieces import Chart, Drawing, Excerpt, Known, Score
from autograder.records import Outcome, RunInfo


class Standing(StrEnum):
    """How a part stands."""

    RIGHT = "right"
    PARTLY = "partly"
    """Some of its checks passed."""
    WRONG = "wrong"
    UNWRITTEN = "unwritten"
    WAITING = "waiting"
    """What was run is right; the rest waits for another part."""
    NOT_RUN = "not_run"
    OPEN = "open"
    """A fault of the grader: a human will look."""


@dataclass(frozen=True, slots=True)
class Staff:
    """What only those who grade may see of a check."""

    detail: str
    stdout: str
    stderr: str
    figures: tuple[tuple[str, str], ...]
    banned_calls: tuple[str, ...]
    doubts: tuple[str, ...]
    cpu_s: float
    wall_s: float
    diagnosis: str
    """Ids of known mistakes, and how well they explain the answers."""
    change: str
    """How the code of these mistakes differs from the solution, line by line."""
    visibility: str
    place: str
    """Where the check stands: `test_hidden.py, line 31`."""
    for_student: bool
    """Whether the student's page has this check now."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One check."""

    id: str
    title: str
    public: bool
    outcome: Outcome
    earned: int
    points: int
    kind: str
    message: str
    hint: str
    where: str
    because: tuple[str, ...]
    """Ids of the checks to mend before it can run."""
    stand_ins: tuple[str, ...]
    remarks: tuple[str, ...]
    """What could be done better although it is right."""
    precision: str
    printed: str
    """Of a public check: details and output, which the student could have at home."""
    excerpt: Excerpt | None
    chart: Chart | None
    drawings: tuple[Drawing, ...]
    scores: tuple[Score, ...]
    known: Known | None
    command: str
    """What runs this check again; empty where its reader has no such command."""
    staff: Staff | None


@dataclass(frozen=True, slots=True)
class PartShown:
    """One part of the assignment with its checks."""

    anchor: str
    name: str
    heading: str
    group: str
    promise: str
    equation: str
    """What the handout says of it in formulas; empty where it has none."""
    standing: Standing
    earned: int
    points: int
    checks: tuple[Shown, ...]
    excerpt: Excerpt | None
    """The student's own definition."""

    @property
    def passed(self) -> tuple[Shown, ...]:
        """The checks that passed."""
        return tuple(check for check in self.checks if check.outcome is Outcome.PASSED)

    @property
    def others(self) -> tuple[Shown, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if check.outcome is not Outcome.PASSED)


@dataclass(frozen=True, slots=True)
class First:
    """The one thing to mend first."""

    anchor: str
    part: str
    check: Shown
    stake: int
    """Points that may come back with it."""


@dataclass(frozen=True, slots=True)
class Whole:
    """One reason for which no check could pass."""

    ours: bool
    """A fault of the grader, or not settled yet; else the file cannot be read or imported."""
    unread: bool
    """Nothing was graded, since what was handed in could not be read: no zero, a person looks."""
    message: str
    where: str
    excerpt: Excerpt | None
    command: str
    detail: str
    """For those who grade."""


@dataclass(frozen=True, slots=True)
class Sum:
    """How the score came about, in points."""

    earned: int
    lost: int
    not_run: int
    open: int
    """Not graded yet, through a fault of the grader."""
    withheld: int
    """Of checks that are not shown (yet)."""
    withheld_checks: int
    out_of: int
    """Of all checks, shown or not."""
    checks: int
    passed: int

    @property
    def shown(self) -> int:
        """Points that the shown checks can give."""
        return self.out_of - self.withheld


@dataclass(frozen=True, slots=True)
class Counted:
    """What a submission counts for, after lateness and what people decided."""

    points: str
    out_of: int
    as_measured: bool
    """Nothing came to what the checks gave."""
    steps: tuple[str, ...]
    """How it came about."""
    comments: tuple[tuple[str, str], ...]
    """Title of a check, or nothing for the whole, and what a person says."""


@dataclass(frozen=True, slots=True)
class StaffPage:
    """What only those who grade may see of a submission."""

    needs_human: tuple[str, ...]
    digest: str
    secret_sha256: str
    official: int
    command: str
    """Measures the submission again."""
    result: str
    """The result's file."""


@dataclass(frozen=True, slots=True)
class SubmissionPage:
    """One submission, for its student or for those who grade."""

    language: str
    course: str
    assignment: str
    title: str
    student: str
    made: str
    """When, in the course's time zone."""
    sum: Sum
    total: int | None
    """The whole score; None while it may not be told."""
    mark: Counted | None
    """None while it may not be told, or where nothing is known of it."""
    due: str
    """Where checks wait for it, else empty."""
    waits_for_publishing: bool
    whole: Whole | None
    first: First | None
    parts: tuple[PartShown, ...]
    notes: tuple[str, ...]
    run: RunInfo
    confined: bool
    single: int
    """Checks that passed in float32 only."""
    files: tuple[str, ...]
    """What was handed in; empty where it is not at hand."""
    staff: StaffPage | None

    def standing(self, *standings: Standing) -> tuple[PartShown, ...]:
        """The parts that stand like that."""
        return tuple(part for part in self.parts if part.standing in standings)

    def roots(self, check: Shown, here: str) -> tuple[tuple[str, str], ...]:
        """What a check that was not run waits for, as anchor and words: parts, or in its own part `here` checks."""
        found = {}
        for part in self.parts:
            for other in part.checks:
                if other.id in check.because:
                    own = part.anchor == here
                    found[other.id if own else part.anchor] = other.title if own else part.heading or part.name
        return tuple(found.items())

    def common_roots(self, checks: Sequence[Shown], here: str) -> tuple[tuple[str, str], ...]:
        """What several checks of one part all wait for, to be said once; nothing where it is not the same for all."""
        all_roots = {self.roots(check, here) for check in checks}
        return all_roots.pop() if len(checks) > 1 and len(all_roots) == 1 else ()

    @property
    def pictured(self) -> tuple[Shown, ...]:
        """The checks that passed and have something to show."""
        return tuple(check for part in self.parts for check in part.passed if check.drawings)

    @property
    def trained(self) -> tuple[Shown, ...]:
        """The checks whose training can be drawn."""
        return tuple(check for part in self.parts for check in part.checks if check.chart is not None)
