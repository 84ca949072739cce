"""A student's folder with the assignment in miniature, and a process that runs its checks, shared by all tests."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
import torch

if TYPE_CHECKING:
    from autograder.home.report import Report
    from autograder.home.run import Hands

Answer = TypeVar("Answer")


def in_a_fork(action: Callable[[], Answer]) -> Answer:
    """Return what the action returns in a child process, or raise what it raises there.

    With the first backward pass on a make-believe GPU torch starts a thread for it, and no process that has one can
    differentiate in a fork any more, as other tests do.
    """
    if not hasattr(os, "fork"):
        return action()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(300)  # a child that hangs is a failure, not a test that never ends
            torch.set_num_threads(1)  # OpenMP's threads do not survive a fork
            answer: object = action()
        except BaseException as error:  # noqa: BLE001 - the child must never return into pytest
            answer = error
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        written = pipe.read()
    os.waitpid(pid, 0)
    answer = pickle.loads(written)
    if isinstance(answer, BaseException):
        raise answer
    return answer  # type: ignore[return-value]


@pytest.fixture(scope="session")
def apart() -> Callable[[Callable[[], Answer]], Answer]:
    """The function `in_a_fork`."""
    return in_a_fork


PUBLIC = '''"""The checks that you have."""

from __future__ import annotations

import pytest
import torch

from autograder.checks import hint, needs, points, same


@points(10)
@hint("Twice is two times.")
@pytest.mark.parametrize("size", [1, 4])
def test_double(student, draw, size):
    """`double` doubles."""
    x = draw(size, 3)
    same(student.double(x), x + x)


@points(15)
@hint("h' = tanh(W_ih x + b_ih + W_hh h + b_hh)")
def test_rnn_cell(student, draw):
    """`rnn_cell` computes the next state as torch does."""
    args = [draw(3, 5), draw(3, 7), draw(7, 5), draw(7, 7), draw(7), draw(7)]
    same(student.rnn_cell(*args), torch.rnn_tanh_cell(*args))


@points(10)
@needs("rnn_cell")
def test_run_one_step(student, draw):
    """`run` takes one step as the cell does."""
    x, args = draw(3, 1, 5), [draw(3, 7), draw(7, 5), draw(7, 7), draw(7), draw(7)]
    same(student.run(x, *args), torch.rnn_tanh_cell(x[:, 0], *args))
'''


@pytest.fixture
def desk(write_tiny: Callable[..., Path], tmp_path: Path) -> Callable[[str | None], Path]:
    """A function that makes a kit's folder and returns the assignment's; it holds `source`, else the stub."""
    from autograder.course import load_assignment
    from autograder.release import write

    def make(source: str | None = None, where: str = "kit") -> Path:
        solutions = write_tiny(tmp_path / "course", test_public__py=PUBLIC)
        folder = tmp_path / where / "assignments" / "t1_tiny"
        folder.parent.mkdir(parents=True, exist_ok=True)
        write(load_assignment(solutions), folder)
        if source is not None:
            (folder / "tiny.py").write_text(source, encoding="utf-8")
        return folder

    return make


@pytest.fixture(scope="session")
def hands() -> Iterator[Hands]:
    """A process with torch, shared: a test that loses it leaves a new one."""
    from autograder.home.run import Hands

    shared = Hands()
    yield shared
    shared.close()


@pytest.fixture
def checked(desk: Callable[..., Path], hands: Hands) -> Callable[..., Report]:
    """A function that returns the report on a source: `checked(source, "rnn")` for `-k rnn`."""
    from autograder.home.check import check

    return lambda source=None, *words: check(desk(source), words, hands, lambda _: None)
