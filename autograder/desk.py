"""The instructor's desk: finds the course, the secret and the machine's means, and runs what a verb asks for."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import memory
from autograder.course import find_course, load_assignment, load_assignments, load_course
from autograder.errors import ConfinementMissing, LedgerError, UsageError
from autograder.gathering import Wanted, gather, moment
from autograder.gradebook.filing import Filing
from autograder.grading import own_notes, why_not_graded
from autograder.intake import files_digest
from autograder.ledger import handed_in_file, make_writable, read_files
from autograder.records import Assignment, Confinement, Grade, Submission
from autograder.secret import load_secret
from autograder.turns import last_time, longest_first

if TYPE_CHECKING:
    from autograder.cluster import Cluster, Keys
    from autograder.feedback import Written
    from autograder.jobs import Job, Settings
    from autograder.sandbox.cards import Card
    from autograder.screen import Screen

LEDGER = Path(".autograder", "ledger")


def all_assignments(start: Path) -> tuple[str, ...]:
    """Return the ids of the course's assignments."""
    return tuple(assignment.id for assignment in load_assignments(find_course(start)))


@dataclass(frozen=True, slots=True)
class Desk:
    """One assignment on one machine."""

    root: Path
    assignment: Assignment
    confinement: Confinement
    layers: tuple[str, ...]
    missing: tuple[str, ...]
    workers: int
    cards: tuple[Card, ...] = ()
    """The CUDA devices to grade on; none: the CPU."""
    cluster: Cluster | None = None
    """Where to grade; None: here."""
    remark: str = ""
    """Why fewer processes grade than were asked for."""

    @staticmethod
    def at(start: Path, assignment: str, confinement: Confinement, jobs: int | None, device: str = "cpu") -> Desk:
        """Return the desk for an assignment.

        Raises ConfinementMissing, UsageError, ConfigurationError, and DeviceMissing where `device` is not there. What
        the doctor found on this machine counts as a missing piece: it is known to confine less than it says.
        """
        from autograder.doctor import holding_back, last
        from autograder.sandbox import cards
        from autograder.sandbox.means import choose_layers, survey

        root = find_course(start)
        means = survey()
        layers = choose_layers(confinement, means)
        if (found := holding_back(last())) and confinement is Confinement.REQUIRED:
            raise ConfinementMissing(
                f"{found}. Run `autograder doctor` again once that is mended, or pass --sandbox best-effort: every "
                "result will say so."
            )
        devices: tuple[cards.Card, ...] = ()
        if device == "cuda":
            devices, layers = cards.survey(os.environ), cards.usable_layers(layers, os.geteuid())
        loaded = load_assignment(folder_of(root, assignment))
        asked = min(jobs or os.cpu_count() or 1, len(devices) or sys.maxsize)
        free = memory.available_mb()
        workers = min(asked, memory.fitting(loaded.limits, free) or asked)
        remark = (
            f"{workers} processes instead of {asked}: each may need {memory.needed_mb(loaded.limits)} MB, and {free} "
            "MB are free"
        )
        return Desk(
            root,
            loaded,
            confinement,
            layers,
            (*means.missing, found) if found else means.missing,
            workers,
            devices,
            remark=remark if workers < asked else "",
        )

    @staticmethod
    @contextmanager
    def on_a_cluster(
        start: Path, assignment: str, confinement: Confinement, device: str, place: tuple[str, Keys], screen: Screen
    ) -> Iterator[Desk]:
        """Return the desk for an assignment that is graded on a cluster; this machine need not be able to confine.

        Raises what `at` does, and UsageError for an address that cannot be used.
        """
        from autograder.cluster import connected

        root = find_course(start)
        loaded = load_assignment(folder_of(root, assignment))
        with connected(*place, confinement, device, screen.say) as cluster:
            terms = cluster.terms
            yield Desk(root, loaded, confinement, terms.layers, terms.missing, 1, terms.cards, cluster)

    def settings(self, ledger: Path) -> Settings:
        """Return what a grading process needs."""
        import course_data

        from autograder.jobs import Settings

        return Settings(
            self.assignment.folder,
            self.confinement,
            self.layers,
            self.missing,
            self.root / ledger,
            course_data.digest(self.assignment.datasets),
            "cuda" if self.cards else "cpu",
            self.cards,
            self.assignment.limits.memory_mb,
        )

    def results_folder(self, out: Path | None) -> Path:
        """Return where results go."""
        return out or self.root / "results" / self.assignment.id

    def grade(
        self,
        submissions: Sequence[Path],
        out: Path | None,
        only: Iterable[str],
        screen: Screen,
        *,
        again: bool = False,
        times: Sequence[Path] = (),
        since: str = "",
    ) -> tuple[Grade, ...]:
        """Grade folders of submissions and write one result for each student; return all grades, by student.

        Beside the results lies what was graded: a page that shows it must show that and no later hand-in. `again`
        measures what the ledger holds, too.
        """
        course, folder = load_course(self.root), self.results_folder(out)
        newest = moment(since, course, datetime.now(UTC)) if since else None
        wanted = Wanted(submissions, frozenset(only), times, newest)
        chosen = gather(course, self.assignment, wanted, folder, screen.say)
        make_writable(folder)  # to be known before a night of grading, not after it
        return self._graded(chosen, screen, folder, Filing(folder, course.attempts).keep, again=again)

    def regrade(
        self, grades: Mapping[str, Grade], screen: Screen, *, again: bool
    ) -> tuple[dict[str, Grade], dict[str, str]]:
        """Grade once more what these grades are of, from what was kept of it, and write nothing.

        Returns the new grades, and for each student who has none why that is.
        """
        folder, chosen, left = self.results_folder(None), list[Submission](), dict[str, str]()
        for student, grade in grades.items():
            try:
                files = read_files(handed_in_file(folder, student))
            except LedgerError as error:
                left[student] = why_not_graded(grade) or str(error)
                continue
            if files_digest(files) != grade.submission_digest:
                left[student] = "what was kept is not what was graded; grade the hand-in again"
                continue
            notes, digest = own_notes(grade), grade.submission_digest
            tries = (grade.attempt, grade.attempts)
            chosen.append(Submission(student, grade.assignment, files, notes, "", digest, grade.handed_in, *tries))
        graded = self._graded(chosen, screen, folder, lambda _, grade: (grade,), again=again)
        return {grade.student: grade for grade in graded}, left

    def _graded(
        self,
        submissions: Sequence[Submission],
        screen: Screen,
        results: Path,
        keep: Callable[[Submission, Grade], tuple[Grade, ...]],
        *,
        again: bool,
    ) -> tuple[Grade, ...]:
        """Grade submissions, hand each grade to `keep` as soon as it stands, and return what it makes, by student.

        Where several are graded at a time, longest first, as far as the `results` of last time tell.
        """
        from autograder.jobs import Job

        grades: list[Grade] = []

        def done(job: Job, grade: Grade) -> None:
            grades.extend(keep(job.submission, grade))
            screen.advance(grade)

        secret = load_secret(self.root, os.environ)
        if self.cluster is not None or self.workers > 1:
            submissions = longest_first(submissions, self.assignment.files, last_time(results))
        jobs = [Job(submission, secret) for submission in submissions]
        with screen.progress(self.assignment, len(jobs), self.missing), self._ledger(again=again) as ledger:
            self._grade_all(self.settings(ledger), jobs, done, screen)
        return tuple(sorted(grades, key=lambda grade: (grade.student, grade.attempt)))

    def _grade_all(
        self, settings: Settings, jobs: Sequence[Job], done: Callable[[Job, Grade], None], screen: Screen
    ) -> None:
        from autograder.fleet import grade_all

        if self.cluster is not None:
            self.cluster.grade_all(settings, self.root, jobs, done, screen.running)
            return
        if self.remark and len(jobs) > self.workers:
            screen.say(self.remark)
        grade_all(settings, jobs, self.workers, done, screen.running)

    @contextmanager
    def _ledger(self, *, again: bool) -> Iterator[Path]:
        """The course's ledger, or an empty one for the length of a block."""
        if not again:
            yield self.root / LEDGER
            return
        with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
            yield Path(folder)


