"""In which order a class is graded: what should take longest comes first, so that the last ones to end are short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pydantic import TypeAdapter, ValidationError

from autograder.gaps import unwritten
from autograder.records import Submission


@dataclass(frozen=True, slots=True)
class _Measured:
    """Of a check's result, what it took."""

    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Took:
    """What grading a student took the last time."""

    submission_digest: str
    """Of what was graded then."""
    results: tuple[_Measured, ...] = ()

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all checks."""
        return sum(each.cpu_s for each in self.results)


_TOOK = TypeAdapter(Took)


def longest_first(
    submissions: Iterable[Submission], files: Sequence[str], took: Mapping[str, Took]
) -> list[Submission]:
    """Submissions by the CPU seconds that are expected of them; those of which the same is expected stay in order.

    The very files that were graded before take what they took. Others are expected to take what the class's median did,
    or what the same student's last attempt did where that was more: slow code is often handed in once more. A place of
    the assignment's own `files` that is not written yet halves that, a second one leaves a third: a training needs
    most of them. What cannot be graded takes nothing.
    """
    typical = median(each.cpu_s for each in took.values()) if took else 1.0

    def expected_s(submission: Submission) -> float:
        last = took.get(submission.student)
        if submission.problem:
            return 0.0
        if last is not None and last.submission_digest == submission.digest:
            return last.cpu_s
        open_ = sum(unwritten(content) for name, content in submission.files.items() if name in files)
        return max(typical / (1 + open_), last.cpu_s if last is not None else 0.0)

    return sorted(submissions, key=expected_s, reverse=True)


def last_time(results: Path) -> dict[str, Took]:
    """Student -> what the grading whose result lies in the folder took; a file that is no result says nothing."""
    found = {}
    for path in results.glob("*.json"):
        try:
            found[path.stem] = _TOOK.validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
    return found
