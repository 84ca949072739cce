"""Measurements survive kills and damage: whole or absent, never wrong, never a grader's fault."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.errors import LedgerError
from autograder.ledger import KeyParts, Ledger, measurement_key, read_grade, write_grade
from autograder.records import (
    CheckResult,
    Confinement,
    Evidence,
    Finding,
    Grade,
    Outcome,
    RunInfo,
)

PARTS = KeyParts(
    submission="s",
    check="c",
    stand_ins=("cell",),
    solution="l",
    datasets={"names": "n"},
    sandbox={"cpu_s": "4"},
    device="cpu",
    torch="2.9",
    engine="1",
    secret_sha256="x",
)
KEY = measurement_key(PARTS)
RESULT = CheckResult(
    "test_a", Outcome.PASSED, earned=3, points=3, finding=Finding("values", "off"), stand_ins=("cell",)
)

TEXTS = st.text(max_size=20)
NUMBERS = st.floats(allow_nan=False)
RESULTS = st.builds(
    CheckResult,
    id=TEXTS,
    outcome=st.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.GRADER_ERROR]),
    earned=st.integers(0, 100),
    points=st.integers(0, 100),
    finding=st.none() | st.builds(Finding, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS),
    precision=TEXTS,
    stand_ins=st.tuples(TEXTS),
    cpu_s=NUMBERS,
    wall_s=NUMBERS,
    evidence=st.builds(
        Evidence,
        banned_calls=st.tuples(TEXTS),
        stdout=TEXTS,
        stderr=TEXTS,
        figures=st.dictionaries(TEXTS, NUMBERS, max_size=3),
        curve=st.tuples(NUMBERS, NUMBERS),
    ),
)
RUN = RunInfo(Confinement.BEST_EFFORT, ("seccomp",), ("landlock",), "cpu", "2.9", "1", "0" * 64)


def a_grade() -> Grade:
    """A grade with every field filled."""
    return Grade("홍길동", "a1_rnn", 3, 5, (RESULT,), ("test_b",), ("a note",), RUN, "d")


def stored(root: Path) -> list[Path]:
    """Every file below `root`."""
    return sorted(path for path in root.rglob("*") if path.is_file())


@settings(deadline=None)
@given(RESULTS)
def test_a_measurement_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, result: CheckResult) -> None:
    """Text of any script, infinite losses and empty fields survive the disk."""
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    ledger.put(KEY, result)
    assert ledger.get(KEY) == result


def test_a_loss_that_is_no_number_comes_back(tmp_path: Path) -> None:
    """NaN is kept, in files that are still valid JSON."""
    Ledger(tmp_path).put(KEY, replace(RESULT, evidence=Evidence(curve=(float("nan"), float("inf")))))
    found = Ledger(tmp_path).get(KEY)
    assert found is not None
    assert str(found.evidence.curve) == "(nan, inf)"
    assert json.loads(stored(tmp_path)[0].read_text(), parse_constant=pytest.fail)


def test_output_that_is_no_text_does_not_stop_a_class(tmp_path: Path) -> None:
    """Half a character in a student's output is kept readable."""
    Ledger(tmp_path).put(KEY, replace(RESULT, evidence=Evidence(stdout="a\udc80b")))
    found = Ledger(tmp_path).get(KEY)
    assert found is not None
    assert found.evidence.stdout == "a\\udc80b"


def test_the_layout_is_by_key(tmp_path: Path) -> None:
    """A measurement lies under the first two digits of its key, and nothing else is left over."""
    Ledger(tmp_path).put(KEY, RESULT)
    assert stored(tmp_path) == [tmp_path / "measurements" / KEY[:2] / f"{KEY}.json"]


def test_what_was_never_measured_is_none(tmp_path: Path) -> None:
    """An empty or absent ledger has nothing."""
    assert Ledger(tmp_path / "nowhere").get(KEY) is None


def test_a_measurement_never_changes(tmp_path: Path) -> None:
    """The first one stays."""
    ledger = Ledger(tmp_path)
    ledger.put(KEY, RESULT)
    ledger.put(KEY, replace(RESULT, earned=0, outcome=Outcome.FAILED))
    assert ledger.get(KEY) == RESULT


def test_a_fault_of_the_grader_is_never_kept(tmp_path: Path) -> None:
    """It is measured again with the next run."""
    Ledger(tmp_path).put(KEY, replace(RESULT, outcome=Outcome.GRADER_ERROR))
    assert stored(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"earned":3', b'"earned":9'),
        (b'"format":1', b'"format":2'),
        (b"{", b"[["),
        (b'"passed"', b'"pasted"'),
        (KEY.encode(), b"0" * 64),
        (b"test_a", b"test_\xff"),
        (b'"result":', b'"resolt":'),
    ],
)
def test_a_damaged_file_is_moved_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, old: bytes, new: bytes
) -> None:
    """A single changed digit is found; the file is kept for a look, counts as absent, and can be written again."""
    ledger = Ledger(tmp_path)
    ledger.put(KEY, RESULT)
    path = stored(tmp_path)[0]
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with caplog.at_level(logging.WARNING):
        assert ledger.get(KEY) is None
    assert "is corrupt" in caplog.text
    assert [one.suffix for one in stored(tmp_path)] == [".corrupt"]
    ledger.put(KEY, RESULT)
    assert ledger.get(KEY) == RESULT


