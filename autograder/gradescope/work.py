"""The process that grades a submission in Gradescope's container: the course's own pipeline, on one hand-in."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import closing
from pathlib import Path

from autograder.course import load_assignment
from autograder.errors import AutograderError, ConfinementMissing
from autograder.gradescope.run import Places
from autograder.gradescope.settings import FILE, read_settings
from autograder.intake import read_submission
from autograder.ledger import write_grade
from autograder.pipeline import Job, Pipeline, Settings
from autograder.records import Confinement
from autograder.sandbox.means import Means, survey
from autograder.secret import load_secret


def main() -> None:
    """Grade; `sys.argv` names Gradescope's folder and where the grade goes."""
    root, folder = map(Path, sys.argv[1:3])
    try:
        grade(root, folder, survey())
    except AutograderError as error:
        (folder / "error.txt").write_text(str(error), encoding="utf-8")
        sys.exit(error.exit_code)
    except Exception:  # noqa: BLE001 - the process beside us tells instructors what happened
        (folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        sys.exit(AutograderError.exit_code)


def grade(root: Path, folder: Path, means: Means) -> None:
    """Grade the submission below `root` and write `grade.json` into `folder`. ConfinementMissing on a bare machine."""
    import course_data

    places = Places(root)
    settings = read_settings(places.source / FILE)
    assignment = load_assignment(places.course / "solutions" / settings.assignment)
    confinement = confined(means, root=os.geteuid() == 0)
    digest = course_data.digest(assignment.datasets)
    pipeline_settings = Settings(assignment.folder, confinement, means.layers, means.missing, folder / "ledger", digest)
    submission = read_submission(places.submission, assignment, "submission")
    secret = load_secret(places.course, {})
    with closing(Pipeline(pipeline_settings)) as pipeline:
        job = Job(submission, secret, alone=True, untried=frozenset(settings.offline))
        write_grade(folder / "grade.json", pipeline.grade(job))


def confined(means: Means, *, root: bool) -> Confinement:
    """What confines here: all layers, or, where Landlock is missing, another uid and seccomp.

    ConfinementMissing where neither can be had: then nothing is graded.
    """
    if not means.missing:
        return Confinement.REQUIRED
    if "seccomp" in means.layers and root:
        return Confinement.BEST_EFFORT
    raise ConfinementMissing(
        f"this container cannot confine submissions: missing {'; '.join(means.missing)}; the grader must run as root "
        "with seccomp at the least"
    )


if __name__ == "__main__":
    main()
