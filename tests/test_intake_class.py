"""Real hand-ins of a class: exports, attempts, groups, a roster; whatever is odd is listed and never dropped."""

from __future__ import annotations

import os
import unicodedata
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pytest

from autograder.course import load_roster
from autograder.errors import ConfigurationError, SubmissionError, UsageError
from autograder.intake import ClassIn, Rules, read_class, read_times
from autograder.records import Assignment, Attempts, Limits, Moment, Person

NONE: tuple[str, ...] = ()
A1 = Assignment("a1", "RNN", Path(), ("rnn.py",), NONE, NONE, NONE, NONE, Limits(), MappingProxyType({}), ())
OLD = 1_800_000_000
"""2027-01-15T08:00:00Z."""

ADA = Person("ada", "Ada King", "ada@uni.example", ("1001", "55501"))
KIM = Person("kim", "김민수", "kim@uni.example", ("1002", "55502"))
LEE = Person("lee", "Lee, Anne-Marie", "lee@uni.example", ("1003", "55503"))
ROSTER = (ADA, KIM, LEE)


def lay(root: Path, *names: str, text: str = "x = 1\n") -> Path:
    """Write files of this text below `root`, each by a path."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}# {name}\n", encoding="utf-8")
        os.utime(path, (OLD, OLD))
    return root


def zipped(path: Path, text: str = "x = 1\n", made: str = "") -> Path:
    """A zip with rnn.py, and with the manifest of `submit` where it has a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rnn.py", text)
        if made:
            archive.writestr("manifest.json", f'{{"made": "{made}"}}')
    return path


def taken(*folders: Path, roster: tuple[Person, ...] = ROSTER, **rules: object) -> ClassIn:
    """What is handed in there."""
    return read_class(folders, A1, Rules(roster, **rules))  # type: ignore[arg-type]


def who(found: ClassIn) -> list[str]:
    """The students whose work can be graded."""
    return [each.student for each in found.submissions if not each.problem]


# --- the exports -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["_", ""])
def test_moodle_folders(tmp_path: Path, end: str) -> None:
    """By participant number, or by a name that one student has; a text typed in and strange files are listed."""
    root = lay(
        tmp_path,
        f"Somebody Else_55501_assignsubmission_file{end}/rnn.py",
        f"김민수_99_assignsubmission_file{end}/rnn.py",
        f"김민수_99_assignsubmission_onlinetext{end}/onlinetext.html",
        "readme.txt",
    )
    zipped(root / f"Nobody O'Neil_77_assignsubmission_file{end}" / "handin.zip")
    found = taken(root)
    assert who(found) == ["ada", "kim", "Nobody O-Neil 77"]
    words = "\n".join(found.remarks)
    for part in (
        "readme.txt is not named as Moodle names hand-ins and was not read",
        "is a text typed into Moodle and was not read",
        "Nobody O-Neil 77 is not on the roster",
        "nothing handed in by 1 of 3: lee",
        "3 hand-ins from Moodle do not say when they came; --times FILE does",
    ):
        assert part in words


def test_moodle_without_folders(tmp_path: Path) -> None:
    """Loose files of one participant belong together, under the names that they had."""
    root = lay(
        tmp_path, "Ada King_55501_assignsubmission_file_rnn.py", "Ada King_55501_assignsubmission_file_notes.txt"
    )
    (ada,) = taken(root).submissions
    assert (ada.student, list(ada.files), ada.notes) == ("ada", ["rnn.py"], ("notes.txt was ignored: not asked for",))


