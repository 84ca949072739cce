"""The ground on which attacks are tried: a small assignment, targets on the host, and a look at both afterwards.

An attack is a file of `corpus/`. It is put in front of a student's work and graded as any submission is, by zygotes
that go on to grade everybody else. `Arena.stand` asserts what must hold for every attack; tests assert what is special.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from autograder.pipeline import Pipeline
    from autograder.records import Grade, Submission

CORPUS = Path(__file__).with_name("corpus")
OF_THE_DOCTOR = Path(__file__).parents[2] / "autograder" / "doctor" / "attacks"
"""Attacks on the jail alone, which `autograder doctor` runs, too."""
SECRET = b"\x13the secret of this course, 32 bytes"
NEEDLES = {
    "the course secret": SECRET.decode(),
    "the secret's file": "N33DLE-of-the-secret-file",
    "the environment": "N33DLE-of-the-environment",
    "the solution": "N33DLE-of-the-solution",
    "the hidden checks": "N33DLE-of-the-hidden-checks",
    "git's objects": "N33DLE-of-the-repository",
}
"""What no result may hold, and where on the host each of them stands."""

SEMAPHORE = "sem.mp-"
"""How names in shared memory begin that Python's pools of processes use."""
SETTINGS = """title: "A line"
files: [line.py]
builds_on: []
bans: [recurrent]
importable: [torch, numpy]
preload: []
limits: {cpu_s: 1, memory_mb: 512, output_kb: 64, scratch_mb: 4}
parts:
  shift: [test_shift]
"""

RIGHT = '''
import torch


def scale(x, weight):
    """Return x @ weight."""
    if x.shape[-1] != len(weight):
        raise ValueError("x and weight do not fit")
    return x @ weight


def shift(x, bias):
    """Return tanh(x) + bias."""
    return torch.tanh(x) + bias


class Line(torch.nn.Module):
    """x @ weight + bias."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(inputs, outputs))
        self.bias = torch.nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return x @ self.weight + self.bias


def fit(model, batches, optimizer):
    """Train and return the losses."""
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
'''

WRONG = (
    RIGHT.replace("return x @ weight\n", "return 1.5 * (x @ weight)\n")
    .replace("+ self.bias", "- self.bias")
    .replace("optimizer.zero_grad()", "pass")
)
"""`shift` alone is right."""

HOOK = """
if "in_shift" in globals():
    shift = (lambda function: lambda *args, **kwargs: in_shift(function, args, kwargs))(shift)

if "in_call" in globals():
    def _hooked(function):
        return lambda *args, **kwargs: in_call(function, args, kwargs)

    scale, shift, fit = _hooked(scale), _hooked(shift), _hooked(fit)
    Line.forward = (lambda forward: lambda self, x: in_call(forward, (self, x), {}))(Line.forward)
"""
"""An attack that defines `in_call(function, args, kwargs)` gets hold of every call, `in_shift` of those of `shift`."""

PUBLIC = '''"""The checks that you have."""

from autograder.checks import points, same


@points(35)
def test_scale(student, draw):
    """`scale` multiplies."""
    x, weight = draw(3, 4), draw(4, 2)
    same(student.scale(x, weight), x @ weight)
'''

