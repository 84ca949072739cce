"""Keeps what an audit proved: the figures, and the digest of what they hold for.

Training bounds are calibrated here. A bound must lie between the worst right program and the best of the mistakes that
training is said to show, and the gap between them must be at least three times the spread of the right ones (as
logarithms: losses differ by factors). A mistake that training cannot tell from rounding belongs to the exact checks.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from autograder.audit import Kind, Verdict, audit_secret
from autograder.intake import files_digest
from autograder.pipeline import Job, Pipeline, Settings
from autograder.records import Assignment, CheckResult
from autograder.variants import as_submission, mistakes

AT_MOST = ", at most"
CALIBRATION_ROUNDS = 3
GAP_FACTOR = 3
NOT_PROVEN = re.compile(r"handout(\.\w+)?\.md|checks\.\w+\.yml|illustrations\.py")
"""Files that a proof does not depend on: what is only read, in every language, or looked at."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Where one training bound lies."""

    check: str
    bound: float
    best_right: float
    worst_right: float
    best_wrong: float
    best_wrong_by: str
    runs: int

    @property
    def gap(self) -> float:
        """Logarithm of the factor between the best wrong and the worst right figure."""
        return math.log(self.best_wrong / self.worst_right) if self.best_wrong > 0 and self.worst_right > 0 else 0.0

    @property
    def spread(self) -> float:
        """Logarithm of the factor between the worst and the best right figure."""
        return math.log(self.worst_right / self.best_right) if self.best_right > 0 else math.inf

    @property
    def fault(self) -> str:
        """What is wrong with the bound; empty when nothing is."""
        if not self.best_wrong_by:
            return "no mistake that training is said to show left a figure"
        if not self.worst_right < self.bound < self.best_wrong:
            return f"the bound {self.bound:.3g} does not lie between {self.worst_right:.3g} and {self.best_wrong:.3g}"
        if self.gap < GAP_FACTOR * self.spread:
            return f"the gap is only {self.gap / self.spread:.1f} times the spread; {GAP_FACTOR} are needed"
        return ""

    def in_words(self) -> str:
        """One line for the terminal."""
        right = f"right {self.best_right:.3g} to {self.worst_right:.3g} ({self.runs} runs)"
        wrong = f"best mistake {self.best_wrong:.3g} ({self.best_wrong_by or 'none'})"
        return f"{self.check}: {right}, bound {self.bound:.3g}, {wrong}" + (f" — {self.fault}" if self.fault else "")


def calibrate(
    settings: Settings, assignment: Assignment, verdicts: Sequence[Verdict], done: Callable[[str], None]
) -> tuple[Calibration, ...]:
    """Train the visible mistakes as if all else were right, and return how every training bound lies."""
    right = [
        figure
        for v in verdicts
        if v.trial.kind in (Kind.SOLUTION, Kind.FAIR_PLAY)
        for figure in _figures(v.grade.results)
    ]
    wrong: list[tuple[str, float, float, str]] = []
    with closing(Pipeline(settings)) as pipeline:
        for mistake in mistakes(assignment):
            for number in range(CALIBRATION_ROUNDS if mistake.training_visible else 0):
                submission = as_submission(assignment, mistake.id, mistake.files)
                results = pipeline.train_regardless(Job(submission, audit_secret(number)))
                wrong += [
                    (check, value, bound, mistake.id)
                    for check, value, bound in _figures(results)
                    if not mistake.shown_by or check in mistake.shown_by
                ]
            if mistake.training_visible:
                done(mistake.id)
    return tuple(_calibration(check, right, wrong) for check in dict.fromkeys(check for check, _, _ in right))


def _figures(results: Iterable[CheckResult]) -> list[tuple[str, float, float]]:
    """Check, figure and bound of the checks that left both; a figure that is not finite is as bad as can be."""
    return [
        (result.id, value if math.isfinite(value) else math.inf, result.evidence.figures[name + AT_MOST])
        for result in results
        for name, value in result.evidence.figures.items()
        if name + AT_MOST in result.evidence.figures
    ]


def _calibration(
    check: str, right: Sequence[tuple[str, float, float]], wrong: Sequence[tuple[str, float, float, str]]
) -> Calibration:
    values = [value for id_, value, _ in right if id_ == check]
    bound = next(bound for id_, _, bound in right if id_ == check)
    best, by = min(((value, name) for id_, value, _, name in wrong if id_ == check), default=(math.inf, ""))
    return Calibration(check, bound, min(values), max(values), best, by, len(values))


def digest(folder: Path) -> str:
    """Return the digest of what an audit's result depends on: everything in the assignment's folder but texts."""
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    proven = [
        name
        for name in names
        if not NOT_PROVEN.fullmatch(name.name) and not any(part.startswith((".", "__")) for part in name.parts)
    ]
    return files_digest({name.as_posix(): (folder / name).read_bytes() for name in proven})


def measured_file(root: Path, assignment: str) -> Path:
    """Where the figures of an assignment stand."""
    return root / "docs" / "measured" / f"{assignment}.json"


def write(
    root: Path,
    assignment: Assignment,
    verdicts: Sequence[Verdict],
    calibrations: Sequence[Calibration],
    settings: Settings,
) -> Path:
    """Write the figures of an audit and return the file."""
    path = measured_file(root, assignment.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = sorted(verdicts, key=lambda v: (v.trial.kind, v.trial.variant.id, v.trial.round))
    document = {
        "assignment": assignment.id,
        "digest": digest(assignment.folder),
        "datasets": settings.datasets_digest,
        "torch": torch.__version__,
        "sandbox": list(settings.layers),
        "faults": [f"{v.trial.kind} {v.trial.variant.id}: {v.fault}" for v in ordered if v.fault],
        "training": [_training_row(each) for each in calibrations],
        "diagnosis": _diagnosis(ordered),
        "programs": [_row(v) for v in ordered],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _diagnosis(verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
    """How the known mistakes were named: the figures, and those that were not named first."""
    known = [v for v in verdicts if v.trial.kind is Kind.MISTAKE]
    counts = Counter(v.named or "not named" for v in known)
    behind = {v.trial.variant.id: v.named or "not named" for v in known if v.named not in ("alone", "first")}
    return {"mistakes": len(known), **counts, "behind": behind}


def _training_row(each: Calibration) -> Mapping[str, Any]:
    figures = asdict(each) | {"gap": round(each.gap, 2), "spread": round(each.spread, 2)}
    infinite = {name: None for name, value in figures.items() if isinstance(value, float) and not math.isfinite(value)}
    return figures | infinite  # JSON has no infinity


def _row(v: Verdict) -> Mapping[str, Any]:
    return {
        "kind": v.trial.kind,
        "id": v.trial.variant.id,
        "secret": v.trial.round,
        "score": None if v.trial.kind is Kind.MISTAKE else v.grade.score,  # mistakes are tried on few checks
        "did_not_pass": list(v.caught_by),
    }
