"""What runs in Gradescope's container, as root: looks after time and results, grades in a process beside it.

results.json is there from the first second on and always valid: first it says that the grader failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograder import __version__
from autograder.course import load_assignment, load_course, load_extensions, load_roster
from autograder.course.needs import in_order_of_needs
from autograder.disk import write_whole
from autograder.errors import AutograderError
from autograder.gradescope.metadata import Metadata, last_results, limited, read_metadata, told
from autograder.gradescope.results import Circumstances, failure, repeated, results_of
from autograder.gradescope.settings import FILE, read_settings
from autograder.grading import Lateness, late
from autograder.ledger import Ledger, read_grade
from autograder.records import Assignment, CheckResult, Confinement, Course, Grade, Outcome, RunInfo
from autograder.sandbox.means import survey

Work = Callable[[Path, Path, float], int | None]
"""Grades the submission below a root into a folder, within seconds; the exit code, None where time ran out."""
SPARE_S = 45.0
"""Of the time limit, for starting and for writing."""


@dataclass(frozen=True, slots=True)
class Places:
    """Gradescope's folder; `/autograder` there."""

    root: Path

    @property
    def source(self) -> Path:
        """Our zip."""
        return self.root / "source"

    @property
    def course(self) -> Path:
        """The course in our zip."""
        return self.source / "course"

    @property
    def submission(self) -> Path:
        """What was handed in."""
        return self.root / "submission"

    @property
    def metadata(self) -> Path:
        """What Gradescope says of it."""
        return self.root / "submission_metadata.json"

    @property
    def results(self) -> Path:
        """What Gradescope reads in the end."""
        return self.root / "results" / "results.json"


def main() -> None:
    """Grade one submission; `sys.argv[1]` is Gradescope's folder."""
    run(Places(Path(sys.argv[1])), in_a_process, datetime.now(UTC))


def run(places: Places, work: Work, now: datetime) -> None:
    """Grade one submission with `work` and write results.json, whatever happens."""
    write(places, failure("it was ended from outside, perhaps for want of time or memory.", ""))
    try:
        close_to_others(places)
        write(places, _results(places, work, now))
    except AutograderError as error:
        write(places, failure("its settings or the machine are not as they should be.", str(error)))
    except Exception:  # noqa: BLE001 - whatever else: without a valid file Gradescope shows nothing at all
        write(places, failure("something unforeseen happened.", traceback.format_exc()))


def close_to_others(places: Places) -> None:
    """Let only us read our source, what is known of the submission, and the results: the worker has another uid."""
    for path, mode in ((places.source, 0o700), (places.results.parent, 0o700), (places.metadata, 0o600)):
        with contextlib.suppress(FileNotFoundError):
            path.chmod(mode)


def write(places: Places, content: dict[str, Any]) -> None:
    """Replace results.json in one step."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    write_whole(places.results, text.encode("utf-8", "backslashreplace"), private=True)


def _results(places: Places, work: Work, now: datetime) -> dict[str, Any]:
    settings = read_settings(places.source / FILE)
    course = load_course(places.course)
    assignment = load_assignment(places.course / "solutions" / settings.assignment)
    metadata = read_metadata(places.metadata)
    if (until := limited(metadata, settings.attempts, settings.hours)) is not None:
        return repeated(last_results(metadata), f"{until:%Y-%m-%d %H:%M %z}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        code = work(places.root, Path(folder), max(1.0, settings.minutes * 60 - SPARE_S))
        grade, unfinished = _graded(assignment, Path(folder), code)
    lateness, notes = _lateness(course, assignment, metadata)
    around = Circumstances(
        mode=mode_of(grade.run),
        lateness=lateness,
        notes=notes,
        offline=frozenset(settings.offline),
        unfinished=unfinished,
        seconds=time.monotonic() - started,
    )
    return results_of(assignment, grade, around, now)


def mode_of(run_info: RunInfo) -> str:
    """`landlock+namespaces+seccomp`; where Landlock is missing, another uid stands in its place: `uid+seccomp`."""
    layers = sorted(layer.partition("-")[0] for layer in run_info.layers)
    return "+".join(
        layers if "landlock" in layers else sorted({*layers, "uid"}, key=lambda each: (each != "uid", each))
    )


def _graded(assignment: Assignment, folder: Path, code: int | None) -> tuple[Grade, frozenset[str]]:
    """The grade that was written; where time ran out, one of what was measured, and the checks that were not."""
    if code == 0:
        return read_grade(folder / "grade.json"), frozenset()
    if code is not None:
        words = (folder / "error.txt").read_text(encoding="utf-8") if (folder / "error.txt").exists() else ""
        raise AutograderError(f"the grading process ended with {code}. {words}")
    measured = _measured(assignment, folder / "ledger")
    results = tuple(
        measured.get(check.id) or CheckResult(check.id, Outcome.SKIPPED, 0, check.points) for check in assignment.checks
    )
    score, out_of = sum(result.earned for result in results), sum(check.points for check in assignment.checks)
    means = survey()
    info = RunInfo(Confinement.BEST_EFFORT, means.layers, means.missing, "cpu", "", __version__, "")
    grade = Grade("", assignment.id, score, out_of, results, (), (), info, "")
    return grade, frozenset(check.id for check in assignment.checks if check.id not in measured)


def _measured(assignment: Assignment, ledger: Path) -> dict[str, CheckResult]:
    """What the ledger holds, and what follows from it: a check that needs one which failed is not run.

    Of checks that share their name with one of an earlier assignment nobody can tell.
    """
    from autograder.kept import marked, met_by  # imports torch, which takes seconds, for the rare case

    folder = assignment.folder.parent
    others = {check.id for used in assignment.builds_on for check in load_assignment(folder / used.id).checks}
    found = (Ledger(ledger).get(path.stem) for path in ledger.glob("measurements/*/*.json"))
    checks = {check.id: check for check in assignment.checks if check.id not in others}
    known = {each.id: marked(checks[each.id], each) for each in found if each is not None and each.id in checks}
    for check in in_order_of_needs(checks.values(), assignment.parts):
        if check.id not in known and isinstance(met := met_by(check, assignment, known), CheckResult):
            known[check.id] = met
    return known


def _lateness(course: Course, assignment: Assignment, metadata: Metadata) -> tuple[Lateness | None, tuple[str, ...]]:
    """What lateness costs here, and notes. Late days of a term are counted by the course's own gradebook."""
    term = next((term for term in course.terms if term.id == assignment.id), None)
    if term is None:
        return None, ()
    found = told(metadata, assignment.id, term.due, load_roster(course.root), load_extensions(course))
    together = (f"handed in together: {', '.join(found.members)}",) if len(found.members) > 1 else ()
    if found.due is None:
        return None, together
    lateness = late(course.late_policy, found.due, found.created_at)
    if course.late_policy.late_days and lateness.days:
        return None, (
            *together,
            f"{lateness.days} days late; late days are counted in the course's gradebook, not here",
        )
    return lateness, together


def in_a_process(root: Path, folder: Path, seconds: float) -> int | None:
    """Grade in a process of its own, which ends with all that it started when time runs out."""
    command = [sys.executable, "-I", "-m", "autograder.gradescope.work", str(root), str(folder)]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None


if __name__ == "__main__":
    main()
