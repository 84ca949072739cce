"""Thousands of submissions in one go, with flat memory: `autograder grade` itself, watched from outside.

    .venv/bin/python tests/thousands.py [--submissions 2000] [--jobs 2] [--write docs/measured]

The assignment has two tiny checks, so that the number is large and the hours few. Every two seconds the memory of the
command's processes is read: their share of what they have in common with others (PSS), so that pages of torch count
once. Flat means that the processes that last (the command, judges, zygotes; a child lives for one check) grow by no
more from the second quarter of the class to its last than the grades that the command holds: GROWTH_KB for a
submission, by their resident memory, which does not depend on who shares what. Writes a table and a plot.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

sys.path.insert(0, str(Path(__file__).parent))
import one_check

GROWTH_KB = 16.0
EVERY_S = 2.0


@dataclass(frozen=True)
class Sample:
    """What was there at one moment."""

    second: float
    graded: int
    parent_mb: float
    judges_mb: float
    zygotes_mb: float
    """With the children that they have forked."""
    resident: Mapping[int, float]
    """Process -> its resident memory in MB."""
    cpu_s: float
    """Of all of them so far, and of those of their children that have ended."""

    @property
    def total_mb(self) -> float:
        """All of it."""
        return self.parent_mb + self.judges_mb + self.zygotes_mb


def pss_mb(pid: int) -> float:
    """Proportional share of a process; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def sample(command: psutil.Process, start: float, graded: int) -> Sample:
    """Look at a command and all that it started."""
    resident, shares, cpu_s = dict[int, float](), {"judges": 0.0, "zygotes": 0.0}, 0.0
    for each in (command, *command.children(recursive=True)):
        try:
            name = each.name()
            resident[each.pid] = each.memory_info().rss / 2**20
            cpu_s += sum(each.cpu_times()[:4])
        except psutil.Error:
            continue
        if each.pid != command.pid:
            shares["judges" if name == "judge" else "zygotes"] += pss_mb(each.pid)
    own = pss_mb(command.pid)
    return Sample(time.monotonic() - start, graded, own, shares["judges"], shares["zygotes"], resident, cpu_s)


def watched(course: Path, folder: Path, jobs: int) -> tuple[list[Sample], list[dict[str, object]]]:
    """Grade the class; return what was seen, and the lines that it said."""
    words = ["grade", one_check.ID, str(folder), "--course", str(course), "--sandbox", "best-effort"]
    command = [sys.executable, "-m", "autograder.cli", *words, "--jobs", str(jobs), "--quiet"]
    start, samples = time.monotonic(), list[Sample]()
    out = course / "lines"
    with out.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, env={**os.environ, "OMP_NUM_THREADS": "1"})
    handle = psutil.Process(process.pid)
    while process.poll() is None:
        samples.append(sample(handle, start, out.read_bytes().count(b"\n")))
        time.sleep(EVERY_S)
    if process.returncode:
        raise SystemExit(f"the command ended with {process.returncode}")
    return samples, [json.loads(line) for line in out.read_bytes().splitlines()]


def faults(samples: list[Sample], lines: list[dict[str, object]], count: int) -> list[str]:
    """What is not as it should be."""
    found = []
    students = {line["student"] for line in lines}
    if len(students) != count or len(lines) != count:
        found.append(f"{len(lines)} lines of {len(students)} students; {count} of each expected")
    wrong = [line for line in lines if line["score"] != (100 if int(str(line["student"])[1:]) % 4 < 2 else 0)]
    if wrong:
        found.append(f"{len(wrong)} wrong scores, the first {wrong[0]}")
    if (growth := growth_kb(samples, count)) > GROWTH_KB:
        found.append(f"memory grows by {growth:.1f} kB a submission; at most {GROWTH_KB:g} expected")
    return found


def growth_kb(samples: list[Sample], count: int) -> float:
    """Kilobytes a submission by which lasting processes grow from the second quarter of a class to its last."""
    quarters = [[each for each in samples if low <= each.graded / count < low + 0.25] for low in (0.25, 0.75)]
    if not all(quarters):
        raise SystemExit(f"{count} submissions are over too soon to see anything; give more")
    lasting = frozenset.intersection(*(frozenset(each.resident) for quarter in quarters for each in quarter))
    sums = [median(sum(each.resident[pid] for pid in lasting) for each in quarter) for quarter in quarters]
    graded = [median(each.graded for each in quarter) for quarter in quarters]
    return (sums[1] - sums[0]) * 1024 / (graded[1] - graded[0])


def in_words(samples: list[Sample], count: int, jobs: int) -> str:
    """What stands in docs/measured."""
    rows, cpu_s = [], max(each.cpu_s for each in samples)
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        each = min(samples, key=lambda one: abs(one.graded - share * count))
        cells = (each.parent_mb, each.judges_mb, each.zygotes_mb, each.total_mb)
        rows.append(f"| {each.graded} | " + " | ".join(f"{megabytes:.0f}" for megabytes in cells) + " |")
    table = "\n".join(rows)
    command, judges, zygotes = "command", f"{jobs} judges", "what they are forked from, zygotes and their children"
    return f"""# {count} submissions in one go

`make prove` wrote this: `autograder grade --jobs {jobs}` on {count} submissions of two tiny checks, a quarter of them
with a mistake and a quarter with an exception. Each has its own line, and the score that it should have.
{cpu_s:.0f} s of CPU, start-up included: {1000 * cpu_s / count:.0f} ms a submission; {samples[-1].second:.0f} s in all.

Megabytes, what processes share counted once:

| graded | {command} | {judges} | {zygotes} | together |
|---|---|---|---|---|
{table}

Processes that last grow from the second quarter to the last by {growth_kb(samples, count):+.1f} kB a submission (at
most {GROWTH_KB:g} expected, for the grades that the command holds until its end).

![memory over the class](thousands.svg)
"""


def plot(samples: list[Sample], path: Path) -> None:
    """Draw memory over the number of graded submissions."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "thousands"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    graded = [each.graded for each in samples]
    stack = [[getattr(each, name) for each in samples] for name in ("parent_mb", "judges_mb", "zygotes_mb")]
    axes.stackplot(graded, stack, labels=("command", "judges", "zygotes and their children"), alpha=0.8)
    axes.set(xlabel="submissions graded", ylabel="memory (MB)", xlim=(0, max(graded)))
    axes.legend(loc="lower right")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Make a class, grade and watch it, say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", type=Path, default=None, help="Write thousands.md and thousands.svg there.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autograder-thousands-") as place:
        course = one_check.write_course(Path(place))
        folder = one_check.write_class(course / "class", options.submissions)
        samples, lines = watched(course, folder, options.jobs)
    found = faults(samples, lines, options.submissions)
    for fault in found:
        sys.stdout.write(f"FAULT: {fault}\n")
    words = in_words(samples, options.submissions, options.jobs)
    sys.stdout.write(words)
    if options.write and not found:
        (options.write / "thousands.md").write_text(words, encoding="utf-8")
        plot(samples, options.write / "thousands.svg")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
