"""The memory that a check may take in the judge."""

from __future__ import annotations

import resource
import sys

import pytest
import torch

from autograder.sandbox.room import bounded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's limit on data is Linux' own")
MB = 2**20


def test_more_than_the_room_is_refused_and_what_fits_is_not() -> None:
    """As an exception, after which the process works on; the old limit stands again behind the block."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with bounded(64):
        assert torch.zeros(64 * MB // 8, dtype=torch.float64).sum() == 0
        with pytest.raises((RuntimeError, MemoryError)):
            torch.zeros(1024 * MB // 8, dtype=torch.float64)
        with pytest.raises(MemoryError):
            bytes(1024 * MB)
        assert torch.ones(1000).sum() == 1000
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(bytes(300 * MB)) == 300 * MB


def test_the_limit_stands_again_after_an_exception_and_a_lower_one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever set a lower one meant it."""
    limits = [(5 * MB, 9 * MB)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, bounds: limits.append(bounds))
    with pytest.raises(KeyError), bounded(10_000):
        raise KeyError
    assert limits == [(5 * MB, 9 * MB)] * 3
