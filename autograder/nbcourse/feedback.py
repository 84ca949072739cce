"""Students' pages where nbgrader looks for feedback: `feedback/STUDENT/ASSIGNMENT/ASSIGNMENT.html`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from autograder.course import find_course
from autograder.errors import UsageError
from autograder.feedback import Audience, Written, setting_for
from autograder.feedback.report import remarks_on
from autograder.gradebook.shown import known_results


def write_feedback(
    start: Path,
    assignment: str,
    audience: str,
    students: Sequence[str],
    *,
    published: bool,
    explained: bool = False,
    language: str | None,
) -> Written:
    """Write the page of each student, with the time and the secret of the hand-in beside it, which nbgrader asks for.

    Raises UsageError, ConfigurationError.
    """
    from autograder.limited import Helper
    from autograder.nbcourse.desk import course_of
    from autograder.nbcourse.places import HANDED, read_plain_file, write_folder
    from autograder.nbcourse.reports import Reporter

    if audience != Audience.STUDENT:
        raise UsageError("nbgrader's feedback is for students: `--for student --nbgrader`")
    root = find_course(start)
    course, results = course_of(root, assignment), root / "results" / assignment
    now = datetime.now(UTC)
    told = {"published": published, "explained": explained}
    setting = setting_for(root, course.assignment, Audience.STUDENT, now, **told, language=language)
    pages: list[Path] = []
    with Helper("autograder.feedback.colours") as colours:
        reporter = Reporter(setting, course.term, results, colours)
        for student, grade in sorted(known_results(results, students).items()):
            submitted = course.places.submitted(student, assignment)
            handed = {name: read_plain_file(submitted / name, 200) for name in HANDED}
            files = {name: content for name, content in handed.items() if content is not None}
            folder = course.places.feedback(student, assignment)
            write_folder(folder, {**files, f"{assignment}.html": reporter.html(grade).encode()})
            pages.append(folder / f"{assignment}.html")
    return Written(tuple(pages), (), tuple(remarks_on(setting)))