def write_pages(
    start: Path,
    assignment: str,
    audience: str,
    students: Iterable[str],
    results: Path | None,
    out: Path | None,
    screen: Screen,
    *,
    published: bool,
    explained: bool = False,
    language: str | None = None,
    form: str = "html",
) -> Written:
    """Write the pages of graded work. Raises UsageError, ConfigurationError."""
    from autograder.feedback import Audience, Format, setting_for, write_report

    root = find_course(start)
    loaded = load_assignment(folder_of(root, assignment))
    setting = setting_for(
        root,
        loaded,
        Audience(audience),
        datetime.now(UTC),
        published=published,
        explained=explained,
        language=language,
    )
    folder = results or root / "results" / assignment
    with screen.progress(loaded, len(list(folder.glob("*.json"))), ()):
        return write_report(
            setting, folder, out or folder / "pages", frozenset(students), screen.advance_page, Format(form)
        )


def folder_of(root: Path, assignment: str) -> Path:
    """Return the folder of an assignment. UsageError with the nearest name where there is none of that name."""
    import difflib

    known = [path.parent.name for path in sorted((root / "solutions").glob("*/assignment.yml"))]
    if assignment not in known:
        near = difflib.get_close_matches(assignment, known, 1)
        raise UsageError(
            f"there is no assignment {assignment!r}"
            + (f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known) or 'none here'}")
        )
    return root / "solutions" / assignment
