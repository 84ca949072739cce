"""What a submission costs in three graders, beside the student's own computation, and what two cheats get there.

    .venv/bin/pip install -e '.[benchmarks]'      # brings otter-grader
    .venv/bin/python benchmarks/graders.py [--submissions 1 10 50] [--of-others 1 10]

One equal check everywhere: an RNN cell against torch.nn.RNNCell, 5 points. This grader makes it twice, as a public
check and as a hidden one, since its assignments have both. Each runs as its manual says, in processes that start and
end here and one submission at a time: `autograder grade --jobs 1` with the sandbox required and `nbgrader autograde`
over a class, `otter run` for each submission.

Overhead is what that takes beyond the students' own computation: one process that imports torch, runs all the files and
calls each cell once, without any grader. Figures are CPU seconds of all processes, start-up included, minus those of
that plain loop over as many files, divided by the submissions; what they took as a whole stands in brackets. What one
more submission costs is what the largest class takes more than the smallest. Ratios are of a class as large as our
largest: for the others it is worked out from that. All of it happens in one run, so that ratios mean something
whatever else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

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


LOOP = """import sys

import torch

torch.set_num_threads(1)
args = [torch.randn(*shape) for shape in ((3, 5), (3, 7), (7, 5), (7, 7), (7,), (7,))]
for path in sys.argv[1:]:
    place = {}
    with open(path) as file:
        exec(compile(file.read(), path, "exec"), place)
    place["rnn_cell"](*args)
"""


def main() -> None:
    """Measure all and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = partial(parser.add_argument, type=int, nargs="+")
    add("--submissions", default=[1, 10, 50], help="sizes of classes for this grader")
    add("--of-others", default=[1, 10], help="for each of the others, which need seconds a submission; 0: none")
    parser.add_argument("--figures", type=Path, help="write the figures there, for benchmarks/all.py")
    options = parser.parse_args()
    others = [count for count in options.of_others if count]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        runs = {"this grader": (ours, options.submissions), "nbgrader autograde": (nbgrader, others)}
        runs["otter run"] = (otter, others)
        costs = {
            name: [grader(root / f"{name.split()[0]}{count}", right(count)) for count in counts]
            for name, (grader, counts) in runs.items()
        }
        loops = {count: plain_loop(root / f"loop{count}", right(count)) for count in {*options.submissions, *others}}
        graders = {name: run[0] for name, run in runs.items() if costs[name]}
        tried = {name: grader(root / f"{name.split()[0]}cheats", CHEATS).scores for name, grader in graders.items()}
    print(
        f"one check of an RNN cell; load average of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n"
    )
    figures = in_table({name: costs[name] for name in graders}, loops)
    print(f"\n{f'points of {POINTS}':30s}" + "".join(f"{name:>20s}" for name in graders))
    for student in ("right 0", *CHEATS):
        points = [{**costs[name][0].scores, **tried[name]}[student] for name in graders]
        print(f"{student:30s}" + "".join(f"{each:20g}" for each in points))
    if options.figures:
        write(options.figures, figures)


def in_table(wholes: Mapping[str, Sequence[Cost]], loops: Mapping[int, Cost]) -> list[Figure]:
    """Print what a submission costs in classes of several sizes, and one more in a class; return the ratios."""
    costs = {
        name: [replace(one, cpu_s=one.cpu_s - loops[one.count].cpu_s) for one in row] for name, row in wholes.items()
    }
    sizes = sorted(loops)
    print(
        f"{'CPU s a submission (whole)':28s}"
        + "".join(f"{f'of {size}':>20s}" for size in sizes)
        + f"{'each more':>20s}"
    )
    for name, row in costs.items():
        beyond, whole = ({one.count: one.each_s for one in each} for each in (row, wholes[name]))
        told = [f"{beyond[size]:.3f} ({whole[size]:.3f})" if size in beyond else "" for size in sizes]
        print(f"{name:28s}" + "".join(f"{cell:>20s}" for cell in told) + f"{further_s(row):20.4f}")
    print(f"{'no grader: a plain loop':28s}" + "".join(f"{f'({loops[size].each_s:.3f})':>20s}" for size in sizes))
    here = next(iter(costs.values()))
    most = max(here, key=lambda each: each.count)
    figures = [
        Figure("one more submission of one check", 1e3 * further_s(here), "CPU ms", at_most=50),
        Figure(f"a submission of one check, the start over {most.count}", 1e3 * most.each_s, "CPU ms", at_most=50),
    ]
    for name, row in list(costs.items())[1:]:
        further, amortised = further_s(row) / further_s(here), each_of_s(most.count, row) / most.each_s
        print(f"{name}: {further:.0f} times ours for each more, {amortised:.0f} over {most.count}, starts included")
        figures += [
            Figure(f"{name} over this grader, CPU of each more", further, "x", at_least=GOALS[name]),
            Figure(f"{name} over this grader, of {most.count}", amortised, "x", at_least=GOALS[name]),
        ]
    return figures


def each_of_s(count: int, row: Sequence[Cost]) -> float:
    """CPU seconds of a submission in a class of `count`, worked out where none of that size was graded."""
    largest = max(row, key=lambda each: each.count)
    return (largest.cpu_s + (count - largest.count) * further_s(row)) / count


def further_s(row: Sequence[Cost]) -> float:
    """CPU seconds that one more submission takes: without any start, where sizes differ."""
    few, many = min(row, key=lambda each: each.count), max(row, key=lambda each: each.count)
    return (many.cpu_s - few.cpu_s) / (many.count - few.count) if many.count > few.count else few.each_s


def right(count: int) -> dict[str, str]:
    """Student -> source: right programs that differ in a comment."""
    return {f"right {number}": f"{RIGHT}# {number}\n" for number in range(count)}


def plain_loop(folder: Path, sources: Mapping[str, str]) -> Cost:
    """The students' own computation: one process runs all files and calls each cell."""
    folder.mkdir()
    (folder / "loop.py").write_text(LOOP, encoding="utf-8")
    paths = [folder / f"{number}.py" for number in range(len(sources))]
    for path, source in zip(paths, sources.values(), strict=True):
        path.write_text(source, encoding="utf-8")
    return measured([[sys.executable, "loop.py", *(path.name for path in paths)]], folder, len(paths))[0]


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
