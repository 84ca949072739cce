"""A class's results become one page: who has what, which checks are hard, and what goes wrong most often."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from autograder.feedback.class_view import Bar, ClassPage, Column, Frequent, Health, Named, Row, Similar, Waits
from autograder.feedback.first import SETTLED
from autograder.feedback.setting import MESSAGE, Setting
from autograder.feedback.similar import pairs
from autograder.feedback.submission import NAME
from autograder.feedback.text import clipped, visible
from autograder.gradebook.queue import Item
from autograder.grading import is_provisional, why_not_graded
from autograder.records import CheckResult, Grade, Outcome

BARS = 10
MOST_FREQUENT = 12
MOST_WAITING = 100
FEWEST_FOR_ANALYSIS = 8
"""Submissions from which on a correlation says something."""
MOST_NAMED = 40
"""Students named beside a frequent message."""


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of a class beside its results."""

    pages: Collection[str] = ()
    """Students who have a page for those who grade."""
    prints: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Student -> fingerprints of their code."""
    stub: AbstractSet[int] = frozenset()
    """Fingerprints of what everybody was given."""
    waiting: Sequence[Item] = ()


def class_page_of(setting: Setting, grades: Sequence[Grade], around: Around) -> ClassPage:
    """The page of a class; at least one grade."""
    pages = around.pages
    graded = [grade for grade in grades if not why_not_graded(grade)]
    columns = _columns(setting, graded)
    scores = [grade.score for grade in graded] or [0]
    out_of = max(grade.out_of for grade in grades)
    return ClassPage(
        language=setting.language,
        course=setting.course,
        assignment=setting.assignment.id,
        title=setting.wording.written(setting.assignment.title),
        made=setting.spoken(setting.sight.now),
        out_of=out_of,
        rows=tuple(_row(grade, columns, pages) for grade in sorted(grades, key=lambda grade: grade.student)),
        columns=columns,
        bars=_bars(scores, out_of),
        lowest=min(scores),
        median=statistics.median(scores),
        highest=max(scores),
        mean=round(statistics.fmean(scores), 1),
        full=sum(score >= out_of for score in scores),
        named=_named(setting, graded),
        frequent=_frequent(setting, columns, graded),
        similar=_similar(grades, around),
        compared=len(around.prints),
        waiting=tuple(_waits(setting, item) for item in around.waiting[:MOST_WAITING]),
        waiting_count=len(around.waiting),
        health=_health(grades),
    )


def _columns(setting: Setting, grades: Sequence[Grade]) -> tuple[Column, ...]:
    """The assignment's checks part by part, then those that only some results know."""
    checks = {check.id: check for check in setting.assignment.checks}
    ids = dict.fromkeys(
        [id_ for part in setting.parts for id_ in part.checks] + [r.id for grade in grades for r in grade.results]
    )
    part_of = {id_: part.heading or part.name for part in setting.parts for id_ in part.checks}
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for result in _results(grades):
        outcomes[result.id].append(result.outcome)
    columns = []
    for number, id_ in enumerate(ids, 1):
        check, ended = checks.get(id_), outcomes[id_]
        passed, not_run, ours = (
            ended.count(outcome) for outcome in (Outcome.PASSED, Outcome.SKIPPED, Outcome.GRADER_ERROR)
        )
        columns.append(
            Column(
                number=number,
                id=id_,
                title=setting.wording.written(check.title) if check else id_,
                part=part_of.get(id_, ""),
                points=check.points if check else 0,
                public=bool(check and check.public),
                passed=passed,
                failed=len(ended) - passed - not_run - ours,
                not_run=not_run,
                open=ours,
                discrimination=_discrimination(id_, grades),
            )
        )
    return tuple(columns)


def _discrimination(id_: str, grades: Sequence[Grade]) -> float | None:
    """The point-biserial correlation of passing a check with the points of all others.

    Its own points are left out: they would lift it.
    """
    passed, others = list[float](), list[float]()
    for grade in grades:
        result = next((each for each in grade.results if each.id == id_), None)
        if result is not None and result.outcome is not Outcome.GRADER_ERROR:
            passed.append(float(result.outcome is Outcome.PASSED))
            others.append(float(grade.score - result.earned))
    if len(passed) < FEWEST_FOR_ANALYSIS or len(set(passed)) < 2 or len(set(others)) < 2:
        return None
    return round(statistics.correlation(passed, others), 2)


def _similar(grades: Sequence[Grade], around: Around) -> tuple[Similar, ...]:
    made = {
        grade.student: {
            name for result in grade.results if (d := result.diagnosis) and d.certain for name in d.mistakes
        }
        for grade in grades
    }

    def page(student: str) -> str:
        return f"ta/{student}.html" if student in around.pages else ""

    return tuple(
        Similar(
            clipped(pair.one, NAME),
            clipped(pair.other, NAME),
            (page(pair.one), page(pair.other)),
            pair.share,
            tuple(map(visible, pair.mistakes)),
            tuple(clipped(student, NAME) for student in pair.same[:MOST_NAMED]),
            len(pair.same),
        )
        for pair in pairs(around.prints, around.stub, made)
    )


