"""What one run of `check` found: records between the process that runs checks and the terminal; JSON at both edges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from autograder.gaps import Gap
from autograder.records import CheckResult, EarlierPart


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a file, not about one check of it."""

    file: str
    line: int
    """From 1; 0 where no line is to blame."""
    message: str
    detail: str = ""
    """The line itself, a traceback, what was printed."""
    fatal: bool = False
    """Nobody can grade the file as it is: `submit` refuses it whatever it is told."""

    @property
    def where(self) -> str:
        """`rnn.py, line 31`."""
        return f"{self.file}, line {self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Gpu:
    """What a rehearsal on a make-believe GPU showed: the calls of passed checks, with tensors that hold no numbers."""

    findings: tuple[Problem, ...] = ()
    """Places at which a tensor on the CPU meets one on the GPU, or is made for an answer that belongs there."""
    ready: tuple[str, ...] = ()
    """Ids of the checks whose calls all ran."""
    untested: tuple[str, ...] = ()
    """Ids of those that cannot be rehearsed so: their code asks for values, say."""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One check in a report: what it is, and how it went."""

    id: str
    title: str
    result: CheckResult
    unwritten: bool = False
    """It met a part that is not written yet: nothing is wrong."""
    waits_for: str = ""
    """The part or check that has to be written before this one can run."""
    stands: bool = False
    """Nothing that it runs was changed since the last round, and its result is of that one."""

    @property
    def said(self) -> tuple[object, ...]:
        """What a page says of it: of what is not written, no more than that."""
        if self.unwritten or self.waits_for:
            return self.unwritten, self.waits_for
        result = self.result
        return (
            result.outcome,
            result.earned,
            result.finding,
            result.precision,
            result.stand_ins,
            result.evidence.remarks,
        )

    @property
    def subject(self) -> str:
        """What the check is about, by the name that stands in the student's file: the first one in its title."""
        return subject(self.id, self.title)


def subject(id_: str, title: str) -> str:
    """The first name in a check's title (`RNNCell`, `RNNCell.forward`), else what its own name says."""
    named = re.search(r"`([A-Za-z_][\w.]*)", title)
    return named[1] if named else id_.removeprefix("test_")


@dataclass(frozen=True, slots=True)
class Report:
    """One run of an assignment's public checks."""

    id: str
    title: str
    problems: tuple[Problem, ...] = ()
    lines: tuple[Line, ...] = ()
    """In the order of the assignment's text; without those that were not chosen."""
    chosen: tuple[str, ...] = ()
    """The words of `-k`; empty: all checks."""
    gaps: tuple[Gap, ...] = ()
    gpu: Gpu | None = None
    earlier: tuple[EarlierPart, ...] = ()
    """Parts of earlier assignments that this one uses."""
    untouched: bool = False
    """The files are as they were released."""
    next_step: str = ""
    grader_failed: bool = False

    @property
    def earned(self) -> int:
        """Points of the checks that ran and passed."""
        return sum(line.result.earned for line in self.lines)

    @property
    def points(self) -> int:
        """Points of all checks in the report."""
        return sum(line.result.points for line in self.lines)

    @property
    def passed(self) -> bool:
        """Whether everything that was asked for is right."""
        return not self.problems and bool(self.lines) and all(line.result.outcome == "passed" for line in self.lines)

    def as_json(self) -> dict[str, Any]:
        """The report as plain data, with its sums."""
        data: dict[str, Any] = TypeAdapter(Report).dump_python(self, mode="json")
        return data | {"earned": self.earned, "points": self.points, "passed": self.passed}
