"""Takes in what students hand in: untrusted names and bytes become `Submission` records; nothing is run or parsed."""

from __future__ import annotations

from autograder.intake.names import safe_student, shown
from autograder.intake.read import files_digest, read_submission, read_submissions

__all__ = ["files_digest", "read_submission", "read_submissions", "safe_student", "shown"]
