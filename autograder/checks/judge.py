"""Runs the checks of one submission: pytest in process, with nothing of its own on disk or on the screen."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from autograder.checks.bench import Bench
from autograder.checks.plugin import ChecksPlugin
from autograder.marks import MARKS

OPTIONS = (
    "--import-mode=importlib",
    "--disable-plugin-autoload",
    "--noconftest",
    "--assert=plain",
    "--override-ini=addopts=",
    "-p", "no:cacheprovider",
    "-p", "no:terminal",
    "-p", "no:logging",
    "-p", "no:faulthandler",
    "-p", "no:warnings",
    "-p", "no:unraisableexception",  # collects garbage several times at the end of a run: 0.2 s
    "-p", "no:threadexception",
    "--capture=no",
)  # fmt: skip


_LOG = logging.getLogger(__name__)


class Judge:
    """Registers the marks of checks, since no plugin is loaded by itself, and says aloud what goes wrong in pytest."""

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


def run_checks(bench: Bench) -> None:
    """Run the checks of `bench` that are not known yet; results come through `bench.report`.

    What does not report (a check file that cannot be imported) is found out by whoever counts: `grading.grade`.
    """
    files = dict.fromkeys(str(check.file) for check in bench.assignment.checks)
    where = ["-c", str(Path(__file__).with_name("judge.ini")), "--rootdir", str(bench.assignment.folder)]
    pytest.main([*OPTIONS, *where, *files], plugins=[Judge(), ChecksPlugin(lambda _: bench)])
