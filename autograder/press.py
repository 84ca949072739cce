"""The verbs `release`, `export`, `deliver` and `sync`: what goes to students, and to and from what carries it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from autograder.errors import AutograderError, UsageError
from autograder.options import course_option, explained, json_option, language_option, who_option


def add_to(group: click.Group) -> None:
    """Add these verbs to the command."""
    group.add_command(release)
    group.add_command(export)
    group.add_command(deliver)
    group.add_command(sync)


@click.command()
@click.argument("assignments", nargs=-1)
@click.option("--force", is_flag=True, help="Overwrite a released folder that somebody has edited.")
@click.option(
    "--kit",
    "kit_folder",
    type=click.Path(path_type=Path),
    default=None,
    metavar="OUT",
    help="Also make the students' kit: the folder OUT and OUT.zip, with the assignments, the wheel and a README.",
)
@click.option(
    "--wheel",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="The wheel for the kit; by default it is built from this folder.",
)
@click.option(
    "--nbgrader",
    is_flag=True,
    help="Also make the course's folder one of nbgrader: a notebook an assignment in source/, nbgrader_config.py.",
)
@click.option(
    "--solutions",
    is_flag=True,
    help="Instead: the solutions of ASSIGNMENTS, refused while an extension still runs.",
)
@course_option
@json_option
@explained
def release(
    assignments: tuple[str, ...],
    force: bool,
    solutions: bool,
    nbgrader: bool,
    kit_folder: Path | None,
    wheel: Path | None,
    course_root: Path,
    as_json: bool,
) -> None:
    """Build the students' folders assignments/ from solutions/, and scan them for leaks."""
    from autograder.course import find_course
    from autograder.release import make_kit, release_solutions
    from autograder.release import release as build
    from autograder.secret import make_secret

    root = find_course(course_root)
    if solutions:
        given = release_solutions(root, assignments, datetime.now(UTC), force=force)
        rows = [{"id": each.id, "folder": str(each.folder), "files": list(each.files)} for each in given]
        click.echo(json.dumps(rows) if as_json else "\n".join(f"{row['id']}: {row['folder']}" for row in rows))
        return
    make_secret(root)
    released = build(root, assignments, force=force)
    if nbgrader:
        from autograder.nbcourse import prepare

        prepared = prepare(root, assignments, force=force)
        names = ", ".join(prepared.assignments)
        click.echo(f"nbgrader: {names} in {root / 'source'}; next: nbgrader generate_assignment", err=True)
    kit = make_kit(root, assignments, kit_folder, wheel=wheel, force=force) if kit_folder else None
    if as_json:
        rows = [{"id": each.id, "folder": str(each.folder), "files": list(each.files)} for each in released]
        made = {"folder": str(kit.folder), "zip": str(kit.zip), "files": list(kit.files)} if kit else None
        click.echo(json.dumps(rows if made is None else {"released": rows, "kit": made}))
        return
    for each in released:
        click.echo(f"{each.id}: {len(each.files)} files in {each.folder}")
    if kit:
        click.echo(f"kit: {len(kit.files)} files in {kit.folder}, zipped: {kit.zip}")


@click.command()
@click.argument(
    "kind", metavar="FORMAT", type=click.Choice(["canvas", "moodle", "nbgrader", "csv", "json", "code", "gradescope"])
)
@click.argument("assignment", required=False)
@click.option(
    "--into",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="For canvas and moodle: the CSV that the LMS exported; it is filled in and not changed itself.",
)
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Where it goes.")
@click.option("--column", default="", help="What the LMS calls ASSIGNMENT, where that is neither its id nor its title.")
@click.option(
    "--offline", multiple=True, metavar="CHECK", help="For gradescope: graded elsewhere; `trains`: all that train."
)
@click.option("--minutes", type=float, default=10, show_default=True, help="For gradescope: its time limit.")
@click.option("--attempts", type=int, default=0, help="For gradescope: so many submissions in --hours are graded.")
@click.option("--hours", type=float, default=24, show_default=True, help="For gradescope: see --attempts.")
@click.option(
    "--wheel",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="For gradescope: the kit's wheel; by default it is built from this folder.",
)
@course_option
@explained
def export(
    kind: str,
    assignment: str | None,
    into: Path | None,
    out: Path | None,
    column: str,
    offline: tuple[str, ...],
    minutes: float,
    attempts: int,
    hours: float,
    wheel: Path | None,
    course_root: Path,
) -> None:
    """Write the marks for an LMS or a program; FORMAT is canvas, moodle, nbgrader, csv or json.

    canvas and moodle fill in the course's own exported CSV: autograder export moodle a1_rnn --into Grades.csv.
    FORMAT gradescope writes no marks but ASSIGNMENT's autograder, a zip to upload there; code writes what was handed
    in as files, and the stub beside it, for a program that looks for copies.
    """
    from autograder.course import find_course
    from autograder.export.desk import export_marks
    from autograder.gradebook import open_book
    from autograder.gradescope.bundle import make_bundle, settings_of

    root = find_course(course_root)
    if kind in {"gradescope", "code"} and not assignment:
        raise UsageError(f"which assignment? `autograder export {kind} ASSIGNMENT`")
    if kind == "code" and assignment:
        _code(root, assignment, out)
        return
    if kind == "gradescope" and assignment:
        settings = settings_of(root, assignment, offline, minutes=minutes, attempts=attempts, hours=hours)
        made = make_bundle(root, settings, out or Path(f"{assignment}-gradescope.zip"), wheel)
        click.echo(f"{len(made.files)} files in {made.path}: keep it to yourself, it holds the solution")
        return
    book = open_book(root)
    done = export_marks(book, kind, assignment, into, out, column, datetime.now(UTC))
    for words in (*done.remarks, *book.broken):
        click.echo(words, err=True)
    click.echo(f"{done.count} marks written to {done.path}")
    sys.exit(AutograderError.exit_code if book.broken else 0)