def test_moodle_says_when_in_its_worksheet(tmp_path: Path) -> None:
    """In the forms of its English dates, and as course time; lines that cannot be read are listed."""
    root = lay(
        tmp_path / "in", "Ada King_55501_assignsubmission_file_/rnn.py", "김민수_55502_assignsubmission_file_/rnn.py"
    )
    sheet = tmp_path / "Grades.csv"
    sheet.write_text(
        "\ufeffIdentifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
        "Last modified (submission),Last modified (grade),Feedback comments\r\n"
        'Participant 55501,Ada King,ada@uni.example,Submitted,,100.00,Yes,"Monday, 22 March 2027, 11:05\u202fPM",-,\r\n'
        'Participant 1,김민수,,Submitted,,100.00,Yes,"Tuesday, March 23, 2027, 9:00 AM",-,\r\n'
        'Participant 55503,"Lee, Anne-Marie",,No submission,,100.00,Yes,-,-,\r\n'
        'Participant 9,Who Else,,Submitted,,100.00,Yes,"Tuesday, March 23, 2027, 9:00 AM",-,\r\n'
        "Participant 55503,,,Submitted,,100.00,Yes,yesterday,-,\r\n",
        encoding="utf-8",
    )
    times, remarks = read_times(sheet, ROSTER, "Asia/Seoul")
    assert {student: each.at.isoformat() for student, each in times.items()} == {
        "ada": "2027-03-22T23:05:00+09:00",
        "kim": "2027-03-23T09:00:00+09:00",
    }
    assert [words.partition(": ")[0] for words in remarks] == ["Grades.csv, line 5", "Grades.csv, line 6"]
    ada, _ = taken(root, times=(times,)).submissions
    assert ada.handed_in == Moment(datetime(2027, 3, 22, 14, 5, tzinfo=UTC), "Moodle")
    sheet.write_text("student,when\nada,2027-03-22T23:05\n", encoding="utf-8")
    with pytest.raises(UsageError, match="has no column `time`"):
        read_times(sheet, ROSTER, "Asia/Seoul")


def test_canvas_files(tmp_path: Path) -> None:
    """`lastfirst_[LATE_]user_submission_file`: by Canvas' id or name; a resubmission's number is seen through."""
    root = lay(tmp_path, "kingada_1001_7_rnn-2.py", "kingada_1001_7_notes.txt", "leeannemarie_LATE_9_8_rnn.py")
    zipped(root / "김민수_1002_9_handin.zip", made="2027-03-22T22:00:00+09:00")
    zipped(root / "strangerann_LATE_4_9_handin.zip")
    found = taken(root)
    assert who(found) == ["ada", "kim", "lee", "strangerann 4"]
    ada, kim, lee, _ = found.submissions
    assert (list(ada.files), ada.handed_in) == (["rnn.py"], None)  # the time of a file is that of the download
    assert kim.handed_in is not None
    assert "manifest" in kim.handed_in.source
    assert lee.notes[0] == "Canvas marks it as late and does not say by how much"
    words = "\n".join(found.remarks)
    assert "leeannemarie 9: Canvas marks it as late; give the time with --times" in words
    assert "strangerann 4 is not on the roster" in words


def test_names_in_pieces_and_archives_of_a_class(tmp_path: Path) -> None:
    """Canvas' files as macOS unpacks them are known; an archive is to be unpacked; a roster may have semicolons."""
    (tmp_path / "roster.csv").write_text(
        unicodedata.normalize("NFD", "student;name;canvas_id\n김민수;Müller, Jo;\nbo;Bo;77\n"), encoding="utf-8"
    )
    roster = load_roster(tmp_path)
    assert [(person.student, person.name) for person in roster] == [("김민수", "Müller, Jo"), ("bo", "Bo")]
    folder = tmp_path / "canvas"
    folder.mkdir()
    for name in ("müllerjo_12_34_rnn.py", "bo_77_35_rnn.py"):
        (folder / unicodedata.normalize("NFD", name)).write_text("x = 1\n")
    found = read_class([folder], A1, Rules(roster))
    assert {each.student for each in found.submissions} == {"bo", "김민수"}
    plain = tmp_path / "plain"
    (plain / unicodedata.normalize("NFD", "김민수")).mkdir(parents=True)
    (plain / unicodedata.normalize("NFD", "김민수") / "rnn.py").write_text("x = 1\n")
    (one,) = read_class([plain], A1, Rules(roster)).submissions
    assert one.student == "김민수"
    (tmp_path / "all.zip").write_bytes(b"PK")
    with pytest.raises(SubmissionError, match="unpack it"):
        read_class([tmp_path / "all.zip"], A1, Rules())


