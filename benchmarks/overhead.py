"""What the sandbox costs: beside the students' own arithmetic, and beside starting an interpreter for each of them.

    .venv/bin/python benchmarks/overhead.py [--submissions 50]

All figures come from one run and are meant as ratios. Four measurements on a1_rnn:

1. One test function to reaped: fork, jail, load the submission, call it once, judge the answer, end, reap; and the same
   without any jail or ban. As in a class, the first child of a submission compiles its file, the others have the code.
2. One submission: CPU seconds of judge, zygote and children together, their start included, minus those of a plain loop
   in one process with one thread: it imports torch and does the same operations, replayed from the transcripts (the
   student's own arithmetic: what calls, gradients and training take, without reading questions and writing answers).
3. One training: CPU seconds of judge and child from one result to the next, minus those of the training alone.
4. Two jobs: submissions a second of the fleet with two workers, against two plain loops that run side by side.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import course_data
import torch
from figures import Figure, write

from autograder.checks.bench import Bench, Wish
from autograder.checks.precision import default_dtype
from autograder.checks.same import same
from autograder.checks.shared import SHORT_CPU_S, Shared
from autograder.course import load_assignment
from autograder.fleet import grade_all
from autograder.pipeline import Job, Pipeline, Report, Settings
from autograder.records import Assignment, CheckResult, Confinement, Limits, Submission
from autograder.sandbox import loading
from autograder.sandbox.host import ZygoteProcess, zygote
from autograder.sandbox.means import choose_layers, survey
from autograder.sandbox.order import Order
from autograder.sandbox.remote import Session
from autograder.sandbox.worker import Executor
from autograder.variants import as_submission, solution

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "solutions" / "a1_rnn"
SECRET = b"a secret of the benchmark alone, 32"
FORKS = 200


def main() -> None:
    """Run the three measurements and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=50)
    parser.add_argument("--figures", type=Path, help="write the figures there, for benchmarks/all.py")
    options = parser.parse_args()
    count = options.submissions
    torch.set_num_threads(1)
    start_s = interpreter_start_s()
    print(f"an interpreter that imports torch: {start_s:.2f} s of CPU")
    per_function, without = function_ms()
    ratio = start_s * 1e3 / per_function
    print(f"1. a test function to reaped: median {per_function:.1f} ms (at most 15), {ratio:.0f} times less")
    print(f"   without jail and bans: {without:.1f} ms; the defences cost {per_function - without:.1f} ms (at most 6)")
    whole, arithmetic, training = submission_s(count)
    overhead = whole - arithmetic - start_s / count
    each = len(assignment().checks) * start_s
    print(f"2. a submission beyond its own arithmetic: {overhead:.3f} core-seconds over {count} (at most 0.5)")
    print(f"   of {whole:.2f}: its own arithmetic {arithmetic:.2f}, torch's import {start_s / count:.2f} s")
    print(f"   an interpreter for each check would take {each:.0f} s")
    print(f"3. a training beyond its own arithmetic: median {training:.3f} core-seconds (at most 0.2)")
    fleet, loops = two_jobs(min(count, max(8, count // 4)))
    ratio = fleet / loops
    print(f"4. two jobs: {fleet:.3f} submissions/s, two plain loops: {loops:.3f}; ratio {ratio:.2f} (at least 0.95)")
    if options.figures:
        jailed = "a test function to reaped, wall (median)"
        figures = [
            Figure(jailed, per_function, "ms", at_most=15),
            Figure("of this the defences", per_function - without, "ms", at_most=6),
            Figure("a submission of a1_rnn beyond its own arithmetic", overhead, "CPU s", at_most=0.5),
            Figure("its own arithmetic", arithmetic, "CPU s"),
            Figure("a training beyond its own arithmetic (median)", training, "CPU s", at_most=0.2),
            Figure("two jobs over two plain loops, throughput", ratio, "x", at_least=0.95),
        ]
        write(options.figures, figures)


def assignment() -> Assignment:
    """a1_rnn as it stands."""
    return load_assignment(FOLDER)


def interpreter_start_s() -> float:
    """CPU seconds of an interpreter that imports torch and ends."""
    before = children_cpu_s()
    for _ in range(3):
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return (children_cpu_s() - before) / 3


def children_cpu_s() -> float:
    """CPU seconds of all processes that this one has waited for, and of those that they had."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def own_cpu_s() -> float:
    """The same with this process."""
    return time.process_time() + children_cpu_s()


def function_ms() -> tuple[float, float]:
    """Milliseconds of wall time from the wish for a child to its end, one judged call in between; and without a jail.

    Medians of forks taken in turn, so that what else the machine does is the same for both.
    """
    confined, free = choose_layers(Confinement.REQUIRED, survey()), ()
    taken: dict[bool, list[float]] = {True: [], False: []}
    compiled: dict[bool, bytes] = {}
    with zygote(confined, bans=[assignment().bans]) as jailed, zygote(free, bans=[()]) as bare:
        for number in range(FORKS):
            if number % len(assignment().checks) == 0:
                compiled.clear()  # another submission
            for inside, process, bans in ((True, jailed, assignment().bans), (False, bare, ())):
                taken_s, code = one_function_s(process, bans, compiled.get(inside, b""))
                compiled.setdefault(inside, code)
                taken[inside].append(taken_s)
    return statistics.median(taken[True]) * 1e3, statistics.median(taken[False]) * 1e3


def one_function_s(process: ZygoteProcess, bans: tuple[str, ...], code: bytes) -> tuple[float, bytes]:
    """Seconds from the wish for a child to its end, and the code of its file; `code`: what another one compiled."""
    found = assignment()
    source = (FOLDER / found.files[0]).read_text(encoding="utf-8")
    order = Order({found.files[0]: source}, found.module, "float64", 1, bans, (), found.importable, code=code)
    weights = [torch.randn(*shape, dtype=torch.float64) for shape in ((3, 5), (3, 7), (7, 5), (7, 7), (7,), (7,))]
    x, h, w_ih, w_hh, b_ih, b_hh = weights
    expected = torch.tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
    start = time.perf_counter()
    child = process.fork(order, Limits(), 1)
    child.wait_loaded()
    same(Session(child).root.rnn_cell(x, h, w_ih, w_hh, b_ih, b_hh), expected)
    child.close()
    return time.perf_counter() - start, child.code or code


def settings(ledger: Path) -> Settings:
    """What the pipeline needs, with everything that this machine can confine."""
    means = survey()
    layers = choose_layers(Confinement.REQUIRED, means)
    return Settings(FOLDER, Confinement.REQUIRED, layers, means.missing, ledger, course_data.digest(["echo", "names"]))


def submissions(count: int, tag: str) -> Iterator[Submission]:
    """Right submissions, each with last digits of its own in the loss.

    So nothing is found in the ledger, no two train the same weights, and the reference has to score each one's.
    """
    found = assignment()
    for number in range(count):
        files = dict(solution(found).files)
        files[found.files[0]] += (
            f"\n\n_loss, _factor = char_loss, 1 + {number + 1} * 2**-44  # {tag}\n\n\n"
            "def char_loss(logits, targets, pad):\n    return _loss(logits, targets, pad) * _factor\n"
        ).encode()
        yield as_submission(found, f"{tag}-{number}", files)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was asked of one child."""

    check: str
    dtype: str
    session: Session


class Recording(Pipeline):
    """A pipeline that keeps the transcripts of its first submission, and what each check of the last one took."""

    def __init__(self, used: Settings) -> None:
        super().__init__(used)
        self.sessions: list[Recorded] = []
        self.taken_s: dict[str, float] = {}
        """Check -> CPU seconds of this process since the last result, and of the check's children."""
        made = self._workshop.bench

        def remembering(opener: Callable[[Wish], Any]) -> Callable[[Wish], Any]:
            def opening(wish: Wish) -> Any:
                opened = opener(wish)
                if opened is not None:
                    self.sessions.append(Recorded(wish.check.id, wish.dtype, opened.session))
                return opened

            return opening

        def bench(submission: Submission, *others: Any) -> Bench:
            bench = made(submission, *others)
            bench = replace(bench, report=self._timed(bench.report))
            if not submission.student.endswith("-0"):
                return bench
            assert isinstance(bench.shared, Shared)
            bench.shared.lend = remembering(bench.shared.lend)  # type: ignore[method-assign, assignment]
            return replace(bench, open_student=remembering(bench.open_student))

        self._workshop.bench = bench  # type: ignore[method-assign, assignment]

    def _timed(self, report: Report) -> Report:
        since = time.process_time()

        def timed(result: CheckResult) -> None:
            nonlocal since
            report(result)
            now = time.process_time()
            self.taken_s[result.id], since = now - since + result.cpu_s, now

        return timed


def submission_s(count: int) -> tuple[float, float, float]:
    """CPU seconds a submission: all together, its own arithmetic, and those of a training beyond its own.

    The arithmetic is done again after each submission, so that both find the machine in the same mood.
    """
    arithmetic = replays = 0.0
    trains = {check.id for check in assignment().checks if (check.trains_cpu_s or 0) > SHORT_CPU_S}
    trainings = []
    with tempfile.TemporaryDirectory() as folder:
        before = own_cpu_s()
        with closing(Recording(settings(Path(folder)))) as pipeline:
            for submission in submissions(count, "overhead"):
                assert pipeline.grade(Job(submission, SECRET)).score == 100
                start = time.process_time()
                own = replay_s(pipeline.sessions)
                arithmetic += sum(own.values())
                trainings += [pipeline.taken_s[check] - own[check] for check in trains]
                replays += time.process_time() - start
        total = own_cpu_s() - before - replays
    return total / count, arithmetic / count, statistics.median(trainings)


class Timed(Executor):
    """An executor that counts what its operations take, and not what it takes to read and answer."""

    cpu_s = 0.0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._operations = {name: self._timed(operation) for name, operation in self._operations.items()}

    def _timed(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def timed(**request: Any) -> Any:
            start = time.process_time()
            try:
                return operation(**request)
            finally:
                self.cpu_s += time.process_time() - start

        return timed


def replay_s(sessions: list[Recorded]) -> dict[str, float]:
    """Check -> CPU seconds of its recorded operations in this process, without any sandbox."""
    module = loading.import_apart([FOLDER], assignment().module)
    taken: dict[str, float] = {}
    for recorded in sessions:
        executor = Timed(module, FOLDER)
        with default_dtype(getattr(torch, recorded.dtype)):
            for exchange in recorded.session.transcript:
                executor.reply(exchange.question)
        taken[recorded.check] = taken.get(recorded.check, 0.0) + executor.cpu_s
    return taken


def two_jobs(count: int) -> tuple[float, float]:
    """Submissions a second: of the fleet with two workers, of two loops that know nothing of each other."""
    with tempfile.TemporaryDirectory() as folder:
        used = settings(Path(folder))
        jobs = [Job(submission, SECRET) for submission in submissions(2 * count, "fleet")]
        fleet = rate(2 * count, lambda: grade_all(used, jobs, 2, lambda *_: None))

        def loops() -> None:
            context = multiprocessing.get_context("spawn")
            processes = [context.Process(target=plain_loop, args=(used, count, f"loop-{i}")) for i in range(2)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()

        return fleet, rate(2 * count, loops)


def rate(count: int, work: Callable[[], None]) -> float:
    """`count` over the seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def plain_loop(used: Settings, count: int, tag: str) -> None:
    """Grade one submission after the other."""
    with closing(Pipeline(used)) as pipeline:
        for submission in submissions(count, tag):
            pipeline.grade(Job(submission, SECRET))


if __name__ == "__main__":
    main()
