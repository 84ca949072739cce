"""The comparison as one HTML file: a table of claims, and the plots behind them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.comparison.records import Claim, Plot, Verdict
from autograder.comparison.run import Comparison, counted
from autograder.feedback.render import render

MARKS = {Verdict.HELD: "right", Verdict.NOT_HELD: "wrong", Verdict.DEPENDS: "partly", Verdict.NOT_MEASURED: "not_run"}
"""How a verdict is coloured: the classes of the other pages."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot that is drawn."""

    plot: Plot
    source: str
    """A data: address."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the template shows."""

    language: str
    course: str
    whose: str
    models: tuple[tuple[str, tuple[Claim, ...]], ...]
    counts: tuple[tuple[str, int], ...]
    pictures: tuple[Picture, ...]
    missing: tuple[str, ...]
    minutes: float
    environment: str


def page_html(comparison: Comparison, course: str, environment: str) -> str:
    """Return the page. Needs matplotlib and Jinja2."""
    models = dict.fromkeys(claim.model for claim in comparison.claims)
    page = Page(
        "en",
        course,
        comparison.whose,
        tuple((model, tuple(c for c in comparison.claims if c.model == model)) for model in models),
        tuple((verdict.value, count) for verdict, count in counted(comparison.claims).items() if count),
        tuple(Picture(plot, draw(plot)) for plot in comparison.plots),
        comparison.missing,
        comparison.seconds / 60,
        environment,
    )
    return render("comparison.html", page, page.language, marks=MARKS, images=True)


def draw(plot: Plot) -> str:
    """Return the plot as an SVG in a data: address; curves differ in colour, in dash and in mark."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": plot.title, "font.size": 10}):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for curve, (dash, mark) in zip(plot.curves, _styles(len(plot.curves)), strict=True):
            few = len(curve.x) <= 12
            axes.plot(curve.x, curve.y, label=curve.name, linestyle=dash, marker=mark if few else None, linewidth=1.8)
        axes.set(xlabel=plot.x_label, ylabel=plot.y_label)
        if plot.log_x:
            axes.set_xscale("log", base=2 if plot.curves[0].x[0] == 16 else 10)
        if plot.log_y:
            axes.set_yscale("log")
        axes.grid(visible=True, alpha=0.25)
        axes.legend()
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


def _styles(count: int) -> Sequence[tuple[str, str]]:
    dashes, marks = ("-", "--", "-.", ":"), ("o", "s", "^", "D", "v")
    return [(dashes[n % len(dashes)], marks[n % len(marks)]) for n in range(count)]
