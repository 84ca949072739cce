"""What stands on the page of a submission, ready to be laid out: frozen records without a word of HTML.

Text in here is what may be seen, as it is; the templates escape it. Sentences of our own stand in the templates alone,
where they can be translated.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
class Line:
    """One line of code."""

    number: int
    """In the file, or in its cell of a notebook."""
    pieces: tuple[tuple[str, str], ...]
    """Name of a colour (see colours.py; empty: none), and text."""
    marked: bool
    follows: bool
    """The line above on the page is the line above in the file."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of the student's own file."""

    file: str
    """Its name, with the cell where it was a notebook."""
    lines: tuple[Line, ...]
    left_out: int
    """Lines of the same function that are not shown."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis of a chart."""

    at: float
    """In the chart's own units."""
    label: str


@dataclass(frozen=True, slots=True)
class Label:
    """Words at a place of a drawing."""

    x: float
    y: float
    words: str


@dataclass(frozen=True, slots=True)
class Map:
    """One panel of a picture: its cells by shade."""

    name: str
    differs: bool
    """It shows where the two panels before it differ."""
    width: float
    height: float
    shades: tuple[tuple[str, str], ...]
    """Name of a shade (see style.css), and the path of all cells that have it."""
    rows: tuple[Label, ...]
    columns: tuple[Label, ...]
    left: float
    top: float
    """Where the cells begin."""
    across: int
    down: int
    """How many cells there are."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve of a picture."""

    name: str
    points: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a check showed of its numbers, ready to be laid out: maps, or curves in one box."""

    title: str
    maps: tuple[Map, ...]
    low: str
    high: str
    """Smallest and largest value."""
    grey: bool = False
    """The maps are images."""
    lines: tuple[Curve, ...] = ()
    width: int = 0
    height: int = 0
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    x: str = ""
    y: str = ""
    """What the axes are."""

    @property
    def size(self) -> int:
        """About how many characters it takes."""
        return sum(len(path) for each in self.maps for _, path in each.shades) + sum(len(c.points) for c in self.lines)


@dataclass(frozen=True, slots=True)
class Chart:
    """A loss curve in a box of `width` x `height`, drawn coarsely."""

    width: int
    height: int
    points: str
    """For an SVG polyline."""
    band: str
    """For an SVG polygon: where the curves of right submissions lie; empty where there are too few."""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    logarithmic: bool
    bound: Tick | None
    """Where the bound of the held-out score lies, if it is a loss."""
    score: Tick | None
    """Where the score of the trained weights lies."""
    steps: int
    first: str
    last: str
    unfinished: bool
    """The losses became infinite or no number."""


@dataclass(frozen=True, slots=True)
class Score:
    """A score that a training is measured by, and its bound."""

    what: str
    seen: str
    at_most: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Known:
    """A known mistake that gives exactly the student's answers: two together, or several that do so alike."""

    hints: tuple[str, ...]
    """What it is, a hint for each mistake; empty while it is only pointed at."""
    parts: tuple[str, ...]
    """Where it lies: `RNN.forward`."""
    together: bool  # two mistakes that were made in one program
    alike: bool  # several mistakes, any of which gives these answers
    calls: int
    wrong: int  # of the calls whose answers were compared
    kind: str  # what is wrong with the answers: the finding's kind, or `gradient`
    lines: str  # where the first part stands in the student's own file, in words; empty where it is not found
    excerpt: Excerpt | None  # the student's lines of it, where the page does not show them anyway
    later: str
    """From when on the mistake is explained; empty where it is, or where nobody has said when."""


@dataclass(frozen=True, slots=True)
class Staff:
    """What only those who grade may see of a check."""

    detail: str
    stdout: str
    stderr: str
    figures: tuple[tuple[str, str], ...]
    banned_calls: tuple[str, ...]
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

    @property
    def pictured(self) -> tuple[Shown, ...]:
        """The checks that passed and have something to show."""
        return tuple(check for part in self.parts for check in part.passed if check.drawings)

    @property
    def trained(self) -> tuple[Shown, ...]:
        """The checks whose training can be drawn."""
        return tuple(check for part in self.parts for check in part.checks if check.chart is not None)
