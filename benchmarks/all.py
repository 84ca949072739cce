"""All benchmarks that have goals, one after the other, and one table of what came of them.

    .venv/bin/pip install -e '.[benchmarks]'      # brings otter-grader
    .venv/bin/python benchmarks/all.py [--quick] [--only overhead --only warm]

`make bench` does both. Each is a process of its own, whose output passes through here; what they measure stands in
their first lines. On two quiet cores it takes 13 minutes; `--quick` takes small numbers, to see that all of them run.
Ratios are of one run each. A benchmark that fails is said in the table, and the others go on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Figure, read
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
RUNS: dict[str, tuple[list[str], list[str]]] = {
    "overhead": (["--submissions", "16"], ["--submissions", "2"]),
    "scale": (["--submissions", "10"], ["--submissions", "12", "--assignment", "tiny"]),
    "home": (["--times", "1"], ["a1_rnn", "--times", "1"]),
    "warm": ([], ["--submissions", "20"]),
    "graders": ([], ["--submissions", "1", "5", "--of-others", "1"]),
    "cluster": (["--submissions", "100", "--orders", "200"], ["--submissions", "20", "--orders", "50"]),
}
"""Benchmark -> its arguments, and those for a quick look."""


def main() -> None:
    """Run them and print the table; 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small numbers: does everything run?")
    parser.add_argument("--only", action="append", choices=list(RUNS), help="this one; may be repeated")
    options = parser.parse_args()
    console, rows, failed = Console(highlight=False), list[tuple[str, Figure]](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or RUNS:
            console.rule(f"{name} ({(HERE / f'{name}.py').relative_to(HERE.parent)})")
            found, start = Path(folder) / f"{name}.json", time.monotonic()
            command = [sys.executable, str(HERE / f"{name}.py"), *RUNS[name][options.quick], "--figures", str(found)]
            if subprocess.run(command, check=False).returncode:
                failed.append(name)
            console.print(f"[dim]{time.monotonic() - start:.0f} s[/]")
            rows += [(name, figure) for figure in read(found)]
    console.print(in_table(rows))
    for name in failed:
        console.print(f"[red]{name} failed[/]: see above")
    sys.exit(1 if failed else 0)


def in_table(rows: list[tuple[str, Figure]]) -> Table:
    """Every figure with its goal."""
    table = Table("benchmark", "what", "measured", "goal", "")
    marks = {True: "[green]reached[/]", False: "[red]not reached[/]", None: ""}
    for name, figure in rows:
        table.add_row(name, figure.what, f"{figure.value:.3g} {figure.unit}", figure.goal, marks[figure.reached])
    return table


if __name__ == "__main__":
    main()
