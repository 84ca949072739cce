"""The vocabulary: frozen records that pass between the modules, in the order in which data flows.

Nothing here does anything. YAML and JSON become these records once, at the edges (`course.py`, `ledger.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class Outcome(StrEnum):
    """How a check ended. Only `GRADER_ERROR` is our fault; it is never a zero, always a line for a human."""

    PASSED = "passed"
    FAILED = "failed"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    SKIPPED = "skipped"
    GRADER_ERROR = "grader_error"


class Visibility(StrEnum):
    """When a student may see the result of a check."""

    ALWAYS = "always"
    AFTER_DUE = "after_due"
    AFTER_PUBLISHED = "after_published"
    NEVER = "never"


class Confinement(StrEnum):
    """How much the sandbox insists on: `REQUIRED` refuses without it, `BEST_EFFORT` warns and is recorded."""

    REQUIRED = "required"
    BEST_EFFORT = "best-effort"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one test function of an assignment may use."""

    cpu_s: float = 4.0
    """CPU seconds of the child of one test function; a check that trains names its own (`@trains(cpu_s=...)`)."""
    memory_mb: int = 1024
    """Address space above the zygote's own."""
    output_kb: int = 64
    """Captured stdout and stderr, each."""
    scratch_mb: int = 16
    """Disk that the child may write."""


@dataclass(frozen=True, slots=True)
class Check:
    """One test function, as read from its source without running it."""

    id: str
    """The name of the test function; unique in its assignment."""
    title: str
    """The docstring's first line, in the student's words."""
    points: int
    """0 for a bonus check: reported, never counted."""
    public: bool
    visibility: Visibility
    needs: tuple[str, ...]
    """Names of checks (must have passed) or of parts (must have passed, or their stand-in takes their place)."""
    bans: tuple[str, ...] | None
    """Names of ban groups or operators; None: the assignment's default."""
    trains_cpu_s: float | None
    """CPU limit of a check that trains (it runs in the heavy zygote); None: an ordinary check."""
    hint: str
    """From `@hint("...")`; empty when the check has none."""
    file: Path
    line: int
    digest: str
    """Of the function's source and of everything in its file that is not a check."""


@dataclass(frozen=True, slots=True)
class BuildsOn:
    """An assignment whose work another one imports."""

    id: str
    files: tuple[str, ...]
    """Its files to hand in; they are importable by name beside those of the other one."""
    parts: tuple[str, ...]
    """Those of its parts that are used: each is the student's own where it is right, else its stand-in."""

    @property
    def module(self) -> str:
        """The import name of the file that has the parts."""
        return self.files[0].removesuffix(".py")


@dataclass(frozen=True, slots=True)
class Assignment:
    """One folder of `solutions/`."""

    id: str
    title: str
    folder: Path
    files: tuple[str, ...]
    """File names to hand in; the first one is the module that the checks talk to."""
    builds_on: tuple[BuildsOn, ...]
    """Assignments whose files are importable beside it, and those that these build on; each before its users."""
    bans: tuple[str, ...]
    importable: tuple[str, ...]
    """Top-level packages beside the standard library that a submission may import."""
    preload: tuple[str, ...]
    """Modules that the heavy zygote imports in advance."""
    limits: Limits
    parts: Mapping[str, tuple[str, ...]]
    """Part (a name in the submission's module) -> ids of the checks that must pass for it to count as right."""
    checks: tuple[Check, ...]
    """Public ones first, each file in source order; their points sum to 100."""
    given: tuple[str, ...] = ()
    """Files of the folder that students get as they are."""
    datasets: tuple[str, ...] = ()
    """Modules of course_data that its checks use."""

    @property
    def module(self) -> str:
        """The import name of the file that the checks talk to."""
        return self.files[0].removesuffix(".py")

    @property
    def earlier_files(self) -> tuple[str, ...]:
        """File names that may be handed in beside its own: those of the assignments that it builds on."""
        return tuple(name for earlier in self.builds_on for name in earlier.files)


@dataclass(frozen=True, slots=True)
class LatePolicy:
    """What lateness costs."""

    grace_minutes: int = 0
    penalty_percent_per_day: float = 0.0
    cap_percent: float = 100.0


@dataclass(frozen=True, slots=True)
class Term:
    """An assignment in this term's course.yml."""

    id: str
    due: datetime
    """Aware."""
    weight: float


