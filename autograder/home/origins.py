"""Which line of the student's made a tensor on the CPU, followed through all that is made of it.

Told by storages: a view, and what is filled where it stands, share one with what was made first. What was moved to the
CPU in so many words (`.cpu()`, `.to("cpu")`) lies there on purpose, and so does what it is put into.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the student's."""

    file: str
    number: int
    function: str


ON_PURPOSE = Line("", 0, "")
"""Whoever wrote it wanted it on the CPU."""


@dataclass
class Origins:
    """What is known about the tensors on the CPU."""

    folder: str = ""
    """Where the student's files are; empty: nobody's lines are looked for."""
    _lines: dict[int, tuple[StorageWeakRef, Line]] = field(default_factory=dict)
    """By a storage's address, which is nobody else's as long as there is a reference to it, weak as it may be."""

    def note(self, made: Iterable[Tensor], of: Iterable[Tensor], *, moved: bool, met: bool) -> None:
        """Remember where tensors on the CPU come from that were made of others there.

        `met`: of some on the GPU, too; `moved`: and the CPU was asked for.
        """
        known = [origin for tensor in of if (origin := self.of(tensor)) is not None]
        if moved or ON_PURPOSE in known:
            line: Line | None = ON_PURPOSE
        elif known or met:
            line = known[0] if known else None
        else:
            line = self._here()
        for tensor in made:
            if line is not None and tensor.layout is torch.strided and self.of(tensor) is not line:
                reference = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
                self._lines[reference.cdata] = reference, line

    def of(self, tensor: Tensor) -> Line | None:
        """The line that made a tensor on the CPU, ON_PURPOSE, or None where that is not known."""
        known = self._lines.get(tensor.untyped_storage()._cdata) if tensor.layout is torch.strided else None
        return None if known is None else known[1]

    def forget(self) -> None:
        """Begin anew."""
        self._lines.clear()

    def _here(self) -> Line | None:
        """The innermost line of the student's that runs now."""
        frame = sys._getframe(1) if self.folder else None
        while frame is not None:
            code = frame.f_code
            if code.co_filename.startswith(self.folder):
                return Line(Path(code.co_filename).name, frame.f_lineno, code.co_name)
            frame = frame.f_back
        return None
