"""A term of three weeks with forty students, from release to the files for the LMS, against a spreadsheet.

`term.csv` has a line a student: what was handed in (which program, how many minutes after it was due for all), what
was granted (minutes), and step by step: what the checks give, points by hand, days late, late days used, percent off,
mark, and the total of weights 1 and 2 with the third assignment as extra credit of weight 0.5. No code of ours made it.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import nbformat
import pytest
from click.testing import Result

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

Type = Callable[..., Result]
Row = Mapping[str, str]

SPREADSHEET = Path(__file__).parent / "term.csv"
ROWS: list[Row] = list(csv.DictReader(SPREADSHEET.read_text(encoding="utf-8").splitlines()))
SEOUL = ZoneInfo("Asia/Seoul")
DUE = {f"t{week}": datetime(2024, 3, 4, 23, 59, tzinfo=SEOUL) + timedelta(weeks=week - 1) for week in (1, 2, 3)}
COURSE = """title: A term
timezone: Asia/Seoul
attempts: best
late_policy: {grace_minutes: 10, penalty_percent_per_day: 10, cap_percent: 50, late_days: 2}
assignments:
  - {id: t1, due: 2024-03-04T23:59, weight: 1}
  - {id: t2, due: 2024-03-11T23:59, weight: 2}
  - {id: t3, due: 2024-03-18T23:59, weight: 0.5, extra_credit: true}
"""
TRIPLES = ("return 2 * x", "return 3 * x")
STUCK = (
    ("        h = rnn_cell(x[:, t], h,", "        last = rnn_cell(x[:, t], h,"),
    ("    return h\n    ###", "    return last\n    ###"),
)
NO_CLEARING = ("        optimizer.zero_grad()\n", "")
NO_TANH = ("torch.tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)", "x @ weight_ih.T + h @ weight_hh.T")
EDITS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "right": (),
    "triples": (TRIPLES,),
    "stuck": STUCK,
    "no_clearing": (NO_CLEARING,),
    "two": (TRIPLES, NO_CLEARING),
    "three": (TRIPLES, *STUCK, NO_CLEARING),
    "no_tanh": (NO_TANH,),
}
SANDBOX = ("--sandbox", "best-effort", "--jobs", "1")


def number(row: Row) -> int:
    """1 to 40."""
    return int(row["student"][1:])


def moment(assignment: str, minutes: str) -> datetime:
    """When that was, so many minutes after the assignment was due."""
    return DUE[assignment] + timedelta(minutes=int(minutes))


@pytest.fixture
def source(edited: Callable[..., str]) -> Callable[[str], str]:
    """A function that returns a program of the spreadsheet."""
    return lambda program: edited(*EDITS[program])


@pytest.fixture
def term(tiny_course: Path, write_tiny: Callable[..., Path], source: Callable[[str], str]) -> Path:
    """The course's folder before the term, and everything that will be handed in beside it."""
    for assignment in DUE:
        write_tiny(tiny_course, assignment)
    (tiny_course / "course.yml").write_text(COURSE, encoding="utf-8")
    lines = ["student,name,email,moodle_id,canvas_id,group:t2"]
    lines += [
        f"{row['student']},{row['name']},{row['student']}@uni.example,{55000 + number(row)},{4000 + number(row)},"
        f"{row['group:t2']}"
        for row in ROWS
    ]
    (tiny_course / "roster.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    first_week(tiny_course / "week1", source)
    second_week(tiny_course / "week2", source)
    third_week(tiny_course / "week3", source)
    return tiny_course


def first_week(folder: Path, source: Callable[[str], str]) -> None:
    """Moodle's folders and its worksheet; one report as a PDF, and somebody whom nobody knows."""
    lines = [
        "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Last modified (submission),Feedback comments"
    ]
    for row in ROWS:
        handed_in, when = row["t1 program"] != "absent", "-"
        if handed_in:
            name = "report.pdf" if row["t1 program"] == "pdf" else "tiny.py"
            inside = folder / f"{row['name']}_{55000 + number(row)}_assignsubmission_file_"
            inside.mkdir(parents=True)
            text = "%PDF-1.7" if name == "report.pdf" else source(row["t1 program"])
            (inside / name).write_text(text, encoding="utf-8")
            when = f'"{moment("t1", row["t1 minutes"]):%A, %d %B %Y, %I:%M %p}"'
        lines.append(f"Participant {55000 + number(row)},{row['name']},,,,100.00,{when},")
    stranger = folder / "Nobody Known_1_assignsubmission_file_"
    stranger.mkdir()
    (stranger / "tiny.py").write_text(source("right"), encoding="utf-8")
    (folder.parent / "moodle.csv").write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")


def second_week(folder: Path, source: Callable[[str], str]) -> None:
    """Gradescope's folders and metadata: s20 and s21 hand in together, s22 alone for a group that the roster knows."""
    metadata = []
    for row in ROWS:
        student = row["student"]
        if row["t2 program"] == "absent" or student in {"s21", "s23", "s24"}:
            continue
        (folder / f"submission_{number(row)}").mkdir(parents=True)
        (folder / f"submission_{number(row)}" / "tiny.py").write_text(source(row["t2 program"]), encoding="utf-8")
        people = ["s20", "s21"] if student == "s20" else [student]
        submitters = "".join(f"  - :name: x\n    :sid:\n    :email: {each}@uni.example\n" for each in people)
        when = moment("t2", row["t2 minutes"]).astimezone(UTC)
        created = f"  :created_at: {when:%Y-%m-%d %H:%M:%S.000000000 Z}\n"
        metadata.append(f"submission_{number(row)}:\n  :submitters:\n{submitters}{created}")
    (folder / "submission_metadata.yml").write_text("---\n" + "".join(metadata), encoding="utf-8")


def third_week(folder: Path, source: Callable[[str], str]) -> None:
    """Zips of `submit`, of which three students made a second one, and a notebook."""
    for row in ROWS:
        programs, minutes = row["t3 program"].split(" then "), row["t3 minutes"].split(" then ")
        for attempt, (program, late) in enumerate(zip(programs, minutes, strict=True), 1):
            target = folder / f"export{attempt}" / f"{row['student']}.zip"
            target.parent.mkdir(parents=True, exist_ok=True)
            if program == "absent":
                continue
            when = moment("t3", late)
            if row["student"] == "s33":
                notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source(program))])  # type: ignore[no-untyped-call]
                nbformat.write(notebook, target.with_suffix(".ipynb"))  # type: ignore[no-untyped-call]
                os.utime(target.with_suffix(".ipynb"), (when.timestamp(), when.timestamp()))
                continue
            with zipfile.ZipFile(target, "w") as archive:
                archive.writestr("tiny.py", source(program))
                archive.writestr("manifest.json", json.dumps({"made": when.isoformat()}))


