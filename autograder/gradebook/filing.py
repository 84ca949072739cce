"""Where grades are kept: one result for each student, and beside them the attempts that a course keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from autograder.ledger import handed_in_file, write_files, write_grade
from autograder.records import Attempts, Grade, Submission

ATTEMPTS = "attempts"
"""The folder of attempts, beside the results."""


@dataclass
class Filing:
    """Writes grades as they come, in any order."""

    folder: Path
    attempts: Attempts
    _best: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Student -> score of the attempt that is their result so far, and minus its number."""

    def keep(self, submission: Submission, grade: Grade) -> tuple[Grade, ...]:
        """Write the grade for everyone whose it is, with what was graded, and return these grades."""
        members = submission.members or (grade.student,)
        together = (f"handed in by {submission.student} for {', '.join(members)}",) if len(members) > 1 else ()
        kept = tuple(replace(grade, student=member, notes=(*grade.notes, *together)) for member in members)
        for each in kept:
            if each.attempts > 1 and self.attempts is not Attempts.LATEST:
                write_grade(self.folder / ATTEMPTS / f"{each.student}.{each.attempt}.json", each)
            if self._counts(each):
                if submission.files:
                    write_files(handed_in_file(self.folder, each.student), submission.files)
                write_grade(self.folder / f"{each.student}.json", each)
        return kept

    def _counts(self, grade: Grade) -> bool:
        """Whether it is the student's result; which attempt has the best *mark*, lateness included, `marks` says."""
        if self.attempts is not Attempts.BEST:
            return grade.attempt == grade.attempts
        rank = (grade.score, -grade.attempt)
        if rank <= self._best.get(grade.student, (-1, 0)):
            return False
        self._best[grade.student] = rank
        return True


def by_attempt(results: Mapping[str, Grade], attempts: Iterable[Grade]) -> dict[str, tuple[Grade, ...]]:
    """Student -> grades of all attempts that are kept, in order; what is left of an earlier set of attempts is not."""
    found = {student: {grade.attempt: grade} for student, grade in results.items()}
    for grade in attempts:
        result = results.get(grade.student)
        if result is not None and grade.attempts == result.attempts:
            found[grade.student].setdefault(grade.attempt, grade)
    return {student: tuple(grade for _, grade in sorted(each.items())) for student, each in found.items()}
