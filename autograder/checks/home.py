"""A student's own desk: checks against the files in their folder, in this process, with numbers that everyone knows."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from autograder.checks import earlier, judge
from autograder.checks.bench import Bench, Used, Wish
from autograder.checks.draw import HOME_SECRET
from autograder.checks.earlier import NOTHING_EARLIER, EarlierWork
from autograder.course import load_assignment
from autograder.errors import AutograderError, ConfigurationError
from autograder.records import Assignment, BuildsOn, CheckResult, EarlierPart
from autograder.sandbox import bans, loading, standins
from autograder.sandbox.ban_plan import Plan, prepare
from autograder.sandbox.described import describe
from autograder.sandbox.faults import StudentFault, student_fault
from autograder.sandbox.remote import LocalTransport, Session
from autograder.sandbox.worker import Executor


@dataclass
class Naming(Session):
    """A session that knows the names for which the student's files were asked."""

    names: set[str] = field(default_factory=set)

    def ask(self, operation: str, **payload: Any) -> dict[str, Any]:
        """Return the answer to one operation; raises as any session."""
        for each in (payload.get("root"), payload.get("fit"), *payload.get("path", ())):
            if isinstance(each, str):
                self.names.update(each.split("."))
        return super().ask(operation, **payload)


@dataclass
class AtHome:
    """A submission imported into this process."""

    session: Session
    names: set[str] = field(default_factory=set)
    """For which the student's files were asked so far."""

    def close(self) -> Used:
        """Nothing to end at home."""
        return Used()


def open_folder(assignment: Assignment, folder: Path, wish: Wish, work: EarlierWork = NOTHING_EARLIER) -> AtHome:
    """Import the student's files of `folder` afresh; bans are in force only while their code runs.

    What they import from earlier assignments comes from the folders beside this one, as `work` says.
    """
    import torch

    names = wish.check.bans if wish.check.bans is not None else assignment.bans
    banned = bans.install(_plan(names), switchable=True)
    torch.default_generator.manual_seed(wish.seed)  # torch.manual_seed looks for every accelerator there is
    written = {each.name for each in work.modules if each.written}
    beside = [folder.parent / used.id for used in assignment.builds_on if used.module in written]
    place = loading.Apart([folder, *beside], [each.name for each in work.modules])
    root = folder.parent if beside else folder  # whose frames are the student's own

    @contextmanager
    def guard() -> Iterator[None]:
        with place, banned.enforced(), loading.InertWhereMissing(root):
            yield

    try:
        _refuse_imports(assignment, folder)
        with guard():
            standins.provide_earlier(work.modules, banned)
            module = importlib.import_module(assignment.module)
            for name in wish.stand_ins:
                standins.set_stand_in(module, name, banned)
    except (Exception, SystemExit) as error:
        raise student_fault(describe(error, str(root))) from error
    session = Naming(LocalTransport(Executor(module, root, banned.refused), guard))
    return AtHome(session, session.names)


@lru_cache(maxsize=64)
def _plan(names: tuple[str, ...]) -> Plan:
    """What bans mean in this torch; looked up once, since at home every check imports the submission afresh."""
    return prepare(names)


@lru_cache(maxsize=16)
def _refused(source: str, name: str, importable: frozenset[str]) -> tuple[tuple[int, str], ...]:
    return tuple(loading.refused_imports(source, name, importable))


def _refuse_imports(assignment: Assignment, folder: Path) -> None:
    """Say at home what `grade` would say; own files and those of earlier assignments may be imported."""
    own = {path.stem for path in folder.glob("*.py")} | {Path(name).stem for name in assignment.earlier_files}
    for name in assignment.files:
        source = (folder / name).read_text(encoding="utf-8-sig")
        for line, package in _refused(source, name, frozenset({*assignment.importable, *own})):
            raise ImportError(f"{name}, line {line}: {loading.refusal(package, assignment.importable)}", name=package)


def open_reference(assignment: Assignment, earlier_folders: list[Path]) -> AtHome:
    """Import the reference solution; nothing is banned for it."""
    module = loading.import_apart([assignment.folder, *earlier_folders], assignment.module)
    return AtHome(Session(LocalTransport(Executor(module, assignment.folder), nullcontext)))


@dataclass
class Desk:
    """One assignment's folder at home. Earlier work is looked at once, when a check first asks for the student."""

    assignment: Assignment
    folder: Path
    kept: judge.KeptFiles
    work: EarlierWork | None = None

    def open_student(self, wish: Wish) -> AtHome:
        """Import the student's files, with what they build on."""
        if self.work is None:
            self.work = work_beside(self.assignment, self.folder, self.kept)
        return open_folder(self.assignment, self.folder, wish, self.work)

    def earlier(self) -> tuple[EarlierPart, ...]:
        """Return the parts of earlier assignments that are in use; none while nothing was asked."""
        return self.work.parts if self.work else ()


def home_bench(folder: Path, kept: judge.KeptFiles | None = None) -> Bench:
    """Return the bench of `pytest assignments/<id>`; `kept` has read check files of earlier ones, where it is given."""
    assignment = load_assignment(folder, complete=False)
    desk = Desk(assignment, folder, kept or judge.KeptFiles())
    return Bench(
        assignment=assignment,
        secret=HOME_SECRET,
        open_student=desk.open_student,
        open_reference=None,
        report=lambda _: None,
        earlier=desk.earlier,
        dataset=load_dataset,
        blame=False,
    )


def look_ahead(folder: Path, kept: judge.KeptFiles) -> None:
    """Look up what a run of this folder's checks will need. Nothing of the student's runs; the run itself complains.

    torch's operators for each ban are kept, check files are read, the course's own modules are imported.
    """
    try:
        assignment = load_assignment(folder, complete=False)
        kept.of(assignment)
        for names in {assignment.bans, *(check.bans for check in assignment.checks if check.bans is not None)}:
            _plan(names)
    except AutograderError:
        return
    for used in assignment.builds_on:
        look_ahead(folder.parent / used.id, kept)


def work_beside(assignment: Assignment, folder: Path, kept: judge.KeptFiles) -> EarlierWork:
    """Return what a student's folder finds of earlier assignments beside it, judged by their public checks."""
    return sum((_work_in(used, folder.parent / used.id, kept) for used in assignment.builds_on), NOTHING_EARLIER)


def _work_in(used: BuildsOn, folder: Path, kept: judge.KeptFiles) -> EarlierWork:
    where = f"../{used.id}/{used.files[0]}"
    if not (folder / used.files[0]).is_file():
        return earlier.stand_ins_alone(used, f"{where} is not there")
    try:
        bench = home_bench(folder, kept)
    except ConfigurationError as error:  # a file of that folder was changed or lost: no reason to stop this one
        return earlier.stand_ins_alone(
            used, f"the checks beside it cannot be read ({str(error).partition(chr(10))[0]})"
        )
    results: dict[str, CheckResult] = {}
    try:
        bench.open_student(Wish(bench.assignment.checks[0], "float64", 0))
    except StudentFault as error:
        return earlier.stand_ins_alone(used, f"{where} cannot be imported ({error})")
    ids = frozenset(earlier.decisive(bench.assignment, used.parts))
    if ids:  # pytest would complain that there is nothing to run
        wanted = replace(bench, wanted=ids, report=lambda result: results.__setitem__(result.id, result))
        kept.of(bench.assignment).run(wanted)
    work = earlier.judged(used, bench.assignment, results)
    return replace(work, parts=tuple(replace(part, file=where) for part in work.parts))


def load_dataset(name: str) -> Any:
    """Return the loader module `course_data.<name>`."""
    return importlib.import_module(f"course_data.{name}")
