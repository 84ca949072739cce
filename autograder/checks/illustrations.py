"""What an assignment draws of a submission beside its checks: the functions of its `illustrations.py`.

A picture decides nothing, so no proof depends on that file. When `test_name` is through, `name(...)` is called twice,
for the student and with the reference in the student's place, and both pictures stand beside each other on the page.
It takes, by name,

    student    the submission behind its proxy, in a child of its own that has seen no input of a check
    reference  the solution
    trained    what the check's last training returned; without a training there is no picture
    draw       the check's own stream, from its start: the same first draws give the same secret codes
    dataset    the data of the course

and returns a `Picture`, or None. Students see it of hidden checks, too: it is made of public examples alone.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autograder.checks.pictures import EXPECTED
from autograder.course.illustrations import ILLUSTRATIONS
from autograder.records import Picture
from autograder.sandbox.loading import import_apart

_LOG = logging.getLogger(__name__)

Makers = Mapping[str, Callable[[], Any]]
"""What a function may ask for, made when it does."""


@dataclass
class Illustrations:
    """The functions of one assignment; read when the first check is through."""

    folder: Path
    _functions: dict[str, Callable[..., Picture | None]] | None = None
    _right: dict[bytes, Picture | None] = field(default_factory=dict)
    """Key of a check's draws -> the right picture, which is the same for all submissions."""

    def __contains__(self, check: str) -> bool:
        return check in self._known()

    def of(self, check: str, key: bytes, yours: Makers, right: Makers) -> tuple[Picture, ...]:
        """The picture of a check with the right one beside it; none where the submission leaves nothing to draw."""
        function = self._known()[check]
        mine = _drawn(function, yours)
        if isinstance(mine, Exception) or mine is None:
            return ()
        if key not in self._right:
            expected = _drawn(function, right)
            if isinstance(expected, Exception):
                _LOG.warning("%s cannot draw %s of the solution: %s", ILLUSTRATIONS, check, expected)
            self._right[key] = None if isinstance(expected, Exception) else expected
        beside = self._right[key]
        panels = tuple(replace(panel, name=EXPECTED) for panel in beside.panels) if beside else ()
        return (replace(mine, panels=mine.panels + panels, public=True),)

    def _known(self) -> dict[str, Callable[..., Picture | None]]:
        if self._functions is None:
            found: dict[str, Callable[..., Picture | None]] = {}
            if (self.folder / ILLUSTRATIONS).is_file():
                module = import_apart([self.folder], ILLUSTRATIONS.removesuffix(".py"))
                for name, value in vars(module).items():
                    if inspect.isfunction(value) and value.__module__ == module.__name__ and name[0] != "_":
                        found[f"test_{name}"] = value
            self._functions = found
        return self._functions


def _drawn(function: Callable[..., Picture | None], makers: Makers) -> Picture | Exception | None:
    """What a function draws, or why it draws nothing."""
    try:
        values = {name: makers[name]() for name in inspect.signature(function).parameters}
        picture = None if values.get("trained", function) is None else function(**values)
    except Exception as error:  # noqa: BLE001 - whatever a picture fails for, the result of the check stands
        return error
    return picture if isinstance(picture, Picture) and picture.panels else None
