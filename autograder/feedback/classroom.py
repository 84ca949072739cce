"""A class's results become one page: who has what, which checks are hard, and what goes wrong most often."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

from autograder.feedback.class_view import Bar, ClassPage, Column, Frequent, Health, Named, Row
from autograder.feedback.first import SETTLED
from autograder.feedback.submission import MESSAGE, NAME, Setting
from autograder.feedback.text import clipped, visible
from autograder.grading import is_provisional
from autograder.records import CheckResult, Grade, Outcome

BARS = 10
MOST_FREQUENT = 12
MOST_NAMED = 40
"""Students named beside a frequent message."""


def class_page_of(setting: Setting, grades: Sequence[Grade], pages: Collection[str]) -> ClassPage:
    """The page of a class; `pages` are the students who have a page for those who grade. At least one grade."""
    columns = _columns(setting, grades)
    scores = [grade.score for grade in grades]
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
        named=_named(setting.language, grades),
        frequent=_frequent(setting, columns, grades),
        health=_health(setting, grades),
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
            )
        )
    return tuple(columns)


def _row(grade: Grade, columns: Sequence[Column], pages: Collection[str]) -> Row:
    outcomes = {result.id: result.outcome for result in grade.results}
    return Row(
        student=clipped(grade.student, NAME),
        page=f"ta/{grade.student}.html" if grade.student in pages else "",
        score=grade.score,
        provisional=is_provisional(grade),
        human=bool(grade.needs_human),
        cells=tuple(outcomes.get(column.id) for column in columns),
    )


def _bars(scores: Sequence[int], out_of: int) -> tuple[Bar, ...]:
    """Equal ranges of points; the full score lies in the last one."""
    width = max(1, -(-out_of // BARS))
    starts = range(0, max(1, out_of), width)
    counts = Counter(min(score // width * width, starts[-1]) for score in scores)
    return tuple(Bar(low, min(low + width - 1, out_of) if low != starts[-1] else out_of, counts[low]) for low in starts)


def _named(language: str, grades: Sequence[Grade]) -> tuple[Named, ...]:
    """The mistakes that were named for certain, those of most students first."""
    made: dict[str, dict[str, None]] = defaultdict(dict)
    hints: dict[str, str] = {}
    for grade in grades:
        for result in grade.results:
            if result.diagnosis and result.diagnosis.certain:
                for name in result.diagnosis.mistakes:
                    made[name][clipped(grade.student, NAME)] = None
                known = result.diagnosis.hints
                hints.setdefault(result.diagnosis.mistakes[0], known.get(language) or known.get("en", ""))
    common = sorted(made.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(
        Named(visible(name), clipped(hints.get(name, ""), MESSAGE), tuple(students)[:MOST_NAMED])
        for name, students in common[:MOST_FREQUENT]
    )


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
        finding = found[0][1].finding
        return -len(found), finding is not None and finding.kind == "missing", by_id[id_].number

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


def _health(setting: Setting, grades: Sequence[Grade]) -> Health:
    ended = [{result.outcome for result in grade.results} for grade in grades]
    return Health(
        human=tuple(
            (clipped(grade.student, NAME), tuple(setting.said(reason) for reason in grade.needs_human[:5]))
            for grade in grades
            if grade.needs_human
        ),
        provisional=sum(is_provisional(grade) for grade in grades),
        timed_out=sum(Outcome.TIMED_OUT in outcomes for outcomes in ended),
        crashed=sum(Outcome.CRASHED in outcomes for outcomes in ended),
        out_of_memory=sum(Outcome.OUT_OF_MEMORY in outcomes for outcomes in ended),
        unconfined=sum(bool(grade.run.missing) for grade in grades),
        missing=tuple(sorted({visible(piece) for grade in grades for piece in grade.run.missing})),
        torches=tuple(sorted({f"torch {grade.run.torch} on {grade.run.device}" for grade in grades})),
    )
