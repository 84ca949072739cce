"""A whole course in miniature, and the machinery to grade it: what the tests of the engine share.

`t1_tiny` has all that a real assignment has: a part with a stand-in (`rnn_cell`), a check that builds on it, a
property, a training loop, mistakes and fair play. Its sandboxes start once a session and are lent to every pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from autograder.checks.bench import Bench, Wish
    from autograder.pipeline import Pipeline
    from autograder.records import Assignment, CheckResult, Grade, Submission
    from autograder.sandbox.host import ZygoteProcess
    from autograder.sandbox.transport import Child

SECRET = b"a secret of the tests, thirty-two bytes and more"
CHEAP_HIDDEN = '''
from autograder.checks import needs, points, same


@points(65)
@needs("rnn_cell")
def test_run(student, reference, draw):
    """Runs."""
    args = [draw(3, 4, 5), draw(3, 7), draw(7, 5), draw(7, 7), draw(7), draw(7)]
    same(student.run(*args), reference.run(*args))
'''

COURSE = """title: A course in miniature
timezone: Asia/Seoul
late_policy: {grace_minutes: 10}
assignments: [{id: t1_tiny, due: 2027-03-22T23:59, weight: 1}]
"""

SETTINGS = """title: "Something tiny"
files: [tiny.py]
builds_on: []
bans: [recurrent]
importable: [torch, numpy]
preload: []
limits: {cpu_s: 1, memory_mb: 512, output_kb: 4, scratch_mb: 2}
parts:
  rnn_cell: [test_rnn_cell]
"""

HANDOUT = "# Something tiny\n\n## 1. Doubling\n\n## 2. A cell\n\n## 3. A loop\n"

SOLUTION = '''"""Doubling, one step of a recurrent network, many steps, and a training loop."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def double(x):
    """Return x twice."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity="tanh"):
    """Return the next state (B, H) from x (B, I) and h (B, H)."""
    ### BEGIN SOLUTION
    return torch.tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)
    ### END SOLUTION


def run(x, h, *weights):
    """Return the last state (B, H) after every step of x (B, T, I), from the state h (B, H)."""
    ### BEGIN SOLUTION
    for t in range(x.shape[1]):
        h = rnn_cell(x[:, t], h, *weights)
    return h
    ### END SOLUTION


def fit(model, batches, optimizer):
    """Train for one step a batch and return the losses as numbers."""
    ### BEGIN SOLUTION
    model.train()
    losses = []
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION
'''

PUBLIC = '''"""The checks that you have."""

from __future__ import annotations

import pytest
import torch

from autograder.checks import hint, points, same


def cell_arguments(draw):
    """x, h, both weights and both biases of a cell."""
    return [draw(3, 5), draw(3, 7), draw(7, 5), draw(7, 7), draw(7), draw(7)]


@points(10)
@hint("Twice is two times.")
@pytest.mark.parametrize("size", [1, 4])
def test_double(student, draw, size):
    """`double` doubles."""
    x = draw(size, 3)
    same(student.double(x), x + x)


@points(25)
@hint("h' = tanh(W_ih x + b_ih + W_hh h + b_hh)")
def test_rnn_cell(student, draw):
    """`rnn_cell` computes the next state as torch does."""
    args = cell_arguments(draw)
    same(student.rnn_cell(*args), torch.rnn_tanh_cell(*args))
'''

HIDDEN = '''"""The checks that only the course has."""

from __future__ import annotations

from autograder.checks import builtin, hint, load, needs, points, random_weights, repeatable, same, state, three_steps
from autograder.checks import trains


@points(5)
@needs("test_rnn_cell")
def test_rnn_cell_repeats(student, draw):
    """`rnn_cell` gives the same answer twice."""
    repeatable(student.rnn_cell, draw(3, 5), draw(3, 7), draw(7, 5), draw(7, 7), draw(7), draw(7))


@points(30)
@needs("rnn_cell")
@hint("Where does the second step start?")
def test_run(student, reference, draw):
    """`run` goes on from step to step."""
    args = [draw(3, 4, 5), draw(3, 7), draw(7, 5), draw(7, 7), draw(7), draw(7)]
    same(student.run(*args), reference.run(*args))


@points(30)
@trains(cpu_s=10)
@hint("Clear, forward, loss, backward, step.")
def test_fit(student, reference, draw):
    """`fit` leaves the reference's parameters after three steps."""
    weights = {"weight": draw(2, 3), "bias": draw(2)}

    def model(side):
        layer = builtin(side, "torch.nn.Linear", 3, 2)
        load(layer, weights)
        return layer

    three_steps(student, reference, model, [(draw(4, 3), draw(4, 2)) for _ in range(3)])
