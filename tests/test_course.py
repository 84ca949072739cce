"""course.yml and assignment.yml become records, and whatever is wrong in them is said at once and in its place."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from autograder.course import find_course, load_assignment, load_assignments, load_course, solution_digest
from autograder.errors import ConfigurationError

ROOT = Path(__file__).parents[1]

COURSE = """\
title: Networks
timezone: Asia/Seoul
late_policy: {grace_minutes: 10, penalty_percent_per_day: 10, cap_percent: 50}
assignments:
  - {id: a1_rnn, due: 2027-03-22T23:59, weight: 1}
"""

ASSIGNMENT = """\
title: RNN
files: [rnn.py]
bans: [rnn]
limits: {cpu_s: 8}
parts:
  rnn_cell: [test_cell]
"""

PUBLIC = '''\
from autograder.checks import needs, points


@points(35)
def test_cell(student):
    """One step is right."""


@points(0)
@needs("rnn_cell")
def test_bonus(student):
    """A bonus."""
'''

HIDDEN = '''\
from autograder.checks import needs, points


@points(65)
@needs("test_cell")
def test_layer(student):
    """The whole layer is right."""
'''


def write_course(root: Path, course: str = COURSE, assignment: str = ASSIGNMENT) -> Path:
    """A course with one assignment in `root`; its folder comes back."""
    folder = root / "solutions" / "a1_rnn"
    folder.mkdir(parents=True)
    (root / "course.yml").write_text(course)
    for name, content in {
        "assignment.yml": assignment,
        "rnn.py": "def rnn_cell(): ...\n",
        "test_public.py": PUBLIC,
        "test_hidden.py": HIDDEN,
    }.items():
        (folder / name).write_text(content)
    return folder


BASE = "title: Base\nfiles: [base.py]\nparts: {half: [test_half]}\n"
"""The assignment.yml of one on which others build."""


def problems(root: Path) -> list[str]:
    """What load_course says about `root`, without the path in front."""
    with pytest.raises(ConfigurationError) as caught:
        load_course(root)
    return [line.removeprefix(f"{root}/") for line in str(caught.value).splitlines()]


def assignment_problems(folder: Path, *, complete: bool = True) -> list[str]:
    """What load_assignment says about `folder`, without the path in front."""
    with pytest.raises(ConfigurationError) as caught:
        load_assignment(folder, complete=complete)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


def test_the_course_of_this_repository_is_valid() -> None:
    """The course.yml that ships names a time zone, and a due date with an offset."""
    course = load_course(ROOT)
    assert course.timezone == "Asia/Seoul"
    assert all(term.due.utcoffset() is not None for term in course.terms)


def test_the_assignments_of_this_repository_are_valid() -> None:
    """Every assignment that ships loads, with 100 points."""
    assignments = load_assignments(ROOT)
    assert [sum(check.points for check in one.checks) for one in assignments] == [100] * len(assignments)
    assert {term.id for term in load_course(ROOT).terms} <= {one.id for one in assignments}


def test_a_course_becomes_a_record(tmp_path: Path) -> None:
    """A due date without an offset is in the course's time zone."""
    write_course(tmp_path)
    course = load_course(tmp_path)
    assert course.terms[0].due == datetime.fromisoformat("2027-03-22T23:59+09:00")
    assert course.late_policy.cap_percent == 50
    assert course.root == tmp_path