HIDDEN = f'''"""The checks that only the course has: {NEEDLES["the hidden checks"]}."""

import pytest
import torch

from autograder.checks import learned, load, must_raise, needs, points, same, same_gradients, three_steps, train, trains
from autograder.checks import twins


@points(5)
@needs("test_scale")
def test_scale_refuses(student, draw):
    """`scale` refuses what does not fit."""
    must_raise("ValueError", student.scale, draw(3, 4), draw(5, 2), valid=(draw(3, 4), draw(4, 2)))


@points(20)
@pytest.mark.parametrize("size", [1, 12_000])
def test_shift(student, reference, draw, size):
    """`shift` shifts."""
    x, bias = draw(size, 5), draw(5)
    same(student.shift(x, bias), reference.shift(x, bias))


@points(20)
@needs("shift")
def test_line(student, reference, draw):
    """`Line` has the right answers and gradients."""
    ours, theirs = twins(student, reference, "Line", 4, 3, draw=draw)
    same_gradients(ours, theirs, draw(5, 4), draw=draw)


@points(20)
@trains(cpu_s=2)
def test_fit(student, reference, draw):
    """`fit` trains: three steps exactly, and 40 until the line is found."""
    start = {{"weight": draw(4, 2), "bias": draw(2)}}

    def model(side):
        made = side.Line(4, 2)
        load(made, start)
        return made

    three_steps(student, reference, model, [(draw(6, 4), draw(6, 2)) for _ in range(3)])
    truth, held_out = draw(4, 2), draw(20, 4)
    batches = [(x, x @ truth) for x in (draw(16, 4) for _ in range(40))]
    trained = train(student, "Line", args=(4, 2), weights=start, batches=batches, optimizer=("SGD", {{"lr": 0.2}}))
    judged = reference.Line(4, 2)
    load(judged, trained.state)
    learned(student, ((judged(held_out) - held_out @ truth) ** 2).mean(), at_most=0.01)
'''


@dataclass(frozen=True)
class Stood:
    """How an attack went: with wrong work, with right work, and what came after it."""

    wrong: Grade
    right: Grade
    after: Grade

    @property
    def attempts(self) -> dict[str, str]:
        """What `attempt` printed: name -> how it ended; where several children tried, the last one that got through."""
        return {**attempts(self.right), **attempts(self.wrong)}


@dataclass
class Arena:
    """Grades attacks, and knows what the host looked like before."""

    pipeline: Pipeline
    folder: Path
    victim: subprocess.Popen[bytes]
    facts: dict[str, Any]
    right: str = RIGHT
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    semaphores: frozenset[str] = field(default_factory=lambda: frozenset(_shared(SEMAPHORE)))
    """Those of Python's pools that were there before: whoever made them takes them away when it likes."""

    def source(self, attack: str, work: str, **facts: Any) -> str:
        """Return an attack in front of a student's work; `facts` are added to the targets that it may use."""
        tools = (OF_THE_DOCTOR / "tools.py").read_text(encoding="utf-8")
        tools = tools.replace("FACTS = {}", f"FACTS = {self.facts | facts!r}")
        files = (folder / f"{attack}.py" for folder in (CORPUS, OF_THE_DOCTOR))
        text = next(file for file in files if file.is_file()).read_text(encoding="utf-8") if attack else ""
        return "\n".join((tools if attack else "", text, work, HOOK if attack else ""))

    def grade(self, source: str, *, alone: bool = False) -> Grade:
        """Return the grade of a source; each is another submission, so that the ledger knows none of them."""
        from autograder.pipeline import Job

        submission = self.submission(f"{source}\n# submission number {next(self.numbers)}\n")
        return self.pipeline.grade(Job(submission, SECRET, alone=alone))

    def submission(self, source: str) -> Submission:
        """Return a source as what a student handed in."""
        from autograder.intake import files_digest
        from autograder.records import Submission

        files = {"line.py": source.encode()}
        return Submission("mallory", "a0_line", files, digest=files_digest(files))

    def stand(self, attack: str, *, keeps: int | None = 100, forges: bool = True, **facts: Any) -> Stood:
        """Try an attack with wrong and with right work, and a right submission afterwards; assert what always holds.

        `keeps`: what right work behind the attack is worth: less than 100 where an attack ruins its own answers, None
        where a race decides. An attack that does not forge need not be tried with wrong work.
        """
        before = self.look()
        right = self.grade(self.source(attack, RIGHT, **facts))
        wrong = self.grade(self.source(attack, WRONG, **facts)) if forges else right
        after = self.grade(RIGHT)
        for grade in (wrong, right, after):
            assert grade.needs_human == (), in_words(grade)
            assert leaked(self.written(grade)) == []
            assert not any("\x1b" in text for text in for_student(grade)), in_words(grade)
        assert not forges or wrong.score <= self.score_of_wrong_work, in_words(wrong)
        assert keeps is None or right.score == keeps, in_words(right)
        assert after.score == 100, in_words(after)
        until = time.monotonic() + 10  # a zygote's cleaner of deep folders may still be at work
        while self.look() != before and time.monotonic() < until:
            time.sleep(0.05)
        assert self.look() == before
        return Stood(wrong, right, after)

    def written(self, grade: Grade) -> str:
        """Return the text of a grade's file, which must be readable again."""
        from autograder.ledger import read_grade, write_grade

        path = self.folder.parents[1] / "results" / "mallory.json"
        write_grade(path, grade)
        assert read_grade(path).score == grade.score
        return path.read_text(encoding="utf-8")

    def shown(self, grade: Grade) -> str:
        """Return all that a student gets to read, in one text."""
        self.written(grade)
        return "\n".join(for_student(grade))

    @property
    def score_of_wrong_work(self) -> int:
        """What the wrong work is worth without any attack."""
        return 20

    def look(self) -> dict[str, Any]:
        """Return everything on the host that an attack might change."""
        pids = [os.getpid(), self.victim.pid]
        return {
            "files": {str(path): _file(path) for path in sorted(self.folder.parents[1].rglob("*")) if _lasts(path)},
            "alive": self.victim.poll() is None,
            "priorities": [os.getpriority(os.PRIO_PROCESS, pid) for pid in pids],
            "processors": [os.sched_getaffinity(pid) for pid in pids],
            "limits": [resource.prlimit(pid, kind) for pid in pids for kind in range(16)],
            "descriptors": len(os.listdir("/proc/self/fd")),
            "handlers": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)],
            "shared memory": [name for name in _shared() if not name.startswith(SEMAPHORE)],
            "semaphores": self.new_semaphores(),
            "folder": os.getcwd(),
            "processes": descendants(self.zygote()._process.pid),
        }

    def new_semaphores(self) -> list[str]:
        """Return the semaphores that came since, but those that a process beside us holds: tests have pools, too."""
        if not (new := set(_shared(SEMAPHORE)) - self.semaphores):
            return []
        ours, held = set(descendants(self.zygote()._process.pid)), set[int]()
        for maps in Path("/proc").glob("[0-9]*/maps"):
            with contextlib.suppress(OSError):  # it has ended
                if int(maps.parent.name) not in ours:  # by the number of the file: its name there is not the one here
                    held |= set(map(int, re.findall(r" (\d+) +/dev/shm/sem\.", maps.read_text())))
        return sorted(name for name in new if _number(Path("/dev/shm", name)) not in {*held, None})

    def zygote(self) -> Any:
        """Return the zygote that runs."""
        return self.pipeline._workshop._zygotes["cpu"]


