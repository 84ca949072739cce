"""What crosses between the terminal and the process that runs checks arrives whole, or is missed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.course import load_assignment
from autograder.home import events
from autograder.home.report import Report
from autograder.home.run import Hands, HomeError, Run
from autograder.records import CheckResult, Evidence, Finding, Outcome

DOUBLE = "    return 2 * x"


def odd_result() -> CheckResult:
    """A result with everything that JSON has no word for."""
    evidence = Evidence(figures={"largest error / allowed": math.inf}, curve=(2.5, math.nan))
    return CheckResult("test_double", Outcome.FAILED, 0, 10, Finding("values", "half \ud800"), evidence=evidence)


def test_infinite_errors_and_half_characters_cross() -> None:
    """An answer of whole numbers is infinitely wrong where nothing is allowed; a loss is NaN; a text is cut in two."""
    event = events.event_of(events.line_of(events.Settled(odd_result())))
    assert isinstance(event, events.Settled)
    assert event.result.evidence.figures == {"largest error / allowed": math.inf}
    assert math.isnan(event.result.evidence.curve[1])
    assert event.result.finding is not None
    assert event.result.finding.message == r"half \ud800"


def test_an_order_knows_them_too() -> None:
    """A process that goes on for a lost one hears of infinite errors as well."""
    order = events.order(Path("a folder"), ("test_double",), (odd_result(),))
    assert events.order_of(events.order_line(order)).known[0].evidence.figures["largest error / allowed"] == math.inf


class Mute:
    """A process that carries out orders and says nothing that can be read."""

    orders = 0

    def send(self, order: events.Order) -> None:
        """Count."""
        assert order.wanted
        self.orders += 1

    def next_event(self, timeout: float) -> events.Event:
        """It is done."""
        assert timeout
        return events.Done()


def test_a_round_without_a_result_is_no_reason_for_another(desk: Callable[..., Path]) -> None:
    """Nobody waits for ever: the check of which nothing was heard is named."""
    folder, mute = desk(), Mute()
    run = Run(load_assignment(folder, complete=False), ("test_double", "test_rnn_cell"))
    with pytest.raises(HomeError, match="said nothing of test_double"):
        run.complete(folder, Hands(process=mute), lambda _: None, lambda: False)  # type: ignore[arg-type]
    assert mute.orders == 1


def test_words_of_half_characters_cost_their_own_check(
    checked: Callable[..., Report], edited: Callable[..., str]
) -> None:
    """An exception may say anything."""
    report = checked(edited((DOUBLE, r'    raise ValueError("half \ud800")')))
    assert [line.result.outcome.value for line in report.lines] == ["failed", "passed", "passed"]
