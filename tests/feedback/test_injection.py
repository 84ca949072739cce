"""Whatever a student wrote shows up as text: on every page, in the terminal, in every file that goes out.

One class hands in every trick of CORPUS, in every place that a student can write to. Each surface is then read as its
reader reads it: a page by an HTML parser, Markdown by a renderer, CSV by a spreadsheet's rules, a terminal by the
characters that reach it.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from markdown_it import MarkdownIt
from rich.console import Console

from autograder.cli import main
from autograder.gradebook import open_book
from autograder.gradebook.deciding import Author, Decision, decide, request
from autograder.gradebook.queue import TIMES_ALLOWED, queue
from autograder.gradebook.review import Review
from autograder.home.page import Page
from autograder.home.report import Gpu, Line, Problem, Report
from autograder.records import CheckResult, Evidence, Finding, Grade, Outcome, Panel, Picture, PictureKind
from autograder.screen import Screen

LONG = 1_000_000
CORPUS = {
    "script": "<script>alert('owned')</script>",
    "script_ends": "</script></style></title></textarea><script>alert('owned')</script>",
    "handler": "<img src=x onerror=alert('owned')>",
    "attribute": "\" onmouseover=\"alert('owned')\" x='",
    "css": "</style><style>*{display:none;background:url(//evil.example/x)}</style>",
    "svg": "<svg onload=alert('owned')><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "frame": "<iframe srcdoc='<p>x'></iframe><object data=x></object><base href='//evil.example'>",
    "meta": "<meta http-equiv=refresh content='0;url=//evil.example'><link rel=stylesheet href=//evil.example>",
    "comment": "<!-- --><![CDATA[ x ]]><?php echo 1 ?>",
    "entity": "&lt;script&gt;&#60;b&#62;&amp;",
    "template": "{{ 7 * 7 }}{% for x in y %}{# gone #}${7*7}%(passed)s {raw}",
    "markup": "[red]red[/red][link=https://evil.example]x[/link][/]",
    "markdown": "[x](javascript:alert(1)) ![y](//evil.example/z.png) **b** `c` # d\n> e\n- f\n\n***\n<b>g</b>",
    "link": "https://evil.example mailto:a@evil.example <https://evil.example>",
    "ansi": "\x1b[2J\x1b[31m\x1b]0;owned\x07\x1b]8;;http://evil.example\x07x\x1b]8;;\x07\x9b31m\x08\x08",
    "overwrites": "100/100 passed\rfailed\x0b\x0c\x85\u2028\u2029end",
    "bidi": "\u202egnp.exe\u2066\u2067\u2069\u200f\u061c",
    "invisible": "a\u200bd\ufeffm\u00adi\u2060n\U000e0041",
    "formula": '=HYPERLINK("http://evil.example","x")',
    "formula_command": "=cmd|' /C calc'!A0",
    "formula_signs": "+1+1",
    "formula_minus": "-1+1|x",
    "formula_at": "@SUM(1)",
    "formula_tab": "\t=1+1",
    "line_ends": 'a\r\nb\nc,d;"e"\tf',
    "nothing": "\x00\x00",
    "broken": "\ud800\udfff",
    "tower": "Z" + "\u0336\u0351" * 200,
    "json": '"}],"score":100,"x":[{"',
    "long": "W" * LONG,
    "long_lines": "x\n" * (LONG // 2),
}  # fmt: skip
AUTHOR = Author("lee", datetime(2027, 3, 24, tzinfo=UTC))
LARGEST = 400_000
"""Characters of a page."""


def wrong(text: str) -> dict[str, Any]:
    """Changes of a failed check whose every place holds `text`."""
    evidence = Evidence(
        banned_calls=(text,),
        stdout=text,
        stderr=text,
        figures={text: 1.0, "loss": 2.0, "loss, at most": 1.9, TIMES_ALLOWED: 3.0},
        curve=(2.0, 1.0),
        pictures=(Picture(PictureKind.HEAT, text, (Panel(text, ((1.0,),)),), (text,), (text,), text, text),),
    )
    finding = Finding("exception", text, f"{text}, line 3, in {text}", text, text)
    return {"outcome": Outcome.FAILED, "finding": finding, "evidence": evidence, "stand_ins": (text,)}


@pytest.fixture(scope="module")
def shelf(results_in: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A class of tricksters, each named after the trick, who are called by it as well."""
    results = results_in(tmp_path_factory.mktemp("injection") / "course")
    for name, text in CORPUS.items():
        every = {check.id: wrong(text) for check in results.assignment.checks}
        first, second, *_ = every
        every[first] = {"evidence": wrong(text)["evidence"]}
        if len(text) >= LONG:  # in one place of each kind: a result of a hundred megabytes is nobody's
            every = {second: every[second]}
        source = f"# {text}\ndef double(x):\n    return '''{text}'''\n"
        results.add(name, source=source, notes=(text,), needs_human=(text,), **every)
    roster = io.StringIO()
    lines = csv.writer(roster)
    lines.writerow(("student", "name", "email"))
    for name, text in CORPUS.items():
        if name not in {"broken", "long", "long_lines", "nothing"}:
            lines.writerow((name, text, f"{text}@x" if name.startswith("formula") else f"{name}@x"))
    (results.root / "roster.csv").write_text(roster.getvalue(), encoding="utf-8", newline="")
    book = open_book(results.root)
    for name, text in CORPUS.items():
        clean = text.encode("utf-8", "replace").decode()
        decide(book, "t1_tiny", name, Decision("test_run", "3", None, clean, clean), AUTHOR)
        request(book, "t1_tiny", name, "test_run", clean, AUTHOR)
    return results