def _shared(beginning: str = "") -> list[str]:
    return sorted(name for name in os.listdir("/dev/shm") if name.startswith(beginning))


def _number(path: Path) -> int | None:
    with contextlib.suppress(OSError):
        return path.stat().st_ino
    return None


def _lasts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and not {"ledger", "results"} & set(path.parts)


def _file(path: Path) -> tuple[Any, ...]:
    found = path.stat()
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return path.read_bytes(), stat.filemode(found.st_mode), found.st_uid, found.st_mtime_ns, attributes


def descendants(pid: int) -> list[int]:
    """Return the ids of the processes that run below one: its zygote's and its children's."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
            found += [] if state == "Z" else [child, *descendants(child)]
    return found


def leaked(text: str) -> list[str]:
    """Return which of the host's secrets a text holds, in the clear, in hexadecimal or as Python shows it."""
    forms = {name: (needle, needle.encode().hex(), repr(needle)[1:-1]) for name, needle in NEEDLES.items()}
    return [name for name, shapes in forms.items() if any(shape in text for shape in shapes)]


def for_student(grade: Grade) -> list[str]:
    """Return all text of a grade that a student gets to read."""
    findings = [result.finding for result in grade.results if result.finding]
    return [text for finding in findings for text in (finding.message, finding.where, finding.hint)]


def in_words(grade: Grade) -> str:
    """Return a grade for the message of a failed assertion."""
    lines = [
        f"{r.id}: {r.outcome} {r.earned}/{r.points} {r.finding} "
        f"out={r.evidence.stdout[-300:]!r} err={r.evidence.stderr[-300:]!r}"
        for r in grade.results
    ]
    return "\n".join([f"{grade.score}, for a human: {grade.needs_human}", *lines])


