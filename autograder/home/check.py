"""One run of an assignment's public checks: read the files, let a process run the checks, put together a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from autograder.course import load_assignment
from autograder.course.needs import in_order_of_needs, with_needs
from autograder.course.problems import nearest
from autograder.errors import UsageError
from autograder.home.advice import next_step
from autograder.home.places import is_untouched
from autograder.home.reading import read_sources
from autograder.home.report import Line, Report, subject
from autograder.home.run import Hands, Run, Tell
from autograder.home.standing import Standing
from autograder.records import Assignment, Check, Outcome


def check(
    folder: Path,
    words: Sequence[str],
    hands: Hands,
    tell: Tell,
    *,
    stop: Callable[[], bool] = lambda: False,
    show: Callable[[Report], None] = lambda _: None,
    rehearse: bool = True,
    memory: dict[str, Standing] | None = None,
) -> Report:
    """Return the report on the assignment in `folder`; `words` choose checks (`-k`), none: all of them.

    `show` is given it as soon as all is known but what a GPU would say: that comes last, and nobody need wait for it.
    Without `rehearse` nobody does, and the process in `hands` is still busy with it. `memory` is of the round before,
    and then of this one: what may stand of it is shown, and run again behind it.
    Raises UsageError, HomeError; Interrupted as soon as `stop` says that nobody wants the report any more.
    """
    assignment = load_assignment(folder, complete=False)
    chosen = choose(assignment, words)
    sources = [source for source in read_sources(assignment) if source.name in assignment.files]
    problems = tuple(problem for source in sources for problem in source.problems)
    gaps = tuple(gap for source in sources for gap in source.gaps)
    public = [check for check in assignment.checks if check.public]
    run = Run(assignment, tuple(check.id for check in with_needs(chosen, public, assignment.parts)), memory)
    empty = Report(assignment.id, assignment.title, problems, chosen=tuple(words), gaps=gaps)
    empty = replace(empty, untouched=is_untouched(folder, assignment.files))
    if can_run := not problems:
        run.complete(folder, hands, tell, stop)
    report = _filled(empty, run, chosen)
    show(report)
    if can_run and (rehearse or run.unsettled):
        run.confirm(folder, hands, tell, stop)
        run.rehearse(hands, tell, stop)
        report = _filled(empty, run, chosen)
    return report


def _filled(report: Report, run: Run, chosen: Sequence[Check]) -> Report:
    """The report with what is known by now."""
    problems = (run.problem,) if run.problem else report.problems
    found = replace(
        report,
        problems=problems,
        lines=() if problems else _lines(run, chosen),
        earlier=run.earlier,
        gpu=run.gpu,
        grader_failed=any(result.outcome is Outcome.GRADER_ERROR for result in run.known.values()),
    )
    return replace(found, next_step=next_step(found, run.known.values()))


def choose(assignment: Assignment, words: Sequence[str]) -> tuple[Check, ...]:
    """Return the public checks that are meant by the words of `-k`: in their ids, or names of parts."""
    public = tuple(check for check in assignment.checks if check.public)
    names = {
        check.id: [check.id, *(part for part, ids in assignment.parts.items() if check.id in ids)] for check in public
    }
    wanted = [word.casefold() for word in words]
    chosen = tuple(
        check
        for check in public
        if not wanted or any(word in name.casefold() for word in wanted for name in names[check.id])
    )
    if not chosen:
        known = {name.removeprefix("test_") for found in names.values() for name in found}
        raise UsageError(f"no check of {assignment.id} is called {' or '.join(words)}{nearest(words[0], known)}")
    return chosen


def _lines(run: Run, chosen: Sequence[Check]) -> tuple[Line, ...]:
    """The chosen checks in their order, each with its result."""
    results = run.known
    outcomes = {id_: result.outcome for id_, result in results.items()}
    unwritten = {id_ for id_, result in results.items() if result.is_unwritten}
    waiting: dict[str, str] = {}
    subjects = {check.id: subject(check.id, check.title) for check in run.assignment.checks}
    for check in in_order_of_needs(run.assignment.checks, run.assignment.parts):
        for name in check.needs if outcomes.get(check.id) is Outcome.SKIPPED else ():
            if {*run.assignment.parts.get(name, (name,))} & (unwritten | waiting.keys()):
                waiting.setdefault(check.id, subjects.get(name, name))
    return tuple(
        Line(id_, check.title, results[id_], id_ in unwritten, waiting.get(id_, ""), id_ in run.standing)
        for check in chosen
        for id_ in [check.id]
    )
