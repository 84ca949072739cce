"""The project keeps its own promises: layers, light imports, small files, a changelog."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ATTACKS = ROOT / "autograder" / "doctor" / "attacks"  # programs that are read as text
ENGINE = sorted(file for file in (ROOT / "autograder").rglob("*.py") if ATTACKS not in file.parents)
TORCH_FREE = (
    "cli",
    "clinic",
    "course",
    "desk",
    "doctor",
    "export",
    "feedback",
    "fleet",
    "gradebook",
    "grading",
    "intake",
    "ledger",
    "limited",
    "office",
    "plugin",
    "release",
    "screen",
    "secret",
)
LONGEST = 300


def python(code: str) -> subprocess.CompletedProcess[str]:
    """What a fresh interpreter says to `code`, in the project's folder."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_layers_hold() -> None:
    """Every import goes down the layers, and the contracts of pyproject.toml know every module."""
    run = python("from importlinter.cli import lint_imports_command as main; main(['--no-cache'])")
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_light_half_imports_no_torch() -> None:
    """What lies around the measuring starts without torch, so that `--help` and every pytest run nearby are quick."""
    modules = ", ".join(f"autograder.{name}" for name in TORCH_FREE)
    run = python(f"import {modules}, sys; print([name for name in ('torch', 'safetensors') if name in sys.modules])")
    assert run.stdout.strip() == "[]", run.stderr


@pytest.mark.parametrize("file", ENGINE, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_holds_one_idea(file: Path) -> None:
    """No module of the engine is longer than a reader's patience, and each says what it is for."""
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST
    assert text.startswith('"""')


def test_test_files_have_names_of_their_own() -> None:
    """Two test files of one name would be hard to tell apart in a report."""
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_the_changelog_knows_the_version() -> None:
    """The version in pyproject.toml has its section, with what changed for the engine and for handouts."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{version}]" in changelog
    section = changelog.partition(f"\n## [{version}]")[2].partition("\n## ")[0]
    assert "engine:" in section
    assert "handout:" in section


def test_every_make_target_is_explained() -> None:
    """`make help` lists every target that a person may want."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY:")).split()[1:]
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [line.split()[0] for line in shown.stdout.splitlines() if line.startswith("  ")] == phony


def test_the_lock_leaves_torch_to_the_machine() -> None:
    """Another platform has other builds of torch and of what it brings; everything else is pinned."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    loose = {line.partition(">=")[0] for line in pins if "==" not in line}
    assert loose == {"torch", "torchvision"}
    assert not [line for line in pins if line.startswith(("nvidia", "triton", "cuda"))]
    assert len(pins) > 20
