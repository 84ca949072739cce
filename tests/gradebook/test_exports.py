"""Marks in the files of others: real formats, filled in and read back; nothing lost, nothing a spreadsheet runs."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.errors import UsageError
from autograder.export.canvas import canvas
from autograder.export.filling import Marks
from autograder.export.moodle import moodle
from autograder.export.sheet import Sheet, harmless, read_sheet, written
from autograder.gradebook import Mark, State
from autograder.records import Moment, Outcome, Person

Type = Callable[..., Result]

ROSTER = (
    Person("ada", "Ada King", "ada@uni.example", ("4001", "55501")),
    Person("kim", "김민수", "kim@uni.example", ("4002", "55502")),
    Person("lee", '=HYPERLINK("http://x","Lee")', "lee@uni.example", ("4003", "55503")),
    Person("max", "Max Absent", "max@uni.example", ("4004", "55504")),
    Person("eun", "Eun Excused", "eun@uni.example", ("4005", "55505")),
)


def mark(student: str, points: str | None, state: State = State.GRADED, **changes: Any) -> Mark:
    """A mark of a1."""
    fields: dict[str, Any] = {"calculation": (f"mark: {points} of 100",), **changes}
    return Mark(student, "a1", state, Decimal(points or 0), 100, None, **fields)


def marks(*titles: str, roster: tuple[Person, ...] = ROSTER) -> Marks:
    """The marks of everyone."""
    every = (
        mark("ada", "72.9", comments=(("", "Well <done>."), ("test_run", "=1+1"))),
        mark("kim", "100"),
        mark("lee", "0.5"),
        mark("max", None, State.MISSING),
        mark("eun", None, State.EXCUSED),
    )
    return Marks(titles or ("a1", "From RNN"), {each.student: each for each in every}, roster)


CANVAS = (
    "\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,a1 (901),a2 (902),Assignments Current Score,Final Score\r\n"
    ",,,,,Manual Posting,,(read only),(read only)\r\n"
    '"    Points Possible",,,,,10.0,100.0,(read only),(read only)\r\n'
    '"King, Ada",4001,S1,ada,"CS-1, lab",,88,,\r\n'
    "김민수,4002,S2,kim,CS-1,3,,,\r\n"
    '"=HYPERLINK(""http://x"",""Lee"")",4003,S3,lee,CS-1,,,,\r\n'
    '"Absent, Max",4004,S4,max,CS-1,,,,\r\n'
    '"Excused, Eun",4005,S5,eun,CS-1,,,,\r\n'
    '"Nobody, Known",4999,S9,nob,CS-1,7,,,\r\n'
    '"Student, Test",1,,tst,CS-1,,,,\r\n'
)


def cells(content: bytes) -> list[list[str]]:
    """What a CSV reader sees."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def sheet(tmp_path: Path, text: str) -> Sheet:
    """The table of a file with this text."""
    path = tmp_path / "lms.csv"
    path.write_bytes(text.encode())
    return read_sheet(path)


def test_canvas_gets_its_own_column_back(tmp_path: Path) -> None:
    """Ids and sections as they were, this assignment's column and no other, scaled to its points; the rest is said."""
    filled = canvas(sheet(tmp_path, CANVAS), marks())
    content = written(filled.sheet)
    assert content.startswith(b"\xef\xbb\xbfStudent,ID,SIS User ID,SIS Login ID,Section,a1 (901)\r\n")
    assert [row[-1] for row in cells(content)] == [
        "a1 (901)", "Manual Posting", "10.0", "7.29", "10", "0.05", "0", "EX", "7", "",
    ]  # fmt: skip
    assert cells(content)[3] == ["King, Ada", "4001", "S1", "ada", "CS-1, lab", "7.29"]
    assert cells(content)[5][0] == '\'=HYPERLINK("http://x","Lee")'
    assert filled.count == 4
    assert filled.remarks == (
        "100 points here are 10 there: marks were scaled",
        "Nobody, Known has no mark here: the file's line was left as it is",
        "other marks stood in the file and were replaced: 김민수 3 -> 10",
    )


