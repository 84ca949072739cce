"""The vocabulary: frozen records that pass between the modules, in the order in which data flows.

Nothing here does anything. YAML and JSON become these records once, at the edges (`course/`, `ledger.py`).
"""

from __future__ import annotations

from autograder.records.course import (
    Assignment,
    Attempts,
    BuildsOn,
    Check,
    Course,
    Extension,
    LatePolicy,
    Limits,
    Moment,
    Submission,
    Term,
    Visibility,
)
from autograder.records.journal import EntryKind, JournalEntry
from autograder.records.people import Person
from autograder.records.pictures import Panel, Picture, PictureKind
from autograder.records.results import (
    NOT_WRITTEN,
    CheckResult,
    Confinement,
    Diagnosis,
    EarlierPart,
    Evidence,
    Finding,
    Grade,
    Outcome,
    RunInfo,
)

__all__ = [
    "NOT_WRITTEN",
    "Assignment",
    "Attempts",
    "BuildsOn",
    "Check",
    "CheckResult",
    "Confinement",
    "Course",
    "Diagnosis",
    "EarlierPart",
    "EntryKind",
    "Evidence",
    "Extension",
    "Finding",
    "Grade",
    "JournalEntry",
    "LatePolicy",
    "Limits",
    "Moment",
    "Outcome",
    "Panel",
    "Person",
    "Picture",
    "PictureKind",
    "RunInfo",
    "Submission",
    "Term",
    "Visibility",
]
