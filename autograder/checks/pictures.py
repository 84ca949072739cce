"""What a check wants seen: the student's answer beside the right one, as numbers that a page can draw.

Values of a wrong answer are drawn without being asked (`same`, `same_gradients`). A check that has more to say of its
numbers (tokens beside an attention map, patches that make a photograph) calls one of the `show_` functions before it
compares. Pictures hold values, so those of a hidden check stay with whoever grades.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from autograder.checks.answers import is_plain_tensor
from autograder.records import Panel, Picture, PictureKind
from autograder.sandbox.remote import Remote, handle_session

MOST_ROWS, MOST_COLUMNS = 24, 32
"""Of a map; of a larger one the part that holds the first difference is kept."""
MOST_PIXELS = 48
"""Of an image, a side."""
MOST_PLACES = 200
"""Of a curve."""
MOST_PICTURES = 2
"""Of one case."""
FEWEST_STEPS = 4
"""Steps from which on gradients over time make a curve."""
DIGITS = 3
"""Significant digits that are kept: a shade shows no more."""

YOURS, EXPECTED = "yours", "expected"


def show_map(
    student: Remote,
    title: str,
    got: object,
    expected: object = None,
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    x: str = "",
    y: str = "",
) -> None:
    """Show a matrix, and the right one beside it, as shades; `rows` and `columns` label it, with tokens say.

    An answer that is no matrix is not shown: what it is, the comparison says.
    """
    _show(student, PictureKind.HEAT, title, _panels(got, expected), rows=rows, columns=columns, x=x, y=y)


def map_of(
    title: str, values: object, *, rows: Sequence[str] = (), columns: Sequence[str] = (), x: str = "", y: str = ""
) -> Picture:
    """A picture of one matrix, for `illustrations.py`; arguments as in `show_map`. Without panels it shows nothing."""
    labels = (tuple(rows[:MOST_ROWS]), tuple(columns[:MOST_COLUMNS]))
    return Picture(PictureKind.HEAT, title, _panels(values, None), *labels, x, y)


def image_of(title: str, pixels: object) -> Picture:
    """A picture of pixels (H, W) or (C, H, W), for `illustrations.py`."""
    return Picture(PictureKind.IMAGE, title, _panels(_grey(pixels), None, side=MOST_PIXELS))


def show_image(student: Remote, title: str, got: object, expected: object = None) -> None:
    """Show pixels (H, W) or (C, H, W), and the right ones beside them, in grey."""
    _show(student, PictureKind.IMAGE, title, _panels(_grey(got), _grey(expected), side=MOST_PIXELS))


def show_curves(student: Remote, title: str, curves: Mapping[str, object], *, x: str = "", y: str = "") -> None:
    """Show curves over the places 0, 1, 2, ...: name -> tensor or numbers."""
    panels = tuple(Panel(name, (_row(values),)) for name, values in curves.items())
    _show(student, PictureKind.LINES, title, tuple(panel for panel in panels if panel.values[0]), x=x, y=y)


def difference_picture(name: str, got: Tensor, expected: Tensor, wrong: Tensor) -> tuple[Picture, ...]:
    """A wrong answer beside the right one: of more than two axes the matrix with the first difference."""
    if wrong.ndim == 0 or wrong.numel() < 2 or not bool(wrong.any()):
        return ()
    first = torch.unravel_index(wrong.flatten().to(torch.uint8).argmax(), wrong.shape)
    index = tuple(int(place) for place in first)[: max(0, wrong.ndim - 2)]
    mine, right = (each[index].reshape(-1, each.shape[-1]) for each in (got, expected))
    row, column = (int(first[-2]) if wrong.ndim > 1 else 0), int(first[-1])
    down, across = _window(row, mine.shape[0], MOST_ROWS), _window(column, mine.shape[1], MOST_COLUMNS)
    panels = (Panel(YOURS, _values(mine[down, across])), Panel(EXPECTED, _values(right[down, across])))
    spans = (down, across)[-min(2, wrong.ndim) :]
    sizes = wrong.shape[len(index) :]
    place = [str(each) for each in index] + [_span(*each) for each in zip(spans, sizes, strict=True)]
    return (Picture(PictureKind.HEAT, f"{name or 'answer'}[{', '.join(place)}]", panels),)


def gradient_picture(name: str, got: Tensor, expected: Tensor, wrong: Tensor) -> tuple[Picture, ...]:
    """A wrong gradient; of one over time (B, T, features) the norm at each step, which shows how far it reaches."""
    if got.ndim == 3 and got.shape[1] >= FEWEST_STEPS:
        norms = [each.transpose(0, 1).flatten(1).norm(dim=1) for each in (got, expected)]
        panels = tuple(Panel(who, (_row(each),)) for who, each in zip((YOURS, EXPECTED), norms, strict=True))
        return (Picture(PictureKind.LINES, name, panels, x="step", y="norm of the gradient"),)
    return difference_picture(name, got, expected, wrong)


def _show(
    student: Remote,
    kind: PictureKind,
    title: str,
    panels: tuple[Panel, ...],
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    x: str = "",
    y: str = "",
) -> None:
    session = handle_session(student)
    if panels and len(session.pictures) < MOST_PICTURES:
        labels = (tuple(rows[:MOST_ROWS]), tuple(columns[:MOST_COLUMNS]))
        session.pictures += (Picture(kind, title, panels, *labels, x, y),)


def _panels(got: object, expected: object, side: int = 0) -> tuple[Panel, ...]:
    height, width = side or MOST_ROWS, side or MOST_COLUMNS
    named = ((YOURS, got), (EXPECTED, expected))
    return tuple(
        Panel(name, _values(value.detach()[:height, :width]))
        for name, value in named
        if is_plain_tensor(value) and value.ndim == 2 and value.numel()
    )


def _grey(value: object) -> object:
    if is_plain_tensor(value) and value.ndim == 3:
        return value.detach().to(torch.float64).mean(0)
    return value


def _values(matrix: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(_row(line) for line in matrix.to("cpu", torch.float64))


def _row(values: object) -> tuple[float, ...]:
    """Numbers with DIGITS significant digits."""
    if isinstance(values, Tensor):
        values = values.detach().flatten().tolist() if is_plain_tensor(values) and not values.is_complex() else ()
    items = list(values)[:MOST_PLACES] if isinstance(values, list | tuple) else []
    return tuple(float(f"{float(item):.{DIGITS}g}") for item in items if isinstance(item, bool | int | float))


def _window(place: int, size: int, most: int) -> slice:
    """At most `most` places around `place`, of `size`."""
    start = 0 if size <= most else min(max(0, place - most // 2), size - most)
    return slice(start, min(size, start + most))


def _span(part: slice, size: int) -> str:
    return ":" if part.stop - part.start == size else f"{part.start}:{part.stop}"