def marks(typed: Type) -> dict[str, dict[str, Any]]:
    """What `marks` says, by student."""
    said = typed("marks", "--json")
    assert said.exit_code == 0, said.stderr
    return {each["student"]: each for each in json.loads(said.stdout)}


def assert_as_in_the_spreadsheet(found: Mapping[str, Any]) -> None:
    """Every number of every student."""
    for row in ROWS:
        standing = found[row["student"]]
        for mark in standing["marks"]:
            assignment = mark["assignment"]
            expected = row[f"{assignment} mark"]
            where = f"{row['student']}, {assignment}: {mark['calculation']}"
            if expected == "excused":
                assert mark["state"] == "excused", where
                continue
            assert mark["points"] == float(expected), where
            late = mark["late"] or {"days": 0, "late_days": 0, "percent": 0}
            assert late["days"] == int(row[f"{assignment} days"]), where
            assert late["late_days"] == int(row[f"{assignment} late days"]), where
            assert late["percent"] == float(row[f"{assignment} percent off"]), where
            absent = row[f"{assignment} program"] == "absent"
            assert mark["state"] == ("missing" if absent else "graded"), where
        assert standing["total"] == float(row["total"]), standing["calculation"]


def test_a_term_agrees_with_its_spreadsheet(typed: Type, term: Path, lent: None) -> None:
    """Late, extended, excused, absent, in groups, twice, off the roster, asked to look again: every mark is right."""
    assert typed("release").exit_code == 0
    # week 1
    assert typed("extend", "t1", "s05", "--days", "3", "--why", "ill").exit_code == 0
    said = typed("grade", "t1", "week1", "--times", "moodle.csv", *SANDBOX)
    assert said.exit_code == 0, said.stderr
    words = " ".join(said.stderr.split())
    assert "Nobody Known 1 is not on the roster" in words
    assert "nothing handed in by 2 of 40: s11, s12" in words
    # week 2
    assert typed("excuse", "t2", "s10", "--why", "military service").exit_code == 0
    assert typed("extend", "t2", "s24", "--until", "2024-03-12T23:59", "--why", "abroad").exit_code == 0
    said = typed("grade", "t2", "week2", *SANDBOX)
    assert said.exit_code == 0, said.stderr
    assert "nothing handed in by 1 of 40: s12" in said.stderr
    # week 3
    said = typed("grade", "t3", "week3/export1", "week3/export2", *SANDBOX)
    assert said.exit_code == 0, said.stderr
    # people look at what the checks said
    assert "request #1" in typed("request", "t1", "s40", "the cell is right but for its tanh").stdout
    by_hand = ("--check", "test_rnn_cell", "--points", "12.5", "--why", "only the tanh is missing", "--who", "lee")
    assert typed("mark", "t1", "s40", *by_hand).exit_code == 0
    assert typed("answer", "1", "Half the points of the cell.", "--who", "lee").exit_code == 0
    assert typed("mark", "t2", "s39", "--extra", "2", "--why", "found a typo", "--who", "lee").exit_code == 0

    assert marks(typed)["s13"]["marks"][0]["state"] == "not graded", "a document was handed in"
    assert typed("mark", "t1", "s13", "--points", "0", "--why", "it is a document", "--who", "lee").exit_code == 0

    found = marks(typed)
    assert set(found) == {row["student"] for row in ROWS} | {"Nobody Known 1"}
    assert_as_in_the_spreadsheet(found)
    assert "attempt 1 of 2 counts" in found["s32"]["marks"][2]["calculation"]
    assert "handed in by s22 for s22, s23, s24" in (term / "results" / "t2" / "s24.json").read_text(encoding="utf-8")

    # whatever runs again changes nothing
    again = typed("regrade", "t1", "--yes", *SANDBOX)
    assert "regrade of t1: 0 up, 0 down, 38 the same" in again.stdout, again.stderr
    assert typed("grade", "t1", "week1", "--times", "moodle.csv", *SANDBOX).exit_code == 0
    assert marks(typed) == found
    exported_as_in_the_spreadsheet(typed, term)


