"""How a check says that it did not pass: an exception that carries a `Finding`.

The message goes to the student and holds no hidden value; `detail` and pictures go to the TA and, for a public check,
to the student.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NoReturn

from autograder.records import Finding, Picture

Kind = Literal[
    "shape",
    "dtype",
    "values",
    "not_finite",
    "structure",
    "property",
    "exception",
    "missing",
    "banned",
    "training",
    "limit",
    "malformed",
    "loading",
]
"""The kinds that `records.Finding.kind` lists."""


class CheckFailure(AssertionError):
    """The student's answer is not right; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)  # the only argument, so that copies and pickles keep the finding
        self.finding = finding
        self.pictures: tuple[Picture, ...] = ()
        self.figures: Mapping[str, float] = {}

    def __str__(self) -> str:
        return self.finding.message


def fail(
    kind: Kind,
    message: str,
    *,
    hint: str = "",
    detail: str = "",
    where: str = "",
    pictures: Sequence[Picture] = (),
    figures: Mapping[str, float] | None = None,
) -> NoReturn:
    """Raise `CheckFailure`; `message` is for the student, `detail`, `pictures` and `figures` for the TA."""
    failure = CheckFailure(Finding(kind=kind, message=message, where=where, hint=hint, detail=detail))
    failure.pictures, failure.figures = tuple(pictures), figures or {}
    raise failure


def check_that(condition: bool, message: str, *, kind: Kind = "property", hint: str = "") -> None:
    """Raise `CheckFailure` with `message` unless `condition` holds; an `assert` that explains itself."""
    if not condition:
        fail(kind, message, hint=hint)
