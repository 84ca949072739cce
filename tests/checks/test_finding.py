from __future__ import annotations

import copy
import pickle

import pytest

from autograder.checks.finding import CheckFailure, check_that, fail
from autograder.records import Finding


def test_fail_carries_a_finding() -> None:
    """The exception of a failed check holds all that is known about it."""
    with pytest.raises(CheckFailure) as caught:
        fail("shape", "wrong size", hint="count the axes", detail="got 3", where="rnn.py, line 3")
    assert caught.value.finding == Finding("shape", "wrong size", "rnn.py, line 3", "count the axes", "got 3")


def test_only_the_message_is_printed() -> None:
    """Printing the exception shows the student's message and not the detail."""
    with pytest.raises(CheckFailure, match=r"^wrong value$"):
        fail("values", "wrong value", detail="expected 0.123")


def test_a_failure_survives_copy_and_pickle() -> None:
    """Test runners that send exceptions between processes keep the finding."""
    failure = CheckFailure(Finding("values", "wrong value", detail="expected 0.123"))
    assert pickle.loads(pickle.dumps(failure)).finding == failure.finding
    assert copy.copy(failure).finding == failure.finding


def test_a_check_failure_is_an_assertion() -> None:
    """The test runner reports a failed check as a failed test and not as an error."""
    assert issubclass(CheckFailure, AssertionError)


def test_check_that_passes_and_fails() -> None:
    """check_that raises only where its condition does not hold."""
    check_that(True, "never seen")
    with pytest.raises(CheckFailure, match="rows sum to 1") as caught:
        check_that(False, "rows sum to 1", hint="softmax over which axis?")
    assert (caught.value.finding.kind, caught.value.finding.hint) == ("property", "softmax over which axis?")
