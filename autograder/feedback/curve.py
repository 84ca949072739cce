"""Losses of a training as a small chart: pure arithmetic from numbers to places in a box."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autograder.feedback.pieces import Chart, Score, Tick

WIDTH, HEIGHT = 600, 220
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 14, 40
FEWEST = 8
"""Steps that make a curve; a check of three steps has none."""
MOST_POINTS = 48
"""Points of a curve, each the mean of its stretch.

The losses are what the submission returned. Drawn this coarsely they carry a shape and no hidden numbers."""
WIDE = 20.0
"""From this ratio of the largest to the smallest value on, the axis is logarithmic."""
AT_MOST = ", at most"
SMALLEST, LARGEST = 1e-30, 1e30
"""Sizes outside are drawn as nothing and as infinite."""
DECADES = 12
"""Of a logarithmic axis, below its top."""


def scores_of(figures: Mapping[str, float]) -> tuple[Score, ...]:
    """The scores among a check's figures that have a bound."""
    return tuple(
        Score(name, short(value), short(figures[name + AT_MOST]), value <= figures[name + AT_MOST])
        for name, value in figures.items()
        if name + AT_MOST in figures
    )


FEWEST_RIGHT = 5
"""Right submissions that make a band: of fewer, a band would show one student's curve to another."""


@dataclass(frozen=True, slots=True)
class Band:
    """Between which losses the curves of right submissions lie, a pair for each of their stretches."""

    steps: int
    edges: tuple[tuple[float, float], ...]


def band_of(curves: Sequence[Sequence[float]]) -> Band | None:
    """The middle four fifths of these curves, the longest kind; None where FEWEST_RIGHT are not there."""
    steps = max(map(len, curves), default=0)
    means = [_means(curve) for curve in curves if len(curve) == steps]
    finite = [each for each in means if all(abs(mean) < LARGEST for _, mean in each)]
    if steps < FEWEST or len(finite) < FEWEST_RIGHT:
        return None
    stretches = [sorted(each[n][1] for each in finite) for n in range(len(finite[0]))]
    return Band(steps, tuple((_at(values, 0.1), _at(values, 0.9)) for values in stretches))


def _at(values: Sequence[float], part: float) -> float:
    """The value at `part` of the way through sorted `values`, between two of them where it falls there."""
    place = part * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])


def chart_of(curve: Sequence[float], figures: Mapping[str, float], band: Band | None = None) -> Chart | None:
    """The chart of a training with its bound, where that is a loss, too; None where there is nothing to see.

    A band of right submissions is drawn where it is of as many steps.
    """
    places = [(step, mean) for step, mean in _means(curve) if abs(mean) < LARGEST] if len(curve) >= FEWEST else []
    if len(places) < FEWEST:
        return None
    bound, score = _bound(figures)
    edges = band.edges if band and band.steps == len(curve) else ()
    values = [mean for _, mean in places] + [value for value in (bound, score) if value is not None]
    values += [value for edge in edges for value in edge]
    axis = Axis.around(values)
    steps = len(curve)

    def x(step: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * step / max(1, steps - 1), 1)

    def tick(value: float | None) -> Tick | None:
        return None if value is None else Tick(axis.place(value), short(value))

    middles = [step for step, _ in _means(curve)]
    around = [(step, low) for step, (low, _) in zip(middles, edges, strict=False)]
    around += reversed([(step, high) for step, (_, high) in zip(middles, edges, strict=False)])
    return Chart(
        width=WIDTH,
        height=HEIGHT,
        points=" ".join(f"{x(step):g},{axis.place(mean):g}" for step, mean in places),
        band=" ".join(f"{x(step):g},{axis.place(value):g}" for step, value in around),
        x_ticks=tuple(Tick(x(step), str(step + 1)) for step in (0, (steps - 1) // 2, steps - 1)),
        y_ticks=axis.ticks(),
        logarithmic=axis.logarithmic,
        bound=tick(bound),
        score=tick(score),
        steps=steps,
        first=short(places[0][1]),
        last=short(places[-1][1]),
        unfinished=not all(abs(value) < LARGEST for value in curve),
    )


def short(value: float) -> str:
    """`value` with three significant digits."""
    return "not a number" if math.isnan(value) else "infinite" if math.isinf(value) else f"{value:.3g}"


def _means(curve: Sequence[float]) -> list[tuple[float, float]]:
    """The middle and the mean of at most MOST_POINTS stretches of equal length."""
    count = min(MOST_POINTS, len(curve))
    edges = [round(n * len(curve) / count) for n in range(count + 1)]
    return [((a + b - 1) / 2, sum(curve[a:b]) / (b - a)) for a, b in itertools.pairwise(edges)]


def _bound(figures: Mapping[str, float]) -> tuple[float | None, float | None]:
    """Bound and score of the first bounded figure that is a loss: other scores have other units."""
    for name, value in figures.items():
        bound = figures.get(name + AT_MOST)
        if bound is not None and "loss" in name and abs(bound) < LARGEST:
            return bound, value if abs(value) < LARGEST else None
    return None, None


class Axis:
    """A vertical axis, linear or logarithmic."""

    def __init__(self, low: float, high: float, *, logarithmic: bool) -> None:
        self.low, self.high, self.logarithmic = low, high, logarithmic

    @staticmethod
    def around(values: Sequence[float]) -> Axis:
        """The axis that holds these values, logarithmic where they are far apart."""
        low, high = (value if abs(value) > SMALLEST else 0.0 for value in (min(values), max(values)))
        if low > 0 and high / low > WIDE:
            power = math.ceil(math.log10(high))
            return Axis(10.0 ** max(math.floor(math.log10(low)), power - DECADES), 10.0**power, logarithmic=True)
        span = high - low
        step = _nice_step(span if span > 1e-6 * max(abs(high), abs(low)) else abs(high) or 1.0)
        bottom, top = step * math.floor(low / step), step * math.ceil(high / step)
        return Axis(bottom, top if top > bottom else bottom + step, logarithmic=False)

    def place(self, value: float) -> float:
        """How far from the top of the box a value lies."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        part = (self._scaled(value) - low) / (high - low or 1.0)
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(1.0, max(0.0, part))), 1)

    def ticks(self) -> tuple[Tick, ...]:
        """A few round values with their places."""
        if self.logarithmic:
            powers = range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)
            values = [10.0**power for power in powers][:: -(-len(powers) // 6)]
        else:
            step = _nice_step(self.high - self.low)
            values = [self.low + n * step for n in range(round((self.high - self.low) / step) + 1)]
        return tuple(Tick(self.place(value), f"{value:.6g}") for value in values)

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, self.low)) if self.logarithmic else value


def _nice_step(span: float) -> float:
    """A step of 1, 2 or 5 times a power of ten that divides `span` into about four."""
    power = 10.0 ** math.floor(math.log10(span / 4))
    return next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= 5)
