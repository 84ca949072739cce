"""The verbs of the office: what becomes of grades after grading. Everything heavy is imported where it is needed."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from autograder.errors import AutograderError
from autograder.names import json_on_a_terminal
from autograder.options import (
    ClusterPlace,
    cluster_options,
    course_option,
    desk_for,
    device_option,
    explained,
    jobs_option,
    json_option,
    sandbox_option,
    who_option,
)
from autograder.records import Confinement


def add_to(group: click.Group) -> None:
    """Add these verbs to the command."""
    for verb in (marks, extend, excuse, mark, request, answer, review, regrade):
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
        click.echo(json_on_a_terminal(json.dumps([as_data(each) for each in standings], ensure_ascii=False)))
    elif students:
        click.echo("\n\n".join(map(calculation, standings)))
    else:
        table(standings)
    if book.strangers:
        advice = "a result of a hand-in that was renamed since is results/ASSIGNMENT/NAME.json: delete it"
        click.echo(f"not on the roster: {', '.join(book.strangers)}; {advice}", err=True)
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


@click.command()
@click.argument("assignment")
@click.argument("student")
@click.option("--check", default="", help="The check that it is about; by default the assignment as a whole.")
@click.option("--points", default=None, metavar="N", help="Instead of what was measured.")
@click.option("--extra", default=None, metavar="N", help="On top of everything; below 0 it takes off.")
@click.option("--comment", default=None, help="For the student, in the place of an earlier one.")
@click.option(
    "--withdraw", multiple=True, type=click.Choice(["points", "extra", "comment"]), help="What no longer holds."
)
@click.option("--why", default="", help="The reason; it stands in the calculation, which the student reads.")
@who_option
@course_option
@explained
def mark(
    assignment: str,
    student: str,
    check: str,
    points: str | None,
    extra: str | None,
    comment: str | None,
    withdraw: tuple[str, ...],
    why: str,
    who: str | None,
    course_root: Path,
) -> None:
    """Set points or a comment by hand: a line of marks.jsonl, which no run of the grader touches."""
    from autograder.course import find_course
    from autograder.gradebook import open_book
    from autograder.gradebook.deciding import Decision, author_of, decide
    from autograder.gradebook.shown import decision_in_words

    root = find_course(course_root)
    gone = dict.fromkeys(withdraw, "")
    decision = Decision(check, gone.get("points", points), gone.get("extra", extra), gone.get("comment", comment), why)
    now = datetime.now(UTC)
    for line in decide(open_book(root), assignment, student, decision, author_of(who, now, root)):
        click.echo(decision_in_words(line))
    after = open_book(root).standing(student, now).mark(assignment)
    click.echo("\n".join(f"  {step}" for step in after.calculation))


@click.command()
@click.argument("assignment")
@click.argument("student")
@click.argument("text")
@click.option("--check", default="", help="The check that it is about; by default the assignment as a whole.")
@who_option
@course_option
@explained
def request(assignment: str, student: str, text: str, check: str, who: str | None, course_root: Path) -> None:
    """Write down a regrade request: what STUDENT asks to be looked at again, in TEXT."""
    from autograder.course import find_course
    from autograder.gradebook import open_book
    from autograder.gradebook.deciding import author_of
    from autograder.gradebook.deciding import request as ask

    root = find_course(course_root)
    number = ask(open_book(root), assignment, student, check, text, author_of(who, datetime.now(UTC), root))
    click.echo(f"request #{number} waits; `autograder answer {number} TEXT` answers it")


@click.command()
@click.argument("number", type=int, required=False)
@click.argument("text", required=False)
@who_option
@course_option
@json_option
@explained
def answer(number: int | None, text: str | None, who: str | None, course_root: Path, as_json: bool) -> None:
    """Answer the regrade request NUMBER; without one, list those that wait."""
    from autograder.course import find_course
    from autograder.errors import UsageError
    from autograder.gradebook import open_book
    from autograder.gradebook.decided import open_requests
    from autograder.gradebook.deciding import answer as reply
    from autograder.gradebook.deciding import author_of
    from autograder.gradebook.shown import request_as_data, request_in_words

    root = find_course(course_root)
    book = open_book(root)
    if number is None:
        waiting = open_requests(book.entries)
        if as_json:
            click.echo(json_on_a_terminal(json.dumps([request_as_data(each) for each in waiting], ensure_ascii=False)))
        else:
            click.echo("\n".join(map(request_in_words, waiting)) or "no request waits for an answer")
        return
    if text is None:
        raise UsageError(f"what is the answer to #{number}? Give it as a text: autograder answer {number} TEXT")
    asked = reply(book, number, text, author_of(who, datetime.now(UTC), root))
    click.echo(f"answered: {request_in_words(asked)}")


@click.command()
@click.argument("assignments", nargs=-1)
@click.option("--list", "only_list", is_flag=True, help="Only list what waits.")
@click.option(
    "--formgrader", metavar="URL", default="", help="Where nbgrader's formgrader runs; its link stands at each thing."
)
@who_option
@course_option
@json_option
@explained
def review(
    assignments: tuple[str, ...], only_list: bool, formgrader: str, who: str | None, course_root: Path, as_json: bool
) -> None:
    """Go through what needs a human, by keyboard: requests, faults of ours, flags, failures by little.

    Points (with a reason) and comments go to marks.jsonl at once, for one student or everyone with the same mistake.
    """
    from dataclasses import asdict

    from autograder.course import find_course
    from autograder.desk import write_pages
    from autograder.gradebook import open_book
    from autograder.gradebook.deciding import author_of
    from autograder.gradebook.granting import term_of
    from autograder.gradebook.queue import queue
    from autograder.gradebook.review import Review, listed
    from autograder.screen import Screen

    root = find_course(course_root)
    book = open_book(root)
    for assignment in assignments:
        term_of(book.course, assignment)
    if as_json:
        click.echo(
            json_on_a_terminal(json.dumps([asdict(item) for item in queue(book, assignments)], ensure_ascii=False))
        )
        return
    if only_list or not sys.stdin.isatty():
        listed(queue(book, assignments))
        return

    def page(assignment: str, student: str) -> Path:
        screen = Screen(as_json=True)
        written = write_pages(root, assignment, "ta", (student,), None, None, screen, published=True)
        return written.pages[0]

    author = author_of(who, datetime.now(UTC), root)
    sitting = Review(root, assignments, author, lambda: datetime.now(UTC), page, formgrader)
    made = sitting.run()
    click.echo(f"{made} decision{'' if made == 1 else 's'} written to {root / 'marks.jsonl'}")


@click.command()
@click.argument("assignment")
@click.option("--student", "students", multiple=True, help="Only this student (may be given several times).")
@click.option("--again", is_flag=True, help="Measure again what has been measured already.")
@click.option("--yes", is_flag=True, help="Write the new results without asking.")
@course_option
@device_option
@sandbox_option
@jobs_option
@cluster_options
@json_option
@explained
def regrade(
    assignment: str,
    students: tuple[str, ...],
    again: bool,
    yes: bool,
    course_root: Path,
    device: str,
    sandbox: str,
    jobs: int | None,
    cluster: ClusterPlace | None,
    as_json: bool,
) -> None:
    """Grade again what was handed in, show which points change and why, and write it only when you say so."""
    from autograder.gradebook.regrading import preview
    from autograder.gradebook.shown import known_results, preview_as_data, preview_in_words
    from autograder.ledger import write_grade
    from autograder.screen import Screen

    screen = Screen(as_json=as_json)
    with desk_for(course_root, assignment, Confinement(sandbox), jobs, device, cluster, screen) as desk:
        folder = desk.results_folder(None)
        before = known_results(folder, students)
        after, left = desk.regrade(before, screen, again=again)
    found = preview(before, after)
    click.echo(json.dumps(preview_as_data(found, left)) if as_json else preview_in_words(assignment, found, left))
    if not after:
        return
    if not yes and found.differences:
        if as_json or not sys.stdin.isatty():
            click.echo("nothing was written; --yes writes it", err=True)
            return
        if not click.confirm(f"write these results to {folder}?"):
            click.echo("nothing was written", err=True)
            return
    for student, grade in after.items():
        write_grade(folder / f"{student}.json", grade)
    click.echo(f"written: {len(after)} results in {folder}", err=True)
