"""The queue of what waits for a human: what is in it, and a sitting at a real terminal until nothing is left."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autograder.gradebook import open_book
from autograder.gradebook.deciding import Author, Decision, decide, look
from autograder.gradebook.queue import TIMES_ALLOWED, Item, Why, alike, queue
from autograder.records import Diagnosis, Evidence, Finding, Outcome

FAILED = Outcome.FAILED
AUTHOR = Author("lee", datetime(2027, 3, 24, tzinfo=UTC))
SLOWEST_S = 90.0
STILL_S = 0.3
"""A screen that does not change for so long waits for a key."""


def close(times: float = 3.0, message: str = "wrong values") -> dict[str, Any]:
    """Changes of a check that failed by little."""
    evidence = Evidence(figures={TIMES_ALLOWED: times})
    return {"outcome": FAILED, "finding": Finding("values", message), "evidence": evidence}


OURS = {"outcome": Outcome.GRADER_ERROR, "finding": Finding("grader", "The grader failed; a human will look.")}


def five(results: Any) -> None:
    """A class with five things to look at."""
    results.add("ada")
    results.add("bo", test_fit=OURS, needs_human=("test_fit",))
    results.add("chae", needs_human=("no calls where some are due\x1b[31m",))
    results.add("eun", test_run=close())
    results.add("farah", test_run=close())
    results.add("goran", test_run=close(times=1e6, message="all wrong"))
    results.ask("ada", "my <b>bias</b> is there")


@pytest.fixture
def course(results: Any) -> Any:
    """The results folder, with a way to hand in a request."""

    def ask(student: str, text: str) -> None:
        from autograder.gradebook.deciding import request

        request(open_book(results.root), "t1_tiny", student, "test_double", text, AUTHOR)

    results.ask = ask
    return results


def waiting(results: Any) -> list[tuple[str, str, str]]:
    """What waits: why, whose, which check."""
    return [(item.why, item.student, item.check) for item in queue(open_book(results.root))]


# --- what is in the queue --------------------------------------------------------------------------------------------


def test_requests_come_first_and_what_failed_by_far_is_nobodys_work(course: Any) -> None:
    """A request, a fault of ours, a flag, two failures by little; the one who is far off does not wait."""
    five(course)
    assert waiting(course) == [
        ("request", "ada", "test_double"),
        ("grader", "bo", "test_fit"),
        ("flag", "chae", ""),
        ("close", "eun", "test_run"),
        ("close", "farah", "test_run"),
    ]


def test_a_training_near_its_bound_is_close(course: Any) -> None:
    """A score up to a quarter above its bound; no number is not close, and what passed is not either."""
    for student, loss, outcome in (("a", 0.06, FAILED), ("b", 0.07, FAILED), ("c", float("nan"), FAILED)):
        evidence = Evidence(figures={"loss": loss, "loss, at most": 0.05})
        course.add(student, test_fit={"outcome": outcome, "finding": Finding("training", "x"), "evidence": evidence})
    course.add("d", test_fit={"evidence": Evidence(figures={TIMES_ALLOWED: 2.0})})
    assert waiting(course) == [("close", "a", "test_fit")]


def test_what_a_run_left_in_doubt_waits(course: Any) -> None:
    """Names that were found by shape, too few operators, refused calls: also where the check passed."""
    doubt = "w_h was taken for weight_hh: only its shape fits, name it as the handout does"
    course.add("ada", test_run={"evidence": Evidence(doubts=(doubt,))})
    course.add("bo", test_fit={"outcome": FAILED, "evidence": Evidence(banned_calls=("torch.lstm", "torch.gru"))})
    found = [(item.why, item.student, item.check, item.words) for item in queue(open_book(course.root))]
    assert found == [
        ("flag", "ada", "test_run", doubt),
        ("flag", "bo", "test_fit", "called and refused: torch.lstm, torch.gru"),
    ]
    look(open_book(course.root), "t1_tiny", "ada", "test_run", doubt, AUTHOR)
    assert [item.student for item in queue(open_book(course.root))] == ["bo"]


def test_what_is_decided_leaves_and_comes_back_when_its_ground_has_changed(course: Any) -> None:
    """Points settle a check; where it gives something else later, the decision waits to be looked at again."""
    course.add("eun", test_run=close())
    decide(open_book(course.root), "t1_tiny", "eun", Decision("test_run", "20", None, None, "an idea"), AUTHOR)
    assert waiting(course) == []
    course.add("eun")
    assert waiting(course) == [("changed", "eun", "test_run")]
    (item,) = queue(open_book(course.root))
    look(open_book(course.root), "t1_tiny", "eun", "test_run", item.words, AUTHOR)
    assert waiting(course) == []


def test_all_points_set_by_hand_settle_everything(course: Any) -> None:
    """Whoever has looked at the whole need not look at its parts."""
    course.add("bo", test_fit=OURS, needs_human=("test_fit", "flagged"))
    decide(open_book(course.root), "t1_tiny", "bo", Decision("", "80", None, None, "read it all"), AUTHOR)
    assert waiting(course) == []


def test_a_written_answer_waits_until_somebody_gives_points(course: Any) -> None:
    """Where course.yml gives points for one; points on top of the checks settle it, also none of them."""
    course.add("ada")
    file = course.root / "course.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("weight: 1}", "weight: 1, written: 10}"), encoding="utf-8")
    assert waiting(course) == [("written", "ada", "")]
    (item,) = queue(open_book(course.root))
    assert item.words == "the written answer waits for points, at most 10"
    decide(open_book(course.root), "t1_tiny", "ada", Decision("", None, "7.5", None, "well argued"), AUTHOR)
    assert waiting(course) == []
    course.add("bo")
    look(open_book(course.root), "t1_tiny", "bo", "", item.words, AUTHOR)
    assert waiting(course) == []


def test_another_flag_waits_though_one_was_looked_at(course: Any) -> None:
    """What was looked at are words about one submission; other words wait."""
    course.add("chae", needs_human=("one", "two"))
    look(open_book(course.root), "t1_tiny", "chae", "", "one", AUTHOR)
    assert [item.words for item in queue(open_book(course.root))] == ["two"]


def test_the_same_mistake_is_the_same_name_or_the_same_words(course: Any) -> None:
    """Named mistakes are compared by name, whatever the words; nobody is alike to one who passed."""
    named = {"diagnosis": Diagnosis(("tiny.stuck",), (), 1, 1, 0.0, "run")}
    course.add("a", test_run=close(message="one") | named)
    course.add("b", test_run=close(message="two") | named)
    course.add("c", test_run=close(message="one"))
    course.add("d", test_run=close(message="one"))
    course.add("e")
    book = open_book(course.root)

    def others(student: str) -> tuple[str, ...]:
        return alike(book, Item(Why.CLOSE, "t1_tiny", student, "test_run", ""))

    assert others("a") == ("b",)
    assert others("c") == ("d",)
    assert others("e") == ()


def test_the_queue_as_a_list_and_as_data(course: Any, typed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal it is listed, controls spelled out; `--json` has the words as they are."""
    five(course)
    monkeypatch.chdir(course.root)
    listed = typed("review")
    assert listed.exit_code == 0
    assert "\x1b" not in listed.output
    assert "failed by little" in listed.output
    data = json.loads(typed("review", "--json").output)
    assert [each["why"] for each in data] == ["request", "grader", "flag", "close", "close"]
    assert "did you mean `t1_tiny`?" in typed("review", "t1_tin").output


