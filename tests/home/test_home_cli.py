"""`check` and `submit` as a student types them, on any system: in processes of their own, without a terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder.cli import main
from autograder.errors import UsageError
from autograder.home.page import _together
from autograder.home.places import find
from autograder.records import EarlierPart
from autograder.wording import wording_in

Desk = Callable[..., Path]
Edited = Callable[..., str]

ELSEWHERE = '''
"""What Windows and a student's environment do not have is not there."""
import importlib.abc
import os
import sys

GONE = {"resource", "fcntl", "pwd", "grp", "pyseccomp", "nbgrader", "torchvision", "syslog"}


class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Gone())
for name in GONE:
    sys.modules.pop(name, None)
for name in ("fork", "forkpty", "setuid", "getuid", "geteuid", "chown", "mkfifo", "pipe2", "sched_getaffinity"):
    if hasattr(os, name):
        delattr(os, name)
'''


def run(folder: Path, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `autograder` says in a folder."""
    command = [sys.executable, "-m", "autograder.cli", *args]
    variables = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    return subprocess.run(
        command, cwd=folder, env=variables | environment, capture_output=True, encoding="utf-8", check=False
    )


def test_check_and_submit_need_nothing_of_unix(desk: Desk, edited: Edited, tmp_path: Path) -> None:
    """With the modules and functions blocked that Windows lacks, and in a folder with blanks and other letters."""
    folder = desk(edited(), where="내 과제 é")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "sitecustomize.py").write_text(textwrap.dedent(ELSEWHERE), encoding="utf-8")
    elsewhere = str(tmp_path / "elsewhere")
    checked = run(folder, "check", "--json", PYTHONPATH=elsewhere)
    assert checked.returncode == 0, checked.stderr
    report = json.loads(checked.stdout)["assignments"][0]
    assert (report["passed"], report["earned"]) == (True, 35)
    handed_in = run(folder.parents[1], "submit", "t1_tiny", PYTHONPATH=elsewhere, PYTHONUTF8="0", LC_ALL="C")
    assert handed_in.returncode == 0, handed_in.stderr
    assert (folder.parents[1] / "handin" / "t1_tiny.zip").is_file()


def test_help_at_home_is_for_students(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no course, the list of verbs holds those of students; what others can do is not theirs to read."""
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(main, ["--help"]).stdout
    assert {"check", "submit"} <= {line.split()[0] for line in said.splitlines() if line.startswith("  ")}
    assert not {"grade", "audit", "release"} & {line.split()[0] for line in said.splitlines() if line.startswith("  ")}
    (tmp_path / "course.yml").touch()
    assert "\n  grade " in CliRunner().invoke(main, ["--help"]).stdout


def test_an_instructors_verb_says_what_it_lacks(tmp_path: Path) -> None:
    """Without what only Linux has, everything around grading still loads, and a sentence says that Linux is needed."""
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(ELSEWHERE), encoding="utf-8")
    code = """
import asyncio, ctypes, multiprocessing.connection, os, select, shutil, signal
import socket, subprocess, sys, sysconfig, tempfile
import click, numpy, pydantic, pytest, rich.console, yaml
for name in ("O_PATH", "O_DIRECTORY", "O_NOFOLLOW", "WNOHANG", "killpg"):
    vars(os).pop(name, None)
for name in ("SIGKILL", "SIGCHLD", "SIGALRM"):
    vars(signal).pop(name, None)
sysconfig.get_config_vars()  # which a real Windows has in a file of its own
sys.platform = "win32"
import autograder.cli, autograder.home.desk, autograder.intake, autograder.screen
from autograder.records import Confinement
from autograder.sandbox.means import choose_layers, survey
choose_layers(Confinement.REQUIRED, survey())
"""
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the sandbox needs Linux" in said.stderr.splitlines()[-1]


def test_what_is_printed_fits_80_columns_and_needs_no_colour(desk: Desk, edited: Edited) -> None:
    """In a pipe: no escape sequences, no line beyond the 80th column, no blanks at the end of a table's line."""
    said = run(desk(edited(("2 * x", "3 * x"))), "check")
    assert said.returncode == 1
    assert "\x1b" not in said.stdout
    assert max(len(line) for line in said.stdout.splitlines()) <= 80
    assert re.search(r"^failed    `double` doubles\. +0/10$", said.stdout, re.MULTILINE)
    assert "hint: Twice is two times." in said.stdout
    assert "Next: Mend `double`" in said.stdout
    assert not said.stderr


def test_the_terminal_imports_no_torch() -> None:
    """Everything around the process that runs checks starts without torch."""
    code = "import autograder.home.desk, sys; print([name for name in ('torch', 'numpy') if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_watching_survives_what_the_student_saves(desk: Desk, edited: Edited) -> None:
    """Each save runs the checks again: through an endless loop, a crash, a syntax error, to the right answer."""
    folder = desk(edited())
    file = folder / "tiny.py"
    command = [sys.executable, "-m", "autograder.cli", "check", "--watch", "--json", "-k", "double"]
    saves = [
        (edited(("    return 2 * x", "    import ctypes\n    ctypes.string_at(0)")), "crashed"),
        ("def double(:\n", ""),
        (edited(("    return 2 * x", "    while True:\n        pass")), "timed_out"),
        (edited(("2 * x", "x + x")), "passed"),
    ]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, encoding="utf-8") as watcher:
        assert watcher.stdout is not None
        try:
            assert json.loads(watcher.stdout.readline())["passed"]
            for source, outcome in saves:
                file.write_text(source, encoding="utf-8")
                report = json.loads(watcher.stdout.readline())
                lines = [line["result"]["outcome"] for line in report["lines"]]
                assert lines == ([outcome] if outcome else [])
        finally:
            watcher.terminate()


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_ends_at_once_and_leaves_nothing_behind(desk: Desk, edited: Edited) -> None:
    """Ctrl-C in an endless loop: no traceback, exit code 130, and the process that ran the loop is gone."""
    import signal

    folder = desk(edited(("    return 2 * x", "    import os\n    print(os.getpid())\n    while True:\n        pass")))
    command = [sys.executable, "-m", "autograder.cli", "check", "-k", "double"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        child = _child_of(running.pid)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err.strip() == "stopped"
    assert not out
    assert not Path(f"/proc/{child}").exists() or sys.platform != "linux"


def _child_of(pid: int) -> int:
    """The process that a process has started; waits for it."""
    until = time.monotonic() + 30
    while time.monotonic() < until and sys.platform == "linux":
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
        if children:
            time.sleep(0.3)
            return int(children[0])
        time.sleep(0.05)
    time.sleep(2)
    return 0


@pytest.mark.parametrize("args", [["check", "t9"], ["check", "-k", "nobody"], ["submit", "t9"]])
def test_a_slip_is_a_sentence(desk: Desk, edited: Edited, monkeypatch: pytest.MonkeyPatch, args: list[str]) -> None:
    """A wrong name is exit code 2 and one line with what there is."""
    monkeypatch.chdir(desk(edited()).parents[1])
    said = CliRunner().invoke(main, args)
    assert said.exit_code == 2
    assert said.stderr.startswith("autograder: ")
    assert "t1_tiny" in said.stderr


def test_an_assignment_is_found_from_anywhere_in_the_kit(desk: Desk, tmp_path: Path) -> None:
    """By its folder, its id, the beginning of its id, its path, or where one stands; else an error says where to go."""
    folder = desk()
    kit = folder.parents[1]
    assert find(folder, None) == find(kit, None) == find(kit, "t1_tiny") == find(kit, "t1") == (folder,)
    assert find(folder.parent, None) == find(kit, "assignments/t1_tiny") == find(folder, "t1") == (folder,)
    with pytest.raises(UsageError, match="go to the folder that holds assignments/"):
        find(tmp_path, None)


def test_several_assignments_are_checked_one_after_the_other(desk: Desk, edited: Edited) -> None:
    """Without a name all are checked; an untouched one is one line; the exit code is that of the worst."""
    folder = desk()
    other = folder.with_name("t2_other")
    shutil.copytree(folder, other)
    (other / "tiny.py").write_text(edited(), encoding="utf-8")
    said = run(folder.parents[1], "check")
    assert said.returncode == 1
    assert "t1_tiny  Something tiny: not begun yet" in said.stdout
    assert "t2_other  Something tiny\n" in said.stdout
    assert "35 of 35 points" in said.stdout


def test_parts_in_use_for_one_reason_are_one_line() -> None:
    """Five stand-ins of one file are not five lines."""
    parts = [
        EarlierPart("EncoderLayer", "transformer.py", "yours is not written yet"),
        EarlierPart("gelu", "transformer.py"),
        EarlierPart("LayerNorm", "transformer.py", "yours is not written yet"),
    ]
    said = [part.words for part in _together(parts)]
    assert said == [
        "EncoderLayer, LayerNorm: a stand-in, since yours is not written yet",
        "gelu: your own, from transformer.py",
    ]
    assert (
        wording_in("ko").said(f"uses {said[0]}")
        == "사용: EncoderLayer, LayerNorm: 대신 쓰는 올바른 구현(아직 작성하지 않음)"
    )
