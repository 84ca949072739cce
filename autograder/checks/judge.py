"""Runs the checks of a submission. pytest reads the check files once a process; what it found runs without it.

pytest would cost each submission 0.1 s for reading the files again, and each case 1 ms for reports that nobody reads.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

import pytest

from autograder.checks.bench import Bench, Opened, Wish, wish_for
from autograder.checks.case import CheckRun
from autograder.checks.plugin import FIXTURES, ChecksPlugin, case_id, is_check, meet_needs, name_of
from autograder.course.needs import in_order_of_needs
from autograder.errors import LedgerError, SandboxError, WireError
from autograder.marks import CHECK_FILES, MARKS
from autograder.records import Assignment, Check, CheckResult
from autograder.sandbox.faults import StudentFault

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


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a check."""

    id: str
    """Of its parameters; empty where the check has none."""
    function: Callable[..., None]
    parameters: Mapping[str, Any]
    fixtures: tuple[str, ...]

    def __call__(self, fixtures: Mapping[str, Any]) -> None:
        """Run it with the bench's fixtures."""
        self.function(**self.parameters, **{name: fixtures[name] for name in self.fixtures})


@dataclass
class Judge:
    """What pytest finds in the check files, and what goes wrong in it, said aloud."""

    items: list[pytest.Function] = field(default_factory=list)
    interrupted: bool = False
    unkept: LedgerError | None = None

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
        """Register the marks of checks, since no plugin is loaded by itself."""
        for words in MARKS.values():
            config.addinivalue_line("markers", words)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep the checks."""
        self.items = [item for item in session.items if isinstance(item, pytest.Function) and is_check(item)]

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


class CheckFiles:
    """The check files of an assignment as they were when this was made; raises KeyboardInterrupt."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        items = _run_pytest(assignment, "--collect-only").items
        self._for_pytest = not all(map(_is_plain, items))
        self._cases: dict[str, list[Case]] = {}
        for item in items:
            self._cases.setdefault(name_of(item), []).append(_case(item))

    def run(self, bench: Bench, ahead: Mapping[Wish, Opened] = MappingProxyType({})) -> None:
        """Run the checks of `bench` that are wanted and not known; results come through `bench.report`.

        `ahead` are workers that are open already; they are closed here. What does not report (a check file that cannot
        be imported) is found out by whoever counts: `grading.grade`. Checks with fixtures of their own are left to
        pytest. Raises KeyboardInterrupt, and LedgerError where `bench.report` does. A run may lie within another one.
        """
        waiting = dict(ahead)
        opener = bench.open_student
        bench = replace(bench, open_student=lambda wish: waiting.pop(wish, None) or opener(wish))
        try:
            if self._for_pytest:
                _run_pytest(self._assignment, bench=bench)
            else:
                self._run_all(bench)
        finally:
            for opened in waiting.values():
                opened.close()
            if bench.shared is not None:
                bench.shared.close()

    def _run_all(self, bench: Bench) -> None:
        results = dict(bench.known)
        for check in in_order_of_needs(self._assignment.checks, self._assignment.parts):
            if check.id in self._cases and bench.runs(check.id):
                met = meet_needs(check, self._assignment.parts, results)
                if isinstance(met, CheckResult):
                    result = met
                else:
                    result = bench.recall(check, met) or self._passed(bench, check, met) or self._run(bench, check, met)
                results[check.id] = result
                bench.report(result)

    def _passed(self, bench: Bench, check: Check, stand_ins: tuple[str, ...]) -> CheckResult | None:
        """The result of a check that passes in a shared worker; None where it is to be tried in one of its own."""
        wish = wish_for(bench, check, stand_ins)
        worker = bench.shared.lend(wish) if bench.shared is not None else None
        if worker is None:
            return None
        drawn = bench.illustrations is not None and check.id in bench.illustrations  # of each submission anew
        passes = None if drawn else bench.passes
        run = CheckRun(bench, check, stand_ins)
        run.borrow(worker)
        try:
            if passes and (before := passes.follow((bench.secret, wish), worker.session)):
                return run.as_before(before)
            passed = all(run.passes(case, case.id) for case in self._cases[check.id])
        finally:
            run.abandon()
        result = run.finish() if passed else None
        if passes and result:
            passes.keep((bench.secret, wish), worker.session.transcript, result)
        return result

    def _run(self, bench: Bench, check: Check, stand_ins: tuple[str, ...]) -> CheckResult:
        run = CheckRun(bench, check, stand_ins)
        try:
            for case in self._cases[run.check.id]:
                if not run.over:
                    run.case(case, case.id)
        finally:  # an interrupt, too, takes the workers along
            result = run.finish()
        return result


