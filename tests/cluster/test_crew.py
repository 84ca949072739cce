"""Who grades what where on a cluster, and what becomes of what is lost: without Dask, by a post that does as told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder.cluster.crew import POOR, TRIES, Crew, Joined
from autograder.cluster.offer import Offer
from autograder.cluster.order import Answer, Place
from autograder.errors import SandboxError
from autograder.pipeline import Job
from autograder.records import Submission

OFFER = Offer("node", "0", "0", "0", "0")
DONE = Answer(grade=b"a grade")
Act = Callable[[str, str, int], Answer | str]


class Post:
    """Workers that answer at once as `act` says: an answer, or `gone` (the worker dies), `hang`, `ctrl-c`."""

    def __init__(self, act: Act, *workers: Joined) -> None:
        self.act = act
        self.joining = list(workers)
        self.there = {worker.address for worker in workers}
        self.answers: list[tuple[str, Answer]] = []
        self.sent: list[tuple[str, str, int]] = []
        self.with_it: list[int] = []
        """How many others were at work when it was sent."""
        self.open: set[str] = set()
        self.forgotten: list[str] = []
        self.interrupt = False

    def news(self, timeout_s: float) -> Iterator[Joined | tuple[str, Answer]]:
        """Whoever joins, then answers."""
        if self.interrupt:
            self.interrupt = False
            raise KeyboardInterrupt
        joining, self.joining = self.joining, []
        yield from joining
        answers, self.answers = self.answers, []
        for ticket, answer in answers:
            self.open.discard(ticket)
            yield ticket, answer

    def present(self) -> frozenset[str]:
        """Who is there."""
        return frozenset(self.there)

    def send(self, worker: Joined, place: Place, job: Job) -> str:
        """Do as told."""
        student = job.submission.student
        ticket = f"{student}-{len(self.sent)}"
        before = sum(sent[0] == student for sent in self.sent)
        assert worker.address in self.there
        self.with_it.append(len(self.open))
        self.sent.append((student, worker.address, place.number))
        self.open.add(ticket)
        told = self.act(student, worker.address, before)
        if isinstance(told, Answer):
            self.answers.append((ticket, told))
        elif told == "gone":
            self.there.discard(worker.address)
        elif told == "ctrl-c":
            self.interrupt = True
            self.answers.append((ticket, DONE))
        return ticket

    def forget(self, ticket: str) -> None:
        """Remember."""
        self.forgotten.append(ticket)
        self.open.discard(ticket)


def worker(address: str, places: int = 1) -> Joined:
    """A worker with some places."""
    return Joined(address, OFFER, tuple(Place(number, Path("course")) for number in range(places)))


def jobs(*students: str) -> Iterator[Job]:
    """A job each."""
    return iter([Job(Submission(student, "t", {}), b"secret") for student in students])


class Settled:
    """What came of each."""

    def __init__(self, *waiting: str) -> None:
        self.waiting = set(waiting)
        self.answers: dict[str, tuple[Answer, tuple[str, ...]]] = {}
        self.alone: list[str] = []

    def __call__(self, job: Job, answer: Answer, lost: tuple[str, ...]) -> bool:
        """Whether it only waited, and has to be graded alone."""
        student = job.submission.student
        if student in self.waiting and not job.alone:
            return True
        assert student not in self.answers, f"{student} settled twice"
        self.answers[student] = answer, lost
        self.alone += [student] if job.alone else []
        return False


def test_every_place_has_one_submission_at_a_time() -> None:
    """Two workers with three places grade ten submissions: each once, and never more than there are places."""
    post, settled = Post(lambda *_: DONE, worker("a", 2), worker("b")), Settled()
    Crew(post, settled, lambda _: None).work(jobs(*"0123456789"))
    assert list(settled.answers) == list("0123456789")
    assert max(post.with_it) == 2
    assert {(address, number) for _, address, number in post.sent} == {("a", 0), ("a", 1), ("b", 0)}


def test_what_a_dead_worker_had_is_graded_elsewhere() -> None:
    """A worker that dies takes nothing along; its submission is sent to the other one, and the old order is dropped."""
    post, settled = Post(lambda student, at, _: "gone" if at == "a" else DONE, worker("a"), worker("b")), Settled()
    Crew(post, settled, lambda _: None).work(jobs(*"012345"))
    assert sorted(settled.answers) == list("012345")
    assert all(answer == DONE for answer, _ in settled.answers.values())
    assert sum(address == "a" for _, address, _ in post.sent) == 1
    assert len(post.forgotten) == 1


def test_a_poisoned_submission_takes_down_only_itself() -> None:
    """Whoever gets it loses it; after three tries, the last with nothing beside it, it is settled as lost."""

    def act(student: str, at: str, before: int) -> Answer | str:
        return Answer(lost="the judge ended (signal 9)") if student == "poison" else DONE

    post, settled = Post(act, worker("a"), worker("b")), Settled()
    Crew(post, settled, lambda _: None).work(jobs("1", "poison", "2", "3", "4", "5"))
    tries = [
        (address, others) for (who, address, _), others in zip(post.sent, post.with_it, strict=True) if who == "poison"
    ]
    assert len(tries) == TRIES
    assert tries[0][0] != tries[1][0], "the second try was on the same worker"
    assert tries[-1][1] == 0, "others were at work at the last try"
    assert post.sent[-1][0] == "poison"
    answer, lost = settled.answers.pop("poison")
    assert answer.lost
    assert lost == ("node: the judge ended (signal 9)",) * TRIES
    assert {student: found for student, (found, _) in settled.answers.items()} == dict.fromkeys("12345", DONE)


def test_lost_once_is_not_lost() -> None:
    """A submission whose second try succeeds has that result."""
    post, settled = (
        Post(lambda _, at, before: DONE if before else Answer(lost="x"), worker("a"), worker("b")),
        Settled(),
    )
    Crew(post, settled, lambda _: None).work(jobs("0", "1"))
    assert [answer for answer, _ in settled.answers.values()] == [DONE, DONE]


def test_what_only_waited_is_graded_alone_at_the_end() -> None:
    """It is sent once more when nothing else runs, and then believed."""
    post, settled = Post(lambda *_: DONE, worker("a", 2)), Settled("1")
    Crew(post, settled, lambda _: None).work(jobs("0", "1", "2", "3"))
    assert settled.alone == ["1"]
    assert post.sent[-1][0] == "1"
    assert post.with_it[-1] == 0


def test_a_worker_that_loses_everything_gets_no_more() -> None:
    """After so many in a row it is left out, in words; the others are graded by the rest."""
    said: list[str] = []
    post = Post(lambda student, at, _: Answer(lost="no disk") if at == "bad" else DONE, worker("bad"), worker("good"))
    settled = Settled()
    Crew(post, settled, said.append).work(jobs(*map(str, range(40))))
    assert len(settled.answers) == 40
    assert sum(address == "bad" for _, address, _ in post.sent) <= POOR
    assert not any(answer.lost for answer, _ in settled.answers.values())
    assert not said or "no disk" in said[0]


def test_without_any_worker_a_run_gives_up() -> None:
    """Where the last worker dies and none comes, the run ends with what to do, and not never."""
    now = iter(range(100_000))
    post, settled = Post(lambda *_: "gone", worker("a")), Settled()
    crew = Crew(post, settled, lambda _: None, clock=lambda: float(next(now)), wait_s=20)
    with pytest.raises(SandboxError, match="no worker that can grade for 20 s; what was measured is kept"):
        crew.work(jobs("0", "1"))


def test_a_worker_that_joins_late_is_given_work() -> None:
    """Nothing was there at first; what joins meanwhile grades."""
    post, settled = Post(lambda *_: DONE), Settled()
    late = worker("late")

    def news(timeout_s: float) -> Iterator[Joined | tuple[str, Answer]]:
        post.news = Post.news.__get__(post)  # type: ignore[method-assign]
        post.there.add("late")
        post.joining.append(late)
        return iter(())

    post.news = news  # type: ignore[method-assign]
    Crew(post, settled, lambda _: None).work(jobs("0"))
    assert list(settled.answers) == ["0"]


def test_an_interrupt_lets_what_runs_finish() -> None:
    """After ctrl-C nothing new is sent; what is at work is waited for and settled; then the interrupt goes on."""
    post = Post(lambda student, *_: "ctrl-c" if student == "2" else DONE, worker("a"))
    settled, said = Settled(), list[str]()
    with pytest.raises(KeyboardInterrupt):
        Crew(post, settled, said.append).work(jobs(*"012345"))
    assert list(settled.answers) == ["0", "1", "2"]
    assert said
    assert said[0].startswith("finishing")


def test_who_is_being_graded_is_said() -> None:
    """The display hears of it whenever it changes, and at the end that nobody is."""
    heard: list[list[str]] = []
    Crew(Post(lambda *_: DONE, worker("a", 2)), Settled(), lambda _: None, lambda now: heard.append(list(now))).work(
        jobs("ada", "bo", "eun")
    )
    assert ["ada", "bo"] in heard
    assert heard[-1] == []