def _waits(setting: Setting, item: Item) -> Waits:
    return Waits(item.why, clipped(item.student, NAME), visible(item.check), setting.said(item.words))


def _row(grade: Grade, columns: Sequence[Column], pages: Collection[str]) -> Row:
    outcomes, graded = {result.id: result.outcome for result in grade.results}, not why_not_graded(grade)
    return Row(
        student=clipped(grade.student, NAME),
        page=f"ta/{grade.student}.html" if grade.student in pages else "",
        score=grade.score if graded else None,
        provisional=is_provisional(grade),
        human=bool(grade.needs_human),
        cells=tuple(outcomes.get(column.id) if graded else None for column in columns),
    )


def _bars(scores: Sequence[int], out_of: int) -> tuple[Bar, ...]:
    """Equal ranges of points; the full score lies in the last one."""
    width = max(1, -(-out_of // BARS))
    starts = range(0, max(1, out_of), width)
    counts = Counter(min(score // width * width, starts[-1]) for score in scores)
    return tuple(Bar(low, min(low + width - 1, out_of) if low != starts[-1] else out_of, counts[low]) for low in starts)


def _named(setting: Setting, grades: Sequence[Grade]) -> tuple[Named, ...]:
    """The mistakes that were named for certain, those of most students first."""
    language, parts = setting.language, {part.name: part for part in setting.parts}
    places: dict[str, str] = {}
    made: dict[str, dict[str, None]] = defaultdict(dict)
    hints: dict[str, str] = {}
    for grade in grades:
        for result in grade.results:
            if result.diagnosis and result.diagnosis.certain:
                for name in result.diagnosis.mistakes:
                    made[name][clipped(grade.student, NAME)] = None
                    places.setdefault(name, result.diagnosis.part.partition(".")[0])
                known = result.diagnosis.hints
                hints.setdefault(result.diagnosis.mistakes[0], known.get(language) or known.get("en", ""))
    common = sorted(made.items(), key=lambda item: (-len(item[1]), item[0]))
    found = []
    for name, students in common[:MOST_FREQUENT]:
        part = parts.get(places[name])
        found.append(
            Named(
                id=visible(name),
                hint=clipped(hints.get(name, ""), MESSAGE),
                students=tuple(students)[:MOST_NAMED],
                count=len(students),
                share=round(100 * len(students) / len(grades)),
                place=(part.heading or part.name) if part else visible(places[name]),
                rule=part.equation if part else "",
                change=setting.changes.get(name, ""),
            )
        )
    return tuple(found)


def _frequent(setting: Setting, columns: Sequence[Column], grades: Sequence[Grade]) -> tuple[Frequent, ...]:
    """What was said most often: the same words about the same check."""
    said: dict[tuple[str, str], list[tuple[str, CheckResult]]] = defaultdict(list)
    for grade in grades:
        for result in _spoken(grade):
            assert result.finding is not None
            said[result.id, result.finding.message].append((grade.student, result))
    by_id = {column.id: column for column in columns}

    def rank(item: tuple[tuple[str, str], list[tuple[str, CheckResult]]]) -> tuple[int, bool, int]:
        (id_, _), found = item
        return -len(found), found[0][1].is_unwritten, by_id[id_].number

    common = sorted(said.items(), key=rank)  # what is not written yet comes after mistakes of as many students
    return tuple(
        Frequent(
            check=by_id[id_],
            message=setting.said(message),
            hint=setting.said(found[0][1].finding.hint) if found[0][1].finding else "",
            students=tuple(clipped(student, NAME) for student, _ in found[:MOST_NAMED]),
        )
        for (id_, message), found in common[:MOST_FREQUENT]
    )


def _spoken(grade: Grade) -> Iterable[CheckResult]:
    """What a student was told to mend; where nothing could be run, once and not for each check."""
    told = [result for result in grade.results if result.finding and result.outcome not in SETTLED]
    loading = [result for result in told if result.finding and result.finding.kind == "loading"]
    return loading[:1] if loading else told


def _results(grades: Iterable[Grade]) -> Iterable[CheckResult]:
    return (result for grade in grades for result in grade.results)


def _health(grades: Sequence[Grade]) -> Health:
    ended = [{result.outcome for result in grade.results} for grade in grades]
    return Health(
        provisional=sum(is_provisional(grade) for grade in grades),
        unread=sum(bool(why_not_graded(grade)) for grade in grades),
        timed_out=sum(Outcome.TIMED_OUT in outcomes for outcomes in ended),
        crashed=sum(Outcome.CRASHED in outcomes for outcomes in ended),
        out_of_memory=sum(Outcome.OUT_OF_MEMORY in outcomes for outcomes in ended),
        unconfined=sum(bool(grade.run.missing) for grade in grades),
        layers=tuple(sorted({visible(layer) for grade in grades for layer in grade.run.layers})),
        missing=tuple(sorted({visible(piece) for grade in grades for piece in grade.run.missing})),
        torches=tuple(sorted({f"torch {grade.run.torch} on {grade.run.device}" for grade in grades})),
    )
