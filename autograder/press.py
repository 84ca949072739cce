"""The verb `release`: what goes out to students, and to the programs that carry it to them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from autograder.options import course_option, explained, json_option


def add_to(group: click.Group) -> None:
    """Add the verb to the command."""
    group.add_command(release)


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
@course_option
@json_option
@explained
def release(
    assignments: tuple[str, ...],
    force: bool,
    nbgrader: bool,
    kit_folder: Path | None,
    wheel: Path | None,
    course_root: Path,
    as_json: bool,
) -> None:
    """Build the students' folders assignments/ from solutions/, and scan them for leaks."""
    from autograder.course import find_course
    from autograder.release import make_kit
    from autograder.release import release as build
    from autograder.secret import make_secret

    root = find_course(course_root)
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
