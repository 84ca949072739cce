"""A student's own desk: checks against the files in their folder, in this process, with numbers that everyone knows."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.checks.bench import Bench, Used, Wish
from autograder.checks.draw import HOME_SECRET
from autograder.course import load_assignment
from autograder.records import Assignment
from autograder.sandbox import bans, loading, standins
from autograder.sandbox.faults import student_fault
from autograder.sandbox.remote import LocalTransport, Session
from autograder.sandbox.worker import Executor, describe


@dataclass
class AtHome:
    """A submission imported into this process."""

    session: Session

    def close(self) -> Used:
        """Nothing to end at home."""
        return Used()


def open_folder(assignment: Assignment, folder: Path, wish: Wish) -> AtHome:
    """Import the student's files of `folder` afresh; bans are in force only while their code runs."""
    import torch

    banned = bans.install(wish.check.bans if wish.check.bans is not None else assignment.bans, switchable=True)
    torch.manual_seed(wish.seed)
    try:
        _refuse_imports(assignment, folder)
        with banned.enforced():
            module = loading.import_apart([folder], assignment.module)
            for name in wish.stand_ins:
                standins.set_stand_in(module, name, banned)
    except (Exception, SystemExit) as error:
        raise student_fault(describe(error, str(folder))) from error
    return AtHome(Session(LocalTransport(Executor(module, folder, banned.refused), banned.enforced)))


def _refuse_imports(assignment: Assignment, folder: Path) -> None:
    """Say at home what `grade` would say; own files and those of earlier assignments may be imported."""
    own = {path.stem for path in folder.glob("*.py")}
    for name in assignment.files:
        source = (folder / name).read_text(encoding="utf-8")
        for line, package in loading.refused_imports(source, name, {*assignment.importable, *own}):
            raise ImportError(f"{name}, line {line}: {loading.refusal(package, assignment.importable)}", name=package)


def open_reference(assignment: Assignment, earlier: list[Path]) -> AtHome:
    """Import the reference solution; nothing is banned for it."""
    module = loading.import_apart([assignment.folder, *earlier], assignment.module)
    return AtHome(Session(LocalTransport(Executor(module, assignment.folder), nullcontext)))


def home_bench(folder: Path) -> Bench:
    """Return the bench of `pytest assignments/<id>`."""
    assignment = load_assignment(folder, complete=False)
    return Bench(
        assignment=assignment,
        secret=HOME_SECRET,
        open_student=lambda wish: open_folder(assignment, folder, wish),
        open_reference=None,
        report=lambda _: None,
        dataset=load_dataset,
        blame=False,
    )


def load_dataset(name: str) -> Any:
    """Return the loader module `course_data.<name>`."""
    import importlib

    return importlib.import_module(f"course_data.{name}")
