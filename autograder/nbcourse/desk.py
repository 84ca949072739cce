"""The verb `sync`: what people did in formgrader comes here, our grades and reports go there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from autograder.course import load_assignment
from autograder.errors import UsageError
from autograder.feedback import Audience, setting_for
from autograder.gradebook import Book, open_book
from autograder.gradebook.decided import Decided
from autograder.gradebook.deciding import Author, Decision, decide
from autograder.gradebook.granting import term_of
from autograder.gradebook.marks import Mark
from autograder.limited import Helper
from autograder.names import shown
from autograder.nbcourse import database
from autograder.nbcourse.carrier import PLACEHOLDER
from autograder.nbcourse.merging import Conflict, Merged, Place, Side, merged
from autograder.nbcourse.places import HANDED, Base, Places, read_base, read_plain_file, write_base, write_folder
from autograder.nbcourse.reports import PAGE, Reporter
from autograder.nbcourse.rubric import WRITTEN, Item, items_of
from autograder.notebooks import MAX_NOTEBOOK
from autograder.records import Assignment, CheckResult, EntryKind, Grade, Outcome, Term

_WHY = "marked in formgrader"


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did."""

    taken: tuple[Place, ...]
    """Decisions of formgrader that are lines of marks.jsonl now."""
    given: tuple[Place, ...]
    """Decisions of marks.jsonl that formgrader shows now."""
    conflicts: tuple[Conflict, ...]
    students: tuple[str, ...]
    """Whose grades and reports were written."""
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Course:
    """Everything that one sync goes by."""

    book: Book
    places: Places
    assignment: Assignment
    term: Term
    items: tuple[Item, ...]

    @property
    def checks(self) -> dict[str, str]:
        """Cell -> check."""
        return {item.cell: item.check for item in self.items}

    @property
    def cells(self) -> dict[str, str]:
        """Check -> cell."""
        return {item.check: item.cell for item in self.items}


def course_of(root: Path, assignment: str) -> _Course:
    """What a sync of `assignment` goes by. UsageError, ConfigurationError, LedgerError."""
    book = open_book(root)
    term = term_of(book.course, assignment)
    loaded = load_assignment(root / "solutions" / assignment)
    return _Course(book, Places.of(root), loaded, term, items_of(loaded))


def sync(
    root: Path,
    assignment: str,
    author: Author,
    *,
    take: Side | None = None,
    done: Callable[[str], None] = lambda _: None,
) -> Synced:
    """Bring an assignment and nbgrader's database together, both ways; `author` is named for what comes from there."""
    course = course_of(root, assignment)
    grades = course.book.grades[assignment]
    with course.places.open() as book:
        database.enrol(book, course.book.roster)
        database.lay_out(book, course.term, course.items)
        database.admit(book, assignment, sorted(grades))
        seen = database.read(book, assignment)
        found = _merged(course, seen, take)
        taken, remarks = _take(course, found, author)
        course = replace(course, book=open_book(root))  # marks count what was just taken
        marks = {student: course.book.standing(student, author.at).mark(assignment) for student in grades}
        given = _given(course, found, seen.elsewhere)
        with Helper("autograder.notebooks.answers") as helper:
            answers = {student: answer_of(course, grade, helper) for student, grade in grades.items()}
        rows = [_scores(course, grades[s], marks[s], given.get(s, {}), answered=bool(answers[s])) for s in grades]
        database.write(book, course.term, rows)
    write_base(root, assignment, Base(found.agreed, seen.rows))
    write_reports(course, grades.values(), marks, answers, author.at, done)
    remarks += _whole_points(course.book.decided, assignment)
    return Synced(tuple(taken), tuple(found.there), found.conflicts, tuple(sorted(grades)), tuple(remarks))


def _merged(course: _Course, seen: database.Seen, take: Side | None) -> Merged:
    """The three sides in our own words: checks, not cells."""
    base = read_base(course.book.course.root, course.assignment.id)
    before = {place: value for place, value in base.decisions.items() if _same_row(base, seen, place.student)}
    there = {_named(place, course.checks): value for place, value in seen.decisions.items()}
    return merged(before, there, _decisions(course.book, course.assignment.id), seen.rows.keys(), take)


def _same_row(base: Base, seen: database.Seen, student: str) -> bool:
    """Whether the student's row is still the one of the last sync; else an empty one would withdraw their marks."""
    return base.rows.get(student) == seen.rows.get(student)


def _named(place: Place, names: Mapping[str, str]) -> Place:
    return replace(place, check=names.get(place.check, place.check)) if place.check else place


