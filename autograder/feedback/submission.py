"""One submission's results become the page that its student, or whoever grades, reads."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from autograder.feedback.audience import NOT_SHOWN
from autograder.feedback.curve import chart_of, scores_of, short
from autograder.feedback.excerpts import Place, Source
from autograder.feedback.first import blamed, first_of
from autograder.feedback.known import diagnosed, known_of
from autograder.feedback.parts import Part
from autograder.feedback.pictures import drawing_of
from autograder.feedback.pieces import Drawing, Score
from autograder.feedback.setting import MESSAGE, Setting
from autograder.feedback.text import clipped, visible
from autograder.feedback.view import Counted, PartShown, Shown, Staff, StaffPage, Standing, SubmissionPage, Sum, Whole
from autograder.gradebook.marks import State, plain
from autograder.grading import why_not_graded
from autograder.records import Check, CheckResult, Diagnosis, Finding, Grade, Outcome, Visibility
from autograder.wording import SOURCE

DETAIL, PRINTED, ALL_PRINTED = 4_000, 4_000, 120_000
"""Characters of a detail, of one output, and of all outputs of a page."""
ALL_DRAWN = 150_000
"""Characters of all pictures of a page; the first ones have room, more would be read by nobody."""
NAME, MANY = 80, 20
"""Characters of a name, and how many notes, figures or names of calls there are room for."""


def page_of(setting: Setting, grade: Grade, source: Source, files: Sequence[str], result_file: str) -> SubmissionPage:
    """The page of one submission; `files` are the names of what was handed in, empty where that is not at hand."""
    return _Maker(setting.for_student(grade.student), grade, source).page(tuple(files), result_file)


class _Maker:
    """Makes one page; everything on it comes from results that have passed through the audience's sight."""

    def __init__(self, setting: Setting, grade: Grade, source: Source) -> None:
        self.setting, self.grade, self.source = setting, grade, source
        self.assignment, self.sight = setting.assignment, setting.sight
        self.checks = {check.id: check for check in self.assignment.checks}
        mark = setting.mark_of(grade)
        self.unread = bool(why_not_graded(grade)) and (mark is None or mark.state is State.NOT_GRADED)
        self.results = self.sight.through(self.assignment, grade.results)
        self.because = blamed(self.assignment, self.results)
        printing = sum(bool(r.evidence.stdout) + bool(r.evidence.stderr) for r in self.results)
        self.drawn = 0
        self.most_printed = min(PRINTED, ALL_PRINTED // max(1, printing))

    def page(self, files: tuple[str, ...], result_file: str) -> SubmissionPage:
        grade, setting = self.grade, self.setting
        unseen = [check for check in self.assignment.checks if not self.sight.sees(check)]
        whole = self._whole()
        parts = () if whole else tuple(self._parts())
        waits_for_due = any(check.visibility is Visibility.AFTER_DUE for check in unseen)
        return SubmissionPage(
            language=setting.language,
            course=setting.course,
            assignment=self.assignment.id,
            title=setting.wording.written(self.assignment.title),
            student=clipped(grade.student, NAME),
            made=setting.spoken(self.sight.now),
            sum=self._sum(unseen),
            total=self._total(unseen),
            mark=self._mark() if self.sight.everything or self.sight.published else None,
            due=setting.spoken(self.sight.due) if waits_for_due and self.sight.due else "",
            waits_for_publishing=any(check.visibility is Visibility.AFTER_PUBLISHED for check in unseen),
            whole=whole,
            first=first_of(parts, self.because),
            parts=parts,
            notes=tuple(setting.said(self.sight.note(note)) for note in grade.notes[:MANY]),
            run=grade.run,
            confined=not grade.run.missing,
            single=sum(r.outcome is Outcome.PASSED and r.precision == "float32" for r in self.results),
            files=tuple(visible(name) for name in files),
            staff=self._staff_page(result_file) if self.sight.everything else None,
        )

    def _total(self, unseen: Sequence[Check]) -> int | None:
        """The whole score, for who may know it; None as well where nothing was graded."""
        known = self.sight.everything or self.sight.published or not unseen
        return self.grade.score if known and not self.unread else None

    def _sum(self, unseen: Sequence[Check]) -> Sum:
        def points(*outcomes: Outcome) -> int:
            return sum(result.points for result in self.results if result.outcome in outcomes)

        broken = (Outcome.FAILED, Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY)
        return Sum(
            earned=sum(result.earned for result in self.results),
            lost=points(*broken),
            not_run=points(Outcome.SKIPPED),
            open=points(Outcome.GRADER_ERROR),
            withheld=sum(check.points for check in unseen),
            withheld_checks=len(unseen),
            out_of=self.grade.out_of,
            checks=len(self.results),
            passed=sum(result.outcome is Outcome.PASSED for result in self.results),
        )

    def _mark(self) -> Counted | None:
        """What it counts for. A comment on a check that its reader may not see is not theirs to read either."""
        mark, said = self.setting.mark_of(self.grade), self.setting.said
        if mark is None:
            return None
        titles = {id_: check.title for id_, check in self.checks.items() if self.sight.sees(check)}
        return Counted(
            points=plain(mark.points),
            out_of=mark.out_of,
            as_measured=mark.points == self.grade.score and (self.unread or not why_not_graded(self.grade)),
            steps=tuple(said(self._unnamed(step)) for step in mark.calculation[:MANY]),
            comments=tuple(
                (self.setting.wording.written(titles[check]) if check else "", clipped(text, MESSAGE))
                for check, text in mark.comments[:MANY]
                if not check or check in titles
            ),
        )

    def _unnamed(self, step: str) -> str:
        """A step of the calculation without names of checks that its reader may not see."""
        for check in self.checks.values():
            if not self.sight.sees(check):
                step = re.sub(rf"\b{re.escape(check.id)}\b", NOT_SHOWN, step)
        return step

    def _whole(self) -> Whole | None:
        """The one reason, where every check ended for the same: the file cannot be imported, or the grader failed."""
        reasons = {(r.finding.kind, r.finding.message, r.finding.where) if r.finding else None for r in self.results}
        reason = reasons.pop() if len(reasons) == 1 else None
        if reason is None or reason[0] not in {"loading", "grader", "waited"}:
            return None
        kind, message, where = reason
        return Whole(
            ours=kind != "loading",
            unread=self.unread,
            message=self.setting.said(message),
            where=self.setting.said(where, 2 * NAME),
            excerpt=self.source.around(self.source.place(where)),
            command=f"autograder check {self.assignment.id}",
            detail=clipped(self._detail(), DETAIL) if self.sight.everything else "",
        )

    def _detail(self) -> str:
        return next((result.finding.detail for result in self.results if result.finding), "")

    def _parts(self) -> list[PartShown]:
        by_id = {result.id: result for result in self.results}
        known = {id_ for part in self.setting.parts for id_ in part.checks}
        strangers = Part("", "", "", "", tuple(id_ for id_ in by_id if id_ not in known))
        shown = []
        for number, part in enumerate((*self.setting.parts, strangers)):
            if results := [by_id[id_] for id_ in part.checks if id_ in by_id]:
                shown.append(self._part(f"part-{number + 1}", part, results))
        return shown

    def _part(self, anchor: str, part: Part, results: Sequence[CheckResult]) -> PartShown:
        standing = _standing(results)
        places = {result.id: self._place(result) for result in results}
        marked = {place for place in places.values() if place is not None}
        excerpt = None
        if standing in {Standing.WRONG, Standing.PARTLY}:
            excerpt = self.source.definition(part.name, marked)
        return PartShown(
            anchor=anchor,
            name=part.name,
            heading=part.heading,
            group=part.group,
            promise=self._promise(part),
            equation=part.equation,
            standing=standing,
            earned=sum(result.earned for result in results),
            points=sum(result.points for result in results),
            checks=tuple(self._check(result, places[result.id], part.name) for result in results),
            excerpt=excerpt,
        )

    def _place(self, result: CheckResult) -> Place | None:
        """Where a check that did not pass points to in the student's file."""
        if result.finding is None or result.outcome in {Outcome.PASSED, Outcome.SKIPPED}:
            return None
        return self.source.place(result.finding.where)

    def _check(self, result: CheckResult, place: Place | None, part: str) -> Shown:
        check, finding, evidence = self.checks.get(result.id), result.finding or Finding("", ""), result.evidence
        elsewhere = place is not None and not self.source.defines(part, place) and finding.kind != "missing"
        return Shown(
            id=result.id,
            title=self.setting.wording.written(check.title) if check else result.id,
            public=bool(check and check.public),
            outcome=result.outcome,
            earned=result.earned,
            points=result.points,
            kind=finding.kind,
            message=self.setting.said(finding.message),
            hint=self.setting.said(finding.hint),
            where=self.setting.said(finding.where, 2 * NAME),
            because=self.because.get(result.id, ()),
            stand_ins=tuple(clipped(part, NAME) for part in result.stand_ins[:MANY]),
            remarks=tuple(self.setting.said(words, MESSAGE) for words in evidence.remarks[:MANY]),
            precision=result.precision,
            printed=self._printed(result) if check and check.public and not self.sight.everything else "",
            excerpt=self.source.around(place) if elsewhere else None,
            chart=chart_of(evidence.curve, evidence.figures, self.setting.bands.get(result.id)),
            drawings=tuple(self._drawings(result)),
            scores=tuple(self._in_words(score) for score in scores_of(evidence.figures)),
            known=known_of(result, part, self.source, self.setting.language, self.setting.said, self._later()),
            command=self._command(check),
            staff=self._staff(check, result) if self.sight.everything else None,
        )

    def _promise(self, part: Part) -> str:
        """The docstring's first line; nothing where it is in another language than the page."""
        said = self.setting.wording.written(part.promise)
        return said if self.setting.language == SOURCE or said != part.promise else ""

    def _drawings(self, result: CheckResult) -> Iterator[Drawing]:
        """The pictures of a check, as long as there is room for them on the page."""
        for picture in result.evidence.pictures:
            drawing = drawing_of(picture, lambda words: self.setting.said(words, NAME))
            if drawing and self.drawn + drawing.size <= ALL_DRAWN:
                self.drawn += drawing.size
                yield drawing

    def _in_words(self, score: Score) -> Score:
        said = self.setting.said
        return replace(score, what=said(score.what, NAME), seen=said(score.seen), at_most=said(score.at_most))

    def _later(self) -> str:
        """From when on known mistakes are explained, in words; empty where they are, or where nobody has said when."""
        due = self.sight.due
        return self.setting.spoken(due) if due and not self.sight.explains else ""

    def _command(self, check: Check | None) -> str:
        """What a student types at home; a hidden check they do not have."""
        if check is None or not check.public or self.sight.everything:
            return ""
        return f"autograder check {self.assignment.id} -k {check.id}"

    def _printed(self, result: CheckResult) -> str:
        """Details and output of a public check that did not pass."""
        if result.outcome is Outcome.PASSED:
            return ""
        detail = clipped(result.finding.detail, DETAIL) if result.finding else ""
        outputs = [clipped(text, self.most_printed) for text in (result.evidence.stdout, result.evidence.stderr)]
        return "\n".join(text.rstrip("\n") for text in (detail, *outputs) if text.strip())

    def _change(self, diagnosis: Diagnosis | None) -> str:
        """How the code of the named mistakes differs from the solution."""
        known = self.setting.changes
        return "\n".join(known[id_] for id_ in diagnosis.mistakes if id_ in known) if diagnosis else ""

    def _staff(self, check: Check | None, result: CheckResult) -> Staff:
        evidence = result.evidence
        return Staff(
            detail=clipped(result.finding.detail, DETAIL) if result.finding else "",
            stdout=clipped(evidence.stdout, self.most_printed),
            stderr=clipped(evidence.stderr, self.most_printed),
            figures=tuple(
                (clipped(name, NAME), short(value)) for name, value in islice(evidence.figures.items(), MANY)
            ),
            banned_calls=tuple(clipped(name, NAME) for name in evidence.banned_calls[:MANY]),
            doubts=tuple(self.setting.said(words, MESSAGE) for words in evidence.doubts[:MANY]),
            diagnosis=diagnosed(result.diagnosis),
            change=self._change(result.diagnosis),
            cpu_s=result.cpu_s,
            wall_s=result.wall_s,
            visibility=check.visibility.value if check else "",
            place=self.setting.said(f"{check.file.name}, line {check.line}") if check else "",
            for_student=self.setting.student_sight.sees(check),
        )

    def _staff_page(self, result_file: str) -> StaffPage:
        grade, student = self.grade, shlex.quote(clipped(self.grade.student, NAME))
        return StaffPage(
            needs_human=tuple(self.setting.said(reason) for reason in grade.needs_human[: 2 * MANY]),
            digest=visible(grade.submission_digest),
            secret_sha256=grade.run.secret_sha256,
            official=grade.score,
            command=f"autograder grade {self.assignment.id} SUBMISSIONS --only {student} --again",
            result=visible(result_file),
        )


def _standing(results: Sequence[CheckResult]) -> Standing:
    outcomes = [result.outcome for result in results]
    broken = [r for r in results if r.outcome not in {Outcome.PASSED, Outcome.SKIPPED, Outcome.GRADER_ERROR}]
    if all(outcome is Outcome.PASSED for outcome in outcomes):
        return Standing.RIGHT
    if broken and all(result.is_unwritten for result in broken):
        return Standing.PARTLY if Outcome.PASSED in outcomes else Standing.UNWRITTEN
    if broken:
        return Standing.PARTLY if Outcome.PASSED in outcomes else Standing.WRONG
    if Outcome.GRADER_ERROR in outcomes:
        return Standing.OPEN
    return Standing.WAITING if Outcome.PASSED in outcomes else Standing.NOT_RUN
