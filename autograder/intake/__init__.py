"""Takes in what students hand in: untrusted names and bytes become `Submission` records; nothing is run or parsed."""

from __future__ import annotations

from autograder.intake.classroom import ClassIn, Rules, read_class, read_submissions
from autograder.intake.read import files_digest, read_submission
from autograder.intake.times import read_times
from autograder.names import safe_student, shown

__all__ = [
    "ClassIn",
    "Rules",
    "files_digest",
    "read_class",
    "read_submission",
    "read_submissions",
    "read_times",
    "safe_student",
    "shown",
]
