"""What an import changes decides about nothing that comes after it."""

from __future__ import annotations

import os
import sys
import warnings

import pytest
import torch

from autograder.sandbox.surroundings import settled


def test_what_an_import_sets_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Precision, gradients, warnings, and the search for anomalies, which makes everything many times slower."""
    monkeypatch.setattr(sys, "argv", ["judge"])
    monkeypatch.setattr(os, "chdir", os.chdir)
    before = torch.get_default_dtype()
    with settled("rnn"):
        torch.set_default_dtype(torch.float16)
        torch.set_grad_enabled(False)
        torch.autograd.set_detect_anomaly(True)
        warnings.simplefilter("error")
    assert torch.get_default_dtype() == before
    assert torch.is_grad_enabled()
    assert not torch.is_anomaly_enabled()
    assert sys.argv == ["rnn.py"]
