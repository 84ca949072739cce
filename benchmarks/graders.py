"""What a submission costs in three graders, beside the student's own computation, and what two cheats get there.

    .venv/bin/pip install -e '.[benchmarks]'      # brings otter-grader
    .venv/bin/python benchmarks/graders.py [--submissions 50] [--of-others 5]

One equal check everywhere: an RNN cell against torch.nn.RNNCell, 5 points. This grader runs with the sandbox required;
`nbgrader autograde` grades its class in one call, `otter run` one submission a call, each as its manual says and each
in processes that start and end here. Figures are CPU seconds of all those processes, start-up included, divided by the
submissions, minus what the cell itself computes (measured in a plain loop: well under a millisecond); wall time stands
beside it. All of it happens in one run, so that ratios mean something whatever else the machine does.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
POINTS = 5
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
TEST = """_ = torch.manual_seed(0)
cell = torch.nn.RNNCell(5, 7)
x, h = torch.randn(3, 5), torch.randn(3, 7)
answer = rnn_cell(x, h, cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
assert torch.allclose(answer, cell(x, h), atol=1e-6)
"""
CHECK = '''"""The check of this grader."""

import torch

from autograder.checks import points, same


@points(5)
def test_rnn_cell(student, draw):
    """`rnn_cell` computes the next state as torch does."""
    args = [draw(3, 5), draw(3, 7), draw(7, 5), draw(7, 7), draw(7), draw(7)]
    same(student.rnn_cell(*args), torch.rnn_tanh_cell(*args))
'''


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds a submission."""

    cpu_s: float
    wall_s: float
    scores: Mapping[str, float]
    """Student -> points."""


def main() -> None:
    """Measure all and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=50, help="for this grader")
    parser.add_argument("--of-others", type=int, default=5, help="for each of the others, which need seconds for each")
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)  # the process that is measured
    options = parser.parse_args()
    if options.ours:
        print(json.dumps(grade_here(options.ours)))
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        own = arithmetic_s()
        alone, _ = ours(root / "alone", 1)
        many, further = ours(root / "many", options.submissions)
        nbgraders = nbgrader(root / "nbgrader", options.of_others)
        otters = otter(root / "otter", options.of_others)
    print(f"one check of an RNN cell; the cell itself computes for {own * 1e3:.2f} ms, taken off below")
    print(f"load average of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    costs = {
        f"this grader, sandbox required, {options.submissions} submissions": many,
        "  each after the first": further,
        "  one alone": alone,
        f"nbgrader autograde, {options.of_others + len(CHEATS)} submissions": nbgraders,
        f"otter run, {options.of_others + len(CHEATS)} submissions": otters,
    }
    print(f"{'seconds a submission':46s} {'CPU':>8s} {'wall':>8s} {'CPU / ours':>12s} {'CPU / ours running':>20s}")
    for name, cost in costs.items():
        cpu_s = cost.cpu_s - own
        ratios = cpu_s / (many.cpu_s - own), cpu_s / (further.cpu_s - own)
        print(f"{name:46s} {cpu_s:8.3f} {cost.wall_s:8.3f} {ratios[0]:12.1f} {ratios[1]:20.1f}")
    print(f"\n{f'points of {POINTS}':30s} {'this grader':>12s} {'nbgrader':>10s} {'otter':>8s}")
    for name in ("right 0", *CHEATS):
        print(f"{name:30s} {many.scores[name]:12g} {nbgraders.scores[name]:10g} {otters.scores[name]:8g}")


def programs(count: int) -> dict[str, str]:
    """Student -> source: right ones that differ in a comment, and the cheats."""
    return {f"right {number}": f"{RIGHT}# {number}\n" for number in range(count)} | CHEATS


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


def measured(commands: Iterable[list[str]], cwd: Path, count: int) -> tuple[float, float, str]:
    """CPU and wall seconds a submission of some commands, and what the last one printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    used, start, said = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), ""
    before = used.ru_utime + used.ru_stime
    for command in commands:
        run = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        if run.returncode:
            raise SystemExit(f"{' '.join(command)}\n{run.stdout}\n{run.stderr}")
        said = run.stdout
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime - before) / count, (time.perf_counter() - start) / count, said


# --- this grader -----------------------------------------------------------------------------------------------------


def ours(folder: Path, count: int) -> tuple[Cost, Cost]:
    """This grader in an interpreter of its own: a submission with its share of the start, and each after the first."""
    solution = folder / "solutions" / "bench"
    solution.mkdir(parents=True)
    (solution / "assignment.yml").write_text("title: bench\nfiles: [cell.py]\nbans: [recurrent]\n", encoding="utf-8")
    (solution / "cell.py").write_text(RIGHT, encoding="utf-8")
    (solution / "test_public.py").write_text(CHECK, encoding="utf-8")
    every = programs(count)
    runs = {"class": {name: text for name, text in every.items() if name not in CHEATS}, "cheats": CHEATS}
    costs: dict[str, tuple[Cost, Cost]] = {}
    for run, sources in runs.items():
        order = folder / f"{run}.json"
        order.write_text(json.dumps({"folder": str(solution), "ledger": str(folder / run), "sources": sources}))
        command = [sys.executable, str(Path(__file__).resolve()), "--ours", str(order)]
        cpu_s, wall_s, said = measured([command], folder, len(sources))
        found = json.loads(said)
        costs[run] = (Cost(cpu_s, wall_s, found["scores"]), Cost(found["cpu_s"], found["wall_s"], {}))
    whole, further = costs["class"]
    return replace(whole, scores={**whole.scores, **costs["cheats"][0].scores}), further


