"""Results that stand from one save to the next: where nothing that they rest on was changed, and never for long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.home.check import check
from autograder.home.desk import Desk
from autograder.home.page import Page
from autograder.home.report import Line, Report
from autograder.home.run import Hands
from autograder.home.standing import Standing, outline
from autograder.records import CheckResult, Outcome

TEXT = '''"""A module."""
from __future__ import annotations

import torch
from torch import nn

SIZE = 3


def helper(x):
    """Return x."""
    return x + 1


def used(x: Model, scale: float = 1.0) -> Model:
    """Call another."""
    return helper(x) * scale


def alone(x):
    return x * SIZE


def by_word(x):
    return getattr(x, "odd")


def odd(x):
    return -x


class Base(nn.Module):
    def forward(self, x):
        return x

    def aside(self):
        return 2


class Model(Base):
    size = 4

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(self.size, 2)

    def step(self, x):
        return alone(x)


ALIAS = odd
'''


def rests_on(text: str, *asked: str) -> str:
    """The digest of what names lead to in a text."""
    found = outline({"tiny": text}, "")
    assert found is not None
    return found.rests_on(asked)


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        ("    return x * SIZE", "    return x * SIZE  # three", "alone"),
        ("SIZE = 3\n", "# how many\nSIZE = 3\n", "used"),
        ("\n\ndef alone(x):\n", "\n\n\n\ndef alone(x):\n\n", "alone"),
        ("helper(x) * scale", "scale * helper(x)", "alone"),
        ("    return x * SIZE", "    y = x * SIZE\n    return y", "used"),
        ("return alone(x)", "return helper(x)", "Base"),
    ],
    ids=["comment", "comment above", "blank lines", "caller", "unrelated", "derived class"],
)
def test_what_is_not_run_may_differ(before: str, after: str, asked: str) -> None:
    """Comments, blank lines, and the inside of what no name leads to."""
    assert TEXT.count(before) == 1
    assert rests_on(TEXT.replace(before, after), asked) == rests_on(TEXT, asked)


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        ("    return x + 1", "    return x + 2", "helper"),
        ("    return x + 1", "    return x + 2", "used"),
        ("    return x * SIZE", "    return SIZE", "Model"),
        ("        return x\n\n", "        return -x\n\n", "Model"),
        ("        return 2\n", "        return 3\n", "Model"),
        ("    return -x", "    return x", "by_word"),
        ("    return -x", "    return x", "helper"),
        ("SIZE = 3", "SIZE = 4", "odd"),
        ("scale: float = 1.0", "scale: float = 2.0", "odd"),
        ("x: Model, scale", "x: Base, scale", "odd"),
        ("    size = 4", "    size = 5", "odd"),
        ("class Model(Base)", "class Model(nn.Module)", "odd"),
        ("def odd", "@torch.no_grad()\ndef odd", "helper"),
        ("import torch\n", "import math\nimport torch\n", "odd"),
        ("def odd", "if SIZE > 2:\n    def alone(x):\n        return x\n\ndef odd", "helper"),
        ("def odd", "def alone(x):\n    return 0\n\ndef odd", "alone"),
        ("def odd", "def new(x):\n    return 0\n\ndef odd", "helper"),
    ],
    ids=[
        "itself", "called", "called by a method", "inherited", "another method", "named by a string", "run at import",
        "constant", "default", "annotation", "class attribute", "base", "decorator", "import", "under a condition",
        "defined again", "a new function",
    ],
)  # fmt: skip
def test_what_is_run_may_not(before: str, after: str, asked: str) -> None:
    """Whatever a check may come by, and whatever every import runs."""
    assert TEXT.count(before) == 1
    assert rests_on(TEXT.replace(before, after), asked) != rests_on(TEXT, asked)


def test_a_modules_own_getattr_is_run_without_a_name() -> None:
    """What Python calls by itself is in everything."""
    text = f"{TEXT}\n\ndef __getattr__(name):\n    return alone\n"
    assert rests_on(text.replace("x * SIZE", "x"), "odd") != rests_on(text, "odd")


@pytest.mark.parametrize(
    "code",
    ["globals()['odd']", "eval('od' + 'd')", "odd.__globals__", "__import__('tiny')", "vars()"],
)
def test_code_that_is_reached_by_no_name_lets_nothing_stand(code: str) -> None:
    """In doubt, everything is run first."""
    assert outline({"tiny": f"{TEXT}\n\ndef late():\n    return {code}\n"}, "") is None


@pytest.mark.parametrize("code", ["import sys", "import tiny", "from tiny import odd", "import importlib.util"])
def test_a_module_that_looks_at_itself_lets_nothing_stand(code: str) -> None:
    """The same for what it imports."""
    assert outline({"tiny": f"{TEXT}\n\ndef late():\n    {code}\n"}, "") is None


@pytest.mark.parametrize("code", ["model.eval()", "'eval of globals'", "x.modules()"])
def test_ordinary_code_is_not_in_doubt(code: str) -> None:
    """What torch calls so, and prose."""
    assert outline({"tiny": f"{TEXT}\n\ndef late(model, x):\n    return {code}\n"}, "") is not None


def test_whatever_lies_beside_counts() -> None:
    """Other checks, settings, or earlier work: nothing stands."""
    one, other = (outline({"tiny": TEXT}, around) for around in ("", "other"))
    assert one is not None
    assert other is not None
    assert one.rests_on(["odd"]) != other.rests_on(["odd"])


Rounds = Callable[[str], tuple[list[bool], list[str], list[str]]]


@pytest.fixture
def rounds(desk: Callable[..., Path], hands: Hands) -> Rounds:
    """A function that saves a text and checks it: which results stood, the outcomes shown first, and those at last.

    A page says the same of both, or they differ in their outcomes.
    """
    folder, memory = desk(), dict[str, Standing]()

    def go(source: str) -> tuple[list[bool], list[str], list[str]]:
        shown: list[Report] = []
        (folder / "tiny.py").write_text(source, encoding="utf-8")
        last = check(folder, (), hands, lambda _: None, show=shown.append, memory=memory)
        assert not any(line.stands for line in last.lines)
        first, final = ([line.result.outcome.value for line in report.lines] for report in (shown[0], last))
        assert first != final or [line.said for line in shown[0].lines] == [line.said for line in last.lines]
        return [line.stands for line in shown[0].lines], first, final

    return go


ALL = ["passed"] * 3


def test_only_what_an_edit_concerns_is_run_before_it_is_shown(rounds: Rounds, edited: Any) -> None:
    """At first all; then nothing, then what an edit leads to; at the end all have run."""
    assert rounds(edited()) == ([False] * 3, ALL, ALL)
    assert rounds(edited()) == ([True] * 3, ALL, ALL)
    assert rounds(f"# mine\n{edited()}") == ([True] * 3, ALL, ALL)
    assert rounds(edited(("2 * x", "x + x"))) == ([False, True, True], ALL, ALL)
    assert rounds(edited(("2 * x", "3 * x")))[:2] == ([False, True, True], ["failed", "passed", "passed"])
    assert rounds(edited(("2 * x", "3 * x")))[0] == [False, True, True]  # what failed says a line, and lines move
    assert rounds(edited(("    return h\n", "    return 0 + h\n"))) == ([False, True, False], ALL, ALL)
    assert rounds(edited(("import torch\n", "import math\n\nimport torch\n"))) == ([False] * 3, ALL, ALL)


def test_what_builds_on_a_part_is_run_again_with_a_stand_in(rounds: Rounds, edited: Any) -> None:
    """`run` calls the cell: where that became wrong, nothing of `run` stands, and so when it is right again."""
    assert rounds(edited())[2] == ALL
    wrong = rounds(edited(("torch.tanh(x", "torch.relu(x")))
    assert wrong[:2] == ([True, False, False], ["passed", "failed", "passed"])
    assert rounds(edited())[:2] == ([True, False, False], ALL)


def test_an_unwritten_part_stands_wherever_its_line_is(rounds: Rounds, edited: Any) -> None:
    """It says no place; what waits for it still waits."""
    gap = ("    return 2 * x", "    raise NotImplementedError(\"write double: see handout.md, '1. Doubling'\")")
    assert rounds(edited(gap))[1] == ["failed", "passed", "passed"]
    assert rounds(f"# mine\n{edited(gap)}")[0] == [True] * 3


def test_a_result_that_rests_on_what_no_text_says_is_put_right(rounds: Rounds, edited: Any, tmp_path: Path) -> None:
    """A factor in a file: what stood is run again behind it, and what it really is comes last; also a crash."""
    factor = tmp_path / "factor"
    factor.write_text("2", encoding="utf-8")
    reads = edited(("    return 2 * x", f"    return int(open({str(factor)!r}).read()) * x"))
    assert rounds(reads) == ([False] * 3, ALL, ALL)
    factor.write_text("3", encoding="utf-8")
    assert rounds(reads) == ([True] * 3, ALL, ["failed", "passed", "passed"])
    assert rounds(reads)[0] == [False, True, True]


def test_a_standing_check_that_ends_python_costs_itself_alone(rounds: Rounds, edited: Any, tmp_path: Path) -> None:
    """A new process settles what is left."""
    gone = tmp_path / "gone"
    body = f"    import os\n    if os.path.exists({str(gone)!r}):\n        os._exit(0)\n    return 2 * x"
    source = edited(("    return 2 * x", body))
    assert rounds(source)[2] == ALL
    gone.touch()
    assert rounds(source) == ([True] * 3, ALL, ["crashed", "passed", "passed"])


@pytest.fixture
def watching(desk: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that shows two reports of a round as `--watch` does: what it printed, and whether more may stand."""
    monkeypatch.setattr("autograder.home.desk.Hands", Idle)
    folder = desk()

    def watch(shown: Report, last: Report) -> tuple[str, bool]:
        at = Desk(Page(), (), as_json=False)
        at._memory = {}
        at._show_again(shown)
        at._watched(folder, last)
        return capsys.readouterr().out, at._memory is not None

    return watch


