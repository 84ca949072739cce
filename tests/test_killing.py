"""A class run that is killed with `kill -9`: with all its processes and alone; twenty times in `make prove`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

KILLING = Path(__file__).with_name("killing.py")


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")
def test_what_was_written_is_neither_lost_nor_measured_again(
    tiny_course: Path, edited: Callable[..., str], tmp_path: Path
) -> None:
    """The run goes on where it was killed, to the grades of one that nobody killed; no process is left."""
    for number, program in enumerate((edited(), edited(("return 2 * x", "return 3 * x")))):
        folder = tmp_path / "class" / f"s{number}"
        folder.mkdir(parents=True)
        (folder / "tiny.py").write_text(program, encoding="utf-8")
    command = [sys.executable, str(KILLING), "--moments", "2", "--class", str(tiny_course), "t1_tiny"]
    done = subprocess.run(
        [*command, str(tmp_path / "class")],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "killed at 2 moments of " in done.stdout
    assert " classes of 10 measurements: 0 faults" in done.stdout