'''

MISTAKES = """- id: tiny.triples
  edits: [{replace: "return 2 * x", with: "return 3 * x"}]
  caught_by: [test_double]
  hint: "Count again."
- id: tiny.no_tanh
  edits:
    - replace: "return torch.tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)"
      with: "return x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh"
  caught_by: [test_rnn_cell]
  hint: "What bounds the state?"
- id: tiny.stuck
  edits:
    - {replace: "        h = rnn_cell(x[:, t], h,", with: "        last = rnn_cell(x[:, t], h,"}
    - {replace: "    return h\\n    ###", with: "    return last\\n    ###"}
  caught_by: [test_run]
  hint: "Which state goes into the next step?"
- id: tiny.no_clearing
  edits: [{replace: "        optimizer.zero_grad()\\n", with: ""}]
  caught_by: [test_fit]
  hint: "What is still in .grad?"
- id: tiny.not_an_edit
  why_not: "it is about the handout"
"""

FAIR_PLAY = """- id: adds
  edits: [{replace: "return 2 * x", with: "return x + x"}]
"""

FILES: Mapping[str, str] = {
    "assignment.yml": SETTINGS,
    "handout.md": HANDOUT,
    "tiny.py": SOLUTION,
    "test_public.py": PUBLIC,
    "test_hidden.py": HIDDEN,
    "mistakes.yml": MISTAKES,
    "fair_play.yml": FAIR_PLAY,
}

Write = Callable[..., Path]


def _write(root: Path, assignment: str = "t1_tiny", **replaced: str | None) -> Path:
    """Write the course into `root`, return the assignment's folder; `tiny__py=...` replaces tiny.py, None drops it."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "course.yml").write_text(COURSE.replace("t1_tiny", assignment), encoding="utf-8")
    folder = root / "solutions" / assignment
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**FILES, **{name.replace("__", "."): text for name, text in replaced.items()}}.items():
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_doctors_word(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the doctor last said of this machine is for its user's own grading."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def write_tiny() -> Write:
    """A function that writes the course into a folder and returns the assignment's: see `_write`."""
    return _write


@pytest.fixture
def tiny_course(tmp_path: Path) -> Path:
    """The root of a course with the one assignment `t1_tiny`."""
    _write(tmp_path / "course")
    return tmp_path / "course"


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `t1_tiny` in a course that all tests share and none changes."""
    return _write(tmp_path_factory.mktemp("shared") / "course")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Assignment:
    """The assignment of `tiny_folder`."""
    from autograder.course import load_assignment

    return load_assignment(tiny_folder)


@pytest.fixture(scope="session")
def edited() -> Callable[..., str]:
    """A function that returns the solution's text with edits: `edited(("2 * x", "x"), ...)`."""

    def edit(*edits: tuple[str, str]) -> str:
        text = SOLUTION
        for before, after in edits:
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        return text

    return edit


@pytest.fixture(scope="session")
def hand_in() -> Callable[..., Submission]:
    """A function that makes a submission of text: `hand_in(source, student="ada")`."""
    from autograder.intake import files_digest
    from autograder.records import Submission

    def make(source: str | bytes = SOLUTION, student: str = "ada") -> Submission:
        files = {"tiny.py": source if isinstance(source, bytes) else source.encode()}
        return Submission(student, "t1_tiny", files, digest=files_digest(files))

    return make


# --- checks in this process, without a sandbox ---------------------------------------------------------------------


@dataclass
class LocalRun:
    """What a run of checks left."""

    results: dict[str, CheckResult] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)

    def report(self, result: CheckResult) -> None:
        """Remember a result."""
        self.results[result.id] = result
        self.order.append(result.id)


@pytest.fixture
def local_bench(tmp_path: Path) -> Callable[..., tuple[Bench, LocalRun]]:
    """A function that returns a bench whose student lives in this process, and what its run will leave."""
    from autograder.checks import home
    from autograder.checks.bench import Bench

    def make(assignment: Assignment, source: str = SOLUTION, **changes: Any) -> tuple[Bench, LocalRun]:
        folder = tmp_path / f"desk{len(list(tmp_path.iterdir()))}"  # a new one: byte code of the last second stays
        folder.mkdir()
        (folder / "tiny.py").write_text(source, encoding="utf-8")
        run = LocalRun()

        def open_student(wish: Wish) -> home.AtHome:
            run.wishes.append(wish)
            return home.open_folder(assignment, folder, wish)

        bench = Bench(assignment, SECRET, open_student, lambda: home.open_reference(assignment, []), run.report)
        return replace(bench, **changes), run

    return make


# --- the sandbox -----------------------------------------------------------------------------------------------------


@dataclass
class Sandboxes:
    """A zygote with all the confinement that this machine has; it starts when it is first asked for."""

    layers: tuple[str, ...]
    missing: tuple[str, ...]
    _running: ZygoteProcess | None = None

    def zygote(self) -> ZygoteProcess:
        """Return the running zygote; nobody else may close it."""
        from autograder.sandbox.host import ZygoteProcess

        if self._running is None:
            self._running = ZygoteProcess(self.layers, bans=[(), ("recurrent",)])
        self._running.wait_ready()
        return self._running

    def open(self, source: str, **order: Any) -> Child:
        """Return a child that has loaded `source` as the module `tiny`; `cpu_s` and `limits` are the fork's."""
        from autograder.records import Limits
        from autograder.sandbox.order import Order

        limits = order.pop("limits", Limits(cpu_s=1, memory_mb=256, output_kb=4, scratch_mb=2))
        cpu_s = order.pop("cpu_s", 1)
        plain: dict[str, Any] = {
            "files": {"tiny.py": source},
            "module": "tiny",
            "dtype": "float64",
            "seed": 1,
            "bans": (),
            "stand_ins": (),
            "importable": ("torch", "numpy"),
        }
        child = self.zygote().fork(Order(**{**plain, **order}), limits, cpu_s)
        try:
            child.wait_loaded()
        except BaseException:
            child.close()
            raise
        return child

    def close(self) -> None:
        """End it."""
        if self._running is not None:
            self._running.close()


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[Sandboxes]:
    """The zygote of this session."""
    from autograder.sandbox.means import survey

    means = survey()
    running = Sandboxes(means.layers, means.missing)
    yield running
    running.close()


@dataclass
class Desk:
    """Pipelines over one course and one ledger, with a zygote that is lent to them."""

    folder: Path
    ledger: Path
    sandboxes: Sandboxes
    asked: list[str] = field(default_factory=list)
    """For every worker that a check had, shared or its own: the check."""
    forks: list[str] = field(default_factory=list)
    """For every child that was started: the check that was the first to ask for it."""

    def pipeline(self, *, lend: bool = True, **changes: Any) -> Pipeline:
        """Return a new pipeline; without `lend` it starts its own zygote when it needs one."""
        from autograder.pipeline import Pipeline, Settings
        from autograder.records import Confinement

        settings = Settings(
            self.folder, Confinement.BEST_EFFORT, self.sandboxes.layers, self.sandboxes.missing, self.ledger, "0" * 64
        )
        made = Pipeline(replace(settings, **changes))
        for pipeline in (made, *made._earlier.values()) if lend else ():
            workshop = pipeline._workshop
            workshop.zygote = lambda _="cpu": self.sandboxes.zygote()  # type: ignore[method-assign]
            workshop.open = self._counted(workshop.open)  # type: ignore[method-assign]
            workshop.bench = self._asked(workshop.bench)  # type: ignore[method-assign]
        return made

    def _asked(self, made: Callable[..., Bench]) -> Callable[..., Bench]:
        """Benches that tell who has a worker."""

        def noted(opener: Callable[[Wish], Any]) -> Callable[[Wish], Any]:
            def opening(wish: Wish) -> Any:
                opened = opener(wish)
                self.asked += [wish.check.id] if opened is not None else []
                return opened

            return opening

        def bench(*args: Any) -> Bench:
            bench = made(*args)
            shared: Any = bench.shared
            shared.lend = noted(shared.lend)
            return replace(bench, open_student=noted(bench.open_student))

        return bench

    def _counted(self, opener: Callable[..., Any]) -> Callable[..., Any]:
        def counted(submission: Submission, wish: Wish, *earlier: Any) -> Any:
            self.forks.append(wish.check.id)
            return opener(submission, wish, *earlier)

        return counted

    def grade(self, submission: Submission, **changes: Any) -> Grade:
        """Return the grade of a submission by a new pipeline."""
        from autograder.pipeline import Job

        return self.pipeline(**changes).grade(Job(submission, SECRET))


@pytest.fixture
def desk(tiny_folder: Path, tmp_path: Path, sandboxes: Sandboxes) -> Desk:
    """Grading with an empty ledger."""
    return Desk(tiny_folder, tmp_path / "ledger", sandboxes)


@pytest.fixture
def desk_for(tmp_path: Path, sandboxes: Sandboxes) -> Callable[[Path], Desk]:
    """A function that returns a desk for another assignment's folder, with one ledger for the whole test."""
    return lambda folder: Desk(folder, tmp_path / "ledger", sandboxes)


# --- modules made of text --------------------------------------------------------------------------------------------


@pytest.fixture
def module_of(tmp_path: Path) -> Callable[[str], tuple[ModuleType, Path]]:
    """A function that writes text as tiny.py and returns the imported module and its folder."""
    from autograder.sandbox.loading import import_apart

    def load(source: str) -> tuple[ModuleType, Path]:
        folder = tmp_path / f"module{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "tiny.py").write_text(source, encoding="utf-8")
        return import_apart([folder], "tiny"), folder

    return load


# --- results without grading -----------------------------------------------------------------------------------------


@dataclass
class Results:
    """A results folder of `t1_tiny`, filled by hand, and the pages made of it."""

    root: Path
    """Of the course."""
    folder: Path
    assignment: Assignment

    def add(self, student: str = "ada", source: str | None = SOLUTION, **changes: Any) -> Grade:
        """Write a grade whose checks passed but for `changes`: check=dict(outcome=...); other keys are the grade's.

        `source` is what was handed in; None: nothing was kept.
        """
        from autograder.intake import files_digest
        from autograder.ledger import handed_in_file, write_files, write_grade
        from autograder.records import CheckResult, Confinement, Grade, Outcome, RunInfo

        results = []
        for check in self.assignment.checks:
            change = changes.pop(check.id, {})
            passed = change.get("outcome", Outcome.PASSED) is Outcome.PASSED
            results.append(
                replace(
                    CheckResult(check.id, Outcome.PASSED, check.points if passed else 0, check.points, cpu_s=0.5),
                    **change,
                )
            )
        files = {} if source is None else {"tiny.py": source.encode("utf-8", "surrogatepass")}
        grade = Grade(
            student=student,
            assignment=self.assignment.id,
            score=sum(result.earned for result in results),
            out_of=100,
            results=tuple(results),
            needs_human=(),
            notes=(),
            run=RunInfo(Confinement.REQUIRED, ("landlock", "seccomp"), (), "cpu", "2.9.1", "0.1.0", "5ec7e7" * 10),
            submission_digest=files_digest(files),
        )
        grade = replace(grade, **changes)
        if files:
            write_files(handed_in_file(self.folder, student), files)
        write_grade(self.folder / f"{student}.json", grade)
        return grade

    def pages(
        self, audience: str = "student", *, now: str = "2027-04-01T00:00+09:00", **options: Any
    ) -> dict[str, str]:
        """Write the pages and return their text by name; `published` and `only` are the verb's."""
        from datetime import datetime

        from autograder.feedback import Audience, setting_for, write_report

        setting = setting_for(
            self.root,
            self.assignment,
            Audience(audience),
            datetime.fromisoformat(now),
            published=options.get("published", True),
            explained=options.get("explained", False),
            language=options.get("language"),
        )
        out = options.get("out", self.folder / "pages")
        written = write_report(setting, self.folder, out, frozenset(options.get("only", ())), lambda _: None)
        return {path.stem: path.read_text(encoding="utf-8") for path in written.pages}


@pytest.fixture(scope="session")
def results_in() -> Callable[[Path], Results]:
    """A function that writes the course into a folder and returns an empty results folder of it."""
    from autograder.course import load_assignment

    def make(root: Path) -> Results:
        assignment = load_assignment(_write(root))
        folder = root / "results" / assignment.id
        folder.mkdir(parents=True)
        return Results(root, folder, assignment)

    return make


@pytest.fixture
def results(tmp_path: Path, results_in: Callable[[Path], Results]) -> Results:
    """An empty results folder of a course of its own; that of `tiny_course`."""
    return results_in(tmp_path / "course")


@pytest.fixture(scope="session")
def cheap_hidden() -> str:
    """A hidden check of the tiny assignment that trains nothing."""
    return CHEAP_HIDDEN


@pytest.fixture(scope="session")
def without_timings() -> Callable[[Grade], Grade]:
    """What makes of a grade one in which nothing depends on how fast the machine was."""
    return lambda grade: replace(
        grade, results=tuple(replace(result, cpu_s=0.0, wall_s=0.0) for result in grade.results)
    )
