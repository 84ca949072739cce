"""The verb `report`: results and what was handed in become pages in a folder, one folder an audience."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from autograder.course.translation import wording_of
from autograder.disk import write_whole
from autograder.errors import LedgerError, UsageError
from autograder.feedback.audience import Audience, Sight
from autograder.feedback.classroom import Around, class_page_of
from autograder.feedback.curve import Band, band_of
from autograder.feedback.excerpts import Source
from autograder.feedback.parts import parts_of
from autograder.feedback.plain import Format, plain
from autograder.feedback.render import class_html, submission_html
from autograder.feedback.setting import Setting
from autograder.feedback.submission import page_of
from autograder.feedback.view import SubmissionPage
from autograder.gradebook import Book, open_book
from autograder.gradebook.marks import Mark
from autograder.gradebook.queue import Item, queue
from autograder.intake import files_digest
from autograder.ledger import handed_in_file, read_files, read_grade
from autograder.limited import Helper
from autograder.records import Assignment, Grade, Outcome, Visibility
from autograder.release import build
from autograder.variants import Edit, mistakes


@dataclass(frozen=True, slots=True)
class Written:
    """What a report made."""

    pages: tuple[Path, ...]
    problems: tuple[str, ...]
    """Results that cannot be read, in words; the others have their pages."""
    remarks: tuple[str, ...] = ()
    """What whoever made students' pages should know: what does not stand on them, and who may read what does."""


def setting_for(
    root: Path,
    assignment: Assignment,
    audience: Audience,
    now: datetime,
    *,
    published: bool,
    explained: bool = False,
    language: str | None = None,
) -> Setting:
    """What the pages of one run share; `now` is aware, None the course's own language. Raises ConfigurationError."""
    book = open_book(root)
    course = book.course
    due = next((term.due for term in course.terms if term.id == assignment.id), None)
    granted = [each for each in book.granted if each.assignment == assignment.id]
    extended = {each.student: each.until for each in granted if each.until is not None}
    sight = Sight(audience, now.astimezone(ZoneInfo(course.timezone)), due, published, explained)
    student_sight = replace(sight, audience=Audience.STUDENT)
    changes = {} if audience is Audience.STUDENT else {each.id: change(each.edits) for each in mistakes(assignment)}
    wording = wording_of(assignment.folder, language or course.language)
    parts = parts_of(assignment, wording.language)
    marks = _marks(book, assignment.id, now)
    return Setting(
        course.title, wording, assignment, parts, sight, student_sight, changes, extended, book=book, mark_of=marks
    )


def change(edits: Sequence[Edit]) -> str:
    """Edits of a solution as people read changes: lines that go with a minus, lines that come with a plus."""
    return "\n".join(
        sign + line
        for edit in edits
        for sign, text in (("- ", edit.replace), ("+ ", edit.by))
        for line in text.rstrip("\n").split("\n")
        if text.strip() or sign == "- "
    )


def write_report(
    setting: Setting,
    results: Path,
    out: Path,
    only: frozenset[str],
    done: Callable[[str], None],
    form: Format = Format.HTML,
) -> Written:
    """Write the pages of one audience into `out`. UsageError where there is nothing to write."""
    if setting.sight.audience is Audience.CLASS and form is not Format.HTML:
        raise UsageError("the class has one page, as html; `autograder status --json` has the class as data")
    problems: list[str] = []
    setting, chosen = _chosen(setting, results, only, problems)
    if setting.sight.audience is Audience.CLASS:
        pages = [_write_class(setting, results, chosen, out)]
        done(pages[0].name)
    else:
        pages = list(_write_submissions(setting, chosen, out / setting.sight.audience.value, done, form))
    shown = remarks_on(setting) if setting.sight.audience is Audience.STUDENT else ()
    return Written(tuple(pages), tuple(problems), tuple(shown))


def submission_pages(
    setting: Setting, results: Path, only: frozenset[str], problems: list[str], done: Callable[[str], None]
) -> Iterator[tuple[str, SubmissionPage]]:
    """The page of every submission in `results`, by student; what cannot be read is added to `problems`.

    UsageError where there is none.
    """
    setting, chosen = _chosen(setting, results, only, problems)
    with Helper("autograder.feedback.colours") as colours:
        for path, grade in chosen:
            yield path.stem, page_from(setting, path, grade, colours)
            done(path.stem)


def _chosen(
    setting: Setting, results: Path, only: frozenset[str], problems: list[str]
) -> tuple[Setting, list[tuple[Path, Grade]]]:
    """The setting with what only a whole class shows, and the results that pages are wanted of."""
    found = list(_grades(results, problems))
    chosen = [(path, grade) for path, grade in found if not only or path.stem in only]
    if not chosen:
        wanted = f" of {', '.join(sorted(only))}" if only and found else ""
        raise UsageError(
            f"{results} holds no result{wanted} that can be read; `autograder grade {setting.assignment.id} FOLDER` "
            "makes them" + "".join(f"\n{problem}" for problem in problems)
        )
    return replace(setting, bands=_bands([grade for _, grade in found])), chosen