@pytest.mark.parametrize("due", ["2027-03-22T23:59:00+02:00", "2027-03-22 23:59:00 +02:00", "'2027-03-22T23:59+02:00'"])
def test_a_due_date_keeps_its_offset(tmp_path: Path, due: str) -> None:
    """A due date with an offset means that moment, however YAML would read it."""
    write_course(tmp_path, COURSE.replace("2027-03-22T23:59", due))
    assert load_course(tmp_path).terms[0].due.utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("title", "titel", "course.yml:1: unknown key `titel`; did you mean `title`?"),
        ("Networks", "[1]", "course.yml:1: `title` is [1]; expected a valid string"),
        ("timezone: Asia/Seoul\n", "", "course.yml:1: `timezone` is missing"),
        ("Asia/Seoul", "Asia/Soul", "did you mean `Asia/Seoul`?"),
        (
            "grace_minutes",
            "grace_minute",
            "course.yml:3: unknown key `late_policy.grace_minute`; did you mean `grace_minutes`?",
        ),
        ("grace_minutes: 10", "grace_minutes: -1", "`late_policy.grace_minutes` is -1"),
        ("cap_percent: 50", "cap_percent: 101", "`late_policy.cap_percent` is 101"),
        ("2027-03-22T23:59", "2027-03-22", "course.yml:5: `assignments.0.due` is '2027-03-22'; expected a date with a"),
        ("2027-03-22T23:59", "2027-02-30T23:59", "day is out of range for month"),
        ("2027-03-22T23:59", "tomorrow", "expected a date with a time"),
        ("weight: 1", "weight: 0", "course.yml:5: `assignments.0.weight` is 0"),
        ("weight: 1", "weight: true", "`assignments.0.weight` is True; expected a valid number"),
        ("weight: 1", "weight: 1, weight: 2", "course.yml:5: key `weight` stands here again"),
        ("a1_rnn", "a1_rn", "course.yml:5: unknown assignment `a1_rn`; did you mean `a1_rnn`?"),
        ("title: Networks", "- title", "course.yml:2: is not valid YAML"),
        ("title: Networks", "title: Networks\n \tlanguage: en", "course.yml:2: begins with a tab"),
    ],
)
def test_a_mistake_in_course_yml_is_named_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Every wrong key, type, date, zone or id is an error that says where, what was seen and what is near."""
    write_course(tmp_path, COURSE.replace(old, new, 1))
    assert expected in "\n".join(problems(tmp_path))


def test_all_mistakes_of_a_file_are_reported_together(tmp_path: Path) -> None:
    """One run shows every problem of a file, in the order of its lines."""
    write_course(tmp_path, COURSE.replace("title", "titel").replace("weight", "wieght").replace("Seoul", "Soul"))
    assert [line.split(" ")[0] for line in problems(tmp_path)] == [
        "course.yml:1:",  # `title` is missing
        "course.yml:1:",
        "course.yml:2:",
        "course.yml:5:",  # `weight` is missing
        "course.yml:5:",
    ]


def test_a_local_time_that_comes_twice_needs_an_offset(tmp_path: Path) -> None:
    """A due date in the hour that a clock change repeats or skips is refused."""
    berlin = COURSE.replace("Asia/Seoul", "Europe/Berlin")
    write_course(tmp_path, berlin.replace("2027-03-22T23:59", "2027-10-31T02:30"))
    assert "comes twice or never" in problems(tmp_path)[0]
    (tmp_path / "course.yml").write_text(berlin.replace("2027-03-22T23:59", "2027-03-28T02:30"))
    assert "comes twice or never" in problems(tmp_path)[0]


def test_an_assignment_may_stand_once_in_a_term(tmp_path: Path) -> None:
    """A second entry of one id is an error."""
    write_course(tmp_path, COURSE + "  - {id: a1_rnn, due: 2027-03-23T23:59, weight: 1}\n")
    assert problems(tmp_path) == ["course.yml:6: assignment `a1_rnn` stands here again; keep one entry"]


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"title: \xff\n", b"title: \x00\n"])
def test_a_file_that_is_no_yaml_text_is_an_error(tmp_path: Path, content: bytes) -> None:
    """An empty or binary course.yml is a problem of the file, not a crash."""
    (tmp_path / "course.yml").write_bytes(content)
    assert problems(tmp_path)[0].startswith("course.yml:1: is ")


def test_a_yaml_alias_that_contains_itself_is_survived(tmp_path: Path) -> None:
    """A file that leads back to itself is refused, not followed for ever."""
    (tmp_path / "course.yml").write_text("title: &all [*all]\n")
    assert "`title` is [[...]]" in "\n".join(problems(tmp_path))


def test_the_course_is_found_from_below(tmp_path: Path) -> None:
    """Every folder of a course leads to its root; outside, the error says what to do."""
    folder = write_course(tmp_path)
    assert find_course(folder) == tmp_path
    (tmp_path / "course.yml").unlink()
    with pytest.raises(ConfigurationError, match="go to the course's folder"):
        find_course(folder)


def test_an_assignment_becomes_a_record(tmp_path: Path) -> None:
    """What assignment.yml leaves out is the record's default; public checks come first."""
    assignment = load_assignment(write_course(tmp_path))
    assert (assignment.id, assignment.module, assignment.importable) == ("a1_rnn", "rnn", ("torch", "numpy"))
    assert (assignment.limits.cpu_s, assignment.limits.memory_mb) == (8, 1024)
    assert [check.id for check in assignment.checks] == ["test_cell", "test_bonus", "test_layer"]
    assert assignment.parts == {"rnn_cell": ("test_cell",)}
    assert load_assignments(tmp_path) == (assignment,)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("limits: {cpu_s", "limits: {cpu", "assignment.yml:4: unknown key `limits.cpu`; did you mean `cpu_s`?"),
        ("cpu_s: 8", "cpu_s: 0", "assignment.yml:4: `limits.cpu_s` is 0; expected greater than 0"),
        ("[rnn.py]", "rnn.py", "assignment.yml:2: `files` is 'rnn.py'; expected a valid list"),
        ("[rnn.py]", "[]", "assignment.yml:2: `files` is []"),
        ("[rnn.py]", "[sub/rnn.py]", "`files.0` is 'sub/rnn.py'; expected the plain name of a Python file"),
        ("[rnn.py]", "[../rnn.py]", "expected the plain name of a Python file"),
        ("[rnn.py]", "[class.py]", "expected the plain name of a Python file"),
        ("[rnn.py]", "[random.py]", "expected a name that no module of the standard library has"),
        ("[rnn.py]", "[rnn.py, rnn.py]", "expected every name once; rnn.py stands there more often"),
        ("[rnn.py]", "[rnm.py]", "`rnm.py` is not in this folder; did you mean `rnn.py`?"),
        ("bans: [rnn]", "builds_on: {a0: [f]}", "assignment.yml:3: unknown assignment `a0`"),
        ("bans: [rnn]", "builds_on: [a0]", "expected each assignment with the parts of it that are used"),
        ("bans: [rnn]", "builds_on: {a1_rnn: [f]}", "goes in a circle: a1_rnn -> a1_rnn"),
        ("[test_cell]", "[test_cel]", "assignment.yml:6: unknown check `test_cel`; did you mean `test_cell`?"),
        ("[test_cell]", "[]", "assignment.yml:6: `parts.rnn_cell` is []"),
        ("rnn_cell:", "test_cell:", "expected the name of a function or class of the submission"),
    ],
)
def test_a_mistake_in_assignment_yml_is_named_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Keys, limits, file names, parts and other assignments are checked, each error at its line."""
    folder = write_course(tmp_path, assignment=ASSIGNMENT.replace(old, new))
    assert expected in "\n".join(assignment_problems(folder))


def test_mistakes_of_all_files_of_an_assignment_are_reported_together(tmp_path: Path) -> None:
    """Problems of assignment.yml and of both test files come in one error."""
    folder = write_course(tmp_path, assignment=ASSIGNMENT.replace("[test_cell]", "[test_x]"))
    (folder / "test_hidden.py").write_text(HIDDEN.replace("@points(65)\n", ""))
    files = [line.partition(":")[0] for line in assignment_problems(folder)]
    assert files == ["assignment.yml", "test_hidden.py"]


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("test_public.py", "(35)", "(36)", "add up to 101, public 36; 100 is expected"),
        ("test_public.py", "(35)", "(29)", "the public checks have 29 points; 30 to 40 are expected"),
        ("test_hidden.py", "test_layer", "test_cell", "`test_cell` is also in test_public.py"),
        (
            "test_hidden.py",
            '"test_cell"',
            '"test_cells"',
            "unknown check or part `test_cells`; did you mean `test_cell`",
        ),
        ("test_public.py", '"rnn_cell"', '"test_layer"', "`test_bonus` is public and needs the hidden check"),
        ("test_public.py", '"rnn_cell"', '"test_bonus"', "needs go in a circle: test_bonus -> test_bonus"),
        (
            "test_public.py",
            "@points(35)",
            '@points(35)\n@needs("rnn_cell")',
            "needs go in a circle: ",
        ),
    ],
)
def test_the_rules_between_checks_hold(tmp_path: Path, file: str, old: str, new: str, expected: str) -> None:
    """Sums, unique ids, known needs and no circles, through parts too."""
    folder = write_course(tmp_path)
    source = (folder / file).read_text()
    (folder / file).write_text(source.replace(old, new, 1))
    assert expected in "\n".join(assignment_problems(folder))


def test_a_kit_has_no_hidden_checks(tmp_path: Path) -> None:
    """Without hidden checks the sums do not apply, and parts keep the checks that are there."""
    folder = write_course(tmp_path, assignment=ASSIGNMENT.replace("[test_cell]", "[test_cell, test_layer]"))
    (folder / "test_hidden.py").unlink()
    assert "test_hidden.py:1: cannot be read" in assignment_problems(folder)[-1]
    kit = load_assignment(folder, complete=False)
    assert kit.parts == {"rnn_cell": ("test_cell",)}
    (tmp_path / "solutions").rename(tmp_path / "assignments")
    assert [one.id for one in load_assignments(tmp_path)] == ["a1_rnn"]
    assert load_course(tmp_path).terms[0].id == "a1_rnn"


def test_the_solution_digest_follows_every_solution_file(tmp_path: Path) -> None:
    """It changes with the solution and with an assignment that it builds on, not with line ends or checks."""
    folder = write_course(tmp_path, assignment=ASSIGNMENT + "builds_on: {a0_base: [half]}\n")
    base = tmp_path / "solutions" / "a0_base"
    base.mkdir()
    (base / "assignment.yml").write_text(BASE)
    (base / "base.py").write_text("x = 1\n")
    assignment = load_assignment(folder)
    first = solution_digest(assignment)
    (folder / "test_public.py").write_text(PUBLIC + "\n# more\n")
    (folder / "rnn.py").write_bytes(b"def rnn_cell(): ...\r\n")
    assert solution_digest(assignment) == first
    (base / "base.py").write_text("x = 2\n")
    second = solution_digest(assignment)
    (folder / "rnn.py").write_text("def rnn_cell(): pass\n")
    assert len({first, second, solution_digest(assignment)}) == 3
