"""What students, TAs and instructors read about graded work: pages made of the results, and of nothing else."""

from __future__ import annotations

from autograder.feedback.audience import Audience, Sight
from autograder.feedback.plain import Format
from autograder.feedback.report import Written, setting_for, write_report

__all__ = ["Audience", "Format", "Sight", "Written", "setting_for", "write_report"]
