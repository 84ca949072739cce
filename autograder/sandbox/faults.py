"""What can go wrong on the student's side, as data: an exception of theirs, or the end of their process."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autograder.errors import WireError
from autograder.records import Outcome

MAX_NAME = 40
MAX_PATH = 80
MAX_LINE = 2**20
INNER = frozenset({"<module>", "<lambda>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
"""What Python calls functions that have no name."""


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


class CannotCross(StudentFault):
    """The answer is beyond what may cross the wire, and said so itself."""

    def __init__(self) -> None:
        super().__init__("it is larger, or nested more deeply, than any right answer can be")


class ChildEnded(StudentFault):
    """The child process is gone: it crashed, ran out of a limit, or ended itself."""

    def __init__(self, outcome: Outcome, message: str, *, waited: bool = False, detail: str = "") -> None:
        super().__init__(message)
        self.outcome = outcome
        self.detail = detail
        """The student's side's own words, which may hold hidden inputs."""
        self.waited = waited
        """True where the wall clock ended a child that used no CPU: to be measured again alone."""


def student_fault(document: object) -> StudentFault:
    """Return an error's document as the exception that it means; raises WireError for one that means nothing."""
    if not isinstance(document, dict):
        raise WireError("an error that says nothing")
    names = document.get("types")
    given = names[:32] if isinstance(names, list) and names else ["Exception"]
    type_names = tuple(plain_name(each, "Exception") for each in given)
    message = words(document.get("message"))[:2000]
    if document.get("out_of_memory") is True:
        return ChildEnded(Outcome.OUT_OF_MEMORY, "it asked for more memory than it may use", detail=message)
    if document.get("cannot_cross") is True:
        return CannotCross()
    return StudentError(type_names, message, tuple(_frames(document.get("frames"))))


def _frames(frames: object) -> Iterator[tuple[str, int, str]]:
    for frame in frames if isinstance(frames, list) else ():
        if isinstance(frame, list) and len(frame) == 3 and isinstance(frame[1], int) and 0 <= frame[1] < MAX_LINE:
            file, function = words(frame[0]), words(frame[2])
            if file.endswith(".py") and plain_name(file[:-3]):
                yield file, frame[1], function if function in INNER else plain_name(function, "<module>")


def plain_name(text: object, otherwise: str = "") -> str:
    """Return a name from the other side, `otherwise` for what is none.

    Names are made by the submission while it runs and reach the student even where its messages do not: they are short
    and hold no long number, so that hidden inputs cannot be read off them.
    """
    found = words(text)
    return found if len(found) <= MAX_NAME and found.isidentifier() and not re.search(r"\d{4}", found) else otherwise


def plain_path(text: object) -> str:
    """Return the name of a parameter (`layers.0.cell.weight`) from the other side, "..." for what is none.

    It, too, is made while the submission runs, and a number in it counts modules.
    """
    found = words(text)
    pieces = found.split(".")
    counts = [piece for piece in pieces if re.fullmatch("[0-9]{1,2}", piece)]
    is_short = len(found) <= MAX_PATH and len(counts) <= 3
    return found if is_short and all(piece in counts or plain_name(piece) for piece in pieces) else "..."


def printable(text: str) -> str:
    """Text from the other side without control characters, so that it can move no terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def words(text: object) -> str:
    """Return text from the other side, cut to a length that can be shown."""
    return printable(str(text)[:4000])
