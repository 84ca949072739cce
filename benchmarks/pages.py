"""How long pages take and how large they are: 200 students' pages, and the page of a class of 500 in a real browser.

The submissions are those of `make pictures` (right, wrong, unwritten; curves, maps, code), each many times under other
names, since what a page costs does not depend on whose it is; each file has lines of its own, so that every one is
read and compared. Run it after `make pictures`, or name another folder of
results of one assignment: `python benchmarks/pages.py --results results/a4_attention`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

from playwright.sync_api import sync_playwright

from autograder.course import load_assignment
from autograder.feedback import Audience, setting_for, write_report
from autograder.intake import files_digest
from autograder.ledger import handed_in_file, read_files, read_grade, write_files, write_grade

ROOT = Path(__file__).parents[1]
STUDENTS, CLASS = 200, 500
MOST_S, MOST_KB, OPENS_S = 60, 400, 2


def copies(results: Path, out: Path, count: int) -> None:
    """Write `count` results with what was handed in, taken in turn from those in `results`; no two files are equal."""
    (out / "handed_in").mkdir(parents=True)
    for number, path in zip(range(count), cycle(sorted(results.glob("*.json"))), strict=False):
        student = f"student{number:03}"
        files = read_files(handed_in_file(results, path.stem))
        own = f"\n\ndef own_{number}(x):\n    return {'x + ' * (number % 60)}x\n".encode()
        files = {name: content + own for name, content in files.items()}
        grade = replace(read_grade(path), student=student, submission_digest=files_digest(files))
        write_grade(out / f"{student}.json", grade)
        write_files(handed_in_file(out, student), files)


def written(assignment: str, audience: Audience, results: Path, out: Path) -> tuple[float, float, list[Path]]:
    """Write the pages; return CPU seconds (this process and its helpers), seconds, and the pages."""
    loaded = load_assignment(ROOT / "solutions" / assignment)
    wall, cpu = time.perf_counter(), cpu_s()
    setting = setting_for(ROOT, loaded, audience, datetime.now(UTC), published=True)
    pages = write_report(setting, results, out, frozenset(), lambda _: None).pages
    return cpu_s() - cpu, time.perf_counter() - wall, list(pages)


def cpu_s() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def main() -> None:
    """Measure, print, and fail where a bound is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / ".autograder" / "pictures" / "results")
    results = parser.parse_args().results
    first = next(iter(sorted(results.glob("*.json"))), None)
    if first is None:
        sys.exit(f"{results} holds no results; `make pictures` makes some")
    assignment = json.loads(first.read_bytes())["assignment"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies(results, folder / "some", STUDENTS)
        cpu, wall, pages = written(assignment, Audience.STUDENT, folder / "some", folder / "pages")
        sizes = sorted(page.stat().st_size / 1000 for page in pages)
        print(f"{len(pages)} students' pages of {assignment}: {cpu:.1f} CPU s, {wall:.1f} s in one process")
        print(f"size: median {sizes[len(sizes) // 2]:.0f} kB, largest {sizes[-1]:.0f} kB")
        copies(results, folder / "many", CLASS)
        class_cpu, class_wall, (page,) = written(assignment, Audience.CLASS, folder / "many", folder / "pages")
        size = page.stat().st_size / 1000
        print(f"class page of {CLASS}: {class_cpu:.1f} CPU s, {class_wall:.1f} s to make, {size:.0f} kB")
        opened, opened_cpu = opening_s(page)
        print(f"it opens in {opened_cpu:.2f} CPU s of all of Chromium, {opened:.2f} s here (until it is laid out)")
    kept = {
        f"{MOST_S} CPU s to make": cpu <= MOST_S,
        f"{MOST_KB} kB": sizes[-1] <= MOST_KB,
        f"{OPENS_S} CPU s to open": opened_cpu < OPENS_S,
    }
    print(", ".join(f"{bound}: {'kept' if fine else 'NOT kept'}" for bound, fine in kept.items()))
    sys.exit(0 if all(kept.values()) else 1)


def opening_s(page: Path) -> tuple[float, float]:
    """Seconds and CPU seconds of all of Chromium until the page is loaded and laid out: the medians of five times."""
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if found is None:
        sys.exit("no Chromium on this machine; `make pictures` installs it where it is run as root")
    times, used = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(5):
            tab = browser.new_page()
            start, cpu = time.perf_counter(), below_us_cpu_s()
            tab.goto(page.as_uri(), wait_until="load")
            tab.evaluate("document.body.getBoundingClientRect().height")
            times.append(time.perf_counter() - start)
            used.append(below_us_cpu_s() - cpu)
            tab.close()
        browser.close()
    return sorted(times)[2], sorted(used)[2]


def below_us_cpu_s() -> float:
    """CPU seconds so far of all processes that come from this one and still run."""
    parents, used = dict[int, int](), dict[int, int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parents[int(stat.parent.name)] = int(fields[1])
        used[int(stat.parent.name)] = int(fields[11]) + int(fields[12])
    ours = {os.getpid()}
    while new := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= new
    return sum(used[pid] for pid in ours - {os.getpid()} if pid in used) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
