"""The judge's end of the wire reads damaged frames or refuses them, and does nothing else."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def fuzzing() -> ModuleType:
    """The script that `make prove` runs with a million cases."""
    spec = importlib.util.spec_from_file_location("fuzzing", HERE / "fuzzing.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_damaged_frames_are_read_or_refused(fuzzing: ModuleType) -> None:
    """A short run of the fuzzer finds nothing, and does both: what it damages is not always refused."""
    counts, findings = fuzzing.run(5_000, seed=7)
    assert findings == []
    assert counts["read"] > 300
    assert counts["refused"] > 1_000


def test_the_fuzzer_would_notice(fuzzing: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that raises something else, or hands on what it should not, is a finding."""
    monkeypatch.setattr(fuzzing.wire, "unpack", lambda *_: {"v": [{"deep": object()}]})
    assert fuzzing.run(10, seed=1)[0]["findings"] == 10
    monkeypatch.setattr(fuzzing.wire, "unpack", lambda *_: {}["nothing"])
    assert fuzzing.run(10, seed=1)[0]["findings"] == 10


@pytest.mark.parametrize("file", sorted((HERE / "frames").glob("*.frame")), ids=lambda file: file.stem)
def test_what_was_found_once_is_mended(fuzzing: ModuleType, file: Path) -> None:
    """Every frame that a fuzzer ever got through with stays a case."""
    assert fuzzing.judged(file.read_bytes()) in {"read", "refused"}