# --- a sitting -------------------------------------------------------------------------------------------------------


class Tmux:
    """A program in a terminal of tmux."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._tmux = ["tmux", "-L", f"review-{os.getpid()}", "-f", "/dev/null"]
        size = ["-x", "100", "-y", "50"]
        subprocess.run([*self._tmux, "new-session", "-d", *size, "-c", str(folder), *command], check=True)
        subprocess.run([*self._tmux, "set-option", "-g", "remain-on-exit", "on"], check=True)

    def type(self, keys: str) -> None:
        """Press keys; a line end is Enter."""
        for line in re.split("(\n)", keys):
            if line:
                sent = ["Enter"] if line == "\n" else ["-l", line]
                subprocess.run([*self._tmux, "send-keys", *sent], check=True)

    def screen(self) -> str:
        """All that was printed."""
        return subprocess.run(
            [*self._tmux, "capture-pane", "-p", "-J", "-S", "-"], check=True, capture_output=True, text=True
        ).stdout

    def close(self) -> None:
        """End it."""
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)


class Pty:
    """The same in a bare pseudo-terminal, where there is no tmux."""

    def __init__(self, command: list[str], folder: Path) -> None:
        ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
        )
        os.close(theirs)
        self._ours, self._seen = ours, ""

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.replace("\n", "\r").encode())

    def screen(self) -> str:
        """All that was printed, without colours."""
        while select.select([self._ours], [], [], 0.1)[0]:
            try:
                self._seen += os.read(self._ours, 65536).decode(errors="replace")
            except OSError:  # its other end is closed
                break
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._seen)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


TERMINALS = [Tmux, Pty] if shutil.which("tmux") else [Pty]


@pytest.fixture(params=TERMINALS)
def sitting(request: pytest.FixtureRequest, course: Any) -> Iterator[Callable[[str, str], str]]:
    """A function that waits for words on the terminal of `review`, then types."""
    five(course)
    env = [f"{name}={os.environ[name]}" for name in ("PATH", "HOME") if name in os.environ]
    program = ["env", "-i", *env, "TERM=xterm-256color", "LANG=C.UTF-8", sys.executable, "-m", "autograder.cli"]
    terminal = request.param([*program, "review", "--who", "lee", "--formgrader", "http://h:1/x"], course.root)
    seen = 0

    def after(words: str, keys: str) -> str:
        nonlocal seen
        deadline = time.monotonic() + SLOWEST_S
        while words not in (screen := terminal.screen())[seen:]:
            assert time.monotonic() < deadline, f"{words!r} did not come:\n{screen[-3000:]}"
            time.sleep(0.1)
        time.sleep(STILL_S)
        seen += screen[seen:].index(words) + len(words)
        if keys:
            while (now := terminal.screen()) != screen:  # what is typed before it asks is thrown away
                screen = now
                time.sleep(STILL_S)
            terminal.type(keys)
        return str(screen)

    yield after
    terminal.close()


def test_a_sitting_ends_with_an_empty_queue_and_marks_in_the_export(sitting: Any, course: Any, typed: Any) -> None:
    """Answer, points, a look, and one decision for everyone with the same mistake: all by keys, all in the export."""
    sitting("1 of 5", "")
    sitting("my <b>bias</b> is there", "")
    sitting("http://h:1/x/manage_students/ada/t1_tiny", "")
    sitting("[w] answer", "w")
    sitting("answer", "it is, but twice\n")
    sitting("1 of 4", "")
    sitting("a fault of the grader", "p")
    sitting("points, at most 30", "31\n")  # a slip
    sitting("reason", "graded by hand\n")
    sitting("comment", "\n")
    sitting("not written: 31 points are not between 0 and 30", "p")
    sitting("points, at most 30", "30\n")
    sitting("reason", "graded by hand\n")
    sitting("comment", "\n")
    screen = sitting("1 of 3", "l")
    assert "\x1b[31m" not in screen
    sitting("1 of 2", "")
    sitting("the same mistake: 1 more (farah)", "a")
    sitting("what you decide now is for all 2 of them", "p")
    sitting("points, at most 30", "20\n")
    sitting("reason", "right idea\n")
    sitting("comment", "the first step is right\n")
    sitting("written: 2 decisions", "")
    sitting("nothing waits for a human", "")
    sitting("5 decisions written to", "")
    assert waiting(course) == []
    exported = typed("export", "json", "--course", course.root, "--out", course.root / "marks.json")
    assert exported.exit_code == 0, exported.output
    marks = {each["student"]: each["marks"][0] for each in json.loads((course.root / "marks.json").read_text())}
    assert {who: mark["points"] for who, mark in marks.items()} == {
        "ada": 100, "bo": 100, "chae": 100, "eun": 90, "farah": 90, "goran": 70,
    }  # fmt: skip
    for who in ("eun", "farah"):
        assert marks[who]["comments"] == [{"check": "test_run", "text": "the first step is right"}]
    lines = [json.loads(line) for line in (course.root / "marks.jsonl").read_text(encoding="utf-8").splitlines()]
    kinds = ["request", "answer", "points", "looked", *["points", "comment"] * 2]
    assert [line["kind"] for line in lines] == kinds
    assert {line["who"] for line in lines} == {"lee"}
