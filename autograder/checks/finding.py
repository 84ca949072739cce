"""How a check says that it did not pass: an exception that carries a `Finding`.

The message goes to the student and holds no hidden value; `detail` goes to the TA and, for a public check, to the
student.
"""

from __future__ import annotations

from typing import Literal, NoReturn

from autograder.records import Finding

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

    def __str__(self) -> str:
        return self.finding.message


def fail(kind: Kind, message: str, *, hint: str = "", detail: str = "", where: str = "") -> NoReturn:
    """Raise `CheckFailure`; `message` is for the student, `detail` for the TA."""
    raise CheckFailure(Finding(kind=kind, message=message, where=where, hint=hint, detail=detail))


def check_that(condition: bool, message: str, *, kind: Kind = "property", hint: str = "") -> None:
    """Raise `CheckFailure` with `message` unless `condition` holds; an `assert` that explains itself."""
    if not condition:
        fail(kind, message, hint=hint)