def grade_here(order_file: Path) -> dict[str, Any]:
    """Grade all submissions of an order in this process, by the pipeline that `autograder grade` runs."""
    from contextlib import closing
    from functools import partial
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
                cpu_s, wall_s = tree_cpu_s(), time.perf_counter()
        further = max(1, len(scores) - 1)
        cpu_s, wall_s = (tree_cpu_s() - cpu_s) / further, (time.perf_counter() - wall_s) / further
    return {"scores": scores, "cpu_s": cpu_s, "wall_s": wall_s}


def tree_cpu_s() -> float:
    """CPU seconds so far of this process and of all that it has started."""
    psutil: Any = importlib.import_module("psutil")
    this = psutil.Process()
    return float(sum(sum(each.cpu_times()[:4]) for each in (this, *this.children(recursive=True))))


# --- nbgrader --------------------------------------------------------------------------------------------------------


def notebook(source: str, test: str, metadata: bool) -> str:
    """A notebook with the student's cell and, for nbgrader, the test's cell."""
    nbformat: Any = importlib.import_module("nbformat")  # which ships no type information
    cells = [nbformat.v4.new_code_cell(source)] + ([nbformat.v4.new_code_cell(test)] if test else [])
    common = {"schema_version": 3, "task": False}
    kinds = [
        {"grade_id": "cell", "grade": False, "solution": True, "locked": False, **common},
        {"grade_id": "test", "grade": True, "solution": False, "locked": True, "points": POINTS, **common},
    ]
    for cell, kind in zip(cells, kinds, strict=False):
        if metadata:
            cell.metadata["nbgrader"] = kind
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    made = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    return str(nbformat.writes(made))


def nbgrader(folder: Path, count: int) -> Cost:
    """`nbgrader autograde` over a class."""
    from nbgrader.api import Gradebook

    source = folder / "source" / "ps1"
    source.mkdir(parents=True)
    (folder / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'bench'\n")
    (source / "cell.ipynb").write_text(notebook(RIGHT, TEST, metadata=True))
    measured([["nbgrader", "generate_assignment", "ps1", "--force"]], folder, 1)
    names = {name.replace(" ", "_").replace(".", "_"): name for name in programs(count)}
    sources = programs(count)
    for student, name in names.items():
        place = folder / "submitted" / student / "ps1"
        place.mkdir(parents=True)
        (place / "cell.ipynb").write_text(notebook(sources[name], TEST, metadata=True))
    cpu_s, wall_s, _ = measured([["nbgrader", "autograde", "ps1"]], folder, len(names))
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
        scores = {name: book.find_submission("ps1", student).score for student, name in names.items()}
    return Cost(cpu_s, wall_s, scores)


# --- otter-grader ----------------------------------------------------------------------------------------------------


def otter(folder: Path, count: int) -> Cost:
    """`otter run`, once for each submission."""
    tests = folder / "tests"
    tests.mkdir(parents=True)
    lines = TEST.splitlines()
    case = {"code": "\n".join(f">>> {line}" for line in lines), "hidden": False, "locked": False}
    suite = {"cases": [case], "scored": True, "setup": "", "teardown": "", "type": "doctest"}
    test = {"name": "q1", "points": POINTS, "suites": [suite]}
    (tests / "q1.py").write_text(f"OK_FORMAT = True\n\ntest = {test!r}\n")
    (folder / "requirements.txt").write_text("torch\n")
    measured([["otter", "generate", "-t", "tests", "-o", "autograder.zip"]], folder, 1)
    commands = []
    for number, source in enumerate(programs(count).values()):
        (folder / f"{number}.ipynb").write_text(notebook(source, "", metadata=False))
        out = folder / f"out{number}"
        out.mkdir()
        commands.append(["otter", "run", "-a", "autograder.zip", "-o", str(out), "--no-logo", f"{number}.ipynb"])
    cpu_s, wall_s, _ = measured(commands, folder, len(commands))
    scores = {}
    for number, name in enumerate(programs(count)):
        results = json.loads((folder / f"out{number}" / "results.json").read_text())
        scores[name] = sum(float(test.get("score", 0)) for test in results["tests"])
    shutil.rmtree(folder / "tests")
    return Cost(cpu_s, wall_s, scores)


if __name__ == "__main__":
    main()
