"""A class's hand-ins -> submissions: whose they are, which attempt counts, and remarks on everything that is odd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from autograder.intake.exports import Found, HandIn, look_into, student_part
from autograder.intake.people import Owner, owner_of
from autograder.intake.read import of_nobody, read_hand_in
from autograder.names import safe_student, shown
from autograder.records import Assignment, Attempts, Moment, Person, Submission

MOST_SAID = 10
"""Remarks on whose a hand-in is, each a line."""
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the course says about hand-ins."""

    roster: tuple[Person, ...] = ()
    attempts: Attempts = Attempts.LATEST
    times: tuple[Mapping[str, Moment], ...] = ()
    """For each folder, student -> when, from a list that goes before everything else; none: there are no lists."""


@dataclass(frozen=True, slots=True)
class ClassIn:
    """What a class handed in."""

    submissions: tuple[Submission, ...]
    """By student; of one student in the order of the attempts, the last one that counts at the end."""
    remarks: tuple[str, ...]
    """For the instructor: who is not on the roster, what was not read, who handed in nothing."""


def read_submissions(folder: Path, assignment: Assignment) -> tuple[Submission, ...]:
    """Every submission in `folder`, by student, in a course without a roster."""
    return read_class([folder], assignment, Rules()).submissions


@dataclass(frozen=True, slots=True)
class _Read:
    """A hand-in that was read."""

    source: int
    hand_in: HandIn
    owners: tuple[Owner, ...]
    submission: Submission


def read_class(folders: Sequence[Path], assignment: Assignment, rules: Rules) -> ClassIn:
    """Every submission in `folders`, the earlier folder's first. SubmissionError when one cannot be listed.

    Whatever is wrong with one is its `problem` and stops no other. The same student in several folders has made several
    attempts; twice in one folder nobody can tell which counts, unless it is numbered or done by a group.
    """
    found = [look_into(folder, assignment.id) for folder in folders]
    waiting = [(number, each) for number, one in enumerate(found) for each in one.hand_ins]
    threads = ThreadPoolExecutor()  # each notebook is read by a process of its own, each repository cloned by one
    try:
        read = list(threads.map(lambda pair: _read(pair[0], pair[1], assignment, rules), waiting))
    finally:
        threads.shutdown(cancel_futures=True)  # an interrupt leaves nothing waiting
    remarks = [words for one in found for words in one.remarks]
    remarks += _few(list(dict.fromkeys(owner.remark for each in read for owner in each.owners if owner.remark)))
    remarks += _by_file_time(found, read)
    chosen = [each for team in _teams(read, assignment, rules) for each in _counted(team, rules)]
    remarks += _absent(chosen, rules.roster)
    return ClassIn(tuple(sorted(chosen, key=lambda each: (each.student.casefold(), each.attempt))), tuple(remarks))


def _few(remarks: list[str]) -> list[str]:
    """The first of many: the roster of another course would bury all else that is said."""
    more = len(remarks) - MOST_SAID
    return [
        *remarks[:MOST_SAID],
        *([f"and {more} more like these: is roster.csv that of this class?"] if more > 0 else []),
    ]


def _read(source: int, hand_in: HandIn, assignment: Assignment, rules: Rules) -> _Read:
    owners = tuple(owner_of(claim, rules.roster) for claim in hand_in.owners) or (Owner(hand_in.path.name),)
    student = owners[0].student
    if hand_in.path.name in of_nobody(assignment) and student == student_part(hand_in.path):
        problem = f"{hand_in.path.name} does not say whose it is; name it after the student, or put it in a folder"
        submission = Submission(safe_student(student)[0], assignment.id, {}, problem=problem)
    else:
        submission = read_hand_in(hand_in.path, hand_in.open, assignment, student, student_part(hand_in.path))
    said = rules.times[source] if rules.times else {}
    when = next((said[owner.student] for owner in owners if owner.student in said), hand_in.moment)
    if when is None and (hand_in.file_times or _says_so(submission.handed_in)):
        when = submission.handed_in
    notes = (*hand_in.notes, *submission.notes)
    return _Read(source, hand_in, owners, replace(submission, handed_in=when, notes=notes))


def _says_so(moment: Moment | None) -> bool:
    """Whether it is more than the time of a file."""
    return moment is not None and not moment.by_file


