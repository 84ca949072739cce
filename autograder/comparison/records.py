"""What a comparison consists of: claims with a verdict and its figure, and the curves and tables behind them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What the measurement says about a claim."""

    HELD = "held"
    NOT_HELD = "not held"
    DEPENDS = "depends"
    """It holds in one regime and not in another; the figure names both."""
    NOT_MEASURED = "not measured"
    """A file that it needs is missing or does not run; the figure says which."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of the course note about a model, and what was measured."""

    model: str
    is_strength: bool
    text: str
    verdict: Verdict
    figure: str
    """The numbers that the verdict rests on, in one sentence."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a plot: `y` over `x`."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """Curves over one axis, and what one is to see in them."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    caption: str
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What one measurement found."""

    claims: tuple[Claim, ...] = ()
    plots: tuple[Plot, ...] = ()


def strength(model: str, text: str, verdict: Verdict, figure: str) -> Claim:
    """A strength that the note names."""
    return Claim(model, True, text, verdict, figure)


def weakness(model: str, text: str, verdict: Verdict, figure: str) -> Claim:
    """A weakness that the note names."""
    return Claim(model, False, text, verdict, figure)


def held(condition: bool) -> Verdict:
    """HELD or NOT_HELD."""
    return Verdict.HELD if condition else Verdict.NOT_HELD


def among(*conditions: bool) -> Verdict:
    """HELD where all conditions hold, NOT_HELD where none does, else DEPENDS."""
    return Verdict.HELD if all(conditions) else Verdict.DEPENDS if any(conditions) else Verdict.NOT_HELD
