"""A sample class for every finished assignment, graded: what the kit does, seen in minutes.

The class is made from the solution, its fair-play variants, its mistakes and its cheats, and from a few disasters that
fit any assignment. It is handed in as real classes are: folders, zips, single files.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from autograder.course import find_course, load_assignment
from autograder.desk import Desk, write_pages
from autograder.records import Assignment, Confinement, Grade
from autograder.release.steps import folders
from autograder.screen import Screen
from autograder.secret import make_secret
from autograder.variants import Variant, cheats, fair_play, mistakes, solution, stub

BANNER = "This class is made by the kit from its own solution: it is graded with whatever confinement this machine has."
NAMES = (
    "ada", "bo", "chae", "dmitri", "eun", "farah", "goran", "hana", "ines", "jun", "kofi", "lena",
    "mina", "noor", "oskar", "pia", "quinn", "rosa", "sora", "tomas", "uma", "viktor", "wen", "yuna",
)  # fmt: skip
RIGHT, WRONG, CHEATERS = 1, 2, 1

CRASH = "\n\nimport ctypes\n\n\ndef {name}(*args, **kwargs):\n    ctypes.string_at(0)  # reads address 0\n"
ENDLESS = "\n\ndef {name}(*args, **kwargs):\n    while True:\n        pass\n"
LAST_LINE = "\ndef unfinished(x:\n"


def run_demo(start: Path, assignment_ids: Sequence[str], out: Path | None, workers: int | None) -> None:
    """Make, grade and show a sample class for the named assignments, for every one of the course where none is named.

    Raises UsageError for a name that the course does not have, before anything is graded.
    """
    root = find_course(start)
    assignments = [load_assignment(folder) for folder in folders(root, assignment_ids)]
    make_secret(root)
    click.echo(BANNER, err=True)
    for number, assignment in enumerate(assignments, start=1):
        click.echo(f"Class {number} of {len(assignments)}: {assignment.id}", err=True)
        folder = (out or root / ".autograder" / "demo") / assignment.id
        write_class(assignment, folder / "submissions")
        desk = Desk.at(root, assignment.id, Confinement.BEST_EFFORT, workers)
        screen = Screen()
        grades = desk.grade([folder / "submissions"], folder / "results", (), screen)
        screen.grades(assignment, grades, folder / "results")
        click.echo(f"Who handed in what: {folder / 'class.txt'}")
        click.echo("".join(f"{what} {page}\n" for what, page in _pages(root, assignment, folder, grades, screen)))


def _pages(
    root: Path, assignment: Assignment, folder: Path, grades: Sequence[Grade], screen: Screen
) -> Iterator[tuple[str, Path]]:
    """Write the pages of all audiences; yield those to look at first: of a student with a mistake, and of the class."""
    if not grades:
        return
    worth = max(grades, key=lambda grade: (grade.score < grade.out_of, grade.score))
    for audience, what in (("student", "What a student reads:"), ("ta", "What a TA reads:"), ("class", "The class:")):
        written = write_pages(
            root, assignment.id, audience, (), folder / "results", folder / "pages", screen, published=True
        )
        yield what, next((page for page in written.pages if page.stem == worth.student), written.pages[0])


def write_class(assignment: Assignment, folder: Path) -> None:
    """Write a class's submissions into `folder`, and beside it who is who."""
    folder.mkdir(parents=True, exist_ok=True)
    who = []
    for number, (name, variant) in enumerate(zip(NAMES, sample(assignment), strict=False)):
        _hand_in(folder, name, variant.files, number % 3)
        who.append(f"{name:8} {variant.id}\n")
    (folder.parent / "class.txt").write_text("".join(who), encoding="utf-8")


def sample(assignment: Assignment) -> Iterator[Variant]:
    """The programs of a class: right in several styles, wrong in several ways, and in trouble.

    Those that take long come first, so that no core waits for another at the end.
    """
    first_part = next(iter(assignment.parts), "fit")
    yield _ruined(assignment, "never_ends", ENDLESS.format(name=first_part))
    yield solution(assignment)
    yield from _spread(fair_play(assignment), RIGHT)
    yield from _spread([mistake for mistake in mistakes(assignment) if mistake.files], WRONG)
    yield from _spread(cheats(assignment), CHEATERS)
    yield stub(assignment)
    yield _ruined(assignment, "crashes", CRASH.format(name=first_part))
    yield _ruined(assignment, "syntax_error", LAST_LINE)


def _spread(variants: tuple[Variant, ...] | list[Variant], count: int) -> list[Variant]:
    """`count` of them, evenly spread over the list."""
    step = max(1, len(variants) // count)
    return list(variants[::step][:count])


def _ruined(assignment: Assignment, id_: str, ending: str) -> Variant:
    files = dict(stub(assignment).files)  # which trains nothing: a demo is short
    files[assignment.files[0]] += ending.encode()
    return Variant(id_, files)


def _hand_in(folder: Path, student: str, files: Mapping[str, bytes], form: int) -> None:
    """Hand in as a folder, a zip, or, where there is one file only, that file."""
    if form == 1:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        (folder / f"{student}.zip").write_bytes(buffer.getvalue())
    elif form == 2 and len(files) == 1:
        (folder / f"{student}.py").write_bytes(next(iter(files.values())))
    else:
        (folder / student).mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / student / name).write_bytes(content)
