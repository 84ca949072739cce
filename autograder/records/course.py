"""What a course is made of, and what students hand in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class Visibility(StrEnum):
    """When a student may see the result of a check."""

    ALWAYS = "always"
    AFTER_DUE = "after_due"
    AFTER_PUBLISHED = "after_published"
    NEVER = "never"


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
    """CPU limit of a check that trains; None: an ordinary check."""
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
    """Modules that the zygote imports in advance."""
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
    """For each day that has begun and that no late day pays for."""
    cap_percent: float = 100.0
    late_days: int = 0
    """Days of lateness that each student has for the whole term; they are used up in the order of the due dates."""
    percent_per_late_day: float = 0.0
    """What such a day costs."""


@dataclass(frozen=True, slots=True)
class Extension:
    """What is granted to one student for one assignment."""

    student: str
    assignment: str
    until: datetime | None = None
    """Due for this student, aware; None: excused."""
    why: str = ""

    @property
    def excused(self) -> bool:
        """Whether the assignment does not count for this student."""
        return self.until is None


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was handed in, and who says so."""

    at: datetime
    """Aware."""
    source: str
    """In words: `Moodle`, `the manifest of submit`, `the time of the file`."""
    by_file: bool = False
    """It is only the time of a file, which may be that of a download."""


class Attempts(StrEnum):
    """Which of several attempts of a student counts."""

    LATEST = "latest"
    """The last one; the others are not even graded."""
    BEST = "best"
    """The one with the best mark."""
    ALL = "all"
    """All are graded and kept; the last one counts."""


@dataclass(frozen=True, slots=True)
class Term:
    """An assignment in this term's course.yml."""

    id: str
    due: datetime
    """Aware."""
    weight: float
    extra_credit: bool = False
    """It adds to the total and takes nothing away: its weight is not among those that are divided by."""
    written: int = 0
    """Points that people may give for the written answer in nbgrader's notebook, on top of those of the checks."""


@dataclass(frozen=True, slots=True)
class Course:
    """course.yml."""

    title: str
    timezone: str
    root: Path
    """The folder that holds course.yml."""
    late_policy: LatePolicy
    terms: tuple[Term, ...]
    attempts: Attempts = Attempts.LATEST
    language: str = "en"
    """In which pages are written where nobody says otherwise: one of `wording.LANGUAGES`."""


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
    handed_in: Moment | None = None
    """None: nothing says when."""
    attempt: int = 1
    attempts: int = 1
    members: tuple[str, ...] = ()
    """Everyone whose grade it is, `student` among them; empty: theirs alone."""
