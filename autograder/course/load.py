"""From folders to records: find the course, read it, read its assignments."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from autograder.course import rules
from autograder.course.checks_source import HIDDEN, PUBLIC, helper_modules, read_checks
from autograder.course.data_names import dataset_names
from autograder.course.earlier import read_earlier
from autograder.course.illustrations import ILLUSTRATIONS, illustrated
from autograder.course.moments import in_zone
from autograder.course.problems import Problem, nearest, report
from autograder.course.schema import AssignmentModel, CourseModel, LimitsModel
from autograder.course.yaml_edge import Document, read_yaml
from autograder.errors import ConfigurationError
from autograder.records import Assignment, BuildsOn, Check, Course, LatePolicy, Limits, Term

COURSE_FILE, ASSIGNMENT_FILE = "course.yml", "assignment.yml"
SOURCES, RELEASED = "solutions", "assignments"


def find_course(start: Path) -> Path:
    """The nearest folder at or above `start` that holds course.yml; ConfigurationError where there is none."""
    here = start.absolute()
    for folder in (here, *here.parents):
        if (folder / COURSE_FILE).is_file():
            return folder
    raise ConfigurationError(f"no {COURSE_FILE} in {here} or above it; go to the course's folder, or name it")


def load_course(root: Path) -> Course:
    """The course in `root`; ConfigurationError lists everything that is wrong in its course.yml."""
    problems: list[Problem] = []
    document = read_yaml(root / COURSE_FILE, CourseModel, problems)
    report(problems)
    assert document is not None  # else there were problems
    problems.extend(_unknown_assignments(root, document))
    terms = tuple(_terms(document, problems))
    report(problems)
    content = document.content
    late_policy = LatePolicy(**content.late_policy.model_dump())
    return Course(
        content.title, content.timezone, root.absolute(), late_policy, terms, content.attempts, content.language
    )


def load_assignments(course_root: Path) -> tuple[Assignment, ...]:
    """Every assignment of a course, by id: the sources, or in a students' kit the released ones."""
    complete = (course_root / SOURCES).is_dir()
    folders = assignment_folders(course_root / (SOURCES if complete else RELEASED))
    return tuple(load_assignment(folder, complete=complete) for folder in folders)


def assignment_folders(parent: Path) -> tuple[Path, ...]:
    """The folders in `parent` that hold an assignment, by name."""
    return tuple(file.parent for file in sorted(parent.glob(f"*/{ASSIGNMENT_FILE}")))


def load_assignment(folder: Path, *, complete: bool = True) -> Assignment:
    """The assignment in `folder`; ConfigurationError lists everything that is wrong in its files.

    `complete=False` is for a students' kit: there are no hidden checks, so points need not add up and parts
    keep only the checks that are there.
    """
    folder = folder.absolute()
    problems: list[Problem] = []
    document = read_yaml(folder / ASSIGNMENT_FILE, AssignmentModel, problems)
    beside = (*document.content.files, *document.content.given) if document else ()
    checks = illustrated(folder, _checks(folder, beside, complete, problems), problems)
    datasets = dataset_names((folder / PUBLIC, folder / HIDDEN, folder / ILLUSTRATIONS), problems)
    earlier: tuple[BuildsOn, ...] = ()
    if document is not None:
        problems.extend(_wrong_files(folder, document))
        problems.extend(_wrong_parts(document, checks, complete))
        folders = {other.name: other for other in assignment_folders(folder.parent)}
        earlier = read_earlier(document, folders, complete, problems)
    parts = document.content.parts if document else {}
    problems.extend(rules.unique_ids(checks))
    if document is not None:  # an unread assignment.yml would make every part unknown
        problems.extend(rules.known_needs(checks, parts))
    problems.extend(rules.no_cycles(checks, parts))
    if complete and not problems:  # a check whose points cannot be read would be reported a second time
        problems.extend(rules.sums(checks, folder / PUBLIC))
    report(problems)
    assert document is not None  # else there were problems
    return _assignment(folder, document.content, earlier, checks, datasets)