@pytest.mark.parametrize(
    ("titles", "words"),
    [
        (("a3",), "the file has no column for it"),
        (("b",), "name it with --column"),
    ],
)
def test_canvas_never_gets_a_column_that_it_has_not(tmp_path: Path, titles: tuple[str, ...], words: str) -> None:
    """It would make a new assignment of it."""
    with pytest.raises(UsageError, match=words):
        canvas(sheet(tmp_path, CANVAS), marks(*titles))
    with pytest.raises(UsageError, match="several columns could be it"):
        canvas(sheet(tmp_path, CANVAS.replace("a2 (902)", "a1 (902)")), marks())
    chosen = canvas(sheet(tmp_path, CANVAS.replace("a2 (902)", "a1 (902)")), marks("a1 (902)"))
    assert chosen.sheet.headings[-1] == "a1 (902)"
    with pytest.raises(UsageError, match="no gradebook of Canvas"):
        canvas(sheet(tmp_path, "a,b\n1,2\n"), marks())


WORKSHEET = (
    "\ufeffIdentifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\n"
    'Participant 55501,Ada King,ada@uni.example,Submitted,,100.00,Yes,"Monday, 22 March 2027, 11:05 PM",-,\n'
    "Participant 55502,김민수,kim@uni.example,Submitted,3.00,100.00,Yes,-,-,old words\n"
    'Participant 55503,"=HYPERLINK(""http://x"",""Lee"")",,Submitted,5.00,100.00,No,-,-,kept\n'
    "Participant 55504,Max Absent,,No submission,,100.00,Yes,-,-,\n"
    "Participant 55505,Eun Excused,,No submission,,100.00,Yes,-,-,\n"
    "Participant 1,Who Else,,No submission,9.00,100.00,Yes,-,-,\n"
)


def test_moodle_gets_grade_and_feedback_together(tmp_path: Path) -> None:
    """In the worksheet as it was; locked grades and strangers stay; feedback is text, never markup or a formula."""
    filled = moodle(sheet(tmp_path, WORKSHEET), marks())
    content = written(filled.sheet)
    before, after = cells(WORKSHEET.encode()), cells(content)
    assert after[0] == before[0]
    assert [row[4] for row in after[1:]] == ["72.9", "100", "5.00", "0", "", "9.00"]
    assert [row[9] for row in after[1:]] == [
        "Well &lt;done&gt;.<br>test_run: =1+1<br>mark: 72.9 of 100",
        "mark: 100 of 100",
        "kept",
        "mark: None of 100",
        "mark: None of 100",
        "",
    ]
    assert [row[:4] + row[5:9] for row in after if "HYPER" not in row[1]] == [
        row[:4] + row[5:9] for row in before if "HYPER" not in row[1]
    ]
    assert b"\r" not in content
    assert filled.remarks == (
        '=HYPERLINK("http://x","Lee"): the grade is locked in Moodle: left as it is',
        "Who Else has no mark here: the file's line was left as it is",
        "other marks stood in the file and were replaced: 김민수 3.00 -> 100",
    )
    again = moodle(sheet(tmp_path, content.decode()), marks())
    assert written(again.sheet) == content
    assert not any("replaced" in words for words in again.remarks)


def test_no_lms_is_told_a_zero_for_what_could_not_be_read(tmp_path: Path) -> None:
    """The line stays as it is, and the remark says why and what settles it."""
    words = ("attempt 2 of 2 counts", "not graded: broken zip", "no points until a person has looked at it")
    unread = {"ada": mark("ada", "0", State.NOT_GRADED, calculation=words, provisional=True)}
    for fill, text in ((canvas, CANVAS), (moodle, WORKSHEET)):
        before = sheet(tmp_path, text)
        filled = fill(before, Marks(("a1",), unread, ROSTER[:1]))
        ada = [row for row in filled.sheet.rows if "King, Ada" in row or "Ada King" in row]
        assert len(ada) == 1
        assert {*ada[0]} <= {cell for row in before.rows for cell in row}
        assert any("not graded: broken zip; `autograder mark" in said for said in filled.remarks)
        assert "1 mark is provisional: checks, or whole hand-ins, could not be graded yet" in filled.remarks