def _by_file_time(found: Sequence[Found], read: Sequence[_Read]) -> list[str]:
    """A sentence where an LMS' export leaves nothing but the times of files, which may be those of the download."""
    layouts = sorted({found[each.source].layout for each in read if _is_unsure(found[each.source].layout, each)})
    count = sum(_is_unsure(found[each.source].layout, each) for each in read)
    if not count:
        return []
    one = count == 1
    said = f"{count} hand-in{'' if one else 's'} from {' and '.join(layouts)} {'does' if one else 'do'} not say when"
    return [f"{said} {'it' if one else 'they'} came; --times FILE does (Moodle's grading worksheet)"]


def _is_unsure(layout: str, each: _Read) -> bool:
    when = each.submission.handed_in
    return layout in {"Moodle", "Canvas"} and (when is None or when.by_file) and not each.submission.problem


def _teams(read: Sequence[_Read], assignment: Assignment, rules: Rules) -> list[list[_Read]]:
    """The hand-ins of each student or group; who hands in together once is a group, so that nobody has two grades."""
    groups = {person.student: person.group(assignment.id) for person in rules.roster}
    teams: list[tuple[set[str], list[_Read]]] = []
    for each in read:
        students = [owner.student for owner in each.owners]
        keys = {f"student {student.casefold()}" for student in students}  # macOS cannot keep Kim and kim apart
        keys |= {f"group {groups[student]}" for student in students if groups.get(student)}
        joined = [team for team in teams if team[0] & keys]
        teams = [team for team in teams if not team[0] & keys]
        teams.append((keys.union(*(known for known, _ in joined)), [*(r for _, team in joined for r in team), each]))
    return [_with_members(team, rules, assignment) for _, team in teams]


def _with_members(team: list[_Read], rules: Rules, assignment: Assignment) -> list[_Read]:
    """The hand-ins, each with everyone whose grade it is."""
    first = team[0].owners[0].student
    group = next((person.group(assignment.id) for person in rules.roster if person.student == first), "")
    mates = [person.student for person in rules.roster if group and person.group(assignment.id) == group]
    named = [safe_student(owner.student)[0] for each in team for owner in each.owners]
    members = tuple(dict.fromkeys([*mates, *named]))
    return [
        replace(each, submission=replace(each.submission, members=members if len(members) > 1 else ())) for each in team
    ]


def _counted(team: list[_Read], rules: Rules) -> list[Submission]:
    """The attempts of a student or group, numbered; those alone that are graded."""
    if twice := _twice(team):
        names = ", ".join(shown(each.hand_in.path.name) for each in twice)
        problem = f"there is more than one hand-in: {names}; keep one and grade again"
        first = twice[0].submission
        return [replace(first, files={}, notes=(), problem=problem, digest="", handed_in=None)]
    in_order = sorted(team, key=_when)
    count = len(in_order)
    numbered = [
        replace(each.submission, attempt=number, attempts=count, notes=(*each.submission.notes, *_which(number, count)))
        for number, each in enumerate(in_order, 1)
    ]
    return numbered[-1:] if rules.attempts is Attempts.LATEST else numbered


def _which(number: int, count: int) -> tuple[str, ...]:
    return (f"attempt {number} of {count}",) if count > 1 else ()


def _when(each: _Read) -> tuple[datetime, int, int]:
    """Attempts that are numbered, or lie in folders one after the other, keep that order where times do not differ."""
    when = each.submission.handed_in
    known = when is not None and not (when.by_file and each.hand_in.attempt)
    return (when.at if when is not None and known else _NEVER, each.source, each.hand_in.attempt)


def _twice(team: Sequence[_Read]) -> list[_Read]:
    """Hand-ins of one student in one folder of which nobody can tell which counts."""
    seen: dict[tuple[int, str, int], list[_Read]] = {}
    for each in team:
        seen.setdefault((each.source, each.owners[0].student.casefold(), each.hand_in.attempt), []).append(each)
    return next((several for several in seen.values() if len(several) > 1), [])


def _absent(chosen: Sequence[Submission], roster: Sequence[Person]) -> list[str]:
    there = {student for each in chosen for student in (each.student, *each.members)}
    absent = [person.student for person in roster if person.student not in there]
    if not absent:
        return []
    return [f"nothing handed in by {len(absent)} of {len(roster)}: {', '.join(absent)}"]
