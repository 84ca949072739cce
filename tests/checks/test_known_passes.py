"""What passed before is not judged again, and nothing else passes for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from autograder.checks.judge import Case
from autograder.checks.known_passes import KnownPasses
from autograder.errors import WireError
from autograder.pipeline import Job
from autograder.records import CheckResult, Outcome
from autograder.sandbox.faults import ChildEnded
from autograder.sandbox.remote import Exchange, Session

SECRET = b"thirty-two bytes that nobody sees"
PASSED = CheckResult("test_it", Outcome.PASSED, 2, 2)


@dataclass
class Worker:
    """A worker whose answers are written down; it ends where there are none left."""

    answers: tuple[bytes, ...]
    heard: list[bytes] = field(default_factory=list)

    def exchange(self, frame: bytes) -> bytes:
        """The next answer."""
        if len(self.heard) == len(self.answers):
            raise ChildEnded(Outcome.CRASHED, "gone")
        self.heard.append(frame)
        return self.answers[len(self.heard) - 1]


def way(*pairs: tuple[bytes, bytes]) -> list[Exchange]:
    """What was asked and answered."""
    return [Exchange(*pair) for pair in pairs]


@pytest.fixture
def known() -> KnownPasses:
    """A memory of two ways that part after the first answer."""
    known = KnownPasses()
    known.keep("check", way((b"?1", b"a"), (b"?2a", b"b")), PASSED)
    known.keep("check", way((b"?1", b"c"), (b"?2c", b"d"), (b"?3", b"e")), replace(PASSED, device="cuda"))
    return known


@pytest.mark.parametrize(
    ("answers", "asked", "device"),
    [((b"a", b"b"), [b"?1", b"?2a"], "cpu"), ((b"c", b"d", b"e"), [b"?1", b"?2c", b"?3"], "cuda")],
)
def test_who_answers_as_one_who_passed_has_passed(
    known: KnownPasses, answers: tuple[bytes, ...], asked: list[bytes], device: str
) -> None:
    """It is asked all that was asked then, in order, and has that one's result."""
    worker = Worker(answers)
    result = known.follow("check", Session(worker))
    assert (worker.heard, result) == (asked, replace(PASSED, device=device))


@pytest.mark.parametrize("answers", [(b"x",), (b"a", b"d"), (b"c", b"d", b"b"), (b"c", b"b")])
def test_a_new_answer_is_left_to_the_check(known: KnownPasses, answers: tuple[bytes, ...]) -> None:
    """The check goes on where it was left: what was answered is not asked again, what comes then is."""
    worker = Worker((*answers, b"later"))
    session = Session(worker)
    assert known.follow("check", session) is None
    heard = list(worker.heard)
    assert len(heard) == len(answers)
    assert [session.transport.exchange(frame) for frame in heard] == list(answers)
    assert worker.heard == heard
    assert session.transport.exchange(b"new") == b"later"


def test_another_check_or_secret_is_another_matter(known: KnownPasses) -> None:
    """Nobody is asked what is known of another key."""
    session = Session(worker := Worker(()))
    assert known.follow("other", session) is None
    assert session.transport is worker


def test_a_worker_that_ends_on_the_way_has_not_passed(known: KnownPasses) -> None:
    """The check meets the end where it asks for more."""
    session = Session(Worker((b"c",)))
    assert known.follow("check", session) is None
    assert session.transport.exchange(b"?1") == b"c"
    with pytest.raises(ChildEnded):
        session.transport.exchange(b"?2c")


def test_a_check_that_changes_its_mind_is_heard_again(known: KnownPasses) -> None:
    """Where it asks otherwise after the same answers, the worker has heard the wrong thing: it must not go on."""
    session = Session(Worker((b"x",)))
    assert known.follow("check", session) is None
    with pytest.raises(WireError, match="asked something else"):
        session.transport.exchange(b"?other")
    known.keep("check", way((b"?other", b"a"), (b"?2a", b"z")), PASSED)  # is not mixed into the ways that are known
    assert known.follow("check", Session(Worker((b"a", b"z")))) is None


def test_memory_is_bounded(known: KnownPasses) -> None:
    """A check of which every submission answers something else fills no more than its share; old checks go first."""
    small = KnownPasses(largest=40, per_check=6)
    for number in range(9):
        small.keep("noisy", way((b"?", b"%d" % number)), PASSED)
    assert small.follow("noisy", Session(Worker((b"4",)))) is not None
    assert small.follow("noisy", Session(Worker((b"5",)))) is None
    for number in range(9):
        small.keep(number, way((b"?", b"four")), PASSED)
    assert [small.follow(number, Session(Worker((b"four",)))) is not None for number in range(9)] == [False] + [
        True
    ] * 8


# --- in the sandbox ------------------------------------------------------------------------------------------------


def lines_run(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of checks whose own lines ran, in order, from now on."""
    ran: list[str] = []
    lines = Case.__call__
    monkeypatch.setattr(Case, "__call__", lambda case, bench: ran.append(case.function.__name__) or lines(case, bench))
    return ran


def told(grade: Any) -> list[CheckResult]:
    """Results without what they took."""
    return [replace(result, cpu_s=0.0, wall_s=0.0) for result in grade.results]


def test_the_second_of_two_alike_is_asked_and_not_compared(
    desk: Any, hand_in: Any, edited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the same results but for what it used and printed; one that differs in a bit is judged by itself."""
    pipeline = desk.pipeline()
    first = pipeline.grade(Job(hand_in(), SECRET))
    ran = lines_run(monkeypatch)
    asked = len(desk.asked)
    alike = edited(("    return 2 * x\n", '    print("doubling")\n    return x * 2\n'))
    again = pipeline.grade(Job(hand_in(alike), SECRET))
    assert (ran, len(desk.asked) - asked) == ([], len(first.results))
    printed = {result.id: result.evidence.stdout for result in again.results}
    assert printed["test_double"].startswith("doubling")
    assert all(result.cpu_s > 0 for result in again.results)
    silent = [replace(result, evidence=replace(result.evidence, stdout="")) for result in told(again)]
    assert silent == told(first)
    in_a_bit = edited(("    return 2 * x\n", "    return 2 * x * (1 + 2**-44)\n"))
    other = pipeline.grade(Job(hand_in(in_a_bit), SECRET))
    assert (other.score, set(ran)) == (100, {"test_double"})


def test_after_right_work_wrong_work_still_fails(desk: Any, hand_in: Any, edited: Any) -> None:
    """And the right work after it passes."""
    pipeline, wrong = desk.pipeline(), edited(("return 2 * x", "return 3 * x"))
    failed = [
        {result.id for result in pipeline.grade(Job(hand_in(*source), SECRET)).results if result.outcome != "passed"}
        for source in ((), (wrong,), (), (wrong,))
    ]
    assert failed == [set(), {"test_double"}, set(), {"test_double"}]
