"""What people decided about one student's assignment, as it is in force: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from autograder.records import EntryKind, Grade, JournalEntry


@dataclass(frozen=True, slots=True)
class Decided:
    """The entries in force: the last one of each kind and check, unless it withdraws."""

    points: Mapping[str, JournalEntry] = field(default_factory=dict)
    """Check, or "" for the whole -> entry."""
    extra: JournalEntry | None = None
    comments: Mapping[str, JournalEntry] = field(default_factory=dict)
    answers: tuple[tuple[JournalEntry, JournalEntry], ...] = ()
    """Each regrade request that was answered, and its answer; the oldest first."""

    @property
    def said(self) -> tuple[tuple[str, str], ...]:
        """Check, or "" for the whole, and what people say to the student about it."""
        comments = ((check, entry.value or "") for check, entry in self.comments.items())
        answers = ((asked.check, f'"{asked.value}": {answer.value}') for asked, answer in self.answers)
        return (*comments, *answers)

    @property
    def gives_points(self) -> bool:
        """Whether there is something to count even where nothing was graded."""
        return "" in self.points or self.extra is not None


NOTHING_DECIDED = Decided()


@dataclass(frozen=True, slots=True)
class Scored:
    """What the checks and people give together, before lateness."""

    points: Decimal
    """At least 0; extra points included."""
    steps: tuple[str, ...]
    """How it came about."""
    attention: tuple[str, ...] = ()
    """Decisions that a human should look at again, since what they were about has changed."""


def decided(entries: Iterable[JournalEntry]) -> dict[tuple[str, str], Decided]:
    """What is in force for each assignment and student."""
    last: dict[tuple[str, str], dict[tuple[EntryKind, str], JournalEntry]] = {}
    asked: dict[int, JournalEntry] = {}
    answers: dict[tuple[str, str], list[tuple[JournalEntry, JournalEntry]]] = {}
    for entry in entries:
        last.setdefault((entry.assignment, entry.student), {})[entry.kind, entry.check] = entry
        if entry.kind is EntryKind.REQUEST:
            asked[entry.number] = entry
        elif entry.kind is EntryKind.ANSWER and entry.about in asked:
            answers.setdefault((entry.assignment, entry.student), []).append((asked[entry.about], entry))
    return {key: _in_force(each, tuple(answers.get(key, ()))) for key, each in last.items()}


def _in_force(
    last: Mapping[tuple[EntryKind, str], JournalEntry], answers: tuple[tuple[JournalEntry, JournalEntry], ...]
) -> Decided:
    def of(kind: EntryKind) -> dict[str, JournalEntry]:
        found = {check: entry for (each, check), entry in last.items() if each is kind and entry.value is not None}
        return dict(sorted(found.items()))

    return Decided(of(EntryKind.POINTS), of(EntryKind.EXTRA).get(""), of(EntryKind.COMMENT), answers)


def open_requests(entries: Iterable[JournalEntry]) -> tuple[JournalEntry, ...]:
    """The regrade requests that nobody has answered, the oldest first."""
    waiting: dict[int, JournalEntry] = {}
    for entry in entries:
        if entry.kind is EntryKind.REQUEST:
            waiting[entry.number] = entry
        elif entry.kind is EntryKind.ANSWER:
            waiting.pop(entry.about, None)
    return tuple(waiting.values())


def scored(grade: Grade | None, by_hand: Decided) -> Scored:
    """The points of an assignment with what people decided in the place of what was measured."""
    steps = [] if grade is None else [f"checks: {grade.score} of {grade.out_of}"]
    attention: list[str] = []
    points = Decimal(grade.score if grade else 0)
    for check, entry in by_hand.points.items():
        if check:
            points += _instead(check, entry, grade, steps, attention)
    if whole := by_hand.points.get(""):
        if whole.measured is not None and grade is not None and Decimal(whole.measured) != grade.score:
            attention.append(f"the checks gave {whole.measured} when {whole.who} set all points, now {grade.score}")
        points = Decimal(whole.value or 0)
        steps.append(f"set by {_who(whole)}: {whole.value}")
    if by_hand.extra:
        extra = Decimal(by_hand.extra.value or 0)
        points += extra
        steps.append(f"{extra:+f} by {_who(by_hand.extra)}")
    return Scored(max(points, Decimal()), tuple(steps), tuple(attention))


def _instead(check: str, entry: JournalEntry, grade: Grade | None, steps: list[str], attention: list[str]) -> Decimal:
    """What points by hand for one check add to those that were measured."""
    result = next((result for result in grade.results if result.id == check), None) if grade else None
    if result is None:
        attention.append(f"{entry.value} points by {_who(entry)} are for {check}, which has no result: not counted")
        return Decimal()
    given = min(Decimal(entry.value or 0), Decimal(result.points))
    steps.append(f"{check}: {given} instead of {result.earned} of {result.points}, by {_who(entry)}")
    if entry.measured is not None and Decimal(entry.measured) != result.earned:
        attention.append(f"{check} gave {entry.measured} when {entry.who} set it, now {result.earned}")
    return given - result.earned


def _who(entry: JournalEntry) -> str:
    return f"{entry.who}{f' ({entry.why})' if entry.why else ''}"