class Idle:
    """No process."""

    def prepare(self) -> None:
        """Nothing."""


def a_report(*outcomes: Outcome, stands: bool = False) -> Report:
    """A report with a line for each outcome."""
    results = [CheckResult(f"test_{place}", outcome, 5, 5) for place, outcome in enumerate(outcomes)]
    return Report("t1", "Tiny", lines=tuple(Line(each.id, each.id, each, stands=stands) for each in results))


def test_a_page_says_what_is_from_before_and_that_it_came_out_the_same(watching: Any) -> None:
    """Once drawn, with two sentences more."""
    words, may_stand = watching(a_report(Outcome.PASSED, stands=True), a_report(Outcome.PASSED))
    assert words.count("Tiny") == 1
    assert "1 of these are from before" in words
    assert "the same results" in words
    assert may_stand


def test_a_page_on_which_nothing_is_from_before_says_nothing_of_it(watching: Any) -> None:
    """As in the first round."""
    words, may_stand = watching(a_report(Outcome.PASSED), a_report(Outcome.PASSED))
    assert "before" not in words
    assert "again" not in words
    assert may_stand


def test_a_page_is_drawn_anew_where_a_result_did_not_stand(watching: Any) -> None:
    """The last word is what the check said now, and from then on nothing stands."""
    words, may_stand = watching(a_report(Outcome.PASSED, stands=True), a_report(Outcome.FAILED))
    assert words.count("Tiny") == 2
    assert words.rindex("failed") > words.rindex("passed")
    assert "the same results" not in words
    assert not may_stand


def test_what_prints_is_run_first(rounds: Rounds, edited: Any) -> None:
    """A warning names its line."""
    source = edited(("    return 2 * x", "    print(x)\n    return 2 * x"))
    rounds(source)
    assert rounds(source)[0] == [False, True, True]
