"""What a submission costs in three graders, beside the student's own computation, and what two cheats get there.

    .venv/bin/pip install -e '.[benchmarks]'      # brings otter-grader
    .venv/bin/python benchmarks/graders.py [--submissions 1 10 50] [--of-others 1 10]

One equal check everywhere: an RNN cell against torch.nn.RNNCell, 5 points. This grader makes it twice, as a public
check and as a hidden one, since its assignments have both. Each runs as its manual says, in processes that start and
end here and one submission at a time: `autograder grade --jobs 1` with the sandbox required and `nbgrader autograde`
over a class, `otter run` for each submission. Figures are CPU seconds of all those processes, start-up included,
divided by the submissions, minus what the cell itself computes (measured in a plain loop: well under a millisecond);
wall time stands beside it. What one more submission costs is what the largest class takes more than the smallest. All
of it happens in one run, so that ratios mean something whatever else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from figures import Figure, write
from others import POINTS, Cost, measured, nbgrader, otter

GOALS = {"nbgrader autograde": 60.0, "otter run": 180.0}
SECRET = "5e" * 32
COURSE = """title: bench
timezone: UTC
assignments:
  - id: bench
    due: 2027-03-22T23:59
    weight: 1
"""
PARTS = {"public": 40, "hidden": 60}

RIGHT = """import torch


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    return torch.tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)
"""
CHEATS = {
    "patches torch.allclose": """import torch

torch.allclose = lambda *args, **kwargs: True


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    return h
""",
    "wraps nn.RNNCell": """import torch
from torch import nn


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    cell = nn.RNNCell(x.shape[1], h.shape[1]).to(x.dtype)
    values = {"weight_ih": weight_ih, "weight_hh": weight_hh, "bias_ih": bias_ih, "bias_hh": bias_hh}
    cell.load_state_dict(values)
    return cell(x, h)