def test_moodles_other_forms(tmp_path: Path) -> None:
    """Decimal commas and semicolons, another maximum, a worksheet without feedback, and the gradebook's export."""
    german = (
        "Identifier;Full name;Grade;Maximum Grade\r\n"
        'Participant 55501;"King; Ada";;"10,00"\r\nParticipant 55502;김민수;;"10,00"\r\n'
    )
    filled = moodle(sheet(tmp_path, german), marks())
    assert written(filled.sheet).decode().splitlines()[1] == 'Participant 55501;"King; Ada";7,29;10,00'
    assert any("no feedback column" in words for words in filled.remarks)
    assert "max has a mark and does not stand in the file" in filled.remarks
    gradebook = (
        '"First name","Last name","ID number","Email address","Assignment: From RNN (Real)",'
        '"Assignment: From RNN (Feedback)","Assignment: Other (Real)"\n"Ada","King","ada","","","","50"\n'
    )
    content = written(moodle(sheet(tmp_path, gradebook), marks()).sheet).decode()
    assert content.splitlines()[1].startswith('"Ada","King","ada","","72.9","Well &lt;done&gt;.')
    assert content.endswith('"50"\n')
    with pytest.raises(UsageError, match="no grade file of Moodle"):
        moodle(sheet(tmp_path, "a,b\n1,2\n"), marks())


def test_two_students_of_one_name_are_not_mixed_up(tmp_path: Path) -> None:
    """Without an id nobody gets the other's mark."""
    twins = (Person("min1", "Min Kim"), Person("min2", "Min Kim"))
    given_ = Marks(("a1",), {"min1": mark("min1", "10"), "min2": mark("min2", "90")}, twins)
    text = "Student,ID,SIS User ID,a1 (1)\nMin Kim,,min2,\nMin Kim,77,,\n"
    filled = canvas(sheet(tmp_path, text), given_)
    assert [row[-1] for row in filled.sheet.rows] == ["a1 (1)", "90", ""]
    assert "min1 has a mark and does not stand in the file" in filled.remarks
    assert any(words.startswith("Min Kim could be min1, min2") for words in filled.remarks)


CANVAS_ABROAD = (
    "\ufeffLastName;FirstName;ID;SIS User ID;SIS Login ID;Integration ID;Root Account;Section;Notes;From  RNN (901);"
    "Assignments Current Score\r\n"
    ";;;;;;;;;Muted;\r\n"
    "    Points Possible;;;;;;;;(read only);10,00;(read only)\r\n"
    "King;Ada;4001;;ada@uni;;canvas.example;CS-1, CS-2;left early;N/A;\r\n"
    f"{unicodedata.normalize('NFD', '김')};{unicodedata.normalize('NFD', '민수')};;;;;;CS-1;;8,50;\r\n"
    "Lee;=1+1;4003;;;;;CS-1;;EX;\r\n"
    "Absent;Max;4004;;;;;CS-1;;0,00;\r\n"
    "Excused;Eun;4005;;;;;CS-1;;;\r\n"
    "Student;Test;77;;;;;CS-1;;;\r\n"
    "\r\n"
)


def test_canvas_of_another_country(tmp_path: Path) -> None:
    """Two columns of names, semicolons, decimal commas, a muted column, notes, an unassigned student, an empty line."""
    filled = canvas(sheet(tmp_path, CANVAS_ABROAD), marks("a1", "From RNN"))
    content = written(filled.sheet).decode()
    assert content.splitlines()[0].startswith("\ufeffLastName;FirstName;ID;SIS User ID;SIS Login ID;Integration ID;")
    assert content.splitlines()[0].endswith(";Section;From  RNN (901)")
    lines = list(csv.reader(io.StringIO(content, newline=""), delimiter=";"))
    assert [row[-1] for row in lines if row] == [
        "From  RNN (901)", "Muted", "10,00", "N/A", "10", "EX", "0", "EX", "",
    ]  # fmt: skip
    assert filled.count == 2
    assert filled.remarks[1:] == (
        "King, Ada: it is not assigned to them in Canvas: left as it is",
        "Lee, =1+1: excused in Canvas and not here; `autograder excuse` would do it here, too: left as it is",
        f"other marks stood in the file and were replaced: {unicodedata.normalize('NFD', '김, 민수')} 8,50 -> 10",
    )
    again = canvas(sheet(tmp_path, content), marks("a1", "From RNN"))
    assert written(again.sheet).decode() == content
    with pytest.raises(UsageError, match="read only in Canvas"):
        canvas(sheet(tmp_path, CANVAS_ABROAD.replace("10,00", "(read only)")), marks("From RNN"))


