"""Runs the checks of one submission: pytest in process, with nothing of its own on disk or on the screen."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pytest

from autograder.checks.bench import Bench
from autograder.checks.plugin import ChecksPlugin
from autograder.errors import LedgerError
from autograder.marks import CHECK_FILES, MARKS

NOT_NEEDED = (
    "cacheprovider", "capture", "debugging", "doctest", "faulthandler", "junitxml", "legacypath", "logging",
    "monkeypatch", "pastebin", "recwarn", "setuponly", "setupplan", "skipping", "stepwise", "subtests", "terminal",
    "threadexception", "tmpdir", "unittest", "unraisableexception", "warnings",
)  # fmt: skip
"""Parts of pytest that write, print, or cost each check time: the one for unraisable exceptions alone 0.2 s a run."""

OPTIONS = (
    "--import-mode=importlib",
    "--disable-plugin-autoload",
    "--noconftest",
    "--continue-on-collection-errors",
    "--assert=plain",
    "--override-ini=addopts=",
    *(f"-pno:{name}" for name in NOT_NEEDED),
)

_LOG = logging.getLogger(__name__)
T = TypeVar("T")


PYTESTS_OWN = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")
"""What an instructor may have set for pytest runs of their own."""


class Judge:
    """Registers the marks of checks, since no plugin is loaded by itself, and says aloud what goes wrong in pytest."""

    def __init__(self) -> None:
        self.interrupted = False
        self.unkept: LedgerError | None = None

    def keeping(self, keep: Callable[[T], None]) -> Callable[[T], None]:
        """`keep`, so that a disk that refuses ends the run: pytest would take it for a test that failed."""

        def kept(value: T) -> None:
            if self.unkept is None:
                try:
                    keep(value)
                except LedgerError as error:
                    self.unkept = error
                    pytest.exit(str(error))

        return kept

    def pytest_configure(self, config: pytest.Config) -> None:
        """Register them."""
        for words in MARKS.values():
            config.addinivalue_line("markers", words)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A check file that cannot be imported is the course's fault: tell whoever runs the grader."""
        if report.failed:
            _LOG.error("%s", report.longreprtext)

    def pytest_internalerror(self, excrepr: object) -> None:
        """The same for a fault of ours."""
        _LOG.error("%s", excrepr)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C, which pytest would turn into an exit code, is for whoever runs the grader."""
        self.interrupted = excinfo.type is KeyboardInterrupt


def run_checks(bench: Bench) -> None:
    """Run the checks of `bench` that are not known yet; results come through `bench.report`.

    What does not report (a check file that cannot be imported) is found out by whoever counts: `grading.grade`. Raises
    KeyboardInterrupt, and LedgerError where `bench.report` does. A run may lie within another one.
    """
    files = dict.fromkeys(str(check.file) for check in bench.assignment.checks)
    where = ["-c", str(Path(__file__).with_name("judge.ini")), "--rootdir", str(bench.assignment.folder)]
    judge = Judge()
    bench = replace(bench, report=judge.keeping(bench.report), transcribe=judge.keeping(bench.transcribe))
    with _only_our_settings(), _no_check_files():
        pytest.main([*OPTIONS, *where, *files], plugins=[judge, ChecksPlugin(lambda _: bench)])
    if judge.unkept is not None:
        raise judge.unkept
    if judge.interrupted:
        raise KeyboardInterrupt


@contextmanager
def _no_check_files() -> Iterator[None]:
    """No module of a check file inside; outside as before. Those of all assignments have the same names."""
    before = _take_check_files()
    try:
        yield
    finally:
        _take_check_files()
        sys.modules.update(before)


def _take_check_files() -> dict[str, ModuleType]:
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return {name: sys.modules.pop(name) for name, file in files.items() if _is_check_file(file)}


def _is_check_file(file: object) -> bool:
    return isinstance(file, str) and Path(file).name in CHECK_FILES


@contextmanager
def _only_our_settings() -> Iterator[None]:
    """The environment without settings for pytest, for the length of a block."""
    before = {name: os.environ.pop(name) for name in PYTESTS_OWN if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)
