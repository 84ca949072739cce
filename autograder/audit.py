"""Proves an assignment: right work has full marks, missing work none, and every known mistake is caught.

A check runs in float64 and, when it does not pass, again in float32, and either passing is passing: so a mistake that
fails a check here was caught in both precisions. Each trial is graded as any submission is, in the sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from autograder.checks.draw import derive_key
from autograder.checks.earlier import decisive
from autograder.fleet import grade_all
from autograder.jobs import Job, Settings
from autograder.records import Assignment, Diagnosis, Grade, Outcome
from autograder.variants import Variant, as_submission, cheats, fair_play, lazy_students, mistakes, solution, stub

SHORT_TRAINING_S = 20
"""CPU seconds that a check of a few steps of training may take at most."""


class Kind(StrEnum):
    """What a trial is to show."""

    SOLUTION = "solution"
    STUB = "stub"
    LAZY = "lazy"
    FAIR_PLAY = "fair play"
    MISTAKE = "mistake"
    PAIR = "pair"
    """Two mistakes in one program; tried by the proof of naming alone."""
    CHEAT = "cheat"


@dataclass(frozen=True, slots=True)
class Trial:
    """One program under one secret."""

    kind: Kind
    variant: Variant
    round: int
    """Number of the secret, from 0."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a trial showed."""

    trial: Trial
    grade: Grade
    caught_by: tuple[str, ...]
    """Checks that did not pass and were not merely skipped."""
    fault: str
    """What is wrong with the assignment, in words; empty when the trial went as it must."""

    @property
    def exact(self) -> tuple[Diagnosis, ...]:
        """The diagnoses that give all answers of their check, and that no passed check refutes."""
        return tuple(found for result in self.grade.results if (found := result.diagnosis) and found.exact)

    @property
    def named(self) -> str:
        """How the program's own mistake was diagnosed: `alone`, `first` of several, `listed` behind others, or not."""
        id_ = self.trial.variant.id
        exact = self.exact
        if any(found.mistakes == (id_,) for found in exact):
            return "alone" if any(found.mistakes == (id_,) and found.certain for found in exact) else "first"
        return "listed" if any(id_ in (*found.mistakes, *found.also) for found in exact) else ""


def trials(assignment: Assignment, rounds: int) -> Iterator[Trial]:
    """Return what an audit tries: right work on `rounds` secrets, everything else on one."""
    for number in range(rounds):
        yield Trial(Kind.SOLUTION, solution(assignment), number)
        yield from (Trial(Kind.FAIR_PLAY, variant, number) for variant in fair_play(assignment))
    yield Trial(Kind.STUB, stub(assignment), 0)
    yield from (Trial(Kind.LAZY, variant, 0) for variant in lazy_students(assignment))
    yield from (Trial(Kind.MISTAKE, variant, 0) for variant in mistakes(assignment) if variant.files)
    yield from (Trial(Kind.CHEAT, variant, 0) for variant in cheats(assignment))


def audit(
    settings: Settings,
    assignment: Assignment,
    chosen: Sequence[Trial],
    workers: int,
    done: Callable[[Verdict], None],
    *,
    as_in_class: bool = False,
) -> tuple[Verdict, ...]:
    """Grade the chosen trials and return what each showed; `done` hears of each as it stands.

    Mistakes are tried on the checks that are to catch them; `as_in_class` on all that do not train for long.
    """
    verdicts: list[Verdict] = []
    by_name = {f"{trial.kind.replace(' ', '-')}.{trial.variant.id}.{trial.round}": trial for trial in chosen}
    jobs = [
        Job(
            as_submission(assignment, name, trial.variant.files),
            audit_secret(trial.round),
            untried=_untold(assignment, trial, as_in_class=as_in_class),
        )
        for name, trial in by_name.items()
    ]

    def judge(job: Job, grade: Grade) -> None:
        verdicts.append(verdict(by_name[job.submission.student], grade))
        done(verdicts[-1])

    grade_all(settings, jobs, workers, judge)
    return tuple(verdicts)


def _untold(assignment: Assignment, trial: Trial, *, as_in_class: bool) -> frozenset[str]:
    """The checks that tell nothing about a mistake: `caught_by` does not name them, nor does what it names need them.

    They are most of what an audit would cost. What training shows is calibrated apart (see proof.py). `as_in_class`
    only those of them are left out that train for long.
    """
    if trial.kind not in (Kind.MISTAKE, Kind.PAIR) or not trial.variant.caught_by:
        return frozenset()
    told = {*trial.variant.caught_by, *decisive(assignment, trial.variant.caught_by)}
    left_out = (c for c in assignment.checks if not as_in_class or (c.trains_cpu_s or 0) > SHORT_TRAINING_S)
    return frozenset(check.id for check in left_out) - told


def audit_secret(number: int) -> bytes:
    """Return the secret of a round: fixed, so that whoever repeats an audit has its figures."""
    return derive_key(b"the audit's own secrets are no secret", str(number)) * 2


def verdict(trial: Trial, grade: Grade) -> Verdict:
    """Return what a graded trial shows about its assignment."""
    missed = [result for result in grade.results if result.outcome is not Outcome.PASSED]
    caught = tuple(result.id for result in missed if result.outcome is not Outcome.SKIPPED)
    ours = [result.id for result in missed if result.outcome is Outcome.GRADER_ERROR]
    if ours:
        fault = f"the grader failed in {', '.join(ours)}"
    elif trial.kind in (Kind.SOLUTION, Kind.FAIR_PLAY):
        words = [f"{result.id}: {result.finding.message if result.finding else result.outcome}" for result in missed]
        fault = f"right work was not passed by {'; '.join(words)}" if missed else ""
    elif trial.kind is Kind.PAIR:  # one mistake may keep the other from being seen
        fault = "" if caught else "no check caught it"
    elif trial.kind in (Kind.MISTAKE, Kind.CHEAT):
        fault = _escaped(trial, caught)
    else:
        passed = [result.id for result in grade.results if result.outcome is Outcome.PASSED]
        fault = f"missing work was passed by {', '.join(passed)}" if passed else ""
    return Verdict(trial, grade, caught, fault)


def _escaped(trial: Trial, caught: tuple[str, ...]) -> str:
    """What is wrong where a mistake or a cheat was not caught as the assignment says."""
    found = f"; these caught it: {', '.join(caught)}"
    if not caught:
        return "no check caught it in both precisions, or the edit changes nothing"
    if not trial.variant.caught_by:
        return f"caught_by names no check{found}"
    passed = [id_ for id_ in trial.variant.caught_by if id_ not in caught]
    return f"{', '.join(passed)} passed it although caught_by names it{found}" if passed else ""