def remarks_on(setting: Setting) -> Iterator[str]:
    """What whoever makes students' pages should know."""
    sight, checks = setting.sight, setting.assignment.checks
    unseen = [check for check in checks if not sight.sees(check)]
    waiting = sum(check.points for check in unseen if check.visibility is Visibility.AFTER_PUBLISHED)
    if waiting:
        yield f"checks worth {waiting} points are not on students' pages: --published shows them once the marks are out"
    if sight.due is None:
        yield f"course.yml has no due date for {setting.assignment.id}: what waits for it is not shown"
    elif sight.published and not sight.past_due:
        yield f"due is {setting.spoken(sight.due)}: who still hands in can read what hidden checks say"
    if not sight.explains:
        yield "known mistakes are pointed at and not explained until the due date: --explain tells what they are now"
    elif late := [until for until in setting.extended.values() if until > sight.now]:
        words = f"{len(late)} extension{'s' if len(late) > 1 else ''} last until {setting.spoken(max(late))}"
        yield f"{words}: for those students the due date has not passed, so their pages say less"


def _grades(results: Path, problems: list[str]) -> Iterator[tuple[Path, Grade]]:
    for path in sorted(results.glob("*.json")):
        try:
            grade = read_grade(path)
        except LedgerError as error:
            problems.append(str(error))
        else:
            yield path, grade


def _bands(grades: Sequence[Grade]) -> dict[str, Band]:
    """Check -> where the training curves of those who passed it lie, whoever the pages are for."""
    curves: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for grade in grades:
        for result in grade.results:
            if result.outcome is Outcome.PASSED and result.evidence.curve:
                curves[result.id].append(result.evidence.curve)
    return {id_: band for id_, each in curves.items() if (band := band_of(each))}


def _marks(book: Book, assignment: str, now: datetime) -> Callable[[Grade], Mark | None]:
    """Looks up what a grade counts for; the gradebook says nothing of results of another folder."""
    known = book.grades.get(assignment, {})

    def mark_of(grade: Grade) -> Mark | None:
        own = known.get(grade.student)
        if own is None or (own.submission_digest, own.score) != (grade.submission_digest, grade.score):
            return None
        return book.standing(grade.student, now).mark(assignment)

    return mark_of


def _write_class(setting: Setting, results: Path, chosen: list[tuple[Path, Grade]], out: Path) -> Path:
    grades = [grade for _, grade in chosen]
    prints: dict[str, Sequence[int]] = {}
    known: dict[tuple[tuple[str, str], ...], Sequence[int]] = {}
    with Helper("autograder.feedback.fingerprints") as fingerprints:

        def printed(files: Mapping[str, str]) -> Sequence[int]:
            """The fingerprints of some files; those that went round the class are read once."""
            texts = tuple(sorted(files.items()))
            if texts not in known:
                answer = fingerprints({"files": dict(files)})
                known[texts] = [each for each in answer if isinstance(each, int)] if isinstance(answer, list) else []
            return known[texts]

        stub = printed(
            {name: content.decode() for name, content in build(setting.assignment).items() if name[-3:] == ".py"}
        )
        for path, grade in chosen:
            if files := files_of(handed_in_file(results, path.stem), grade):
                own = {
                    name: files[name].decode("utf-8", "replace") for name in setting.assignment.files if name in files
                }
                prints[grade.student] = printed(own)
    pages = frozenset(path.stem for path in (out / Audience.TA.value).glob("*.html"))
    around = Around(pages, prints, frozenset(stub), tuple(_waiting(setting, grades)))
    return _write(out / "class.html", class_html(class_page_of(setting, grades, around)))


def _waiting(setting: Setting, grades: Sequence[Grade]) -> Iterator[Item]:
    """What waits for a human, of the grades at hand with what the gradebook knows of decisions about them."""
    if setting.book is None:
        return
    own = {grade.student: grade for grade in grades}
    shown = replace(setting.book, grades={setting.assignment.id: own})
    yield from (item for item in queue(shown, (setting.assignment.id,)) if item.student in own)


def _write_submissions(
    setting: Setting,
    chosen: list[tuple[Path, Grade]],
    out: Path,
    done: Callable[[str], None],
    form: Format,
) -> Iterator[Path]:
    with Helper("autograder.feedback.colours") as colours:
        for path, grade in chosen:
            page = page_from(setting, path, grade, colours)
            text = submission_html(page) if form is Format.HTML else plain(page, form)
            yield _write(out / f"{path.stem}.{form}", text)
            done(path.stem)


def page_from(setting: Setting, path: Path, grade: Grade, colours: Helper) -> SubmissionPage:
    """The page of the result in `path`, with what was handed in beside it."""
    files = files_of(handed_in_file(path.parent, path.stem), grade)
    return page_of(setting, grade, Source(files, colours), sorted(files), str(path))


def files_of(path: Path, grade: Grade) -> dict[str, bytes]:
    """What was graded; nothing where it is not kept, or is not what this grade is of."""
    try:
        files = read_files(path)
    except LedgerError:
        return {}
    return files if files_digest(files) == grade.submission_digest else {}


def _write(path: Path, html: str) -> Path:
    try:
        write_whole(path, html.encode(), forced=False)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); name another place with --out") from error
    return path