@dataclass
class KeptFiles:
    """Check files that were read before: they are read again where anything that they say, or run, has changed."""

    _read: dict[Path, tuple[Assignment, CheckFiles]] = field(default_factory=dict)

    def of(self, assignment: Assignment) -> CheckFiles:
        """Return the check files of an assignment as they are."""
        known = self._read.get(assignment.folder)
        if known is None or known[0] != assignment:  # each check's digest is of all that it runs
            known = self._read[assignment.folder] = assignment, CheckFiles(assignment)
        return known[1]


def open_first(bench: Bench) -> dict[Wish, Opened]:
    """Return the worker of the first check, already open. Raises what the import of the submission raises.

    Under its own bans, or with a stand-in, a check may refuse what others allow: then a worker without them decides.
    """
    assignment = bench.assignment
    checks = in_order_of_needs(assignment.checks, assignment.parts)
    first = next(check for check in checks if bench.runs(check.id))
    met = meet_needs(first, assignment.parts, bench.known)
    wish = wish_for(bench, first, met if isinstance(met, tuple) else ())
    try:
        if bench.shared is not None and bench.shared.serves(wish):
            bench.shared.start(wish)
            return {}
        return {wish: bench.open_student(wish)}
    except (StudentFault, WireError, SandboxError):
        plain = replace(wish, check=replace(first, bans=None), stand_ins=())
        if plain == wish:
            raise
        bench.open_student(plain).close()
    return {}


def run_checks(bench: Bench) -> None:
    """Read the check files and run them for one submission alone."""
    CheckFiles(bench.assignment).run(bench)


def _is_plain(item: pytest.Function) -> bool:
    """Whether a check asks for nothing but our fixtures and its parameters."""
    indirect = any(mark.kwargs.get("indirect") for mark in item.iter_markers("parametrize"))
    return not indirect and set(item.fixturenames) <= {*FIXTURES, *_parameters(item)}


def _parameters(item: pytest.Function) -> dict[str, Any]:
    return dict(item.callspec.params) if hasattr(item, "callspec") else {}


def _case(item: pytest.Function) -> Case:
    parameters = _parameters(item)
    fixtures = tuple(name for name in item._fixtureinfo.argnames if name in FIXTURES and name not in parameters)
    return Case(case_id(item), item.obj, parameters, fixtures)


def _run_pytest(assignment: Assignment, *options: str, bench: Bench | None = None) -> Judge:
    """Have pytest read the check files, and run them where there is a bench."""
    files = dict.fromkeys(str(check.file) for check in assignment.checks)
    where = ["-c", str(Path(__file__).with_name("judge.ini")), "--rootdir", str(assignment.folder)]
    judge = Judge()
    plugins: list[object] = []
    if bench is not None:
        kept = replace(bench, report=judge.keeping(bench.report), transcribe=judge.keeping(bench.transcribe))
        plugins.append(ChecksPlugin(lambda _: kept))
    with _only_our_settings(), _no_check_files():
        pytest.main([*OPTIONS, *where, *options, *files], plugins=[judge, *plugins])
    if judge.unkept is not None:
        raise judge.unkept
    if judge.interrupted:
        raise KeyboardInterrupt
    return judge


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