KOREAN = (
    "식별자,성명,이메일 주소,학과,상태,성적,최대 성적,Grade can be changed,"
    "마지막 수정됨(제출),마지막 수정됨(성적),피드백 코멘트\n"
    '참가자 55501,Ada King,,컴퓨터,채점을 위해 제출되었습니다.,,100.00,예,"2027년 3월 22일(월) 오후 11:05",-,\n'
    "참가자55502,김민수,,컴퓨터,채점을 위해 제출되었습니다.,100.00,100.00,예,-,-,옛말\n"
    "참가자 55503,Lee,,컴퓨터,제출이 없습니다.,5.00,100.00,아니오,-,-,그대로\n"
)


def test_moodle_in_korean(tmp_path: Path) -> None:
    """Its worksheet, where a heading may be English because the language pack lacks it, and its gradebook's export."""
    filled = moodle(sheet(tmp_path, KOREAN), marks())
    before, after = cells(KOREAN.encode()), cells(written(filled.sheet))
    assert after[0] == before[0]
    assert [(row[5], row[10][:4]) for row in after[1:]] == [("72.9", "Well"), ("100", "mark"), ("5.00", "그대로")]
    assert [row[:5] + row[6:10] for row in after] == [row[:5] + row[6:10] for row in before]
    assert "Lee: the grade is locked in Moodle: left as it is" in filled.remarks
    gradebook = (
        "이름,성,ID 번호,기관,이메일 주소,과제: From RNN (실점수),과제: From RNN (백분율),과제: From RNN (피드백),"
        "과제: Other (실점수),이 강좌에서 마지막으로 내려받은 시간\n"
        "민수,김,,,,-,-,,50,1\nAda,King,,,ADA@uni.example,-,-,,50,1\n"
    )
    lines = cells(written(moodle(sheet(tmp_path, gradebook), marks()).sheet))
    assert [(row[5], row[6], row[7][:4], row[8]) for row in lines[1:]] == [
        ("100", "-", "mark", "50"), ("72.9", "-", "Well", "50"),
    ]  # fmt: skip


def test_a_moodle_in_a_language_that_nobody_listed(tmp_path: Path) -> None:
    """The column's heading can be named; where it cannot be told, it is asked for."""
    text = (
        "Etunimi,Sukunimi,Email address,T: From RNN (Todellinen),T: From RNN (Palaute)\nAda,King,ada@uni.example,-,\n"
    )
    with pytest.raises(UsageError, match="several columns could be it: T: From RNN"):
        moodle(sheet(tmp_path, text), marks("a1", "From RNN"))
    filled = moodle(sheet(tmp_path, text), marks("T: From RNN (Todellinen)"))
    assert cells(written(filled.sheet))[1] == ["Ada", "King", "ada@uni.example", "72.9", ""]
    assert "there is no feedback column" in filled.remarks[0]


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=2, max_size=2), min_size=1, max_size=4
    ),
    st.booleans(),
    st.sampled_from([("\r\n", True), ("\n", True), ("\n", False)]),
)
def test_a_table_is_written_as_it_was_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], bom: bool, habits: tuple[str, bool]
) -> None:
    """Cell by cell, whatever stands in them."""
    table = Sheet((("a", "b"), *map(tuple, rows)), bom, ",", *habits)
    path = tmp_path_factory.mktemp("sheet") / "x.csv"
    path.write_bytes(written(table))
    assert read_sheet(path) == table


@settings(deadline=None)
@given(st.text())
def test_no_cell_is_a_formula(text: str) -> None:
    """What a spreadsheet would run begins with an apostrophe; numbers and what can be read stay as they are."""
    safe = harmless(text)
    assert not text.isprintable() or safe in {text, f"'{text}"}
    assert all(letter.isprintable() or letter in "\r\n\t" for letter in safe)
    assert not safe.startswith(("=", "@", "\t", "\r"))


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("-5", "-5"),
        ("+3.5", "+3.5"),
        ("-", "-"),
        ("-1+cmd|'/c calc'!A0", "'-1+cmd|'/c calc'!A0"),
        ("+82 10", "'+82 10"),
    ],
)
def test_numbers_are_no_formulas(cell: str, safe: str) -> None:
    """Signs before digits are fine, before anything else they are not."""
    assert harmless(cell) == safe


