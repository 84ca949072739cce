"""The course note's table of models, measured: each claim held, not held or depending, with the figure it rests on."""

from __future__ import annotations

from autograder.comparison.records import Claim, Curve, Measured, Plot, Verdict
from autograder.comparison.run import MEASUREMENTS, Comparison, Measurement, counted, measure
from autograder.comparison.works import Works

__all__ = [
    "MEASUREMENTS",
    "Claim",
    "Comparison",
    "Curve",
    "Measured",
    "Measurement",
    "Plot",
    "Verdict",
    "Works",
    "counted",
    "measure",
]
