"""A graded submission as the notebook and the page that formgrader shows: made of results, all text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder.feedback.pieces import Excerpt
from autograder.feedback.render import fragment, submission_html
from autograder.feedback.report import page_from
from autograder.feedback.setting import Setting
from autograder.feedback.view import PartShown, Shown, SubmissionPage
from autograder.limited import Helper
from autograder.nbcourse.carrier import Report, graded_notebook
from autograder.nbcourse.rubric import Item, items_of
from autograder.records import CheckResult, Grade, Outcome, Term

PAGE = "report.html"
"""The whole page, beside the notebook."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies in a submission's folder of `autograded/`."""

    notebook: str
    page: str


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes the notebooks of one assignment's submissions."""

    setting: Setting
    term: Term
    results: Path
    """The results' folder."""
    colours: Helper

    def folder(self, grade: Grade, mark: Sequence[str], answer: str) -> Folder:
        """What lies beside the database for a graded submission; `mark` is how its mark comes about."""
        page = self._page(grade)
        return Folder(self._notebook(grade, page, mark, answer, PAGE), submission_html(page))

    def notebook(self, grade: Grade, answer: str = "") -> str:
        """The notebook alone."""
        return self._notebook(grade, self._page(grade), (), answer, "")

    def html(self, grade: Grade) -> str:
        """The page alone."""
        return submission_html(self._page(grade))

    def _page(self, grade: Grade) -> SubmissionPage:
        return page_from(self.setting, self.results / f"{grade.student}.json", grade, self.colours)

    def _notebook(self, grade: Grade, page: SubmissionPage, mark: Sequence[str], answer: str, link: str) -> str:
        shown = {check.id: (check, part) for part in page.parts for check in part.checks}
        said = {result.id: result for result in grade.results}
        head = fragment("head.html", page.language, page=page, mark=tuple(mark), link=link)
        plain = "\n".join((f"{grade.student}: {'' if page.total is None else page.total}", *mark, *page.notes))
        reports = [(item, self._report(item, shown.get(item.check), said, page)) for item in self._items()]
        return str(nbformat.writes(graded_notebook(self.term, Report(plain, head), reports, answer))) + "\n"

    def _items(self) -> tuple[Item, ...]:
        return items_of(self.setting.assignment)

    def _report(
        self,
        item: Item,
        found: tuple[Shown, PartShown] | None,
        results: dict[str, CheckResult],
        page: SubmissionPage,
    ) -> Report:
        if found is not None:
            check, part = found
            excerpt: Excerpt | None = check.excerpt
            if excerpt is None and check.outcome is not Outcome.PASSED:
                excerpt = part.excerpt
            words = f"{check.outcome}, {check.earned} of {check.points}"
            plain = "\n".join(filter(None, (words, check.message, check.where, check.hint)))
            return Report(plain, fragment("cell.html", page.language, check=check, excerpt=excerpt))
        result = results.get(item.check)
        if result is None:
            return Report("There is no result of this check: it is younger than the last run.", "")
        if page.whole is None:
            return Report("This check is not shown yet.", "")
        return Report(f"{result.outcome}, {result.earned} of {result.points}: see the top", "")
