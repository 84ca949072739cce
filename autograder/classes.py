"""The verbs over a class: `grade` and `status`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from autograder.errors import AutograderError
from autograder.options import (
    ClusterPlace,
    cluster_options,
    course_option,
    desk_for,
    device_option,
    explained,
    jobs_option,
    json_option,
    language_option,
    sandbox_option,
)
from autograder.records import Confinement


def add_to(group: click.Group) -> None:
    """Add these verbs to the command."""
    for verb in (grade, status):
        group.add_command(verb)


@click.command()
@click.argument("assignment")
@click.argument("submissions", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Where results go; by default results/ASSIGNMENT."
)
@click.option("--only", multiple=True, help="Grade only this student (may be given several times).")
@click.option(
    "--since",
    default="",
    metavar="TIME",
    help="Grade only what was handed in or changed since: 2027-03-22T18:00 (course time), 36h or 2d ago.",
)
@click.option("--again", is_flag=True, help="Measure again what has been measured already.")
@click.option(
    "--times",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="When hand-ins came: Moodle's grading worksheet, or a CSV with `student` and `time`; one for each folder.",
)
@click.option("--quiet", is_flag=True, help="No table and no progress: one line of JSON for each as it is graded.")
@course_option
@device_option
@sandbox_option
@jobs_option
@cluster_options
@json_option
@explained
def grade(
    assignment: str,
    submissions: tuple[Path, ...],
    out: Path | None,
    only: tuple[str, ...],
    since: str,
    again: bool,
    times: tuple[Path, ...],
    quiet: bool,
    course_root: Path,
    device: str,
    sandbox: str,
    jobs: int | None,
    cluster: ClusterPlace | None,
    as_json: bool,
) -> None:
    """Grade folders of submissions: a folder, zip, .py file or notebook a student, or the export of an LMS.

    Exports of Moodle, Canvas and Gradescope and nbgrader's submitted/ are known by their names. Several folders are
    several attempts.
    """
    from autograder.screen import Screen

    if quiet and as_json:
        raise click.UsageError("--quiet is JSON already, a line for each submission; leave out --json")
    screen = Screen(as_json=as_json, quiet=quiet)
    with desk_for(course_root, assignment, Confinement(sandbox), jobs, device, cluster, screen) as desk:
        grades = desk.grade(submissions, out, only, screen, again=again, times=times, since=since)
        screen.grades(desk.assignment, grades, desk.results_folder(out))
    if any(grade.needs_human for grade in grades):
        sys.exit(AutograderError.exit_code if screen.grader_failed(grades) else 0)


@click.command()
@click.argument("assignment")
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Where results are; by default results/ASSIGNMENT."
)
@language_option
@course_option
@json_option
@explained
def status(assignment: str, out: Path | None, language: str | None, course_root: Path, as_json: bool) -> None:
    """Show what has been graded, and what waits for a human."""
    from autograder.course import find_course
    from autograder.course.language import language_at
    from autograder.ledger import read_results
    from autograder.screen import Screen
    from autograder.wording import wording_in

    folder = out or find_course(course_root) / "results" / assignment
    grades, broken = read_results(folder)
    screen = Screen(as_json=as_json, wording=wording_in(language or language_at(course_root)))
    screen.status(grades, folder)
    for words in broken:
        screen.say(words)
    sys.exit(AutograderError.exit_code if broken else 0)
