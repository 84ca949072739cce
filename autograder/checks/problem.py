"""Why a case of a check did not pass, told from the exception that came out of it."""

from __future__ import annotations

from dataclasses import dataclass

from autograder.checks.exceptions import finding_of_exception
from autograder.checks.finding import CheckFailure
from autograder.errors import SandboxError, WireError
from autograder.records import NOT_WRITTEN, Finding, Outcome
from autograder.sandbox.faults import CannotCross, ChildEnded, StudentError


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a case did not pass, and whether that is for certain."""

    outcome: Outcome
    finding: Finding
    cause: BaseException

    @property
    def ended(self) -> bool:
        """The worker is gone."""
        return isinstance(self.cause, ChildEnded)

    @property
    def final(self) -> bool:
        """Another precision would end the same way, as in a part that is not written; with halves, memory may do."""
        unwritten = (self.finding.kind, self.finding.message) == ("missing", NOT_WRITTEN)
        return unwritten or (self.ended and self.outcome is not Outcome.OUT_OF_MEMORY)


KEEPS_ITS_GRAPH = (
    "A loss that is kept keeps the graph that made it: append `loss.item()`, not `loss`. Whatever else is kept from "
    "step to step adds up, too."
)


CUT_OFF = Problem(
    Outcome.GRADER_ERROR,
    Finding("grader", "The grader failed; a human will look.", detail="a case of this check was cut off"),
    SandboxError("a case of this check was cut off"),
)


_NO_ANSWER_RAISES = NameError, ImportError, SyntaxError
"""What a student raises comes as a `StudentError`: these are slips of a check's, or of the engine's, own lines.

The reference need not meet them, so that blame by re-run does not find them: words for a wrong answer, say.
"""


def problem_of(error: BaseException) -> Problem:
    """Return what an exception that came out of a check means."""
    if isinstance(error, CheckFailure):
        return Problem(Outcome.FAILED, error.finding, error)
    if isinstance(error, StudentError):
        return Problem(Outcome.FAILED, finding_of_exception(error), error)
    if isinstance(error, ChildEnded):
        kind = "waited" if error.waited else "limit"
        hint = KEEPS_ITS_GRAPH if error.outcome is Outcome.OUT_OF_MEMORY else ""
        words = f"Your code did not answer: {error}."
        return Problem(error.outcome, Finding(kind, words, hint=hint, detail=error.detail), error)
    if isinstance(error, WireError | CannotCross):
        return Problem(Outcome.FAILED, Finding("malformed", f"Your code's answer cannot be read: {error}."), error)
    if isinstance(error, SandboxError):
        return _ours(error, str(error))
    words = f"{type(error).__name__}: {error}"
    if isinstance(error, _NO_ANSWER_RAISES):
        return _ours(error, words)
    return Problem(Outcome.FAILED, Finding("structure", _what_does_not_work(error), detail=words), error)


def _ours(error: BaseException, detail: str) -> Problem:
    finding = Finding("grader", "The grader failed; a human will look.", detail=detail)
    return Problem(Outcome.GRADER_ERROR, finding, error)


def _what_does_not_work(error: BaseException) -> str:
    """What a check stumbled over when it took an answer apart, told from Python's own words."""
    words = str(error)
    if isinstance(error, TypeError | AttributeError) and "NoneType" in words:
        return "There is None where this check needs a value (is a return missing?)."
    if isinstance(error, TypeError | ValueError) and "unpack" in words:
        return "Your answer has more or fewer parts than this check needs (one tensor for a tuple, or the reverse?)."
    return "Your answer is not what this check can work with."