def test_gradescope_knows_who_and_when(tmp_path: Path) -> None:
    """From submission_metadata.yml, groups and its kinds of time too; what lacks its folder or line is listed."""
    root = lay(tmp_path, "submission_1/rnn.py", "submission_2/rnn.py", "submission_3/rnn.py", "submission_9/rnn.py")
    (root / "submission_metadata.yml").write_text(
        """---
submission_1:
  :submitters:
  - :name: Ada King
    :sid: '1001'
    :email: ada@uni.example
  - :name: 김민수
    :sid:
    :email: KIM@uni.example
  :created_at: 2027-03-22 14:05:06.123456000 Z
  :score: 0.0
  :history: []
submission_2:
  :submitters:
  - :name: Somebody
    :sid: ''
    :email: some@where.example
  :created_at: !ruby/object:ActiveSupport::TimeWithZone
    utc: 2027-03-22 14:00:00 Z
    zone: !ruby/object:ActiveSupport::TimeZone
      name: America/Los_Angeles
    time: 2027-03-22 07:00:00 Z
submission_3:
  :submitters: []
submission_4:
  :submitters: []
""",
        encoding="utf-8",
    )
    found = taken(root)
    assert [(each.student, each.members) for each in found.submissions] == [
        ("ada", ("ada", "kim")),
        ("some@where.example", ()),
        ("submission_3", ()),
    ]
    times = [each.handed_in for each in found.submissions]
    assert times[0] == Moment(datetime(2027, 3, 22, 14, 5, 6, 123456, tzinfo=UTC), "Gradescope")
    assert times[1] == Moment(datetime(2027, 3, 22, 14, tzinfo=UTC), "Gradescope")
    words = "\n".join(found.remarks)
    for part in (
        "submission_9 is not in submission_metadata.yml and was not read",
        "submission_metadata.yml names submission_4, which is not there",
        "some@where.example is not on the roster",
        "nothing handed in by 1 of 3: lee",
    ):
        assert part in words
    (root / "submission_metadata.yml").write_text("- [", encoding="utf-8")
    with pytest.raises(SubmissionError, match="export again"):
        taken(root)


@pytest.mark.parametrize(
    "written",
    [
        "2027년 3월 22일(월) 오후 11:05",
        "2027년 3월 22일 월요일 오후 11:05",
        "2027년 03월 22일, 11:05 PM",
        "2027년 3월 22일 (월요일) 23:05",
    ],
)
def test_moodle_in_korean_says_when(tmp_path: Path, written: str) -> None:
    """Headings and dates of a Korean Moodle: before and after noon, with the weekday in any form."""
    sheet = tmp_path / "Grades.csv"
    sheet.write_text(
        f'식별자,성명,"최종 수정 (제출)"\n참가자 11,Ada King,"{written}"\n참가자 12,Bo,-\n', encoding="utf-8-sig"
    )
    times, remarks = read_times(sheet, (Person("ada", "Ada King", other_ids=("11",)),), "Asia/Seoul")
    assert remarks == ()
    assert times["ada"].at.isoformat() == "2027-03-22T23:05:00+09:00"


def test_korean_noon_and_midnight(tmp_path: Path) -> None:
    """Twelve in the morning is midnight, and a thirteenth hour is no time."""
    sheet = tmp_path / "Grades.csv"
    lines = ("ada,2027년 3월 22일 오전 12:30", "bo,2027년 3월 22일 오후 12:30", "cy,2027년 3월 22일 오후 13:30")
    sheet.write_text("\n".join(("student,time", *lines)), encoding="utf-8")
    times, remarks = read_times(sheet, (), "Asia/Seoul")
    assert [times[name].at.hour for name in ("ada", "bo")] == [0, 12]
    assert len(remarks) == 1