@dataclass(frozen=True, slots=True)
class Course:
    """course.yml."""

    title: str
    timezone: str
    root: Path
    """The folder that holds course.yml."""
    late_policy: LatePolicy
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """What one student handed in for one assignment, after the allow-list."""

    student: str
    assignment: str
    files: Mapping[str, bytes]
    """File name -> content, only names on the assignment's list and on those of the assignments that it builds on."""
    notes: tuple[str, ...] = ()
    """What intake dropped or repaired, in words for the student."""
    problem: str = ""
    """Why nothing can be graded, in words for the student; empty: it can."""
    digest: str = ""
    """sha256 of the files."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a check did not pass, split by who may read it."""

    kind: str
    """shape, dtype, values, not_finite, structure, property, exception, missing, banned, training: the answer; loading,
    limit, waited, malformed: the process; needs: not run; grader: our own fault."""
    message: str
    """What was seen and what was expected, without hidden values: for the student."""
    where: str = ""
    """`rnn.py, line 31, in rnn_cell`: the student's own file; empty when unknown."""
    hint: str = ""
    detail: str = ""
    """Values, traceback, output: for the TA and, where the check is public, for the student."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Which known mistake gives the answers that failed a check; what is told to whom is decided by those who tell."""

    mistakes: tuple[str, ...]
    """Ids of mistakes.yml: one, or two that were made together."""
    also: tuple[str, ...]
    """Ids of other mistakes that give the very same answers."""
    calls: int
    """Calls of the check whose answers were compared."""
    wrong: int
    """Those of them whose answers are not the reference's."""
    distance: float
    """0: all answers equal those of the named mistake. Else it is only the closest one, a lead for the TA: the largest
    difference as a part of the answers' size."""
    part: str
    """Function of the solution in which the mistake lies: `RNN.forward`."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """Language -> hint of the first mistake."""

    @property
    def certain(self) -> bool:
        """Whether every answer is explained by one mistake, or by one pair, and by nothing else."""
        return self.distance == 0 and not self.also


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a run left behind that a human may want to look at; never a deduction by itself."""

    banned_calls: tuple[str, ...] = ()
    """Banned operators that were called and refused."""
    stdout: str = ""
    stderr: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Numbers that the check reported: margin, largest error, held-out loss."""
    curve: tuple[float, ...] = ()
    """Training losses, one a step."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of one submission."""

    id: str
    outcome: Outcome
    earned: int
    points: int
    finding: Finding | None = None
    precision: str = "float64"
    """float64, or float32 where only the repeat in float32 passed."""
    stand_ins: tuple[str, ...] = ()
    """Parts that stood in for the student's own."""
    cpu_s: float = 0.0
    """CPU seconds of the children."""
    wall_s: float = 0.0
    evidence: Evidence = field(default_factory=Evidence)
    diagnosis: Diagnosis | None = None
    """Of a failed check; added when a grade is made, never part of a measurement."""


@dataclass(frozen=True, slots=True)
class EarlierPart:
    """A part of an earlier assignment, and whose it is in this grade."""

    name: str
    file: str
    why_stand_in: str = ""
    """Why a stand-in is in use, in words that follow "since"; empty: it is the student's own."""

    @property
    def words(self) -> str:
        """One sentence for the student."""
        if self.why_stand_in:
            return f"{self.name}: a stand-in, since {self.why_stand_in}"
        return f"{self.name}: your own, from {self.file}"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Under what a submission was measured; stands in every result."""

    confinement: Confinement
    layers: tuple[str, ...]
    """What confined the child: landlock-7, seccomp, namespaces, uid."""
    missing: tuple[str, ...]
    device: str
    torch: str
    engine: str
    secret_sha256: str


@dataclass(frozen=True, slots=True)
class Grade:
    """One submission's result: a pure function of measurements."""

    student: str
    assignment: str
    score: int
    out_of: int
    results: tuple[CheckResult, ...]
    needs_human: tuple[str, ...]
    """Check ids that ended in `grader_error`, and other reasons for a human to look."""
    notes: tuple[str, ...]
    run: RunInfo
    submission_digest: str
    earlier: tuple[EarlierPart, ...] = ()
    """Parts of earlier assignments, each the student's own or a stand-in; the notes say the same."""
