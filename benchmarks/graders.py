"""What a submission costs in three graders, beside the student's own computation, and what two cheats get there.

    .venv/bin/pip install -e '.[benchmarks]'      # brings otter-grader
    .venv/bin/python benchmarks/graders.py [--submissions 1 10 50] [--of-others 1 10]

One equal check everywhere: an RNN cell against torch.nn.RNNCell, 5 points. This grader runs with the sandbox required;
`nbgrader autograde` grades its class in one call, `otter run` one submission a call, each as its manual says and each
in processes that start and end here. Figures are CPU seconds of all those processes, start-up included, divided by the
submissions, minus what the cell itself computes (measured in a plain loop: well under a millisecond); wall time stands
beside it. What one more submission costs is what a large class takes more than a small one. All of it happens in one
run, so that ratios mean something whatever else the machine does.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
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
SECRET = b"a secret of the benchmark alone, 32"

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
CHECK = '''"""The check of this grader."""

import torch

from autograder.checks import points, same


@points(5)
def test_rnn_cell(student, draw):
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
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)  # the process that is measured
    options = parser.parse_args()
    if options.ours:
        print(json.dumps(grade_here(options.ours)))
        return
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
    figures = [Figure("a submission of one check, once grading runs", 1e3 * further_s(here), "CPU ms", at_most=50)]
    most = max(here, key=lambda each: each.count)
    for name, row in list(costs.items())[1:]:
        largest, further = max(row, key=lambda each: each.count), further_s(row) / further_s(here)
        amortised = largest.each_s / most.each_s
        print(f"{name}: {further:.0f} times ours for each more, {amortised:.0f} with starts over {most.count} here")
        figures += [
            Figure(f"{name} over this grader, CPU of each more", further, "x", at_least=GOALS[name]),
            Figure(f"{name} over this grader, CPU, starts over {most.count} included", amortised, "x"),
        ]
    return figures


def further_s(row: Sequence[Cost]) -> float:
    """CPU seconds that one more submission takes: without any start, where somebody looked or sizes differ."""
    few, many = min(row, key=lambda each: each.count), max(row, key=lambda each: each.count)
    if many.further_s is not None:
        return many.further_s
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
    """This grader in an interpreter of its own."""
    solution = folder / "solutions" / "bench"
    solution.mkdir(parents=True)
    (solution / "assignment.yml").write_text("title: bench\nfiles: [cell.py]\nbans: [recurrent]\n", encoding="utf-8")
    (solution / "cell.py").write_text(RIGHT, encoding="utf-8")
    (solution / "test_public.py").write_text(CHECK, encoding="utf-8")
    order = folder / "order.json"
    order.write_text(json.dumps({"folder": str(solution), "ledger": str(folder / "ledger"), "sources": dict(sources)}))
    command = [sys.executable, str(Path(__file__).resolve()), "--ours", str(order)]
    cost, said = measured([command], folder, len(sources))
    return replace(cost, **json.loads(said))


def grade_here(order_file: Path) -> dict[str, Any]:
    """Grade all submissions of an order in this process, by the pipeline that `autograder grade` runs."""
    from contextlib import closing
    from unittest.mock import patch

    from autograder import pipeline
    from autograder.course import load_assignment
    from autograder.records import Confinement
    from autograder.sandbox.means import choose_layers, survey
    from autograder.variants import as_submission

    order = json.loads(order_file.read_text())
    means = survey()
    layers = choose_layers(Confinement.REQUIRED, means)
    one_check = partial(
        load_assignment, complete=False
    )  # whole assignments have 100 points, in public and hidden checks
    settings = pipeline.Settings(
        Path(order["folder"]), Confinement.REQUIRED, layers, (), Path(order["ledger"]), "0" * 64
    )
    scores = {}
    with patch("autograder.pipeline.load_assignment", one_check):
        made = pipeline.Pipeline(settings)
    with closing(made) as running:
        for name, source in order["sources"].items():
            submission = as_submission(running.assignment, name, {"cell.py": source.encode()})
            scores[name] = sum(result.earned for result in running.grade(pipeline.Job(submission, SECRET)).results)
            if len(scores) == 1:
                cpu_s = tree_cpu_s()
        further = (tree_cpu_s() - cpu_s) / (len(scores) - 1) if len(scores) > 1 else None
    return {"scores": scores, "further_s": further}


def tree_cpu_s() -> float:
    """CPU seconds so far of this process and of all that it has started."""
    psutil: Any = importlib.import_module("psutil")
    this = psutil.Process()
    return float(sum(sum(each.cpu_times()[:4]) for each in (this, *this.children(recursive=True))))


if __name__ == "__main__":
    main()