def test_nbgraders_submitted_tree(tmp_path: Path) -> None:
    """submitted/STUDENT/ASSIGNMENT with the exchange's timestamp; other assignments are none of ours."""
    root = lay(tmp_path, "ada/a1/rnn.py", "kim/a1/rnn.py", "kim/a2/gru.py", "lee/a2/gru.py", "notes.txt")
    (root / "ada" / "a1" / "timestamp.txt").write_text("2027-03-22 21:00:00.123456 Asia/Seoul\n", encoding="utf-8")
    (root / "kim" / "a1" / "timestamp.txt").write_text("2027-03-22 12:00:00 UTC", encoding="utf-8")
    found = taken(root)
    assert who(found) == ["ada", "kim"]
    assert [each.handed_in.at.astimezone(UTC).hour for each in found.submissions if each.handed_in] == [12, 12]
    assert {each.handed_in.source for each in found.submissions if each.handed_in} == {"nbgrader's timestamp.txt"}
    assert found.remarks == ("notes.txt is no student's folder and was not read", "nothing handed in by 1 of 3: lee")


# --- attempts, groups, the roster ------------------------------------------------------------------------------------


def test_attempts_in_folders_and_in_several_exports(tmp_path: Path) -> None:
    """Numbered within a student's folder, or in export after export; the latest counts, or all are graded."""
    lay(tmp_path / "one", "ada/attempt 1/rnn.py", "ada/attempt 10/rnn.py", "ada/attempt 2/rnn.py", "kim/rnn.py")
    lay(tmp_path / "two", "kim.py")
    found = taken(tmp_path / "one", tmp_path / "two")
    assert [(each.student, each.attempt, each.attempts) for each in found.submissions] == [("ada", 3, 3), ("kim", 2, 2)]
    assert b"attempt 10" in found.submissions[0].files["rnn.py"]
    assert found.submissions[0].notes[-1] == "attempt 3 of 3"
    every = taken(tmp_path / "one", tmp_path / "two", attempts=Attempts.ALL).submissions
    assert [(each.student, each.attempt) for each in every] == [
        ("ada", 1),
        ("ada", 2),
        ("ada", 3),
        ("kim", 1),
        ("kim", 2),
    ]


def test_the_time_orders_attempts(tmp_path: Path) -> None:
    """An export that is named later may hold what came earlier."""
    zipped(tmp_path / "one" / "ada.zip", "x = 2\n", made="2027-03-22T22:00:00+09:00")
    zipped(tmp_path / "two" / "ada.zip", "x = 1\n", made="2027-03-21T22:00:00+09:00")
    (ada,) = taken(tmp_path / "one", tmp_path / "two").submissions
    assert ada.files["rnn.py"] == b"x = 2\n"


def test_twice_in_one_folder_is_asked_about(tmp_path: Path) -> None:
    """Also where two names turn out to be one student; nobody guesses which counts."""
    root = lay(tmp_path, "ada.py", "Ada King/rnn.py", "kim/rnn.py")
    ada, kim = taken(root).submissions
    assert ada.problem == "there is more than one hand-in: Ada King, ada.py; keep one and grade again"
    assert (ada.files, kim.problem) == ({}, "")


def test_a_group_has_one_grade(tmp_path: Path) -> None:
    """Whoever of it hands in; the last one counts, and a group may be that of one assignment."""
    roster = (
        Person("ada", groups={"": "g1"}),
        Person("kim", groups={"": "g1", "a1": "g2"}),
        Person("lee", groups={"a1": "g2"}),
        Person("max", groups={"": "g1"}),
    )
    root = tmp_path / "in"
    zipped(root / "kim.zip", "x = 1\n", made="2027-03-22T22:00:00+09:00")
    zipped(root / "lee.zip", "x = 2\n", made="2027-03-22T23:00:00+09:00")
    zipped(root / "max.zip", "x = 3\n", made="2027-03-22T23:00:00+09:00")
    found = taken(root, roster=roster)
    assert [(each.student, each.members, each.attempts) for each in found.submissions] == [
        ("lee", ("kim", "lee"), 2),
        ("max", ("ada", "max"), 1),
    ]
    assert found.submissions[0].files["rnn.py"] == b"x = 2\n"
    assert found.remarks == ()