@pytest.mark.parametrize("content", [b"\xb1\xe8,b\n", b"", b"alone\n", b'a,b\n"x\n'])
def test_what_is_no_table_is_told(tmp_path: Path, content: bytes) -> None:
    """With what to do."""
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.csv"):
        read_sheet(tmp_path / "x.csv")


def test_the_commands_write_files(typed: Type, tiny_course: Path, results: Any) -> None:
    """Every format from one gradebook, beside the LMS' own file, which stays as it is."""
    (tiny_course / "roster.csv").write_text(
        'student,name,email,canvas_id\nada,"King, Ada",ada@x.example,4001\nkim,=cmd(),,4002\nmax,Max,,4003\n', "utf-8"
    )
    when = Moment(datetime(2027, 3, 22, 12, tzinfo=UTC), "Moodle")
    results.add("ada", handed_in=when)
    results.add("kim", test_run={"outcome": Outcome.FAILED})
    file = tiny_course / "canvas.csv"
    file.write_text("Student,ID,Something tiny (5)\n    Points Possible,,100\nx,4001,\ny,4002,\n", encoding="utf-8")
    before = file.read_bytes()
    said = typed("export", "canvas", "t1_tiny", "--into", file)
    assert said.exit_code == 0, said.stderr
    assert "2 marks written to" in said.stdout
    assert [row[-1] for row in cells((tiny_course / "canvas.filled.csv").read_bytes())][2:] == ["100", "70"]
    assert file.read_bytes() == before
    assert typed("export", "canvas", "t1_tiny", "--into", file, "--out", file).exit_code == 2
    assert typed("export", "nbgrader", "--out", "nb.csv").exit_code == 0
    lines = cells((tiny_course / "nb.csv").read_bytes())
    assert lines[1] == [
        "t1_tiny", "2027-03-22 14:59:00", "2027-03-22 12:00:00", "ada", "King", "Ada", "ada@x.example",
        "100.0", "0.0", "100.0", "100.0",
    ]  # fmt: skip
    assert lines[2][4] == "'=cmd()"
    assert typed("export", "csv").exit_code == 0
    plain = cells((tiny_course / "marks.csv").read_bytes())
    assert plain[0] == ["student", "name", "email", "t1_tiny", "t1_tiny late", "t1_tiny state", "total"]
    assert [row[0] for row in plain[1:]] == ["ada", "kim", "max"]
    assert plain[1][3:] == ["100", "", "graded", "100"]
    assert typed("export", "json").exit_code == 0
    data = json.loads((tiny_course / "marks.json").read_text(encoding="utf-8"))
    assert [each["student"] for each in data] == ["ada", "kim", "max"]


def test_code_goes_to_a_program_that_looks_for_copies(typed: Type, tiny_course: Path, results: Any) -> None:
    """What was graded, a folder a student, and the stub beside it; who handed in nothing readable is named."""
    assert typed("export", "code", "t1_tiny").exit_code == 2, "there is nothing yet"
    results.add("ada", source="def double(x):\n    return 2 * x\n")
    results.add("kim", source=None, needs_human=("not graded: broken zip",))
    said = typed("export", "code", "t1_tiny", "--out", "code")
    assert (said.exit_code, said.stderr) == (0, "kim: broken zip\n")
    assert said.stdout.startswith("1 submissions in code/submissions, ")
    written_files = {str(path.relative_to(tiny_course / "code")) for path in (tiny_course / "code").rglob("*.py")}
    assert written_files == {"submissions/ada/tiny.py", "stub/tiny.py"}
    assert (tiny_course / "code/submissions/ada/tiny.py").read_text().startswith("def double(x):")
    assert "raise NotImplementedError" in (tiny_course / "code/stub/tiny.py").read_text()
    assert "is there already" in typed("export", "code", "t1_tiny", "--out", "code").stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("code",), "which assignment?"),
        (("canvas",), "needs an ASSIGNMENT"),
        (("moodle", "t1_tiny"), "with --into the CSV"),
        (("csv", "t1_tiny"), "leave ASSIGNMENT"),
        (("canvas", "t1_tinny", "--into", "course.yml"), "did you mean `t1_tiny`?"),
        (("excel",), "'excel'"),
    ],
)
def test_what_cannot_be_exported_is_told(typed: Type, args: tuple[str, ...], words: str) -> None:
    """In a sentence, with exit code 2."""
    said = typed("export", *args)
    assert (said.exit_code, words in said.stderr) == (2, True), said.stderr
