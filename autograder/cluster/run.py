"""A class on a cluster, with one writer: what workers measure is written here, into this machine's ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from autograder.before import Before, Entries
from autograder.cluster.client import Cluster
from autograder.cluster.crew import Crew
from autograder.cluster.order import Answer
from autograder.cluster.parcel import pack
from autograder.cluster.post import DaskPost
from autograder.errors import LedgerError
from autograder.grading import grade
from autograder.jobs import Job, Settings
from autograder.ledger import Ledger, grade_from_bytes
from autograder.records import CheckResult, Finding, Grade, Outcome


def grade_all(
    cluster: Cluster,
    settings: Settings,
    root: Path,
    jobs: Sequence[Job],
    done: Callable[[Job, Grade], None],
    running: Callable[[Sequence[str]], None],
) -> None:
    """See `Cluster.grade_all`."""
    with closing(Before(settings)) as before:
        writer = Writer(before, Ledger(settings.ledger), done)
        parcel, limits = pack(root, before.assignment), before.assignment.limits
        with closing(DaskPost(cluster, parcel, settings, limits, writer.kept_of)) as post:
            Crew(post, writer.settled, cluster.say, running).work(writer.unsettled(jobs))


class Writer:
    """The only one that writes: measurements first, then the grade that rests on them."""

    def __init__(self, before: Before, ledger: Ledger, done: Callable[[Job, Grade], None]) -> None:
        self._before = before
        self._ledger = ledger
        self._done = done
        self._kept: dict[tuple[str, int], Entries] = {}

    def unsettled(self, jobs: Sequence[Job]) -> Iterator[Job]:
        """Those jobs of which something has to be measured; the others are done on the way."""
        for job in jobs:
            known = self._before.known(job)
            if isinstance(known, Grade):
                self._done(job, known)
            else:
                self._kept[_of(job)] = known
                yield job

    def kept_of(self, job: Job) -> Entries:
        """What a worker need not measure."""
        return self._kept.get(_of(job), {})

    def settled(self, job: Job, answer: Answer, lost: tuple[str, ...]) -> bool:
        """Write what came of a job; return whether it has to be graded again, alone, before it counts."""
        if answer.lost:
            self._done(job, self._a_fault(job, lost))
        else:
            try:
                graded = grade_from_bytes(answer.grade)
                for name, content in answer.entries.items():
                    self._ledger.take(name, content)
            except ValueError as error:
                raise LedgerError(f"a worker's answer about {job.submission.student} is no grade: {error}") from error
            if not job.alone and any(result.waited for result in graded.results):
                return True
            self._done(job, graded)
        self._kept.pop(_of(job), None)
        return False

    def _a_fault(self, job: Job, lost: tuple[str, ...]) -> Grade:
        """The grade of a submission that was lost wherever it was tried: no zero, but a line for a human."""
        words = f"grading it ended {len(lost)} grading processes, each time before there was a result"
        finding = Finding("grader", f"could not be graded: {words}; a human will look at it", detail="\n".join(lost))
        results = [
            CheckResult(check.id, Outcome.GRADER_ERROR, 0, check.points, finding)
            for check in self._before.assignment.checks
        ]
        return grade(self._before.assignment, job.submission, results, self._before.run_info(job))


def _of(job: Job) -> tuple[str, int]:
    return job.submission.student, job.submission.attempt
