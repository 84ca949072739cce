"""What can go wrong on the student's side, as data: an exception of theirs, or the end of their process."""

from __future__ import annotations

from collections.abc import Iterator

from autograder.errors import WireError
from autograder.records import Outcome


class StudentFault(Exception):
    """Something on the student's side went wrong; a check that does not expect it has failed."""


class StudentError(StudentFault):
    """An exception of the submission, as data."""

    def __init__(self, type_names: tuple[str, ...], message: str, frames: tuple[tuple[str, int, str], ...]) -> None:
        super().__init__(f"{type_names[0]}: {message}" if message else type_names[0])
        self.type_names = type_names
        """Names along the method resolution order, the exception's own first."""
        self.message = message
        self.frames = frames
        """File, line and function in the student's own files, outermost first."""

    @property
    def where(self) -> str:
        """`rnn.py, line 31, in rnn_cell`; empty where no frame is the student's."""
        if not self.frames:
            return ""
        file, line, function = self.frames[-1]
        return f"{file}, line {line}" + ("" if function == "<module>" else f", in {function}")


class ChildEnded(StudentFault):
    """The child process is gone: it crashed, ran out of a limit, or ended itself."""

    def __init__(self, outcome: Outcome, message: str, *, waited: bool = False) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.waited = waited
        """True where the wall clock ended a child that used no CPU: to be measured again alone."""


def student_fault(document: object) -> StudentFault:
    """Return an error's document as the exception that it means; raises WireError for one that means nothing."""
    if not isinstance(document, dict):
        raise WireError("an error that says nothing")
    names = document.get("types")
    type_names = (
        tuple(words(name)[:120] for name in names[:32]) if isinstance(names, list) and names else ("Exception",)
    )
    message = words(document.get("message"))[:2000]
    if document.get("out_of_memory") is True:
        return ChildEnded(Outcome.OUT_OF_MEMORY, f"it asked for more memory than it may use ({message[:120]})")
    return StudentError(type_names, message, tuple(_frames(document.get("frames"))))


def _frames(frames: object) -> Iterator[tuple[str, int, str]]:
    for frame in frames if isinstance(frames, list) else ():
        if isinstance(frame, list) and len(frame) == 3 and isinstance(frame[1], int):
            yield words(frame[0])[:80], frame[1], words(frame[2])[:80]


def printable(text: str) -> str:
    """Text from the other side without control characters, so that it can move no terminal's cursor."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def words(text: object) -> str:
    """Return text from the other side, cut to a length that can be shown."""
    return printable(str(text)[:4000])
