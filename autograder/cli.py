"""The verbs. The only file that prints and exits; everything heavy is imported where it is needed."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from autograder import __version__, classes, clinic, office, press
from autograder.errors import AutograderError
from autograder.options import (
    Verbs,
    course_option,
    device_option,
    explained,
    jobs_option,
    json_option,
    language_option,
    sandbox_option,
)
from autograder.records import Confinement

CHECKS_FAILED = 1


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="autograder")
def main() -> None:
    """Grade deep-learning assignments: from RNN to ViT.

    Exit codes: 0 fine, 1 checks failed, 2 usage, 3 a fault of the grader.
    """


@main.command()
@click.argument("assignment", required=False)
@click.option("-k", "words", multiple=True, metavar="WORD", help="Only checks with this word in their name or part.")
@click.option("--watch", "keep_watching", is_flag=True, help="Run again whenever you save; ctrl-C ends it.")
@language_option
@json_option
@explained
def check(
    assignment: str | None, words: tuple[str, ...], keep_watching: bool, language: str | None, as_json: bool
) -> None:
    """Run the public checks of your work, here or of ASSIGNMENT, and say what to do next."""
    from autograder.home.desk import check_here

    sys.exit(check_here(Path(), assignment, words, keep_watching=keep_watching, as_json=as_json, language=language))


@main.command()
@click.argument("assignment", required=False)
@click.option("--anyway", is_flag=True, help="Also what is not finished: parts not written, imports that are refused.")
@language_option
@json_option
@explained
def submit(assignment: str | None, anyway: bool, language: str | None, as_json: bool) -> None:
    """Pack your work on ASSIGNMENT into a zip to upload, with what it is and which public checks pass."""
    from autograder.home.desk import submit_here

    sys.exit(submit_here(Path(), assignment, anyway=anyway, as_json=as_json, language=language))


classes.add_to(main)


@main.command()
@click.argument("assignment")
@click.option(
    "--for",
    "audience",
    type=click.Choice(["student", "ta", "class"]),
    required=True,
    help="`student` and `ta`: a page a submission, `ta` with all that was seen; `class`: one page.",
)
@click.option("--student", "students", multiple=True, help="Only this student (may be given several times).")
@click.option("--published", is_flag=True, help="The marks are out: students may see what hidden checks say.")
@click.option("--explain", is_flag=True, help="Explain known mistakes before the due date, too.")
@click.option(
    "--nbgrader",
    is_flag=True,
    help="Students' pages go to where `nbgrader release_feedback` takes them from.",
)
@click.option(
    "--results", type=click.Path(path_type=Path), default=None, help="Where results are; by default results/ASSIGNMENT."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Where pages go; by default pages/ beside the results."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md", "txt", "json"]),
    default="html",
    show_default=True,
    help="Of submissions: a page, Markdown or plain text for an LMS' comment field, data for programs.",
)
@language_option
@course_option
@json_option
@explained
def report(
    assignment: str,
    audience: str,
    students: tuple[str, ...],
    published: bool,
    explain: bool,
    nbgrader: bool,
    results: Path | None,
    out: Path | None,
    language: str | None,
    form: str,
    course_root: Path,
    as_json: bool,
) -> None:
    """Write pages of graded work: for each student, for TAs, or one of the class."""
    from autograder.desk import write_pages
    from autograder.nbcourse.feedback import write_feedback
    from autograder.screen import Screen

    screen = Screen(as_json=as_json)
    if nbgrader:
        to_nbgrader = partial(write_feedback, published=published, explained=explain, language=language)
        screen.pages(to_nbgrader(course_root, assignment, audience, students))
        return
    told = partial(write_pages, published=published, explained=explain, language=language, form=form)
    written = told(course_root, assignment, audience, students, results, out, screen)
    screen.pages(written)
    sys.exit(AutograderError.exit_code if written.problems else 0)


@main.command()
@click.argument("assignments", nargs=-1)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=1, show_default=True, help="Secrets on which right work is tried."
)
@click.option("--only", multiple=True, help="Try only the programs with this id or kind.")
@click.option(
    "--prove", "proof", is_flag=True, help="Five secrets, calibration of training, figures written to docs/measured/."
)
@click.option("--naming", is_flag=True, help="Instead: how mistakes and pairs of them are named, to docs/measured/.")
@course_option
@device_option
@sandbox_option
@jobs_option
@json_option
@explained
def audit(
    assignments: tuple[str, ...],
    rounds: int,
    only: tuple[str, ...],
    proof: bool,
    naming: bool,
    course_root: Path,
    device: str,
    sandbox: str,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Prove an assignment: solution 100, stub and lazy students 0, every mistake caught, every right style 100."""
    from autograder.desk import Desk, all_assignments
    from autograder.proving import name, prove
    from autograder.screen import Screen

    screen = Screen(as_json=as_json)
    fine = True
    for assignment in assignments or all_assignments(course_root):
        desk = Desk.at(course_root, assignment, Confinement(sandbox), jobs, device)
        holds = name(desk, only, screen) if naming else prove(desk, 5 if proof else rounds, only, screen, write=proof)
        fine = holds and fine
    sys.exit(0 if fine else CHECKS_FAILED)


@main.command()
@click.option("--only", multiple=True, metavar="WORD", help="Only measurements with this word in their title.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("comparison.html"), show_default=True, help="The page."
)
@jobs_option
@json_option
@explained
def compare(only: tuple[str, ...], out: Path, jobs: int | None, as_json: bool) -> None:
    """Measure what the course note says of its models: with the reference solutions, at home with your own files."""
    from autograder.comparison.desk import compare_here

    compare_here(Path(), only, out, jobs, as_json=as_json)


@main.command()
@click.argument("assignments", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Where the sample class and its results go.")
@course_option
@jobs_option
@explained
def demo(assignments: tuple[str, ...], out: Path | None, course_root: Path, jobs: int | None) -> None:
    """Make a sample class for every finished assignment, or for those named, grade it, and show where to look."""
    from autograder.demo import run_demo

    run_demo(course_root, assignments, out, jobs)


press.add_to(main)
office.add_to(main)
main.add_command(clinic.doctor)

if __name__ == "__main__":
    main()
