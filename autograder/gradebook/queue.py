"""What waits for a human: pure. The queue of `review`, which shrinks as people decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from autograder.gradebook.book import Book
from autograder.gradebook.decided import NOTHING_DECIDED, Decided, open_requests, scored
from autograder.records import CheckResult, EntryKind, Grade, JournalEntry, Outcome

CLOSE_TRAINING, CLOSE_VALUES = 1.25, 100.0
"""A failure is close where a score is at most this many times its bound, or an error so many times its tolerance."""
AT_MOST = ", at most"
TIMES_ALLOWED = "largest error / allowed"
"""The figure that `same` leaves of a wrong answer (checks/same.py, which needs torch)."""


class Why(StrEnum):
    """Why a human must look, the most pressing first."""

    REQUEST = "request"
    """A student asks to look again."""
    GRADER = "grader"
    """A fault of the grader: the points are open."""
    FLAG = "flag"
    """Something about the run or the hand-in."""
    CHANGED = "changed"
    """The checks give something else than when somebody decided."""
    CLOSE = "close"
    """A check failed, but not by far."""
    WRITTEN = "written"
    """A written answer has no points yet."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to look at."""

    why: Why
    assignment: str
    student: str
    check: str
    """Empty: the submission as a whole."""
    words: str
    """What there is to see, in a sentence."""
    request: int = 0
    """Number of the request; 0: it is none."""


def queue(book: Book, assignments: Sequence[str] = ()) -> tuple[Item, ...]:
    """What waits, requests first; of all assignments unless some are named."""
    by_hand, looked_at = book.decided, _looked_at(book)
    found = [
        item
        for id_, grades in book.grades.items()
        if not assignments or id_ in assignments
        for grade in grades.values()
        for item in _of(grade, by_hand.get((id_, grade.student), NOTHING_DECIDED))
        if (item.assignment, item.student, item.check, item.words) not in looked_at
    ]
    found += _written_answers(book, assignments, looked_at)
    asked = [
        Item(Why.REQUEST, each.assignment, each.student, each.check, each.value or "", each.number)
        for each in open_requests(book.entries)
        if not assignments or each.assignment in assignments
    ]
    order = list(Why)
    return tuple(sorted([*asked, *found], key=lambda item: (order.index(item.why), item.assignment, item.student)))


def _written_answers(
    book: Book, assignments: Sequence[str], looked_at: frozenset[tuple[str, str, str, str | None]]
) -> Iterator[Item]:
    """Written answers (`written` in course.yml) for which nobody has given points, of whom a grade is known."""
    for term in book.course.terms:
        words = f"the written answer waits for points, at most {term.written}"
        if not term.written or (assignments and term.id not in assignments):
            continue
        for student in book.grades.get(term.id, {}):
            by_hand = book.decided.get((term.id, student), NOTHING_DECIDED)
            settled = by_hand.extra is not None or "" in by_hand.points
            if not settled and (term.id, student, "", words) not in looked_at:
                yield Item(Why.WRITTEN, term.id, student, "", words)


def _of(grade: Grade, by_hand: Decided) -> Iterator[Item]:
    def item(why: Why, check: str, words: str) -> Item:
        return Item(why, grade.assignment, grade.student, check, words)

    for words in scored(grade, by_hand).attention:
        yield item(Why.CHANGED, _named(words, grade), words)
    if "" in by_hand.points:
        return  # all points were set: nothing of the parts matters any more
    ours = {result.id for result in grade.results if result.outcome is Outcome.GRADER_ERROR}
    for result in grade.results:
        if result.id in by_hand.points:
            continue
        if result.id in ours:
            yield item(Why.GRADER, result.id, result.finding.message if result.finding else "")
        elif words := close_call(result):
            yield item(Why.CLOSE, result.id, words)
        yield from (item(Why.FLAG, result.id, words) for words in _in_doubt(result))
    for words in grade.needs_human:
        if words not in ours:
            yield item(Why.FLAG, "", words)


def _in_doubt(result: CheckResult) -> Iterator[str]:
    """What a run left for a human to look at, whether the check passed or not."""
    yield from result.evidence.doubts
    if refused := result.evidence.banned_calls:
        yield f"called and refused: {', '.join(refused)}"


def _named(words: str, grade: Grade) -> str:
    return next((result.id for result in grade.results if words.startswith(f"{result.id} ")), "")


def close_call(result: CheckResult) -> str:
    """How a check failed by little, in words; empty where it did not."""
    if result.outcome is not Outcome.FAILED:
        return ""
    figures = result.evidence.figures
    for name, value in figures.items():
        bound = figures.get(name + AT_MOST)
        if bound is not None and bound < value <= CLOSE_TRAINING * bound:
            return f"{name} {value:.3g}, at most {bound:.3g} was asked for"
    times = figures.get(TIMES_ALLOWED)
    return f"the largest error is {times:.2g} times what is allowed" if times and times <= CLOSE_VALUES else ""


def _looked_at(book: Book) -> frozenset[tuple[str, str, str, str | None]]:
    """What somebody looked at and left as it is: assignment, student, check and the very words."""
    return frozenset(
        (entry.assignment, entry.student, entry.check, entry.value)
        for entry in book.entries
        if entry.kind is EntryKind.LOOKED
    )


def alike(book: Book, item: Item) -> tuple[str, ...]:
    """The other students whose check failed in the same way: one named mistake, else the same words; by name."""
    grades = book.grades.get(item.assignment, {})
    own = _mistake(grades.get(item.student), item.check)
    if own is None:
        return ()
    return tuple(
        student
        for student in sorted(grades)
        if student != item.student and _mistake(grades[student], item.check) == own
    )


def _mistake(grade: Grade | None, check: str) -> tuple[str, ...] | None:
    """What identifies a failure; None where there is none."""
    result = next((each for each in grade.results if each.id == check), None) if grade else None
    if result is None or result.outcome is Outcome.PASSED or result.finding is None:
        return None
    if result.diagnosis and result.diagnosis.certain:
        return ("named", *result.diagnosis.mistakes)
    return ("said", result.outcome, result.finding.message)


def comments_so_far(entries: Sequence[JournalEntry], assignment: str) -> tuple[str, ...]:
    """Comments that were made on this assignment, the last first, each once."""
    said = [each.value for each in entries if each.kind is EntryKind.COMMENT and each.assignment == assignment]
    return tuple(dict.fromkeys(text for text in reversed(said) if text))