def refused(text: str) -> list[str]:
    """The characters that nobody sees, that move a cursor or turn text around; line ends and tabs are fine."""
    return sorted(
        {repr(c) for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in {"\n", "\t"}}
    )


# --- pages -----------------------------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """What a browser makes of a page: elements, attributes, and the text that is read."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.text = ""
        self._quiet = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}
        self._quiet = tag if tag in {"style", "script"} else ""

    def handle_endtag(self, tag: str) -> None:
        self._quiet = ""

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.text += data


@pytest.fixture(scope="module")
def ours(results_in: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The elements that pages are made of when everybody writes plain words."""
    results = results_in(tmp_path_factory.mktemp("plain") / "course")
    every = {check.id: wrong("plain words `code`") for check in results.assignment.checks}
    every["test_double"] = {"evidence": wrong("plain")["evidence"]}
    for name in ("ada", "bo", "chae"):
        results.add(name, notes=("note",), needs_human=("look",), **every)
        decide(open_book(results.root), "t1_tiny", name, Decision("", "3", None, "why not", "because"), AUTHOR)
    pages = [page for audience in ("student", "ta", "class") for page in results.pages(audience).values()]
    return set().union(*(Elements(page).seen for page in pages))


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("audience", ["student", "ta", "class"])
def test_pages(shelf: Any, ours: set[str], audience: str, language: str) -> None:
    """No element, attribute, address or character of a student's; a policy in every page; nothing endless."""
    pages = shelf.pages(audience, language=language)
    assert set(pages) == ({"class"} if audience == "class" else set(CORPUS))
    for name, page in pages.items():
        read = Elements(page)
        assert read.seen <= ours, name
        assert not [each for each, _ in read.attributes if each.startswith("on") or each == "style"], name
        links = [value for each, value in read.attributes if each in {"href", "src", "action", "xlink:href"}]
        assert all(re.fullmatch(r"#[\w.%-]+|ta/[\w.%-]+\.html", link) for link in links), (name, links)
        assert page.count("<script") == page.count("</script>") == (audience == "class"), name
        assert any(value.startswith("default-src 'none'") for each, value in read.attributes if each == "content"), name
        assert refused(page) == [], name
        assert len(page) <= LARGEST or audience == "class", (name, len(page))
    if audience == "ta":
        for name in ("script", "handler", "svg", "template", "markup", "entity", "json"):
            assert CORPUS[name] in Elements(pages[name]).text, name


@pytest.mark.parametrize("form", ["md", "txt", "json"])
def test_other_forms(shelf: Any, form: str) -> None:
    """Markdown renders to plain paragraphs, text moves no cursor, data is read back as it was meant."""
    from autograder.feedback import Audience, Format, setting_for, write_report

    now = datetime(2027, 4, 1, tzinfo=UTC)
    setting = setting_for(shelf.root, shelf.assignment, Audience.TA, now, published=True)
    out = shelf.folder / "forms"
    for path in write_report(setting, shelf.folder, out, frozenset(), lambda _: None, Format(form)).pages:
        text = path.read_text(encoding="utf-8")
        assert refused(text) == [], path.stem
        assert len(text) <= LARGEST, path.stem
        if form == "md":
            tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(text)
            kinds = {each.type for token in tokens for each in (token, *(token.children or ()))}
            allowed = {"text", "inline", "softbreak", "text_special", "code_block"}
            made = {
                kind for kind in kinds - allowed if not re.match(r"(paragraph|heading|bullet_list|list_item)_", kind)
            }
            assert made == set(), path.stem
        if form == "json":
            assert json.loads(text)["student"] == path.stem


# --- the terminal ----------------------------------------------------------------------------------------------------


@pytest.fixture
def typed(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A command typed in the course's folder."""
    monkeypatch.chdir(shelf.root)
    monkeypatch.setenv("COLUMNS", "120")
    return lambda *args: CliRunner().invoke(main, [str(arg) for arg in args])


LISTS = (
    ("status", "t1_tiny"),
    ("status", "t1_tiny", "--lang", "ko"),
    ("review", "--list"),
    ("answer",),
    ("marks",),
    *(("marks", "--student", name) for name in ("ansi", "bidi", "overwrites", "long", "line_ends")),
)


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_what_instructors_read_in_the_terminal(typed: Callable[..., Result], command: tuple[str, ...]) -> None:
    """Nothing moves the cursor, hides or turns around, and one megabyte does not fill the screen."""
    said = typed(*command)
    assert said.exit_code in {0, 3}, said.output[-500:]
    assert refused(said.output) == []
    assert len(said.output) < 200_000


def test_the_table_of_grade_and_its_progress(shelf: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Names, messages, notes and ids of checks are no markup and no control."""
    from dataclasses import replace

    made = [json.loads(path.read_text(encoding="utf-8"))["student"] for path in sorted(shelf.folder.glob("*.json"))]
    grades: list[Grade] = [open_book(shelf.root).grades["t1_tiny"][student] for student in made]
    renamed = [replace(grade, student=CORPUS[grade.student][:300]) for grade in grades]
    screen = Screen()
    screen.grades(shelf.assignment, renamed, shelf.folder)
    screen.status(renamed, shelf.folder)
    shown = io.StringIO()
    screen._errors = Console(file=shown, width=120, highlight=False)
    for grade in renamed:
        screen.advance(grade)
        screen.say(grade.student)
    captured = capsys.readouterr()
    assert refused(captured.out + captured.err + shown.getvalue()) == []


def test_review(shelf: Any) -> None:
    """Every item of the queue, with requests, flags and comments, as it stands on the screen."""
    told = io.StringIO()
    console = Console(file=told, width=120, highlight=False)
    review = Review(shelf.root, (), AUTHOR, lambda: AUTHOR.now, lambda *_: Path("x"), "http://h/x", console)
    book = open_book(shelf.root)
    items = queue(book)
    assert {item.student for item in items} == set(CORPUS)
    for number, item in enumerate(items, 1):
        review._show(book, item, number, len(items))
    assert refused(told.getvalue()) == []
    assert len(told.getvalue()) < 1_000_000


@pytest.mark.parametrize("name", CORPUS)
def test_check_at_home(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Messages, printed lines, file names and lines of code at the student's own desk."""
    text = CORPUS[name][:4000]  # what the process that runs checks lets through
    evidence = Evidence(stdout=text)
    finding = Finding("exception", text, text, text, text)
    result = CheckResult("test_run", Outcome.FAILED, 0, 10, finding, stand_ins=(text,), evidence=evidence)
    gpu, lines = Gpu(findings=(Problem(text, 5, text, text),)), (Line("test_run", text, result),)
    report = Report("a1", text, (Problem(text, 3, text, text),), lines, (text,), gpu=gpu, next_step=text)
    page = Page()
    page.results(report)
    page.rest(report)
    assert refused(capsys.readouterr().out) == []


# --- files that go out -----------------------------------------------------------------------------------------------


def cells(content: bytes) -> Iterator[str]:
    """Every cell, as a spreadsheet reads the file."""
    text = content.decode("utf-8-sig")
    for row in csv.reader(io.StringIO(text, newline="")):
        yield from row


NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
MOODLE = "Identifier,Full name,Email address,Grade,Maximum Grade,Feedback comments\r\n" + "".join(
    f"Participant {number},{name},{name}@x,,100.00,\r\n" for number, name in enumerate(CORPUS)
)


def test_tables(typed: Callable[..., Result], shelf: Any) -> None:
    """No cell that a spreadsheet runs, none with a control character, and as many columns as headings."""
    (shelf.root / "Grades.csv").write_text(MOODLE, encoding="utf-8", newline="")
    commands = (
        ("csv", "--out", "plain.csv"),
        ("nbgrader", "--out", "nbgrader.csv"),
        ("moodle", "t1_tiny", "--into", "Grades.csv", "--out", "moodle.csv"),
    )
    for command in commands:
        said = typed("export", *command)
        assert said.exit_code == 0, said.output[-1000:]
        assert refused(said.output) == []
        content = (shelf.root / command[-1]).read_bytes()
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        assert len({len(row) for row in rows}) == 1, command
        for cell in cells(content):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) or NUMBER.fullmatch(cell), command
            assert [c for c in refused(cell) if c != "'\\r'"] == [], (command, cell[:80])
        if command[0] == "moodle":  # which shows feedback as HTML
            feedback = [row[-1] for row in rows[1:]]
            assert {tag for each in feedback for tag in Elements(each).seen} <= {"br"}


def test_data(typed: Callable[..., Result], shelf: Any) -> None:
    """JSON holds what was written, and is JSON whatever that is."""
    for command in (
        ("status", "t1_tiny", "--json"),
        ("review", "--json"),
        ("marks", "--json"),
        ("answer", "--json"),
    ):
        said = typed(*command)
        assert said.exit_code == 0, said.stderr
        assert len(json.loads(said.stdout)) >= len(CORPUS) - 1, command
        assert refused(said.stdout) == [], command
    assert typed("export", "json", "--out", "marks.json").exit_code == 0
    assert len(json.loads((shelf.root / "marks.json").read_text(encoding="utf-8"))) == len(CORPUS)


def test_delivery(typed: Callable[..., Result], shelf: Any) -> None:
    """Names in zips lead nowhere, and what lies in them is what pages and texts are."""
    sheet = io.StringIO()
    lines = csv.writer(sheet)
    lines.writerow(("Identifier", "Full name", "Email address", "Grade"))
    for number, (name, text) in enumerate(CORPUS.items()):
        called = text.encode("utf-8", "replace").decode()[:2000].replace("\x00", "")
        lines.writerow((f"Participant {number}", f"{called}/../../x", f"{name}@x", ""))
    (shelf.root / "sheet.csv").write_text(sheet.getvalue(), encoding="utf-8", newline="")
    said = typed("deliver", "moodle", "t1_tiny", "--into", "sheet.csv", "--out", "moodle.zip", "--published")
    assert said.exit_code == 0, said.output[-1000:]
    assert refused(said.output) == []
    with zipfile.ZipFile(shelf.root / "moodle.zip") as made:
        assert len(made.namelist()) > len(CORPUS) // 2
        for name in made.namelist():
            assert re.fullmatch(r"[\w '-]{1,60}_\d+_assignsubmission_file_/t1_tiny\.html", name), name
            assert "_" not in name.partition("_")[0], name
    assert typed("deliver", "folders", "t1_tiny", "--out", "out", "--published").exit_code == 0
    for path in (shelf.root / "out").rglob("*.*"):
        assert refused(path.read_text(encoding="utf-8")) == [], path