def _code(root: Path, assignment: str, out: Path | None) -> None:
    from autograder.course import load_assignment
    from autograder.desk import folder_of
    from autograder.export.code import export_code
    from autograder.release import build

    loaded = load_assignment(folder_of(root, assignment))
    stub = {name: content for name, content in build(loaded).items() if name in loaded.files}
    done = export_code(root / "results" / assignment, stub, out or Path(f"{assignment}-code"))
    for words in done.remarks:
        click.echo(words, err=True)
    click.echo(f"{done.count} submissions in {done.submissions}, what everybody was given in {done.stub}")


@click.command()
@click.argument("carrier", metavar="CARRIER", type=click.Choice(["folders", "moodle", "canvas"]))
@click.argument("assignment")
@click.option(
    "--into",
    type=click.Path(path_type=Path, exists=True),
    default=None,
    help="What the LMS exported: Moodle's grading worksheet, Canvas' gradebook, or its submissions, unpacked.",
)
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Where it goes; by default feedback/ there.")
@click.option(
    "--results", type=click.Path(path_type=Path), default=None, help="Where results are; by default results/ASSIGNMENT."
)
@click.option("--published", is_flag=True, help="The marks are out: students may see what hidden checks say.")
@click.option("--explain", is_flag=True, help="Explain known mistakes before the due date, too.")
@language_option
@course_option
@json_option
@explained
def deliver(
    carrier: str,
    assignment: str,
    into: Path | None,
    out: Path | None,
    results: Path | None,
    published: bool,
    explain: bool,
    language: str | None,
    course_root: Path,
    as_json: bool,
) -> None:
    """Write students' feedback for whoever brings it to them; CARRIER is folders, moodle or canvas.

    folders: one folder a student. moodle: the zip for `Upload multiple feedback files in a zip`. canvas: a zip for
    `Upload submissions`, or with the gradebook as --into the comments as data for its API. `report --nbgrader` is for
    nbgrader.
    """
    from autograder.course import find_course, load_assignment
    from autograder.desk import folder_of
    from autograder.export.delivery import Carrier
    from autograder.export.delivery import deliver as write
    from autograder.feedback import Audience, setting_for
    from autograder.screen import Screen

    root = find_course(course_root)
    loaded, folder = load_assignment(folder_of(root, assignment)), results or root / "results" / assignment
    told = {"published": published, "explained": explain}
    setting = setting_for(root, loaded, Audience.STUDENT, datetime.now(UTC), **told, language=language)
    screen = Screen(as_json=as_json)
    with screen.progress(loaded, len(list(folder.glob("*.json"))), ()):
        done = write(setting, folder, Carrier(carrier), into, out, screen.advance_page)
    for words in done.remarks:
        screen.say(words)
    if as_json:
        click.echo(json.dumps({"path": str(done.path), "count": done.count, "remarks": done.remarks}))
    else:
        click.echo(f"feedback of {done.count} students in {done.path}\n{done.next_step}")


@click.command()
@click.argument("assignment")
@click.option(
    "--take",
    type=click.Choice(["formgrader", "marks.jsonl"]),
    default=None,
    help="Which side goes before where both were changed; by default such decisions are listed and stay as they are.",
)
@who_option
@course_option
@json_option
@explained
def sync(assignment: str, take: str | None, who: str | None, course_root: Path, as_json: bool) -> None:
    """Bring marks and comments from formgrader into marks.jsonl, and grades and reports into nbgrader's gradebook."""
    from autograder.course import find_course
    from autograder.gradebook.deciding import author_of
    from autograder.nbcourse.desk import sync as bring_together
    from autograder.nbcourse.merging import Side
    from autograder.nbcourse.shown import as_data, in_words

    root = find_course(course_root)
    author = author_of(who or "formgrader", datetime.now(UTC), root)
    found = bring_together(root, assignment, author, take=Side(take) if take else None)
    click.echo(json.dumps(as_data(found), ensure_ascii=False) if as_json else in_words(assignment, found))
    sys.exit(1 if found.conflicts else 0)
