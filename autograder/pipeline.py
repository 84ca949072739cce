"""The heart: a submission becomes measurements, measurements become a grade.

intake -> sandbox -> checks -> ledger -> diagnosis -> grade. What the ledger holds is not measured again, so a killed
run goes on where it stopped, and each check's result is in the ledger before the next check starts.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import course_data
import torch

from autograder import ENGINE, __version__
from autograder.checks.bench import Bench, Transcript
from autograder.checks.earlier import (
    NOTHING_EARLIER,
    EarlierWork,
    Results,
    decisive,
    judged,
    missing,
    refuse_unknown,
    stand_ins_alone,
)
from autograder.checks.judge import CheckFiles, open_first
from autograder.checks.plugin import as_open_as
from autograder.checks.unimported import all_fail
from autograder.course import load_assignment, solution_digest
from autograder.diagnosis import Rounds
from autograder.errors import SandboxError, WireError
from autograder.grading import grade, with_earlier
from autograder.intake import files_digest
from autograder.jobs import Job, Settings
from autograder.kept import IMPORT, Kept
from autograder.ledger import KeyParts, Ledger
from autograder.notebooks import in_cells
from autograder.records import (
    Assignment,
    BuildsOn,
    CheckResult,
    Grade,
    Outcome,
    RunInfo,
    Submission,
)
from autograder.release import stub_files
from autograder.sandbox.cards import named
from autograder.sandbox.faults import ChildEnded, StudentFault
from autograder.sandbox.seed import Seed
from autograder.sandbox.uncompiled import keep_compiler_out
from autograder.secret import fingerprint
from autograder.workshop import Workshop

__all__ = ["Job", "Pipeline", "Report", "Settings"]

Report = Callable[[CheckResult], None]


class Pipeline:
    """Grades submissions of one assignment, one after the other."""

    def __init__(self, settings: Settings, lent: Workshop | None = None, seed: Seed | None = None) -> None:
        """`seed`: what its zygote is forked from; without one it imports torch itself."""
        torch.set_num_threads(1)
        keep_compiler_out()
        self.settings = settings
        self.assignment: Assignment = load_assignment(settings.folder)
        refuse_unknown(self.assignment)
        self._solution = solution_digest(self.assignment)
        self._by_id = {check.id: check for check in self.assignment.checks}
        self._ledger = self._ledger_at(settings.ledger)
        earlier = [load_assignment(settings.folder.parent / used.id) for used in self.assignment.builds_on]
        stubs = {name: text for each in earlier for name, text in stub_files(each).items()}
        own = lent or Workshop(
            self.assignment, settings.layers, (self.assignment, *earlier), device=settings.device, seed=seed
        )
        self._workshop = replace(own, stubs=stubs)
        self._earlier = {
            each.id: type(self)(_settings_for(each, settings), self._workshop.beside(each)) for each in earlier
        }
        self._rounds = Rounds(self.assignment, self._ledger, [each.folder for each in earlier])
        self._check_files: CheckFiles | None = None
        self._at_hand: tuple[Job, EarlierWork, Kept] | None = None
        if gc.get_freeze_count():  # else all there is comes from imports, where to look for garbage costs 0.3 s
            gc.collect()
        gc.freeze()  # torch's half a million objects live as long as we do: no collection need look at them again

    def _ledger_at(self, root: Path) -> Ledger:
        return Ledger(root)

    def train_regardless(self, job: Job) -> tuple[CheckResult, ...]:
        """Return the results of the checks that train as if all that they need had passed, to calibrate.

        Nothing is kept. A check of a few steps of training may be needed, too: it is not tried.
        """
        checks = self.assignment.checks
        needed = decisive(self.assignment, [need for c in checks if c.trains_cpu_s is not None for need in c.needs])
        passed = {
            c.id: CheckResult(c.id, Outcome.PASSED, c.points, c.points)
            for c in checks
            if c.trains_cpu_s is None or c.id in needed
        }
        found: list[CheckResult] = []
        self._checks().run(self._bench(job, self._earlier_work(job), passed, found.append))
        return tuple(found)

    def grade(self, job: Job) -> Grade:
        """Return the grade of a submission. Measures what the ledger does not hold; never raises for its content.

        A child that only waited until the wall clock ended it is not believed until it has done so alone: neighbours
        on a busy machine can make it wait.
        """
        if job.submission.problem:
            return grade(self.assignment, job.submission, (), self.run_info(job))
        results, work = self._results(job, None)
        diagnosed = tuple(results.values())
        if work.unsettled is None:  # else nothing was measured, and there is nothing to diagnose
            diagnosed = self._rounds.diagnosed(results, self._kept(job, work).keys(results))
        graded = grade(self.assignment, job.submission, diagnosed, self.run_info(job))
        return with_earlier(graded, work.parts, work.ours)

    def earlier_work(self, job: Job, used: BuildsOn) -> EarlierWork:
        """Return what the submission of a later assignment finds of this one: its own parts where they are right.

        That is measured by this assignment's own checks, and found in the ledger where it was measured before.
        """
        names = [*self.assignment.files, *self.assignment.earlier_files]
        files = {name: job.submission.files[name] for name in names if name in job.submission.files}
        if used.files[0] not in files:
            return missing(used)
        submission = Submission(job.submission.student, self.assignment.id, files, digest=files_digest(files))
        ids = frozenset(decisive(self.assignment, used.parts))
        results, _ = self._results(replace(job, submission=submission), ids)
        return judged(used, self.assignment, results)

    def _earlier_work(self, job: Job) -> EarlierWork:
        parts = (self._earlier[used.id].earlier_work(job, used) for used in self.assignment.builds_on)
        return sum(parts, NOTHING_EARLIER)

    def _results(self, job: Job, wanted: frozenset[str] | None) -> tuple[Results, EarlierWork]:
        """The results of the wanted checks, all for None, and the earlier work with which they came about."""
        work = self._earlier_work(job)
        if work.unsettled is None:
            return self._measured(job, wanted, work)
        open_ = [check for check in self.assignment.checks if wanted is None or check.id in wanted]
        return {check.id: as_open_as(work.unsettled, check) for check in open_}, work

    def _measured(
        self, job: Job, wanted: frozenset[str] | None, work: EarlierWork
    ) -> tuple[dict[str, CheckResult], EarlierWork]:
        kept = self._kept(job, work)
        known = kept.known(wanted, job.untried)
        results = dict(known)

        def report(result: CheckResult) -> None:
            result = _in_cells(result, job.submission)
            results[result.id] = result
            if job.alone or not result.waited:
                kept.keep(self._by_id[result.id], result)

        def transcribe(transcript: Transcript) -> None:
            self._rounds.keep(kept.key(self._by_id[transcript.check], transcript.stand_ins), transcript)

        if len(known) < len(self._by_id if wanted is None else wanted):
            bench = replace(self._bench(job, work, known, report), wanted=wanted, recall=kept.of, transcribe=transcribe)
            try:
                ahead = open_first(bench)
            except (StudentFault, WireError, SandboxError) as error:
                if (without := self._without_own(job, work, error)) is not None:
                    return self._measured(job, wanted, without)
                failed = [_in_cells(each, job.submission) for each in all_fail(bench, error)]
                results |= {each.id: each for each in failed}
                if job.alone or not failed[0].waited:
                    kept.keep_import(failed[0])
            else:
                self._checks().run(bench, ahead)
        return results, work

    def _checks(self) -> CheckFiles:
        """The check files, read when the first submission comes: a warm ledger needs none."""
        if self._check_files is None:
            self._check_files = CheckFiles(self.assignment)
        return self._check_files

    def _bench(self, job: Job, work: EarlierWork, known: Results, report: Report) -> Bench:
        return replace(self._workshop.bench(job.submission, job.secret, known, report, work), alone=job.alone)

    def _without_own(self, job: Job, work: EarlierWork, error: Exception) -> EarlierWork | None:
        """Stand-ins for all earlier work, where that is what keeps a submission from being imported; else None."""
        waits = isinstance(error, ChildEnded) and error.waited and not job.alone
        if waits or not isinstance(error, StudentFault) or not any(each.written for each in work.modules):
            return None
        alone = [
            stand_ins_alone(used, f"with your {used.files[0]} {self.assignment.files[0]} cannot be imported")
            for used in self.assignment.builds_on
        ]
        without = sum(alone, NOTHING_EARLIER)
        bench = self._bench(job, without, {}, lambda _: None)
        try:
            for opened in open_first(bench).values():
                opened.close()
        except (StudentFault, WireError, SandboxError):
            return None
        finally:
            if bench.shared is not None:
                bench.shared.close()
        return without

    def run_info(self, job: Job) -> RunInfo:
        """How and with what a job is graded, as results say it."""
        used, own = self.settings, (str(torch.__version__), __version__, fingerprint(job.secret))
        return RunInfo(used.confinement, used.layers, used.missing, named(used.device, used.cards), *own)

    def _kept(self, job: Job, work: EarlierWork = NOTHING_EARLIER) -> Kept:
        """What the ledger holds of a submission, found once a submission."""
        if self._at_hand is None or self._at_hand[0] is not job or self._at_hand[1] != work:
            self._at_hand = job, work, Kept(self.assignment, self._ledger, self._common(job, work))
        return self._at_hand[2]

    def _common(self, job: Job, work: EarlierWork) -> KeyParts:
        """What the keys of all checks of a submission share."""
        used, limits = self.settings, self.assignment.limits
        sandbox = {"confinement": used.confinement, "layers": " ".join(used.layers), "limits": repr(limits)}
        sandbox |= {"importable": " ".join(self.assignment.importable), "preload": " ".join(self.assignment.preload)}
        sandbox |= {"bans": " ".join(self.assignment.bans), **self._earlier_in_use(job, work)}
        own = {name: content for name, content in job.submission.files.items() if name in self.assignment.files}
        return KeyParts(
            submission=files_digest(own) if self.assignment.builds_on else job.submission.digest,
            check=IMPORT,
            stand_ins=(),
            solution=self._solution,
            datasets={"course_data": used.datasets_digest},
            sandbox=sandbox,
            device=named(used.device, used.cards),
            torch=torch.__version__,
            engine=ENGINE,
            secret_sha256=fingerprint(job.secret),
        )

    def _earlier_in_use(self, job: Job, work: EarlierWork) -> dict[str, str]:
        """What of earlier work can change a measurement: a file that is imported, and the stand-ins set in it."""
        found: dict[str, str] = {}
        for used, module in zip(self.assignment.builds_on, work.modules, strict=True):
            files = {name: job.submission.files[name] for name in used.files if name in job.submission.files}
            own = files_digest(files) if module.written else "none"
            found[f"earlier {used.id}"] = f"{own} {' '.join(module.stand_ins)}"
        return found

    def close(self) -> None:
        """End the sandbox."""
        self._workshop.close()
        self._rounds.close()


def _settings_for(earlier: Assignment, settings: Settings) -> Settings:
    """The settings with which an earlier assignment is graded, so that its measurements are found again."""
    return replace(settings, folder=earlier.folder, datasets_digest=course_data.digest(earlier.datasets))


def _in_cells(result: CheckResult, submission: Submission) -> CheckResult:
    """The result with lines of a notebook's module told as the student knows them."""
    if result.finding is None:
        return result
    words = {name: in_cells(getattr(result.finding, name), submission.files) for name in ("message", "where", "detail")}
    return replace(result, finding=replace(result.finding, **words))
