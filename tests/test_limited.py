"""Work on strangers' text in limited children: it answers, or it ends, and the next task is served all the same."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.feedback.excerpts import AROUND, MOST, Source, place_of
from autograder.limited import Bounds, Helper

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="without forks nothing is parsed")

COLOURS = "autograder.feedback.colours"
CODE = '''import torch


def first(x):
    """Return x.

    More of it.
    """
    return x  # as it is


@torch.no_grad()
class Second:
    def forward(self, x):
        return "s"


def first(x):
    return 2 * x
'''


@pytest.fixture(scope="module")
def helper() -> Iterator[Helper]:
    """One helper for all tests of this file, with little time."""
    with Helper(COLOURS, Bounds(cpu_s=1, wall_s=10, memory_mb=256)) as running:
        yield running


def test_it_says_where_things_are_and_how_they_look(helper: Helper) -> None:
    """The last definition counts, decorators belong to it, and runs of colours cover the lines."""
    answer = helper({"files": {"tiny.py": CODE}})
    assert answer["places"] == {
        "first": ["tiny.py", 18, 19], "Second": ["tiny.py", 12, 15], "Second.forward": ["tiny.py", 14, 15],
    }  # fmt: skip
    assert answer["docstrings"] == {"tiny.py": [[5, 8]]}
    lines = CODE.split("\n")
    assert len(answer["runs"]["tiny.py"]) == len(lines)
    for line, runs in zip(lines, answer["runs"]["tiny.py"], strict=True):
        assert sum(length for _, length in runs) == len(line)
    assert answer["runs"]["tiny.py"][18][-1] == ["", 4]


@pytest.mark.parametrize("text", ["(" * 900_000, "[" * 400_000, "x = 1\n" * 300_000], ids=["parens", "lists", "lines"])
def test_a_bomb_takes_its_own_child_only(helper: Helper, text: str) -> None:
    """What costs too much answers None or little, within bounds, and the next task is answered as ever."""
    before = time.process_time()
    answer = helper({"files": {"tiny.py": text}})
    assert answer is None or len(answer["runs"]["tiny.py"]) <= 5_000
    assert helper({"files": {"tiny.py": "x = 1"}})["places"] == {}
    assert time.process_time() - before < 5


def test_text_that_is_no_python_still_has_colours(helper: Helper) -> None:
    """A syntax error leaves no places; NUL, tabs and odd line ends harm nothing."""
    answer = helper({"files": {"a.py": "def f(:\n  1", "b.py": "x\0y\f\v", "c.py": ""}})
    assert answer["places"] == {}
    assert answer["runs"]["a.py"][0][0] == ["k", 3]


def test_a_helper_that_is_gone_is_started_again(helper: Helper) -> None:
    """Where the helper itself was killed, one task goes without and the next has a new one; too large is refused."""
    assert helper({"files": {}}) is not None
    assert helper._process is not None
    helper._process.kill()
    helper._process.wait()
    assert helper({"files": {}}) is None
    assert helper({"files": {}}) is not None
    assert helper({"files": {"x": "x" * (40 << 20)}}) is None


def test_a_module_that_serves_nothing_answers_none() -> None:
    """A helper that cannot start is no reason to fail."""
    with Helper("autograder.no_such_module") as broken:
        assert broken({"files": {}}) is None


# --- what a page makes of the answers --------------------------------------------------------------------------------


def source(text: str = CODE, answer: object = None) -> Source:
    """A student's file with a given answer of the child."""
    return Source({"tiny.py": text.encode()}, lambda _: answer)


def test_places_are_read_from_words() -> None:
    """`where` names a file and a line, or nothing."""
    assert place_of("rnn.py, line 31, in rnn_cell") == ("rnn.py", 31)
    assert place_of("rnn.py, line 31") == ("rnn.py", 31)
    assert place_of("") is None
    assert place_of("somewhere") is None
    assert place_of("rnn.py, line 99999999999999") is None


def test_a_definition_is_shown_without_its_docstring(helper: Helper) -> None:
    """The stub's words are known; what was written between them counts. A marked line is always shown."""
    text = CODE.replace("def first(x):\n    return 2", "def third(x):\n    return 2")
    mine = Source({"tiny.py": text.encode()}, helper)
    excerpt = mine.definition("first", [("tiny.py", 9)])
    assert excerpt is not None
    assert [line.number for line in excerpt.lines] == [4, 9]
    assert [line.marked for line in excerpt.lines] == [False, True]
    assert mine.defines("first", ("tiny.py", 9))
    assert not mine.defines("first", ("tiny.py", 12))
    assert mine.definition("nobody", []) is None


def test_a_long_definition_is_shown_around_its_marks(helper: Helper) -> None:
    """At most MOST lines, near the marks, and how many are missing."""
    text = "def long(x):\n" + "    x += 1\n" * 200
    mine = Source({"tiny.py": text.encode()}, helper)
    plain, marked = mine.definition("long", []), mine.definition("long", [("tiny.py", 150)])
    assert plain is not None
    assert marked is not None
    assert len(plain.lines) == MOST
    assert plain.left_out == 201 - MOST
    assert [line.number for line in marked.lines] == list(range(150 - 2 * AROUND, 150 + 2 * AROUND + 1))


def test_without_an_answer_lines_come_plain() -> None:
    """Where the child ran into its limit there are no colours and no definitions, only lines."""
    excerpt = source().around(("tiny.py", 1))
    assert excerpt is not None
    assert excerpt.lines[0].pieces == (("", "import torch"),)
    assert source().definition("first", []) is None
    assert source().around(("tiny.py", 400)) is None
    assert source().around(("other.py", 1)) is None


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"places": [], "runs": [], "docstrings": 3},
        {"places": {"first": ["tiny.py", 0, 9**9]}, "runs": {"tiny.py": "x"}},
        {"places": {"first": ["../../etc/passwd", 1, 2]}, "runs": {"tiny.py": [["x"], [[[], 3]], 5]}},
        {"places": {"first": [["x"], 1, 2]}, "docstrings": {"tiny.py": [[1, 9**9], "x", [None, 2]]}},
        {"runs": {"tiny.py": [[["onclick=x", 3], ["k", -5], ["s", 10**9]]] * 5}},
    ],
)
def test_no_answer_of_the_child_changes_a_line(answer: object) -> None:
    """The child says colours and numbers; whatever it says, the lines are the student's and the colours ours."""
    mine = source(answer=answer)
    assert mine.definition("first", []) is None
    excerpt = mine.around(("tiny.py", 4))
    assert excerpt is not None
    for line in excerpt.lines:
        assert "".join(text for _, text in line.pieces) == CODE.split("\n")[line.number - 1]
        assert {colour for colour, _ in line.pieces} <= {"", "k", "s"}


def test_a_helper_tells_the_child_nothing_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment holds none of ours."""
    monkeypatch.setenv("AUTOGRADER_SECRET", "x" * 40)
    with Helper(COLOURS) as running:
        running({"files": {}})
        assert running._process is not None
        environment = Path(f"/proc/{running._process.pid}/environ")
        if environment.exists():
            assert b"AUTOGRADER_SECRET" not in environment.read_bytes()