def attempts(grade: Grade) -> dict[str, str]:
    """Return how the attempts ended that an attack printed; one that got through counts for all."""
    found: dict[str, str] = {}
    for result in grade.results:
        for name, how in re.findall(r"^<(.+?)> (.*)$", result.evidence.stdout, re.MULTILINE):
            if not found.get(name, "").startswith("got"):
                found[name] = how
    return found


def write_assignment(root: Path, name: str = "a0_line", hidden: str = HIDDEN) -> Path:
    """Write the small assignment below `root` and return its folder."""
    folder = root / "solutions" / name
    folder.mkdir(parents=True)
    solution = f'"""{NEEDLES["the solution"]}."""\n{RIGHT}'
    for file, text in {
        "line.py": solution, "test_public.py": PUBLIC, "test_hidden.py": hidden, "assignment.yml": SETTINGS,
    }.items():  # fmt: skip
        (folder / file).write_text(text, encoding="utf-8")
    (root / ".autograder").mkdir()
    (root / ".autograder" / "secret").write_text(NEEDLES["the secret's file"])
    (root / ".autograder" / "secret").chmod(0o600)
    (root / ".git" / "objects").mkdir(parents=True)
    (root / ".git" / "objects" / "blob").write_text(NEEDLES["git's objects"])
    return folder


def make_pipeline(folder: Path, layers: Sequence[str]) -> Pipeline:
    """Return a pipeline over the small assignment with these layers of confinement."""
    from autograder.pipeline import Pipeline, Settings
    from autograder.records import Confinement

    ledger = folder.parents[1] / "ledger"
    return Pipeline(Settings(folder, Confinement.BEST_EFFORT, tuple(layers), (), ledger, "0" * 64))


@pytest.fixture(scope="session")
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process on the host that is nobody's business."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def make_arena(tmp_path_factory: pytest.TempPathFactory, victim: subprocess.Popen[bytes]) -> Iterator[Any]:
    """A function that returns an arena with these layers of confinement."""
    made: list[Arena] = []

    def make(layers: Sequence[str], hidden: str = HIDDEN) -> Arena:
        root = tmp_path_factory.mktemp("course")
        folder = write_assignment(root, hidden=hidden)
        facts = {
            "judge": os.getpid(),
            "victim": victim.pid,
            "folder": str(folder),
            "solution": str(folder / "line.py"),
            "hidden": str(folder / "test_hidden.py"),
            "secret": str(root / ".autograder" / "secret"),
            "git": str(root / ".git" / "objects" / "blob"),
            "cwd": os.getcwd(),
            "home": str(Path.home()),
        }
        arena = Arena(make_pipeline(folder, layers), folder, victim, facts)
        made.append(arena)
        arena.pipeline._workshop.zygote()
        assert arena.grade(RIGHT).score == 100
        assert arena.grade(WRONG).score == arena.score_of_wrong_work
        return arena

    os.environ["NEEDLE"] = NEEDLES["the environment"]
    yield make
    del os.environ["NEEDLE"]
    for arena in made:
        arena.pipeline.close()


@pytest.fixture(scope="session")
def arena(make_arena: Callable[..., Arena]) -> Arena:
    """The arena with all the confinement that this machine has."""
    from autograder.sandbox.means import survey

    means = survey()
    if means.missing:
        pytest.skip(f"this machine cannot confine: missing {'; '.join(means.missing)}")
    return make_arena(means.layers)


@pytest.fixture(scope="session")
def bare_arena(make_arena: Callable[..., Arena]) -> Arena:
    """The arena of a machine that gives no namespaces: a submission shares them with the judge."""
    from autograder.sandbox.means import survey

    means = survey()
    if means.missing:
        pytest.skip(f"this machine cannot confine: missing {'; '.join(means.missing)}")
    return make_arena([layer for layer in means.layers if layer != "namespaces"])


@pytest.fixture(scope="session")
def secrets_of_the_host() -> Mapping[str, str]:
    """What no submission may find, and where it stands."""
    return NEEDLES
