"""The make-believe GPU on every assignment: right work costs nothing in any style, what stays behind has its line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml

from autograder.checks.bench import Opened, Wish
from autograder.checks.home import AtHome, home_bench
from autograder.checks.judge import run_checks
from autograder.home.gpu import rehearse
from autograder.home.report import Gpu
from autograder.home.worker import desk_without_bans, may_rehearse
from autograder.records import CheckResult, Outcome

ROOT = Path(__file__).parents[2]
OPEN = sorted(file.parent.name for file in (ROOT / "solutions").glob("*/assignment.yml"))
PLANTED = yaml.safe_load((ROOT / "tests" / "home" / "device_mistakes.yml").read_text(encoding="utf-8"))
UNUSUAL = """
import torch as _torch


def _unusual(function):
    def wrapped(*args, **kwargs):
        for value in args:
            if isinstance(value, _torch.Tensor) and value.is_floating_point() and value.numel() > 1:
                value.detach().flatten()[value.detach().flatten() > 0].sum().item()  # asks for values, and for places
        return function(*args, **kwargs)

    return wrapped


{name} = _unusual({name})
"""
"""What no make-believe GPU can compute: boolean indexing and `.item()`."""


def rehearsed(tmp_path: Path, id_: str, source: str, apart: Callable[..., Gpu]) -> Gpu:
    """The solution's text, or what was made of it, through the public checks and on the make-believe GPU."""
    for folder in (ROOT / "assignments").iterdir():
        if (ROOT / "solutions" / folder.name).is_dir():
            shutil.copytree(folder, tmp_path / folder.name)
            for file in (ROOT / "solutions" / folder.name).glob("*.py"):
                if (tmp_path / folder.name / file.name).exists() and not file.name.startswith("test_"):
                    shutil.copy(file, tmp_path / folder.name / file.name)
    bench = home_bench(tmp_path / id_)
    (tmp_path / id_ / bench.assignment.files[0]).write_text(source, encoding="utf-8")
    opened: dict[tuple[str, str], AtHome] = {}
    results: dict[str, CheckResult] = {}

    def open_student(wish: Wish) -> Opened:
        desk = bench.open_student(wish)
        assert isinstance(desk, AtHome)
        opened[wish.check.id, wish.dtype] = desk
        return desk

    quick = frozenset(check.id for check in bench.assignment.checks if check.trains_cpu_s is None)
    run_checks(replace(bench, open_student=open_student, report=lambda r: results.__setitem__(r.id, r), wanted=quick))
    assert {result.outcome for result in results.values()} == {Outcome.PASSED}
    passed = [(r.id, opened[r.id, r.precision]) for r in results.values() if may_rehearse(r, bench, opened)]
    torch.set_default_dtype(torch.float64)
    try:
        transcripts = [(id_, desk.session.transcript) for id_, desk in passed]
        return apart(lambda: rehearse(partial(desk_without_bans, bench), transcripts))
    finally:
        torch.set_default_dtype(torch.float32)


def solution_of(id_: str) -> str:
    """The text of the first file."""
    name = yaml.safe_load((ROOT / "solutions" / id_ / "assignment.yml").read_text(encoding="utf-8"))["files"][0]
    return (ROOT / "solutions" / id_ / name).read_text(encoding="utf-8")


def test_planted_tensors_are_found(tmp_path: Path, apart: Callable[..., Gpu]) -> None:
    """The first assignment with everything planted in it that public checks come by: its lines are named."""
    source, due = solution_of("a1_rnn"), set()
    for entry in PLANTED:
        if entry["assignment"] == "a1_rnn" and entry.get("public", True) and "also" not in entry:
            source = source.replace(entry["replace"], entry["with"])
            due.add(entry["line"])
    gpu = rehearsed(tmp_path, "a1_rnn", source, apart)
    named = {source.split("\n")[finding.line - 1] for finding in gpu.findings}
    assert len([part for part in due if any(part in line for line in named)]) >= 3
    assert gpu.advice


@pytest.mark.parametrize("id_", OPEN)
def test_what_asks_for_values_costs_nothing(id_: str, tmp_path: Path, apart: Callable[..., Gpu]) -> None:
    """`.item()` and boolean indexing in the first part of every assignment: not testable, and no finding."""
    parts = yaml.safe_load((ROOT / "solutions" / id_ / "assignment.yml").read_text(encoding="utf-8"))["parts"]

    name = next((part for part in parts if part[0].islower()), "fit")
    gpu = rehearsed(tmp_path, id_, solution_of(id_) + UNUSUAL.format(name=name), apart)
    assert gpu.findings == ()
    assert gpu.ready  # what does not come by that part