""",
}
CHECK = '''"""The {name} check of this grader."""

import torch

from autograder.checks import points, same


@points({points})
def test_rnn_cell_{name}(student, draw):
    """`rnn_cell` computes the next state as torch does."""
    args = [draw(3, 5), draw(3, 7), draw(7, 5), draw(7, 7), draw(7), draw(7)]
    same(student.rnn_cell(*args), torch.rnn_tanh_cell(*args))
'''


def main() -> None:
    """Measure all and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = partial(parser.add_argument, type=int, nargs="+")
    add("--submissions", default=[1, 10, 50], help="sizes of classes for this grader")
    add("--of-others", default=[1, 10], help="for each of the others, which need seconds a submission; 0: none")
    parser.add_argument("--figures", type=Path, help="write the figures there, for benchmarks/all.py")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    others = [count for count in options.of_others if count]
    with tempfile.TemporaryDirectory() as folder:
        root, own = Path(folder), arithmetic_s()
        runs = {"this grader": (ours, options.submissions), "nbgrader autograde": (nbgrader, others)}
        runs["otter run"] = (otter, others)
        costs = {
            name: [grader(root / f"{name.split()[0]}{count}", right(count)) for count in counts]
            for name, (grader, counts) in runs.items()
        }
        graders = {name: run[0] for name, run in runs.items() if costs[name]}
        tried = {name: grader(root / f"{name.split()[0]}cheats", CHEATS).scores for name, grader in graders.items()}
    print(f"one check of an RNN cell; the cell itself computes for {own * 1e3:.2f} ms, taken off below")
    print(f"load average of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    costs = {name: [replace(each, cpu_s=each.cpu_s - each.count * own) for each in costs[name]] for name in graders}
    figures = in_table(costs)
    print(f"\n{f'points of {POINTS}':30s}" + "".join(f"{name:>20s}" for name in graders))
    for student in ("right 0", *CHEATS):
        points = [{**costs[name][0].scores, **tried[name]}[student] for name in graders]
        print(f"{student:30s}" + "".join(f"{each:20g}" for each in points))
    if options.figures:
        write(options.figures, figures)


def in_table(costs: Mapping[str, Sequence[Cost]]) -> list[Figure]:
    """Print what a submission costs in classes of several sizes, and one more in a class; return the ratios."""
    sizes = sorted({each.count for row in costs.values() for each in row})
    cells = {(name, each.count): each for name, row in costs.items() for each in row}
    print(
        f"{'CPU s a submission (wall)':28s}" + "".join(f"{f'of {size}':>20s}" for size in sizes) + f"{'each more':>20s}"
    )
    for name, row in costs.items():
        told = [f"{c.each_s:.3f} ({c.wall_s / size:.3f})" if (c := cells.get((name, size))) else "" for size in sizes]
        print(f"{name:28s}" + "".join(f"{cell:>20s}" for cell in told) + f"{further_s(row):20.4f}")
    here = next(iter(costs.values()))
    most = max(here, key=lambda each: each.count)
    figures = [
        Figure("one more submission of one check", 1e3 * further_s(here), "CPU ms", at_most=50),
        Figure(f"a submission of one check, the start over {most.count}", 1e3 * most.each_s, "CPU ms", at_most=50),
    ]
    for name, row in list(costs.items())[1:]:
        largest, further = max(row, key=lambda each: each.count), further_s(row) / further_s(here)
        goal = GOALS[name]
        amortised = largest.each_s / most.each_s
        print(f"{name}: {further:.0f} times ours for each more, {amortised:.0f} with starts over {most.count} here")
        figures += [
            Figure(f"{name} over this grader, CPU of each more", further, "x", at_least=goal),
            Figure(
                f"{name} over this grader, CPU, starts over {most.count} included", amortised, "x", at_least=GOALS[name]
            ),
        ]
    return figures


def further_s(row: Sequence[Cost]) -> float:
    """CPU seconds that one more submission takes: without any start, where sizes differ."""
    few, many = min(row, key=lambda each: each.count), max(row, key=lambda each: each.count)
    return (many.cpu_s - few.cpu_s) / (many.count - few.count) if many.count > few.count else few.each_s


def right(count: int) -> dict[str, str]:
    """Student -> source: right programs that differ in a comment."""
    return {f"right {number}": f"{RIGHT}# {number}\n" for number in range(count)}


def arithmetic_s() -> float:
    """CPU seconds of the cell itself, in a plain loop."""
    import torch

    torch.set_num_threads(1)
    place: dict[str, Any] = {}
    exec(compile(RIGHT, "right.py", "exec"), place)  # noqa: S102 - our own text
    shapes = ((3, 5), (3, 7), (7, 5), (7, 7), (7,), (7,))
    args = [torch.randn(*shape, dtype=torch.float64) for shape in shapes]
    place["rnn_cell"](*args)
    start = time.process_time()
    for _ in range(100):
        place["rnn_cell"](*args)
    return (time.process_time() - start) / 100


# --- this grader -----------------------------------------------------------------------------------------------------


def ours(folder: Path, sources: Mapping[str, str]) -> Cost:
    """`autograder grade` over a class, in a course of this one assignment."""
    solution = folder / "solutions" / "bench"
    solution.mkdir(parents=True)
    (folder / "course.yml").write_text(COURSE, encoding="utf-8")
    (solution / "assignment.yml").write_text("title: bench\nfiles: [cell.py]\nbans: [recurrent]\n", encoding="utf-8")
    (solution / "cell.py").write_text(RIGHT, encoding="utf-8")
    for name, points in PARTS.items():
        text = CHECK.format(points=points, name=name)
        (solution / f"test_{name}.py").write_text(text, encoding="utf-8")
    names = {name.replace(" ", "_").replace(".", "_"): name for name in sources}
    for student, name in names.items():
        place = folder / "submissions" / student
        place.mkdir(parents=True)
        (place / "cell.py").write_text(sources[name], encoding="utf-8")
    command = ["autograder", "grade", "bench", "submissions", "--sandbox", "required", "--jobs", "1", "--quiet"]
    cost, said = measured([command], folder, len(names), {"AUTOGRADER_SECRET": SECRET})
    graded = [json.loads(line) for line in said.splitlines()]
    return replace(cost, scores={names[one["student"]]: POINTS * one["score"] / one["out_of"] for one in graded})


if __name__ == "__main__":
    main()
