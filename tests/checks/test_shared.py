"""Checks that take turns in one worker: each finds it new, and only a pass counts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from autograder.checks.bench import Used, Wish
from autograder.checks.shared import Shared
from autograder.errors import SandboxError
from autograder.records import Assignment
from autograder.sandbox.remote import Session


class Silent:
    """A transport that is never asked."""

    def exchange(self, frame: bytes) -> bytes:
        """Fail."""
        raise AssertionError(frame)


@dataclass
class Scripted:
    """A worker that says of itself what a test wants."""

    lives: bool = True
    closed: int = 0
    sessions: list[Session] = field(default_factory=list)

    def session(self, seed: int, dtype: str) -> Session:
        """A new session."""
        self.sessions.append(Session(Silent(), begin=(seed, dtype)))
        return self.sessions[-1]

    def used(self) -> Used:
        """Something."""
        return Used(0.5, "said", "")

    def close(self) -> Used:
        """Count."""
        self.closed += 1
        return Used()


@pytest.fixture
def wish(tiny: Assignment) -> Wish:
    """That of a check which shares."""
    return Wish(replace(tiny.checks[0], trains_cpu_s=None), "float64", 7)


def test_one_worker_serves_many_checks(wish: Wish) -> None:
    """Each has a session and a seed of its own, and the worker outlives them."""
    worker, opened = Scripted(), []
    shared = Shared(lambda wish: opened.append(wish) or worker)  # type: ignore[func-returns-value]
    for seed in (1, 2, 3):
        lent = shared.lend(replace(wish, seed=seed))
        assert lent is not None
        assert lent.close() == Used(0.5, "said", "")
    assert (len(opened), worker.closed, [s.begin for s in worker.sessions]) == (
        1,
        0,
        [(1, "float64"), (2, "float64"), (3, "float64")],
    )
    shared.close()
    assert worker.closed == 1


def test_other_bans_and_devices_have_workers_of_their_own(wish: Wish) -> None:
    """What was locked in under other bans may not serve."""
    opened: list[Wish] = []
    shared = Shared(lambda wish: opened.append(wish) or Scripted())  # type: ignore[func-returns-value]
    for each in (wish, replace(wish, check=replace(wish.check, bans=())), replace(wish, device="cuda"), wish):
        assert shared.lend(each) is not None
    assert len(opened) == 3


@pytest.mark.parametrize("alone", ["stand-in", "training", "float32"])
def test_some_checks_never_share(wish: Wish, alone: str) -> None:
    """A right part in the same process would be within reach of checks of the submission's own."""
    shared = Shared(lambda _: Scripted())
    wishes = {
        "stand-in": replace(wish, stand_ins=("rnn_cell",)),
        "training": replace(wish, check=replace(wish.check, trains_cpu_s=60.0)),
        "float32": replace(wish, dtype="float32"),
    }
    assert not shared.serves(wishes[alone])
    assert shared.lend(wishes[alone]) is None
    assert shared.lend(wish) is not None


@pytest.mark.parametrize("how", ["ended", "refused"])
def test_a_lost_worker_is_the_last(wish: Wish, how: str) -> None:
    """After a crash, a limit or a banned operator every check has a worker of its own."""
    worker = Scripted()
    shared = Shared(lambda _: worker)
    lent = shared.lend(wish)
    assert lent is not None
    if how == "ended":
        worker.lives = False
    else:
        lent.session.refused = ("aten::rnn_tanh",)
    lent.close()
    assert worker.closed == 1
    assert shared.lend(wish) is None


def test_where_none_opens_a_check_asks_for_its_own(wish: Wish) -> None:
    """Whose fault it is, is said there."""

    def opener(_: Wish) -> Scripted:
        raise SandboxError("no process")

    shared = Shared(opener)
    assert shared.lend(wish) is None
    with pytest.raises(SandboxError):
        shared.start(wish)


# --- in the sandbox ------------------------------------------------------------------------------------------------


def outcomes(grade: Any) -> dict[str, str]:
    """Check -> how it ended."""
    return {result.id: result.outcome for result in grade.results}


def test_right_work_starts_a_process_for_all(desk: Any, hand_in: Any) -> None:
    """Five checks, one of which trains a few steps."""
    assert desk.grade(hand_in()).score == 100
    assert len(desk.forks) == 1
    assert len(desk.asked) == 5


def test_a_few_steps_of_training_share_within_the_seconds_of_others(wish: Wish) -> None:
    """The shared worker's limit is not that of the check that happens to open it."""
    opened: list[Wish] = []
    shared = Shared(lambda wish: opened.append(wish) or Scripted())  # type: ignore[func-returns-value]
    assert shared.lend(replace(wish, check=replace(wish.check, trains_cpu_s=20.0))) is not None
    assert opened[0].check.trains_cpu_s is None


def test_what_fails_for_having_served_others_passes_alone(desk: Any, hand_in: Any, edited: Any) -> None:
    """A state that the submission keeps in its module costs nothing that it would not cost in a new process."""
    source = edited(
        ("    return 2 * x\n", "    DOUBLED.append(x)\n    return 2 * x\n"),
        ("    return torch.tanh(x @", "    assert not DOUBLED\n    return torch.tanh(x @"),
        ("def double(", "DOUBLED = []\n\n\ndef double("),
    )
    grade = desk.grade(hand_in(source))
    assert grade.score == 100
    assert desk.asked.count("test_rnn_cell") == 2
    assert desk.asked.count("test_double") == 1


SETTINGS = """
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    return 2 * x
"""


def test_settings_of_one_check_are_not_the_next_ones(desk: Any, hand_in: Any, edited: Any) -> None:
    """Torch's default dtype and gradient mode are put back for each, so that nobody is tried again for their sake."""
    grade = desk.grade(hand_in(edited(("    return 2 * x\n", SETTINGS.lstrip("\n")))))
    assert grade.score == 100
    assert len(desk.asked) == len(grade.results)


def test_a_check_has_its_own_output_and_that_of_the_import(desk: Any, hand_in: Any, edited: Any) -> None:
    """As in a process of its own; another check's words are not among them."""
    source = edited(("    return 2 * x\n", '    print("doubling")\n    return 2 * x\n')) + '\nprint("imported")\n'
    printed = {result.id: result.evidence.stdout for result in desk.grade(hand_in(source)).results}
    assert set(printed["test_double"].split()) == {"imported", "doubling"}
    assert printed["test_rnn_cell"] == "imported\n"
    assert printed["test_fit"] == "imported\n"


def test_time_that_a_check_used_is_its_own(desk: Any, hand_in: Any, edited: Any) -> None:
    """The clock of the shared process is read for each."""
    busy = "    import time\n    end = time.process_time() + 0.4\n    while time.process_time() < end:\n        pass\n"
    used = {
        r.id: r.cpu_s for r in desk.grade(hand_in(edited(("    return 2 * x\n", busy + "    return 2 * x\n")))).results
    }
    assert used["test_double"] > 0.4
    assert used["test_run"] < 0.4