def test_every_cut_of_a_file_is_survived(tmp_path: Path) -> None:
    """A file that a full disk cut short counts as absent, wherever the cut is."""
    ledger = Ledger(tmp_path)
    ledger.put(KEY, RESULT)
    path = stored(tmp_path)[0]
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert ledger.get(KEY) is None


def test_every_part_makes_another_key() -> None:
    """Nothing that a measurement depends on is left out of its key; the order in a mapping does not count."""
    changed = []
    for field in fields(PARTS):
        kind = type(getattr(PARTS, field.name))
        other: Any = {dict: {"other": "o"}, tuple: ("other",)}.get(kind, "other")
        changed.append(replace(PARTS, **{field.name: other}))
    assert len({KEY, *map(measurement_key, changed)}) == len(fields(PARTS)) + 1
    two, swapped = replace(PARTS, datasets={"a": "1", "b": "2"}), replace(PARTS, datasets={"b": "2", "a": "1"})
    assert measurement_key(two) == measurement_key(swapped)


@pytest.mark.parametrize("name", ["submission", "check", "solution", "device", "torch", "engine", "secret_sha256"])
def test_a_key_without_a_part_is_refused(name: str) -> None:
    """An empty digest would let two different measurements share a key."""
    nothing: dict[str, Any] = {name: ""}
    with pytest.raises(LedgerError, match=name):
        measurement_key(replace(PARTS, **nothing))


@pytest.mark.parametrize("key", ["", "../../etc/passwd", KEY[:-1], KEY.upper(), KEY + "\n"])
def test_a_key_is_never_a_path(tmp_path: Path, key: str) -> None:
    """Only a hash reaches the file system."""
    with pytest.raises(LedgerError, match="no measurement key"):
        Ledger(tmp_path).get(key)


def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    """A ledger whose folder cannot be made, or whose file cannot be read, is an error with advice."""
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot be written"):
        write_grade(tmp_path / "file" / "kim.json", a_grade())
    (tmp_path / "measurements" / KEY[:2] / f"{KEY}.json").mkdir(parents=True)
    with pytest.raises(LedgerError, match="cannot be read"):
        Ledger(tmp_path).get(KEY)


GRADING = """
import itertools, sys
from pathlib import Path
from autograder.ledger import Ledger
from autograder.records import CheckResult, Outcome
ledger = Ledger(Path(sys.argv[1]))
for number in itertools.count():
    ledger.put(f"{number:064x}", CheckResult("test_a", Outcome.PASSED, 1, 1))
    print(number, flush=True)
"""


def test_a_killed_run_loses_nothing(tmp_path: Path) -> None:
    """After kill -9 every measurement that was reported is there, and nothing there is damaged."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", GRADING, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as run:
        assert run.stdout is not None
        reported = [int(run.stdout.readline()) for _ in range(20)]
        run.kill()
        reported += [int(line) for line in run.stdout.read().splitlines() if line]
    ledger = Ledger(tmp_path)
    assert None not in [ledger.get(f"{number:064x}") for number in reported]
    kept = [path for path in stored(tmp_path) if not path.name.startswith(".")]
    assert all(ledger.get(path.stem) is not None for path in kept)


def test_a_grade_comes_back_as_it_was(tmp_path: Path) -> None:
    """It is readable text with the student's name as written."""
    path = tmp_path / "grades" / "kim.json"
    write_grade(path, a_grade())
    assert read_grade(path) == a_grade()
    assert "홍길동" in path.read_text(encoding="utf-8")


def test_a_grade_replaces_the_one_before(tmp_path: Path) -> None:
    """A new grade takes the place of the old one, and no temporary file stays."""
    path = tmp_path / "kim.json"
    write_grade(path, a_grade())
    write_grade(path, replace(a_grade(), score=5))
    assert read_grade(path).score == 5
    assert stored(tmp_path) == [path]


def test_a_grade_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A missing or damaged grade says what to do."""
    with pytest.raises(LedgerError, match="grade the submission again"):
        read_grade(tmp_path / "kim.json")
    (tmp_path / "kim.json").write_text('{"student": 3')
    with pytest.raises(LedgerError, match="is not a grade"):
        read_grade(tmp_path / "kim.json")
