"""What an LMS calls the students to whom files go: pure. Read from what the LMS itself exported, never guessed.

Moodle's upload of several feedback files wants each file in a folder that is named as in its own download of
submissions, `Full name_PARTICIPANT_assignsubmission_file_`; it goes by the second piece (mod/assign/feedback/file,
importziplib.php). Canvas takes files back under the names of its own download, `nameofstudent_USER_FILE_...`, by the
two numbers in them (`infer_comment_context_from_filename`), and comments by the ID of its gradebook.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from autograder.errors import UsageError
from autograder.export.sheet import Sheet
from autograder.intake.exports import CANVAS_FILE, MOODLE_FILE
from autograder.intake.moodle import IDENTIFIER, in_english
from autograder.intake.people import Claim, owner_of
from autograder.names import shown, student_id
from autograder.records import Person

LONGEST = 60
"""Characters of a name inside the name of a file."""


@dataclass(frozen=True, slots=True)
class Address:
    """Somebody in an LMS."""

    claim: Claim
    place: str
    """What their file, its folder or their comment goes by."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """Whose file goes where."""

    places: Mapping[str, str]
    """Student -> place."""
    remarks: tuple[str, ...]


def moodle_in_sheet(sheet: Sheet) -> Iterator[Address]:
    """Everyone in Moodle's grading worksheet. UsageError where it is none: other exports have no participant number."""
    headings = in_english(sheet.headings)
    if IDENTIFIER not in headings:
        raise UsageError(
            f"this is no grading worksheet of Moodle: it has {', '.join(map(shown, sheet.headings[:6]))}; download it "
            "from the assignment (offline grading worksheet), or name the unpacked download of all submissions"
        )
    for row in sheet.rows[1:]:
        cells = dict(zip(headings, (cell.strip() for cell in row), strict=False))
        name, number = cells.get("full name", ""), re.search(r"\d+$", cells.get(IDENTIFIER, ""))
        if number:
            ids = (number[0], cells.get("id number", ""), cells.get("username", ""), cells.get("email address", ""))
            yield _moodle(ids, name, number[0])


def moodle_in_folder(names: Iterable[str]) -> Iterator[Address]:
    """Everyone in the names of Moodle's download of all submissions."""
    for name in names:
        if found := MOODLE_FILE.fullmatch(name):
            yield _moodle((found["id"],), found["name"], found["id"])


def _moodle(ids: tuple[str, ...], name: str, number: str) -> Address:
    called = f"{name} {number}" if name else f"Participant {number}"
    claim = Claim((*ids, f"Participant {number}"), name, student_id(called))
    return Address(claim, f"{_in_a_name(name)}_{number}_assignsubmission_file_")


def canvas_in_folder(names: Iterable[str]) -> Iterator[Address]:
    """Everyone in the names of Canvas' download of submissions, each once: the first of their files stands for all."""
    seen: set[str] = set()
    for name in sorted(names):
        found = CANVAS_FILE.fullmatch(name)
        if found and found["user"] not in seen:
            seen.add(found["user"])
            claim = Claim((found["user"],), found["name"], student_id(f"{found['name']} {found['user']}"))
            yield Address(claim, name[: found.start("file") - 1])


def canvas_in_sheet(sheet: Sheet) -> Iterator[Address]:
    """Everyone in Canvas' gradebook, by its ID. UsageError where it is none."""
    if not {"Student", "ID"} <= {*sheet.headings}:
        raise UsageError(
            f"this is no gradebook of Canvas: it has {', '.join(map(shown, sheet.headings[:6]))}; export it from Grades"
        )
    for row in sheet.rows[1:]:
        cells = dict(zip(sheet.headings, (cell.strip() for cell in row), strict=False))
        number, name = cells.get("ID", ""), cells.get("Student", "")
        if number.isdecimal() and name not in {"Student, Test", "Test Student"}:
            ids = (number, *(cells.get(each, "") for each in ("SIS User ID", "SIS Login ID", "Integration ID")))
            yield Address(Claim(ids, name, student_id(f"{name} {number}")), number)


def addressed(addresses: Iterable[Address], students: Sequence[str], roster: Sequence[Person]) -> Addressed:
    """The places of `students`, with everyone who stands in one of the two lists alone."""
    people = roster or tuple(Person(student, name=student) for student in students)
    wanted = {*students}
    places: dict[str, str] = {}
    remarks: list[str] = []
    for each in addresses:
        owner = owner_of(each.claim, people)
        student = owner.student if owner.student in wanted else each.claim.fallback
        if student not in wanted:
            remarks.append(
                f"{shown(each.claim.name or each.claim.fallback)} stands in the LMS and has no feedback here"
            )
        elif student in places:
            remarks.append(f"{student} stands in the LMS twice: only the first of both is served")
        else:
            places[student] = each.place
    lost = [student for student in students if student not in places]
    remarks += [f"{shown(student)} has feedback and does not stand in what the LMS exported" for student in lost]
    return Addressed(places, tuple(remarks))


def _in_a_name(name: str) -> str:
    """A name that stands in that of a folder: without what Moodle splits at, and without what leads elsewhere."""
    kept = "".join(letter if letter.isalnum() or letter in " -'" else " " for letter in name)
    return " ".join(kept.split())[:LONGEST].strip() or "Participant"
