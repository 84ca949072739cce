"""What the verbs share: their common options, and errors as one sentence with an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autograder.errors import AutograderError
from autograder.records import Confinement
from autograder.wording import LANGUAGES

if TYPE_CHECKING:
    from autograder.desk import Desk
    from autograder.screen import Screen


def explained(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the kit's own errors into one sentence and their exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except AutograderError as error:
            click.echo(f"autograder: {error}", err=True)
            sys.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):  # the latter: at a question
            click.echo(
                "\nautograder: stopped. What was measured is kept; the same command goes on from here.", err=True
            )
            sys.exit(130)
        except click.ClickException:
            raise
        except Exception:  # noqa: BLE001 - whatever else: Python would exit with 1, which says that checks failed
            traceback.print_exc()
            click.echo("autograder: the lines above are a fault of the kit; please report them.", err=True)
            sys.exit(AutograderError.exit_code)

    return run


class Verbs(click.Group):
    """The command: its help lists what students do, and what instructors do only where there is a course."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write two lists, or one and a sentence."""
        here = Path.cwd()
        course = any((folder / "course.yml").is_file() for folder in (here, *here.parents))
        students = [(name, verb) for name, verb in self.commands.items() if name in AT_HOME]
        others = [(name, verb) for name, verb in self.commands.items() if name not in AT_HOME]
        for title, verbs in (("Your own work", students), ("A course", others if course else ())):
            if rows := [(name, verb.get_short_help_str(WHOLE)) for name, verb in verbs]:
                with formatter.section(title):
                    formatter.write_dl(rows)
        if not course:
            formatter.write_paragraph()
            formatter.write_text("More verbs, for whoever runs a course, are listed where its course.yml lies.")


WHOLE = 200
"""Characters of a verb's sentence: all of it, on as many lines as it takes."""
AT_HOME = ("check", "submit", "compare")

course_option = click.option(
    "--course",
    "course_root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="The folder with course.yml; by default the nearest one above the current folder.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
language_option = click.option(
    "--lang",
    "language",
    type=click.Choice(LANGUAGES),
    default=None,
    help="The language of what people read; by default that of course.yml.",
)
jobs_option = click.option("--jobs", type=click.IntRange(min=1), default=None, help="Processes; by default one a core.")
device_option = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where submissions compute. `cuda`: what fails on a GPU for a tensor that was left on the CPU fails.",
)
sandbox_option = click.option(
    "--sandbox",
    type=click.Choice([kind.value for kind in Confinement]),
    default=Confinement.REQUIRED.value,
    show_default=True,
    help="`required` refuses where the kernel cannot confine; `best-effort` goes on and says so in every result.",
)


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """A scheduler's address, and PEM files with which to show who asks."""

    address: str
    ca: Path | None
    cert: Path | None
    key: Path | None


def cluster_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--cluster` and its keys; the command takes them as one `cluster: ClusterPlace | None`."""

    @wraps(command)
    def run(*args: Any, cluster: str | None, **rest: Any) -> None:
        ca, cert, key = (rest.pop(f"cluster_{name}") for name in ("ca", "cert", "key"))
        if cluster is None and (ca or cert or key):
            raise click.UsageError("--cluster-ca, --cluster-cert and --cluster-key go with --cluster tls://HOST:PORT")
        command(*args, cluster=ClusterPlace(cluster, ca, cert, key) if cluster is not None else None, **rest)

    file = click.Path(path_type=Path)
    for name, words in (
        ("key", "The private key of --cluster-cert, where it is not in the same file."),
        ("cert", "The certificate with which you show who you are."),
        ("ca", "The authority whose certificates are believed; these three by default as Dask is configured."),
    ):
        run = click.option(f"--cluster-{name}", type=file, default=None, metavar="PEM", help=words)(run)
    words = "Grade on a Dask cluster: tls://HOST:PORT."
    return click.option("--cluster", default=None, metavar="ADDRESS", help=words)(run)


@contextmanager
def desk_for(
    start: Path,
    assignment: str,
    confinement: Confinement,
    jobs: int | None,
    device: str,
    cluster: ClusterPlace | None,
    screen: Screen,
) -> Iterator[Desk]:
    """Return the desk for an assignment, here or on a cluster."""
    from autograder.desk import Desk

    if cluster is None:
        yield Desk.at(start, assignment, confinement, jobs, device)
        return
    from autograder.cluster import Keys

    if jobs is not None:
        raise click.UsageError("--jobs is for this machine; on a cluster its workers say how many they grade at once")
    place = cluster.address, Keys(cluster.ca, cluster.cert, cluster.key)
    with Desk.on_a_cluster(start, assignment, confinement, device, place, screen) as desk:
        yield desk


who_option = click.option("--who", default=None, help="Who decides; by default the name of your account here.")
