"""The pytest plugin: fixtures, and check functions that run on a bench instead of being called by pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from autograder.checks.bench import Bench
from autograder.checks.case import CheckRun
from autograder.course.needs import in_order_of_needs
from autograder.errors import UsageError
from autograder.marks import CHECK_FILES
from autograder.records import Check, CheckResult, Finding, Outcome
from autograder.sandbox.standins import STAND_INS

FIXTURES = ("student", "reference", "draw", "device", "dataset")


def is_check(item: pytest.Item) -> bool:
    """Whether a test is a check of an assignment."""
    marked = item.get_closest_marker("points") is not None
    return isinstance(item, pytest.Function) and marked and item.path.name in CHECK_FILES


class ChecksPlugin:
    """Runs checks in the order of their needs, one `CheckRun` a test function."""

    def __init__(self, bench_for: Callable[[Path], Bench]) -> None:
        self._bench_for = bench_for
        self._benches: dict[Path, Bench] = {}
        self._results: dict[Path, dict[str, CheckResult]] = {}
        self._run: CheckRun | None = None

    @pytest.fixture
    def student(self) -> None:
        """The submission, behind the proxy; the value is set for each precision when the case runs."""

    @pytest.fixture
    def reference(self) -> None:
        """The reference solution, behind the same proxy."""

    @pytest.fixture
    def draw(self) -> None:
        """Random inputs in the current precision."""

    @pytest.fixture
    def device(self) -> None:
        """`cpu` or `cuda`."""

    @pytest.fixture
    def dataset(self) -> None:
        """Loads a data set of the course by name, on the judge's side."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Order the checks of each folder as their needs and the assignment demand; drop those already known."""
        checks = [item for item in items if is_check(item)]
        others = [item for item in items if not is_check(item)]
        ordered: list[pytest.Item] = []
        for folder in dict.fromkeys(item.path.parent for item in checks):
            bench = self._bench(folder)
            place = {
                check.id: number
                for number, check in enumerate(in_order_of_needs(bench.assignment.checks, bench.assignment.parts))
            }
            mine = [item for item in checks if item.path.parent == folder and bench.runs(name_of(item))]
            ordered += sorted(mine, key=lambda item: place[name_of(item)])
        items[:] = others + ordered

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run a check's case on its bench; leave every other test to pytest."""
        if not is_check(pyfuncitem):
            return None
        run = self._run_of(pyfuncitem)
        if run is None:
            pytest.skip(self._reason)
        if run.over:
            pytest.skip("an earlier case of this check ran out of time")
        problem = run.case(partial(_call, pyfuncitem), case_id(pyfuncitem))
        if problem is not None:
            pytest.fail(
                in_words(problem.finding.message, problem.finding.where, problem.finding.hint or run.check.hint),
                pytrace=False,
            )
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """After the last case of a check: its result stands."""
        if not is_check(item) or (nextitem is not None and is_check(nextitem) and _same_check(item, nextitem)):
            return
        if self._run is not None:
            self._settle(item.path.parent, self._run.finish())
            self._run = None

    def pytest_sessionfinish(self) -> None:
        """End the workers of a check that was interrupted; it has no result."""
        if self._run is not None:
            self._run.finish()
            self._run = None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """At home: whose work of earlier assignments was in use."""
        for folder, bench in self._benches.items():
            if words := [part.words for part in bench.earlier()]:
                terminalreporter.section(f"{folder.name} builds on earlier work")
                for line in words:
                    terminalreporter.write_line(line)

    def _bench(self, folder: Path) -> Bench:
        if folder not in self._benches:
            try:
                self._benches[folder] = self._bench_for(folder)
            except UsageError as error:  # a student's own change, say; pytest says these words and no traceback
                raise pytest.UsageError(str(error)) from error
            self._results[folder] = dict(self._benches[folder].known)
        return self._benches[folder]

    def _settle(self, folder: Path, result: CheckResult) -> None:
        self._results[folder][result.id] = result
        self._benches[folder].report(result)

    def _run_of(self, item: pytest.Function) -> CheckRun | None:
        """The run that this case belongs to; None where its needs are not met (the result is settled then)."""
        folder, bench = item.path.parent, self._bench(item.path.parent)
        check = next(check for check in bench.assignment.checks if check.id == name_of(item))
        if self._run is not None and self._run.check.id == check.id:
            return self._run
        met = meet_needs(check, bench.assignment.parts, self._results[folder])
        if not isinstance(met, CheckResult):
            recalled = bench.recall(check, met)
            if recalled is None:
                self._run = CheckRun(bench, check, met)
                return self._run
            met = recalled
        self._reason = met.finding.message if met.finding else ""
        if check.id not in self._results[folder]:
            self._settle(folder, met)
        return None


def name_of(item: pytest.Item) -> str:
    """The name of the test function, without a case's parameters."""
    return str(getattr(item, "originalname", item.name))


def _same_check(one: pytest.Item, other: pytest.Item) -> bool:
    return one.path == other.path and name_of(one) == name_of(other)


def case_id(item: pytest.Function) -> str:
    """The name of a case among those of its check; empty where there is but one."""
    return item.callspec.id if hasattr(item, "callspec") else ""


def _call(item: pytest.Function, fixtures: dict[str, Any]) -> None:
    """Call the test function with the bench's fixtures in place of pytest's placeholders."""
    names = item._fixtureinfo.argnames
    item.obj(**{name: fixtures[name] if name in FIXTURES else item.funcargs[name] for name in names})


def in_words(message: str, where: str, hint: str) -> str:
    """A finding as lines for a terminal."""
    lines = [message, f"  at {where}" if where else "", f"  hint: {hint}" if hint else ""]
    return "\n".join(line for line in lines if line)


def meet_needs(
    check: Check, parts: Mapping[str, tuple[str, ...]], results: Mapping[str, CheckResult]
) -> tuple[str, ...] | CheckResult:
    """Return the parts that need a stand-in, or the check's result where it cannot run.

    A name of a check must have passed. A name of a part must be right, or have a stand-in. What stood in for a needed
    check stands in here, too: it passed with that, and may not without. What was not asked for (one check alone, at
    home) stands in nobody's way, and where the grader failed, what builds on it is no zero either.
    """
    stand_ins: dict[str, None] = {}
    for name in check.needs:
        needed = [results[id_] for id_ in parts.get(name, (name,)) if id_ in results]
        broken = [result for result in needed if result.outcome is not Outcome.PASSED]
        if unsettled := [result for result in broken if is_unsettled(result)]:
            return as_open_as(unsettled[0], check)
        stand_ins |= dict.fromkeys(part for result in needed for part in result.stand_ins)
        if broken and name in parts and name in STAND_INS:
            stand_ins[name] = None
        elif broken:
            words = f"Not run: it builds on {name}, and {broken[0].id} did not pass. Mend that first."
            return CheckResult(check.id, Outcome.SKIPPED, 0, check.points, Finding("needs", words))
    return tuple(stand_ins)


def is_unsettled(result: CheckResult) -> bool:
    """Whether a result may still change without the submission: the grader failed, or a child only waited."""
    return result.outcome is Outcome.GRADER_ERROR or result.waited


def as_open_as(needed: CheckResult, check: Check) -> CheckResult:
    """The result of a check that builds on one which is not settled: it is as open as that one."""
    ours = needed.outcome is Outcome.GRADER_ERROR
    words = f"Not measured: {needed.id}, on which it builds, could not be measured yet."
    outcome = Outcome.GRADER_ERROR if ours else Outcome.SKIPPED
    return CheckResult(check.id, outcome, 0, check.points, Finding("grader" if ours else "waited", words))