def exported_as_in_the_spreadsheet(typed: Type, term: Path) -> None:
    """Moodle's and Canvas' own files, and the list for a spreadsheet, hold the same marks."""
    said = typed("export", "moodle", "t1", "--into", "moodle.csv")
    assert "40 marks written" in said.stdout, said.stderr
    assert "Nobody Known 1 has a mark and does not stand in the file" in said.stderr
    moodle = table(term / "moodle.filled.csv")
    assert [line["Grade"] for line in moodle] == [row["t1 mark"] for row in ROWS]
    assert "only the tanh is missing" in moodle[39]["Feedback comments"]
    lines = ["Student,ID,SIS User ID,SIS Login ID,Section,t2 (77)", "    Points Possible,,,,,100"]
    lines += [f'"{row["name"]}",{4000 + number(row)},,,CS,' for row in reversed(ROWS)]
    (term / "canvas.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "39 marks written" in typed("export", "canvas", "t2", "--into", "canvas.csv").stdout
    canvas = {line["ID"]: line["t2 (77)"] for line in table(term / "canvas.filled.csv")}
    expected = {str(4000 + number(row)): row["t2 mark"].replace("excused", "EX") for row in ROWS}
    assert canvas == {"": "100", **expected}
    assert typed("export", "csv").exit_code == 0
    plain = {line["student"]: line for line in table(term / "marks.csv")}
    for row in ROWS:
        shown = plain[row["student"]]
        assert [shown["t1"], shown["t3"], shown["total"]] == [row["t1 mark"], row["t3 mark"], row["total"]]


def table(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file by heading."""
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
