"""The verbs of the office: what becomes of grades after grading. Everything heavy is imported where it is needed."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from autograder.errors import AutograderError
from autograder.options import course_option, explained, json_option


def add_to(group: click.Group) -> None:
    """Add these verbs to the command."""
    for verb in (marks, extend, excuse):
        group.add_command(verb)


@click.command()
@click.option("--student", "students", multiple=True, help="Only this student, with every step of the calculation.")
@course_option
@json_option
@explained
def marks(students: tuple[str, ...], course_root: Path, as_json: bool) -> None:
    """Work out the marks of the term so far: lateness, extensions, excuses, weights, extra credit."""
    from autograder.course import find_course
    from autograder.gradebook import open_book
    from autograder.gradebook.shown import as_data, calculation, known_students, table

    book = open_book(find_course(course_root))
    now = datetime.now(UTC)
    chosen = known_students(book, students)
    standings = [book.standing(student, now) for student in chosen]
    if as_json:
        click.echo(json.dumps([as_data(each) for each in standings], ensure_ascii=False))
    elif students:
        click.echo("\n\n".join(map(calculation, standings)))
    else:
        table(standings)
    for words in book.broken:
        click.echo(words, err=True)
    sys.exit(AutograderError.exit_code if book.broken else 0)


@click.command()
@click.argument("assignment")
@click.argument("students", nargs=-1, required=True)
@click.option("--until", metavar="TIME", default=None, help="Due for them: 2027-03-25T23:59 (course time).")
@click.option("--days", type=click.IntRange(min=1), default=None, help="Instead: so many days after the due date.")
@click.option("--why", required=True, help="The reason; it stands in the calculation, which the student reads.")
@course_option
@explained
def extend(
    assignment: str, students: tuple[str, ...], until: str | None, days: int | None, why: str, course_root: Path
) -> None:
    """Grant STUDENTS more time for ASSIGNMENT: an entry in extensions.yml, which may also be written by hand."""
    from autograder.gradebook.granting import extended

    file, due = extended(course_root, assignment, students, until, days, why)
    click.echo(f"{assignment} is due {due:%Y-%m-%d %H:%M %z} for {', '.join(students)}; written to {file}")


@click.command()
@click.argument("assignment")
@click.argument("students", nargs=-1, required=True)
@click.option("--why", required=True, help="The reason; it stands in the calculation, which the student reads.")
@course_option
@explained
def excuse(assignment: str, students: tuple[str, ...], why: str, course_root: Path) -> None:
    """Excuse STUDENTS from ASSIGNMENT: it does not count for them. An entry in extensions.yml."""
    from autograder.gradebook.granting import excused

    file = excused(course_root, assignment, students, why)
    click.echo(f"{assignment} does not count for {', '.join(students)}; written to {file}")
