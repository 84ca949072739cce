"""What one mistake costs: its own points, and none of what is built on it.

    .venv/bin/python tests/following.py [ID ...] [--trainings] [--write docs/measured/follow_through.md]

For each part that others build on (`parts:` in assignment.yml) a known mistake that lies in it is graded as a
submission, and so is a mistake in earlier work below each assignment that builds on it. Checks that may compute for
more than a minute are left out without `--trainings`. Exit code 1 where a check above the part fails that is not there
to catch that very mistake (`caught_by:` in mistakes.yml).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

from autograder.audit import audit_secret
from autograder.checks.earlier import decisive
from autograder.course import load_assignment
from autograder.desk import Desk
from autograder.diagnosis import Catalogue
from autograder.feedback.parts import parts_of
from autograder.pipeline import Job, Pipeline
from autograder.proof import digest
from autograder.records import Assignment, CheckResult, Confinement, Outcome
from autograder.sandbox.standins import STAND_INS
from autograder.variants import Variant, as_submission, solution

ROOT = Path(__file__).resolve().parent.parent
OPEN = tuple(sorted(file.parent.name for file in (ROOT / "solutions").glob("*/assignment.yml")))
LONG_S = 60.0
"""A check that may compute for longer is a training that takes most of the time."""
WRITTEN = """# One mistake costs its points once

`make prove` wrote this (tests/following.py). For each part that others build on, the first known mistake in it: the
solution with that mistake, graded with all checks{left_out}. Where the part belongs to an earlier
assignment, it is the later solution, on the earlier one with that mistake. What is built on a wrong part is tried with
a stand-in in its place.

{programs} programs lost {inside} points in the part that is wrong, and {above} above it. A row with such a loss says
why: a check that needs another one's answer is not run, and one of the whole model may be there to catch this very
mistake.

| assignment | wrong part | mistake | points lost in it | points lost above it | checks passed on a stand-in |
|---|---|---|---|---|---|
{rows}

It holds for these states of the assignments (tests/test_measured.py compares):

{digests}
"""


@dataclass(frozen=True, slots=True)
class Slip:
    """A right submission but for one mistake in one part."""

    assignment: Assignment
    part: str
    mistake: str
    files: Mapping[str, bytes]
    caught_by: tuple[str, ...] = ()
    """The checks that are there to catch the mistake."""
    of: str = ""
    """The earlier assignment that the part belongs to; empty: it is one of this one's own."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a slip cost."""

    slip: Slip
    inside: int
    """Points lost in the checks of the part itself."""
    above: tuple[CheckResult, ...]
    """Other checks that were lost."""
    standing_in: int
    """Checks that passed with a stand-in below them."""

    @property
    def why(self) -> str:
        """Why points were lost above; empty where none were."""
        return "; ".join(f"{r.id}: {r.finding.message if r.finding else r.outcome}" for r in self.above)

    @property
    def fault(self) -> str:
        """Why it is not as it must be; empty when it is. A check may say by name that it needs another one's answer."""
        if any(r.outcome is not Outcome.SKIPPED and r.id not in self.slip.caught_by for r in self.above):
            return self.why
        if not self.slip.of and not self.inside:
            return "no check of the part sees it"
        return "" if self.standing_in else "nothing stood in for it"


def slips(assignment: Assignment) -> Iterator[Slip]:
    """For each part that others build on, lowest first: the first known mistake that lies in it."""
    for part, variant in _first_mistakes(assignment, assignment.parts):
        files = {**solution(assignment).files, **variant.files}
        yield Slip(assignment, part, variant.id, files, variant.caught_by)


def slips_below(assignment: Assignment) -> Iterator[Slip]:
    """The same for the parts of earlier work that an assignment uses, and for what these are made of."""
    for used in assignment.builds_on:
        earlier = load_assignment(assignment.folder.parent / used.id)
        told = decisive(earlier, used.parts)
        below = [part for part, checks in earlier.parts.items() if part in used.parts or set(checks) & told.keys()]
        for part, variant in _first_mistakes(earlier, below):
            yield Slip(assignment, part, variant.id, {**solution(assignment).files, **variant.files}, of=earlier.id)


