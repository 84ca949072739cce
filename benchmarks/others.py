"""`nbgrader autograde` and `otter run` over a class of programs of one file, as their manuals say: for graders.py."""

from __future__ import annotations

import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

BIN = Path(sys.executable).parent
POINTS = 5
TEST = """_ = torch.manual_seed(0)
cell = torch.nn.RNNCell(5, 7)
x, h = torch.randn(3, 5), torch.randn(3, 7)
answer = rnn_cell(x, h, cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
assert torch.allclose(answer, cell(x, h), atol=1e-6)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of all submissions, the start included."""

    count: int
    cpu_s: float
    wall_s: float
    scores: Mapping[str, float] = field(default_factory=dict)
    """Student -> points."""

    @property
    def each_s(self) -> float:
        """CPU seconds of one."""
        return self.cpu_s / self.count


def measured(
    commands: Iterable[list[str]], cwd: Path, count: int, extra: Mapping[str, str] = MappingProxyType({})
) -> tuple[Cost, str]:
    """What some commands cost that grade so many submissions, and what the last one printed."""
    environment = {**os.environ, **extra, "OMP_NUM_THREADS": "1", "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    used, start, said = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), ""
    before = used.ru_utime + used.ru_stime
    for command in commands:
        run = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        if run.returncode:
            raise SystemExit(f"{' '.join(command)}\n{run.stdout}\n{run.stderr}")
        said = run.stdout
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(count, used.ru_utime + used.ru_stime - before, time.perf_counter() - start), said


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


def nbgrader(folder: Path, sources: Mapping[str, str]) -> Cost:
    """`nbgrader autograde` over a class."""
    from nbgrader.api import Gradebook

    source = folder / "source" / "ps1"
    source.mkdir(parents=True)
    (folder / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'bench'\n")
    (source / "cell.ipynb").write_text(notebook(next(iter(sources.values())), TEST, metadata=True))
    measured([["nbgrader", "generate_assignment", "ps1", "--force"]], folder, 1)
    names = {name.replace(" ", "_").replace(".", "_"): name for name in sources}
    for student, name in names.items():
        place = folder / "submitted" / student / "ps1"
        place.mkdir(parents=True)
        (place / "cell.ipynb").write_text(notebook(sources[name], TEST, metadata=True))
    cost, _ = measured([["nbgrader", "autograde", "ps1"]], folder, len(names))
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
        scores = {name: book.find_submission("ps1", student).score for student, name in names.items()}
    return replace(cost, scores=scores)


# --- otter-grader ----------------------------------------------------------------------------------------------------


def otter(folder: Path, sources: Mapping[str, str]) -> Cost:
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
    for number, source in enumerate(sources.values()):
        (folder / f"{number}.ipynb").write_text(notebook(source, "", metadata=False))
        out = folder / f"out{number}"
        out.mkdir()
        commands.append(["otter", "run", "-a", "autograder.zip", "-o", str(out), "--no-logo", f"{number}.ipynb"])
    cost, _ = measured(commands, folder, len(commands))
    scores = {}
    for number, name in enumerate(sources):
        results = json.loads((folder / f"out{number}" / "results.json").read_text())
        scores[name] = sum(float(test.get("score", 0)) for test in results["tests"])
    shutil.rmtree(folder / "tests")
    return replace(cost, scores=scores)
