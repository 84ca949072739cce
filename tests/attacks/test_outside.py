"""Attacks on files outside scratch, and on the kernel's other entrances; what honest work needs is there."""

from __future__ import annotations

import platform
from typing import Any

import pytest

x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="these entrances are those of x86-64")
HONEST = """
import os
import tempfile

import matplotlib.pyplot as plt
from tqdm import tqdm

plt.plot([1, 2])
assert list(tqdm([1, 2])) == [1, 2]
os.makedirs("models/best", exist_ok=True)
with open("models/best/model.pt", "w") as file:
    file.write("mine")
with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log.txt"), "w") as file:
    file.write("mine")
"""


def through(stood: Any) -> set[str]:
    """The attempts that got through."""
    return {how for how, what in stood.attempts.items() if what.startswith("got")}


def test_no_file_outside_is_changed(arena: Any) -> None:
    """Neither files nor folders, devices or settings; what is written in scratch cannot be run."""
    stood = arena.stand("outside/files", forges=False, namespaces="namespaces" in arena.pipeline.settings.layers)
    assert len(stood.attempts) >= 35
    assert through(stood) == set()


def test_no_file_outside_is_changed_without_namespaces(bare_arena: Any) -> None:
    """Landlock and the filter hold alone."""
    stood = bare_arena.stand("outside/files", forges=False, namespaces=False)
    assert len(stood.attempts) >= 35
    assert through(stood) == set()


@x86_64
@pytest.mark.parametrize("name", ["old_entrance", "x32"])
def test_the_kernels_other_entrances_are_closed(arena: Any, name: str) -> None:
    """A call by another architecture's numbers ends the process: a crash, in that check alone."""
    stood = arena.stand(f"outside/{name}", keeps=None, forges=False)
    assert stood.attempts in ({}, {"x32 getpid": "got -1"})
    shift = next(result for result in stood.right.results if result.id == "test_shift")
    assert str(shift.outcome) == ("passed" if stood.attempts else "crashed")
    assert stood.right.score == (100 if stood.attempts else 60)


@pytest.mark.parametrize("which", ["arena", "bare_arena"])
def test_honest_work_has_what_it_needs(request: pytest.FixtureRequest, which: str) -> None:
    """Plots, progress bars, files in the working folder and in a temporary one cost nothing, in every child."""
    ground = request.getfixturevalue(which)
    before = ground.look()
    graded = ground.grade(HONEST + ground.right)
    assert (graded.score, [result.finding for result in graded.results if result.finding]) == (100, [])
    assert ground.look() == before


@pytest.mark.parametrize("which", ["arena", "bare_arena"])
def test_every_child_tells_the_students_own_line(request: pytest.FixtureRequest, which: str) -> None:
    """The file, line and function of an exception are told in the first child and in all later ones."""
    ground = request.getfixturevalue(which)
    graded = ground.grade(ground.right.replace("return torch.tanh(x) + bias\n", "return torch.tanh(x) + 1 / 0\n"))
    shift = next(result for result in graded.results if result.id == "test_shift")
    assert shift.finding.where.endswith("in shift")