def test_nobody_has_two_grades(tmp_path: Path) -> None:
    """Who hands in with another and then alone has made two attempts of one group."""
    root = lay(tmp_path, "submission_1/rnn.py", "submission_2/rnn.py")
    person = "  - {':name': x, ':sid': '', ':email': EMAIL}\n"
    ada, kim = person.replace("EMAIL", ADA.email), person.replace("EMAIL", KIM.email)
    (root / "submission_metadata.yml").write_text(
        f"submission_1:\n  :submitters:\n{ada}{kim}  :created_at: 2027-03-22 14:05:06 Z\n"
        f"submission_2:\n  :submitters:\n{kim}  :created_at: 2027-03-22 15:05:06 Z\n",
        encoding="utf-8",
    )
    (both,) = taken(root).submissions
    assert (both.student, both.members, both.attempt, both.attempts) == ("kim", ("ada", "kim"), 2, 2)


def test_wrong_and_unclear_names_are_listed_and_graded(tmp_path: Path) -> None:
    """With the nearest name; two students of one name are told apart by nothing but an id."""
    twins = (Person("min1", "Kim Min"), Person("min2", "Min Kim"), Person("ada", "Ada King"))
    found = taken(lay(tmp_path, "adda.py", "Kim Min.py"), roster=twins)
    assert who(found) == ["adda", "Kim Min"]
    assert found.remarks == (
        "Kim Min could be min1, min2; rename the hand-in, or give roster.csv the LMS' ids",
        "adda is not on the roster; did they mean ada?",
        "nothing handed in by 3 of 3: min1, min2, ada",
    )


def test_a_roster_is_read_as_a_spreadsheet_wrote_it(tmp_path: Path) -> None:
    """With Excel's mark, in any order of columns, with ids of several systems and groups."""
    text = (
        '\ufeffName,Student,Email,canvas_id,Moodle ID,group,group:a1\r\n"King, Ada",ada,ada@x.example,1001,55,g1,\r\n'
    )
    (tmp_path / "roster.csv").write_text(text + "김민수,kim,,,56,,g2\r\n,,,,,,\r\n", encoding="utf-8")
    assert load_roster(tmp_path) == (
        Person("ada", "King, Ada", "ada@x.example", ("1001", "55"), {"": "g1"}),
        Person("kim", "김민수", "", ("56",), {"a1": "g2"}),
    )
    assert load_roster(tmp_path / "elsewhere") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,mail\nAda,x\n", ":1: the first line has no column `student`; it has name, mail"),
        ("student\nada\nADA\n", ":3: `ada` stands in line 2 already"),
        ("student,email\nada,x@y\nkim,X@Y\n", ":3: `x@y` stands in line 2 already"),
        ("student\n../up\n", ":2: `../up` cannot be a student id"),
        ("student,name\nada,King, Ada\n", ":2: 3 cells where the first line has 2"),
        ("", ":1: the first line has no column"),
    ],
)
def test_a_roster_that_cannot_be_meant_is_told(tmp_path: Path, text: str, words: str) -> None:
    """With its line; bytes of another encoding with how to save it."""
    (tmp_path / "roster.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_roster(tmp_path)
    assert words in str(caught.value)
    (tmp_path / "roster.csv").write_bytes(b"student\n\xb1\xe8\n")
    with pytest.raises(ConfigurationError, match="save it as `CSV UTF-8`"):
        load_roster(tmp_path)
