"""Our engine in nbgrader's lists of steps: `nbgrader autograde` grades in the sandbox, not in a kernel.

Its loop takes one student after the other. So the first one whom it asks for has all graded, in parallel and as `grade`
does it; for the others the results lie there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Integer, Unicode

from autograder.errors import SubmissionError
from autograder.feedback import Audience, setting_for
from autograder.gradebook.deciding import Author
from autograder.ledger import read_grade
from autograder.limited import Helper
from autograder.nbcourse.desk import course_of, sync
from autograder.nbcourse.places import sweep, write_folder
from autograder.nbcourse.reports import Reporter
from autograder.records import Confinement


def _course(step: NbGraderPreprocessor) -> Any:
    """The course folder of nbgrader: that of the converter whose exporter this step belongs to."""
    return step.parent.parent.coursedir


class Blank(NbGraderPreprocessor):
    """The first step: the student's notebook is replaced by an empty one, and their files are swept away.

    What lies in `autograded/` is served beside formgrader's pages; nothing of a student's may lie there. The hand-in
    itself stays in `submitted/`, where the engine reads it.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:  # noqa: ARG002 - nbconvert's
        """An empty notebook."""
        about, course = resources["nbgrader"], _course(self)
        sweep(Path(course.format_path(course.autograded_directory, about["student"], about["assignment"])))
        return nbformat.v4.new_notebook(), resources


@dataclass
class _Run:
    """What one run of nbgrader's converter has done so far."""

    folders: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Student -> what lies in their folder of `autograded/`: nbgrader empties it again before it asks for the next."""


class Engine(NbGraderPreprocessor):
    """The second step: grades, and returns the notebook that formgrader shows."""

    sandbox = Unicode(Confinement.REQUIRED.value, help="`required` or `best-effort`, as in `autograder grade`").tag(
        config=True
    )
    jobs = Integer(0, help="Processes; 0: one a core").tag(config=True)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:  # noqa: ARG002 - nbconvert's
        """The notebook with our report below each cell; the database has the scores when this returns."""
        about, course = resources["nbgrader"], _course(self)
        student, assignment = about["student"], about["assignment"]
        run: _Run = vars(self.parent.parent).setdefault("_autograder_run", _Run())  # it lives as long as that run
        if student not in run.folders:
            run.folders |= self._grade(course, assignment, student)
        if student not in run.folders:
            raise SubmissionError(f"nothing of {student} was found in {course.submitted_directory}/")
        write_folder(Path(course.format_path(course.autograded_directory, student, assignment)), run.folders[student])
        text = run.folders[student][f"{assignment}.ipynb"].decode()
        return nbformat.reads(text, as_version=4), resources

    def _grade(self, course: Any, assignment: str, student: str) -> dict[str, dict[str, bytes]]:
        """Grade everybody, or the one whom nbgrader was told to; return what lies in their folders then."""
        from autograder.desk import Desk
        from autograder.screen import Screen

        root = Path(course.root)
        desk = Desk.at(root, assignment, Confinement(self.sandbox), self.jobs or None)
        only = () if course.student_id == "*" else (student,)
        grades = desk.grade([root / course.submitted_directory], None, only, Screen())
        sync(root, assignment, Author("formgrader", datetime.now(UTC)))
        folder = course.autograded_directory
        places = {grade.student: Path(course.format_path(folder, grade.student, assignment)) for grade in grades}
        return {
            student: {path.name: path.read_bytes() for path in place.iterdir()} for student, place in places.items()
        }


class ForStudents(NbGraderPreprocessor):
    """The first step of `nbgrader generate_feedback`: what a student may see now, in place of what TAs see.

    `autograder report --for student --nbgrader` writes our own pages instead.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:  # noqa: ARG002 - nbconvert's
        """The notebook with a student's view below each cell."""
        about, root = resources["nbgrader"], Path(_course(self).root)
        course = course_of(root, about["assignment"])
        now = datetime.now(UTC)
        setting = setting_for(root, course.assignment, Audience.STUDENT, now, published=False)
        results = root / "results" / about["assignment"]
        with Helper("autograder.feedback.colours") as colours:
            grade = read_grade(results / f"{about['student']}.json")
            text = Reporter(setting, course.term, results, colours).notebook(grade)
        return nbformat.reads(text, as_version=4), resources
