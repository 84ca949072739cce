"""The doctor's verb: examines this machine, prints what held, and remembers it for `grade`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograder.options import explained, json_option

if TYPE_CHECKING:
    from autograder.doctor import Examination

DOES_NOT_HOLD = 1


@click.command()
@json_option
@click.option(
    "--matrix",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="Instead: measure which layer alone stops which attempt, and write it to FILE (as root; minutes).",
)
@explained
def doctor(as_json: bool, matrix: Path | None) -> None:
    """Attack the sandbox on this machine and show what held; `grade` refuses where something got through.

    Exit codes: 0 all held, 1 something did not, 3 a fault of the grader.
    """
    if matrix:
        from autograder.doctor.matrix import run

        run(matrix)
        click.echo(f"figures written to {matrix}")
        return
    from autograder.doctor import remember
    from autograder.doctor.examination import examine
    from autograder.sandbox.means import survey

    means = survey()
    found = examine(means, means.layers, lambda words: None if as_json else click.echo(f"  {words} ...", err=True))
    path = remember(found)
    if as_json:
        click.echo(path.read_text(encoding="utf-8"), nl=False)
    else:
        show(found)
    sys.exit(0 if found.holds else DOES_NOT_HOLD)


def show(found: Examination) -> None:
    """Print the table, what the kernel cannot do, and what to do next."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(
        title=f"Linux {found.kernel}, confined by {', '.join(found.layers) or 'nothing'}", title_justify="left"
    )
    for column in ("a submission tried", "attempts", "", "what got through"):
        table.add_column(column, justify="right" if column == "attempts" else "left")
    for each in found.findings:
        verdict = "[green]held[/]" if each.held else "[bold red]NOT held[/]"
        table.add_row(each.title, str(each.tried), verdict, escape("\n".join(each.through)))
    if found.findings:
        console.print(table)
    for words in found.missing:
        console.print(f"[bold red]missing:[/] {escape(words)}")
    for each in found.findings:
        if each.through:
            console.print(f"[bold red]{escape(each.title)}:[/] {escape(each.means)}")
    for words in found.remarks:
        console.print(f"[yellow]note:[/] {escape(words)}")
    if found.holds:
        console.print("This machine confines submissions: grade away.")
    else:
        console.print(
            "Do not grade strangers' code here. Grade on a machine where the doctor is content, or, for code that you "
            "trust, with --sandbox best-effort: every result will say so."
        )
