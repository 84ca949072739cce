"""What came of a submission: outcomes, findings, diagnoses, grades."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from autograder.records.course import Moment
from autograder.records.pictures import Picture


class Outcome(StrEnum):
    """How a check ended. Only `GRADER_ERROR` is our fault; it is never a zero, always a line for a human."""

    PASSED = "passed"
    FAILED = "failed"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    SKIPPED = "skipped"
    GRADER_ERROR = "grader_error"


class Confinement(StrEnum):
    """How much the sandbox insists on: `REQUIRED` refuses without it, `BEST_EFFORT` warns and is recorded."""

    REQUIRED = "required"
    BEST_EFFORT = "best-effort"


NOT_WRITTEN = "This part is not written yet."
"""The message of a finding where code raises NotImplementedError, as a stub does."""


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
    difference as a part of the answers' size, over all calls."""
    part: str
    """Function of the solution in which the mistake lies: `RNN.forward`."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """Language -> hint of the first mistake."""
    more_hints: tuple[Mapping[str, str], ...] = ()
    """The same of the second one of a pair, then of those in `also`."""
    more_parts: tuple[str, ...] = ()
    """The same as `part` of the second one of a pair, then of those in `also`."""
    explained: int = 0
    """Of the wrong calls, those whose answers equal the named mistake's; all of them where `distance` is 0."""
    spoiled: int = 0
    """Right calls that the named mistake would have got wrong; none where `distance` is 0."""
    against: tuple[str, ...] = ()
    """Checks that passed although what is named fails them: it answers alike here, and it is not what was done."""

    @property
    def exact(self) -> bool:
        """Whether what is named first explains every answer, and no passed check refutes it; more may explain it."""
        return self.distance == 0 and not self.against

    @property
    def certain(self) -> bool:
        """Whether every answer is explained by one mistake, or by one pair, and by nothing else."""
        return self.exact and not self.also

    @property
    def parts(self) -> tuple[str, ...]:
        """Where all that is named lies, each function once."""
        return tuple(dict.fromkeys(part for part in (self.part, *self.more_parts) if part))


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
    remarks: tuple[str, ...] = ()
    """What could be done better although nothing is wrong with it; for the student, too."""
    doubts: tuple[str, ...] = ()
    """What a human should look at before it counts as settled."""
    pictures: tuple[Picture, ...] = ()
    """What shows the answer, or how it differs; of a public check for the student, too."""


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
    device: str = "cpu"
    """Where it was computed: cpu, or cuda; cpu as well where only the repeat there settled it."""
    stand_ins: tuple[str, ...] = ()
    """Parts that stood in for the student's own."""
    cpu_s: float = 0.0
    """CPU seconds of the children."""
    wall_s: float = 0.0
    evidence: Evidence = field(default_factory=Evidence)
    diagnosis: Diagnosis | None = None
    """Of a failed check; added when a grade is made, never part of a measurement."""

    @property
    def is_unwritten(self) -> bool:
        """Whether it met a part that says of itself that it is not written: what lacks a parameter, say, is wrong."""
        return self.finding is not None and (self.finding.kind, self.finding.message) == ("missing", NOT_WRITTEN)

    @property
    def waited(self) -> bool:
        """Whether the wall clock ended it: to be measured again alone before it counts."""
        return self.finding is not None and self.finding.kind == "waited"


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
    handed_in: Moment | None = None
    """When what was graded was handed in; None: nothing says so."""
    attempt: int = 1
    attempts: int = 1
