"""extensions.yml: who may hand in later, and who is excused. Read with its problems; commands add to its end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from autograder.course.moments import in_zone
from autograder.course.problems import Problem, nearest, report
from autograder.course.schema import ExtensionModel, ExtensionsModel
from autograder.course.yaml_edge import Document, read_yaml
from autograder.disk import write_whole
from autograder.errors import ConfigurationError, UsageError
from autograder.records import Course, Extension

EXTENSIONS_FILE = "extensions.yml"
_HEAD = (
    "# Who may hand in later, and who is excused. Of several entries for one student and assignment the last counts.\n"
)


def load_extensions(course: Course) -> tuple[Extension, ...]:
    """What is granted, one for a student and assignment; ConfigurationError lists everything that is wrong."""
    file = course.root / EXTENSIONS_FILE
    if not file.exists():
        return ()
    problems: list[Problem] = []
    document = read_yaml(file, ExtensionsModel, problems)
    report(problems)
    assert document is not None  # else there were problems
    found = {(each.assignment, each.student): each for each in _granted(document, course, problems)}
    report(problems)
    return tuple(found.values())


def add_extensions(course: Course, granted: Iterable[Extension]) -> Path:
    """Add to the end of extensions.yml, make it where it is not there, and return it; what stands there stays.

    Raises ConfigurationError where the file has a problem already, and UsageError where it cannot be added to.
    """
    load_extensions(course)
    file = course.root / EXTENSIONS_FILE
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else f"{_HEAD}extensions:\n"
        after = before.rstrip("\n") + "\n" + "".join(map(_written, granted))
        write_whole(file.resolve(), after.encode())
    except OSError as error:
        raise UsageError(f"{file} cannot be written ({error.strerror}); mend its permissions") from error
    try:
        load_extensions(course)
    except ConfigurationError as error:
        write_whole(file.resolve(), before.encode())
        advice = f"write its entries as a list, one `- student: ...` each, two spaces in, at the end of {file}"
        raise UsageError(f"{error}\nnothing was added; {advice}") from error
    return file


def _granted(document: Document[ExtensionsModel], course: Course, problems: list[Problem]) -> Iterator[Extension]:
    zone, known = ZoneInfo(course.timezone), {term.id: term.due for term in course.terms}
    for number, entry in enumerate(document.content.extensions):
        place = ("extensions", number)
        if entry.assignment not in known:
            words = f"unknown assignment `{entry.assignment}`{nearest(entry.assignment, known)}"
            problems.append(document.problem((*place, "assignment"), words))
            continue
        until, odd = in_zone(entry.until, zone) if entry.until else (None, "")
        if wrong := odd or _contradiction(entry, until, known[entry.assignment]):
            problems.append(document.problem((*place, "until"), wrong))
        yield Extension(entry.student, entry.assignment, until, entry.why)


def _contradiction(entry: ExtensionModel, until: datetime | None, due: datetime) -> str:
    if entry.excused == (until is not None):
        return f"{entry.student} needs either `until:` or `excused: true`"
    if until is not None and until < due:
        return f"{until:%Y-%m-%d %H:%M %z} is before {due:%Y-%m-%d %H:%M %z}, when {entry.assignment} is due for all"
    return ""


def _written(each: Extension) -> str:
    """One entry; a JSON string is a YAML one, whatever stands in it."""
    granted = "excused: true" if each.until is None else f"until: {each.until.isoformat(timespec='minutes')}"
    text = json.dumps(each.why, ensure_ascii=False)
    return f"  - {{student: {json.dumps(each.student)}, assignment: {each.assignment}, {granted}, why: {text}}}\n"
