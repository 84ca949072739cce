"""What `check` and `submit` do in the folder where they were typed."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from autograder.course import load_assignment
from autograder.course.language import language_at
from autograder.course.translation import wording_of
from autograder.errors import AutograderError, UsageError
from autograder.home.check import check
from autograder.home.page import Page
from autograder.home.places import find
from autograder.home.reading import read_sources
from autograder.home.report import Report
from autograder.home.run import Hands, HomeError, Interrupted
from autograder.home.standing import Standing
from autograder.home.submit import pack, refuse_unfinished
from autograder.home.watch import Saves
from autograder.wording import SOURCE

FINE, FAILED, STOPPED = 0, 1, 130
Show = Callable[[Report], None]
"""Takes a report that lacks no more than what a GPU would say."""


def never() -> bool:
    """Nobody interrupts."""
    return False


def nobody(_: Report) -> None:
    """Nobody waits for a report that is not whole."""


def check_here(
    here: Path,
    assignment: str | None,
    words: Sequence[str],
    *,
    keep_watching: bool,
    as_json: bool,
    language: str | None = None,
) -> int:
    """Check the assignments that are meant, print what was found, and return the exit code.

    `language` None is the course's own. Raises UsageError, ConfigurationError, HomeError.
    """
    folders = find(here, assignment)
    desk = Desk(Page(), words, language or language_at(here), as_json=as_json)
    try:
        if keep_watching:
            if len(folders) > 1:
                raise UsageError(f"name the assignment to watch: {', '.join(folder.name for folder in folders)}")
            return desk.watch(folders[0])
        return desk.check_all(folders)
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped\n")
        return STOPPED
    finally:
        desk.close()


def submit_here(here: Path, wanted: str | None, *, anyway: bool, as_json: bool, language: str | None = None) -> int:
    """Pack what is to be handed in, say where it lies, and return the exit code.

    Raises UsageError, ConfigurationError, SubmissionError.
    """
    folders = find(here, wanted)
    if len(folders) > 1:
        raise UsageError(f"name the assignment to hand in: {', '.join(folder.name for folder in folders)}")
    assignment = load_assignment(folders[0], complete=False)
    sources = read_sources(assignment)
    remarks = list(refuse_unfinished(assignment, sources, anyway=anyway))
    desk = Desk(Page(), (), language or language_at(here), as_json=as_json)
    report: Report | None = None
    try:
        report = desk.check(folders[0], rehearse=as_json)  # else nobody sees what a GPU would say
    except HomeError as error:  # our fault, and no reason why nothing could be handed in
        remarks.append(str(error))
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; nothing was packed\n")
        return STOPPED
    finally:
        desk.close()
    packed = pack(assignment, sources, report, datetime.now().astimezone())
    if as_json:
        said = {"zip": str(packed.zip), "files": packed.files, "replaced": packed.replaced, "remarks": remarks}
        sys.stdout.write(json.dumps(said | {"report": report and report.as_json()}, indent=1) + "\n")
    else:
        desk.page.packed(packed, report, remarks)
    return FINE


class Desk:
    """The page, and the process that runs checks."""

    def __init__(self, page: Page, words: Sequence[str], language: str = SOURCE, *, as_json: bool) -> None:
        self.page = page
        self._words = words
        self._language = language
        self._as_json = as_json
        self._hands = Hands()
        self._memory: dict[str, Standing] | None = None
        self._shown: Report | None = None

    def close(self) -> None:
        """End the process."""
        self._hands.close()

    def check_all(self, folders: Sequence[Path]) -> int:
        """Check one assignment after the other."""
        reports = []
        many = len(folders) > 1
        for folder in folders:
            report = self.check(folder, show=partial(self._show, many=many))
            reports.append(report)
            self._show_rest(report, many=many)
        if self._as_json:
            sys.stdout.write(json.dumps({"assignments": [report.as_json() for report in reports]}, indent=1) + "\n")
        return exit_code(reports)

    def watch(self, folder: Path) -> int:
        """Check again after every save, until ctrl-C."""
        self._hands.ahead = folder
        self._memory = {}
        with Saves(folder) as saves:
            try:
                while True:
                    seen = digest(folder)
                    try:
                        self._watched(folder, self.check(folder, saves.waiting, self._show_again))
                    except Interrupted:
                        pass
                    except UsageError as error:  # assignment.yml or the checks are being edited
                        self.page.say(f"autograder: {error}", "red")
                    self._hands.renew()
                    saves.wait_for(partial(differs, folder, seen))
            except KeyboardInterrupt:
                return FINE

    def check(
        self, folder: Path, stop: Callable[[], bool] = never, show: Show = nobody, *, rehearse: bool = True
    ) -> Report:
        """Check once and return the report. Raises Interrupted as soon as `stop` says so.

        `show` is given it before a GPU is rehearsed; without `rehearse` none is, and this was the last check.
        """
        self.page.wording = wording_of(folder, self._language)
        with self.page.waiting() as waiting:

            def shown(report: Report) -> None:
                with waiting.aside():
                    show(report)

            return check(
                folder, self._words, self._hands, waiting,
                stop=stop, show=shown, rehearse=rehearse, memory=self._memory,
            )  # fmt: skip

    def _show(self, report: Report, *, many: bool) -> None:
        if self._as_json:
            return
        if many and report.untouched:
            _ = self.page.wording
            self.page.say(f"{report.id}  {_.written(report.title)}: " + _("not begun yet"))
        else:
            self.page.results(report)

    def _show_rest(self, report: Report, *, many: bool) -> None:
        if self._as_json:
            return
        if not (many and report.untouched):
            self.page.rest(report)
        if many:
            self.page.say("")

    def _show_again(self, report: Report) -> None:
        self._shown = report
        if not self._as_json:
            self.page.clear()
            self.page.results(report)
            self.page.standing(report)
        self._hands.prepare()

    def _watched(self, folder: Path, report: Report) -> None:
        if self._as_json:
            sys.stdout.write(json.dumps(report.as_json()) + "\n")
            sys.stdout.flush()
            return
        if self._shown is None or [line.said for line in self._shown.lines] != [line.said for line in report.lines]:
            self._memory = None  # what was to stand did not: from now on all checks run before any is shown
            self.page.clear()
            self.page.results(report)
        else:
            self.page.stood(self._shown)
        self.page.rest(report)
        _ = self.page.wording
        self.page.say("\n" + _("watching %(name)s; ctrl-C ends") % {"name": folder.name}, "dim")


def exit_code(reports: Sequence[Report]) -> int:
    """Return 0 where everything passed, 3 where the kit itself failed, else 1."""
    if any(report.grader_failed for report in reports):
        return AutograderError.exit_code
    return FINE if all(report.passed for report in reports) else FAILED


def digest(folder: Path) -> str:
    """Return what changes when something is saved that a run of checks reads."""
    found = hashlib.sha256()
    for file in sorted([*folder.glob("*.py"), *folder.glob("*.yml")]):
        try:
            found.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
        except OSError:  # an editor is just about to replace it
            continue
    return found.hexdigest()


def differs(folder: Path, seen: str) -> bool:
    """Whether a folder has another digest than before."""
    return digest(folder) != seen