def _decisions(book: Book, assignment: str) -> dict[Place, str]:
    """What is in force here, but points of the whole, which no cell of formgrader can show."""
    found: dict[Place, str] = {}
    for (id_, student), by_hand in book.decided.items():
        if id_ != assignment:
            continue
        found |= {
            Place(student, EntryKind.POINTS, check): e.value or "" for check, e in by_hand.points.items() if check
        }
        found |= {Place(student, EntryKind.COMMENT, check): e.value or "" for check, e in by_hand.comments.items()}
        if by_hand.extra:
            found[Place(student, EntryKind.EXTRA, "")] = by_hand.extra.value or ""
    return found


def _take(course: _Course, found: Merged, author: Author) -> tuple[list[Place], list[str]]:
    """Add what formgrader says to marks.jsonl; what cannot be meant is a remark."""
    taken: list[Place] = []
    remarks: list[str] = []
    for place, value in found.here.items():
        said = "" if value is None else value
        is_kind = {kind: said if place.kind is kind else None for kind in EntryKind}
        decision = Decision(
            place.check, is_kind[EntryKind.POINTS], is_kind[EntryKind.EXTRA], is_kind[EntryKind.COMMENT], _WHY
        )
        try:
            decide(course.book, course.assignment.id, place.student, decision, author)
        except UsageError as error:
            remarks.append(f"not taken from formgrader: {shown(str(place))}: {error}")
        else:
            taken.append(place)
    return taken, remarks


def _given(course: _Course, found: Merged, elsewhere: Mapping[str, Decimal]) -> dict[str, dict[Place, str | None]]:
    """Student -> what formgrader is to show: its cells, and extra points without those that stand on other cells."""
    given: dict[str, dict[Place, str | None]] = {}
    for place, value in found.there.items():
        said = given.setdefault(place.student, {})
        if place.kind is EntryKind.EXTRA:
            rest = Decimal(value or 0) - elsewhere.get(place.student, Decimal())
            said[place] = f"{rest:f}" if rest else None
        else:
            said[_named(place, course.cells)] = value
    return given


def _scores(
    course: _Course, grade: Grade, mark: Mark, by_hand: Mapping[Place, str | None], *, answered: bool
) -> database.Scores:
    when = grade.handed_in
    granted = next(
        (e for e in course.book.granted if (e.student, e.assignment) == (grade.student, grade.assignment)), None
    )
    cells = course.cells
    return database.Scores(
        student=grade.student,
        points={cells[each.id]: _settled(each) for each in grade.results if each.id in cells},
        penalty=float(mark.raw - mark.points),
        handed_in=when.at if when is not None and when.source == "nbgrader's timestamp.txt" else None,
        extension=granted.until - course.term.due if granted is not None and granted.until is not None else None,
        waits=answered and course.term.written > 0,
        by_hand=by_hand,
    )


def _settled(result: CheckResult) -> int | None:
    return None if result.outcome is Outcome.GRADER_ERROR else result.earned


def _whole_points(decided: Mapping[tuple[str, str], Decided], assignment: str) -> list[str]:
    return [
        f"{shown(student)}: all points were set to {by_hand.points[''].value} by hand, which formgrader cannot show"
        for (id_, student), by_hand in decided.items()
        if id_ == assignment and "" in by_hand.points
    ]


def write_reports(
    course: _Course,
    grades: Iterable[Grade],
    marks: Mapping[str, Mark],
    answers: Mapping[str, str],
    now: datetime,
    done: Callable[[str], None],
) -> None:
    """Write the folders of `autograded/`, which formgrader shows."""
    root, id_ = course.book.course.root, course.assignment.id
    setting = setting_for(root, course.assignment, Audience.TA, now, published=False)
    with Helper("autograder.feedback.colours") as colours:
        reporter = Reporter(setting, course.term, root / "results" / id_, colours)
        for grade in grades:
            made = reporter.folder(grade, marks[grade.student].calculation, answers[grade.student])
            files = {f"{id_}.ipynb": made.notebook.encode(), PAGE: made.page.encode()}
            files |= _handed(course.places.submitted(grade.student, id_))
            write_folder(course.places.autograded(grade.student, id_), files)
            done(grade.student)


def _handed(folder: Path) -> dict[str, bytes]:
    """The time that nbgrader's exchange wrote, as it is."""
    content = read_plain_file(folder / HANDED[0], 200)
    return {} if content is None else {HANDED[0]: content}


def answer_of(course: _Course, grade: Grade, answers: Helper) -> str:
    """What a student wrote under the task cell; empty where there is nothing that can be read."""
    path = course.places.submitted(grade.student, grade.assignment) / f"{grade.assignment}.ipynb"
    content = read_plain_file(path, MAX_NOTEBOOK)
    if content is None:
        return ""
    text = None
    with suppress(UnicodeDecodeError):
        text = answers({"notebook": content.decode(), "task": WRITTEN, "placeholder": PLACEHOLDER})
    return text if isinstance(text, str) else ""