def solution_digest(assignment: Assignment) -> str:
    """sha256 of the solution's files and of those of the assignments that it builds on."""
    digest = hashlib.sha256()
    for file in _solution_files(assignment):
        content = file.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{file.parent.name}/{file.name}:{len(content)}:".encode() + content)
    return digest.hexdigest()


def _solution_files(assignment: Assignment) -> Iterator[Path]:
    yield from (assignment.folder / name for name in assignment.files)
    for earlier in assignment.builds_on:
        yield from (assignment.folder.parent / earlier.id / name for name in earlier.files)


def _assignment(
    folder: Path,
    content: AssignmentModel,
    earlier: tuple[BuildsOn, ...],
    checks: tuple[Check, ...],
    datasets: tuple[str, ...],
) -> Assignment:
    known = {check.id for check in checks}
    parts = {part: tuple(id_ for id_ in ids if id_ in known) for part, ids in content.parts.items()}
    return Assignment(
        id=folder.name,
        title=content.title,
        folder=folder,
        files=tuple(content.files),
        builds_on=earlier,
        bans=tuple(content.bans),
        importable=tuple(content.importable),
        preload=tuple(content.preload),
        limits=_limits(content.limits),
        parts=parts,
        checks=checks,
        given=tuple(content.given),
        datasets=datasets,
    )


def _limits(model: LimitsModel) -> Limits:
    return Limits(**model.model_dump())


def _checks(folder: Path, files: tuple[str, ...], complete: bool, problems: list[Problem]) -> tuple[Check, ...]:
    helpers = helper_modules(folder, files)
    checks = read_checks(folder / PUBLIC, public=True, helpers=helpers, problems=problems)
    if complete or (folder / HIDDEN).exists():
        checks += read_checks(folder / HIDDEN, public=False, helpers=helpers, problems=problems)
    return checks


def _wrong_files(folder: Path, document: Document[AssignmentModel]) -> Iterator[Problem]:
    """Files that assignment.yml names and nobody has."""
    for number, name in enumerate(document.content.files):
        if not (folder / name).is_file():
            beside = nearest(name, (path.name for path in folder.glob("*.py")))
            yield document.problem(("files", number), f"`{name}` is not in this folder{beside}")
    for number, name in enumerate(document.content.given):
        if not (folder / name).is_file():
            beside = nearest(name, (path.name for path in folder.iterdir()))
            yield document.problem(("given", number), f"`{name}` is not in this folder{beside}")


def _wrong_parts(document: Document[AssignmentModel], checks: tuple[Check, ...], complete: bool) -> Iterator[Problem]:
    """Checks that a part names and no test file has; a kit lacks the hidden ones."""
    known = {check.id for check in checks}
    for part, ids in document.content.parts.items():
        for number, id_ in enumerate(ids):
            if complete and id_ not in known:
                yield document.problem(("parts", part, number), f"unknown check `{id_}`{nearest(id_, known)}")


def _unknown_assignments(root: Path, document: Document[CourseModel]) -> Iterator[Problem]:
    """Ids that stand twice, and ids without a folder (a kit holds only what is released so far)."""
    known = {folder.name for folder in assignment_folders(root / SOURCES)}
    seen: set[str] = set()
    for number, term in enumerate(document.content.assignments):
        place = ("assignments", number, "id")
        if term.id in seen:
            yield document.problem(place, f"assignment `{term.id}` stands here again; keep one entry")
        seen.add(term.id)
        if (root / SOURCES).is_dir() and term.id not in known:
            yield document.problem(place, f"unknown assignment `{term.id}`{nearest(term.id, known)}")


def _terms(document: Document[CourseModel], problems: list[Problem]) -> Iterator[Term]:
    zone = ZoneInfo(document.content.timezone)
    for number, term in enumerate(document.content.assignments):
        due, odd = in_zone(term.due, zone)
        if odd:
            problems.append(document.problem(("assignments", number, "due"), odd))
        yield Term(term.id, due, term.weight, term.extra_credit, term.written)
