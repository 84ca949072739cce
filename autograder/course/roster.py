"""roster.csv: who takes part, what an LMS calls them, and who works with whom."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from autograder.course.problems import Problem, report
from autograder.names import safe_student
from autograder.records import Person
from autograder.tables import delimiter_of

ROSTER_FILE = "roster.csv"
_STUDENT = ("student", "student_id", "id")
_KNOWN = frozenset({"student", "name", "email", "group"})


def load_roster(root: Path) -> tuple[Person, ...]:
    """Everyone in roster.csv, in its order; empty where there is none. ConfigurationError lists what is wrong in it.

    Columns: `student` (the id), and as far as they are there `name`, `email`, `group` (for all assignments),
    `group:ASSIGNMENT` (for one), and ids in any column whose heading ends in `id`: canvas_id, moodle_id, sis_id.
    """
    file = root / ROSTER_FILE
    if not file.exists():
        return ()
    problems: list[Problem] = []
    try:
        text = unicodedata.normalize("NFC", file.read_bytes().decode("utf-8-sig"))  # as student ids are everywhere
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True))
    except OSError as error:
        rows = []
        problems.append(Problem(file, 1, f"cannot be read ({error.strerror}); mend its permissions"))
    except (UnicodeDecodeError, csv.Error) as error:
        rows = []
        problems.append(Problem(file, 1, f"is no CSV in UTF-8 ({error}); save it as `CSV UTF-8`"))
    report(problems)
    people = tuple(_people(file, rows, problems))
    problems.extend(_repeated(file, people))
    report(problems)
    return tuple(person for _, person in people)


def _people(file: Path, rows: list[list[str]], problems: list[Problem]) -> Iterator[tuple[int, Person]]:
    headings = [heading.strip().casefold() for heading in rows[0]] if rows else []
    key = next((name for name in _STUDENT if name in headings), None)
    if key is None:
        seen = ", ".join(headings) or "nothing"
        problems.append(Problem(file, 1, f"the first line has no column `student`; it has {seen}"))
        return
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        cells = {heading: cell.strip() for heading, cell in zip(headings, row, strict=False)}
        _, why = safe_student(cells.get(key, ""))
        if why or len(row) > len(headings):
            words = why or f"{len(row)} cells where the first line has {len(headings)}; quote those with a comma"
            problems.append(Problem(file, number, words.replace("; rename it and grade again", "")))
            continue
        yield number, _person(cells, key)


def _person(cells: dict[str, str], key: str) -> Person:
    ids = tuple(cell for heading, cell in cells.items() if heading.endswith("id") and heading != key and cell)
    groups = {
        heading.partition(":")[2]: cell
        for heading, cell in cells.items()
        if cell and (heading == "group" or heading.startswith("group:"))
    }
    return Person(cells[key], cells.get("name", ""), cells.get("email", ""), ids, groups)


def _repeated(file: Path, people: tuple[tuple[int, Person], ...]) -> Iterator[Problem]:
    """What two people cannot share: an id, an address."""
    first: dict[str, int] = {}
    for number, person in people:
        for word in {each.casefold() for each in (person.student, person.email, *person.other_ids) if each}:
            if word in first:
                yield Problem(
                    file, number, f"`{word}` stands in line {first[word]} already; each student has their own"
                )
            first.setdefault(word, number)