def _first_mistakes(
    assignment: Assignment, parts: Sequence[str] | Mapping[str, object]
) -> Iterator[tuple[str, Variant]]:
    with closing(Catalogue(assignment, [assignment.folder.parent / used.id for used in assignment.builds_on])) as known:
        for part in parts:
            inside = (
                each
                for id_, each in known.mistakes.items()
                if each.caught_by and known.part_of(id_).partition(".")[0] == part
                if all(edit.file in assignment.files for edit in each.edits)
            )
            if part in STAND_INS and (first := next(inside, None)) is not None:
                yield part, first


def cost(pipeline: Pipeline, slip: Slip, *, trainings: bool = False) -> Cost:
    """Grade a submission with a slip in it."""
    assignment = slip.assignment
    long = frozenset(check.id for check in assignment.checks if (check.trains_cpu_s or 0) > LONG_S)
    untried = frozenset() if trainings else long
    submission = as_submission(assignment, f"slip.{slip.mistake}", slip.files)
    grade = pipeline.grade(Job(submission, audit_secret(0), untried=untried))
    if any(result.waited for result in grade.results):  # neighbours can make a child wait: once more, and believed
        grade = pipeline.grade(Job(submission, audit_secret(0), alone=True, untried=untried))
    own: set[str] = set()
    if not slip.of:
        own = {check for part in parts_of(assignment) if part.name == slip.part for check in part.checks}
        own |= {*assignment.parts[slip.part]}
    lost = [r for r in grade.results if r.outcome is not Outcome.PASSED and r.id not in untried]
    earlier = any(part.why_stand_in for part in grade.earlier)
    stood_in = [r for r in grade.results if r.outcome is Outcome.PASSED and (r.stand_ins or earlier)]
    return Cost(
        slip,
        sum(result.points - result.earned for result in lost if result.id in own),
        tuple(result for result in lost if result.id not in own),
        len(stood_in),
    )


def main() -> int:
    """Grade every slip, print a table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assignments", nargs="*", default=OPEN)
    parser.add_argument("--trainings", action="store_true", help="with the checks that train for minutes")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    found: list[Cost] = []
    with tempfile.TemporaryDirectory() as ledger:
        for id_ in options.assignments:
            assignment = load_assignment(ROOT / "solutions" / id_)
            settings = Desk.at(ROOT, id_, Confinement.BEST_EFFORT, 1).settings(Path(ledger))
            with closing(Pipeline(settings)) as pipeline:
                for slip in (*slips(assignment), *slips_below(assignment)):
                    found.append(cost(pipeline, slip, trainings=options.trainings))
                    sys.stdout.write(_row(found[-1]) + "\n")
                    sys.stdout.flush()
    if options.write:
        options.write.write_text(document(found, trainings=options.trainings), encoding="utf-8")
    return 1 if any(each.fault for each in found) else 0


def document(found: Sequence[Cost], *, trainings: bool) -> str:
    """What is written down."""
    inside = sum(each.inside for each in found)
    above = sum(result.points - result.earned for each in found for result in each.above)
    return WRITTEN.format(
        left_out="" if trainings else f" but trainings that may take more than {LONG_S:.0f} CPU s",
        programs=len(found),
        inside=inside,
        above=above,
        rows="\n".join(map(_row, found)),
        digests=_digests({each.slip.assignment.id: each.slip.assignment.folder for each in found}),
    )


def _digests(folders: Mapping[str, Path]) -> str:
    return "\n".join(f"- {id_}: `{digest(folder)}`" for id_, folder in folders.items())


def _row(each: Cost) -> str:
    slip = each.slip
    above = sum(result.points - result.earned for result in each.above)
    inside = "(graded there)" if slip.of else str(each.inside)
    part = f"{slip.part} of {slip.of}" if slip.of else slip.part
    cells = (slip.assignment.id, part, slip.mistake, inside, str(above), str(each.standing_in))
    why = f" {reason} |" if (reason := each.why or each.fault) else ""
    return f"| {' | '.join(cells)} |{why}"


if __name__ == "__main__":
    sys.exit(main())
