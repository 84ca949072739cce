"""What stands on the page of a submission, and that whatever a student wrote stands there as text."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from autograder.feedback.curve import MOST_POINTS, chart_of, scores_of
from autograder.gradebook import open_book
from autograder.gradebook.deciding import Author, Decision, decide
from autograder.ledger import write_grade
from autograder.notebooks.module import CELL, FIRST
from autograder.records import Confinement, Diagnosis, Evidence, Finding, Outcome, RunInfo

FAILED, SKIPPED = Outcome.FAILED, Outcome.SKIPPED
MISSING = {"outcome": FAILED, "finding": Finding("missing", "This part is not written yet.", "tiny.py, line 12")}


def failed(message: str = "wrong values in 3 of 12 places", where: str = "", **more: Any) -> dict[str, Any]:
    """Changes of a check that failed."""
    return {"outcome": FAILED, "finding": Finding("values", message, where, "Look twice."), **more}


def waits(**more: Any) -> dict[str, Any]:
    """Changes of a check that was not run."""
    return {"outcome": SKIPPED, "finding": Finding("needs", "Not run: it builds on another."), **more}


class Reader(HTMLParser):
    """A page as a browser takes it apart: its elements, and its text by section."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._hidden = tag in {"style", "script", "title"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False
        self.text += "" if tag in {"a", "bdi", "code", "span"} else "\n"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text += data

    @property
    def words(self) -> str:
        """The text with single blanks."""
        return re.sub(r"\s+", " ", self.text)


# --- the score, what is right, what to mend --------------------------------------------------------------------------


def test_everything_right_is_said_so(results: Any) -> None:
    """A full score has no list of things to mend, and every check stands under what is right."""
    results.add()
    words = Reader(results.pages()["ada"]).words
    assert "100 of 100 points" in words
    assert "5 of 5 checks passed." in words
    assert "Everything is right There is nothing to mend." in words
    assert "double doubles." in words
    assert "What to mend" not in words
    assert "1. Doubling" not in words  # no heading of the handout names `double`


def test_the_score_is_told_apart_by_reason(results: Any) -> None:
    """Earned, not earned, not run because of it, and what the grader owes stand beside each other."""
    results.add(
        test_rnn_cell=failed(),
        test_rnn_cell_repeats=waits(),
        test_fit={"outcome": Outcome.GRADER_ERROR, "finding": Finding("grader", "The grader failed.")},
    )
    words = Reader(results.pages()["ada"]).words
    assert "40 of 100 points provisional" in words
    for part in (
        "40 earned",
        "25 not earned yet",
        "5 not run, since they build on",
        "30 not graded yet, through our own",
    ):
        assert part in words
    assert "That is a fault of the grader, not yours" in words
    assert "Mend this first rnn_cell 30 points wait here." in words
    assert "rnn_cell gives the same answer twice. 0 of 5 waits for rnn_cell computes the next state" in words


def test_a_stand_in_is_named_where_it_stood_in(results: Any) -> None:
    """What is right given a right earlier part is right, and says with what; what is wrong says where to look."""
    results.add(test_rnn_cell=failed(), test_rnn_cell_repeats=waits(), test_run={"stand_ins": ("rnn_cell",)})
    assert "with a right rnn_cell in place of yours" in Reader(results.pages()["ada"]).words
    results.add(
        test_rnn_cell=failed(), test_rnn_cell_repeats=waits(), test_run=failed("other", stand_ins=("rnn_cell",))
    )
    assert (
        "tried with a right rnn_cell in place of yours, so the mistake is in this part"
        in Reader(results.pages()["ada"]).words
    )


def test_a_check_that_failed_says_what_where_and_how_to_see_it(results: Any) -> None:
    """Message, hint, the student's own lines with the one at fault marked, and for a public check the command."""
    results.add(test_double=failed("expected <b>", "tiny.py, line 12, in double"), test_run=failed("went astray"))
    page = results.pages()["ada"]
    read = Reader(page)
    assert "expected <b>" in read.words
    assert "at tiny.py, line 12, in double" in read.words
    assert read.words.count("Hint Look twice.") == 3  # the first thing to mend says it, too
    assert "autograder check t1_tiny -k test_double" in read.words
    assert "test_hidden" not in page
    marked = [line for line in page.split('<span class="line') if line.startswith(" marked")]
    assert len(marked) == 1
    assert "return" in marked[0]
    assert '<span class="k">def</span>' in page  # coloured


def test_a_place_outside_of_the_part_has_lines_of_its_own(results: Any) -> None:
    """An error in a helper shows the helper beside the check, and the part below."""
    results.add(
        source="def helper(x):\n    return x.y\n\n\ndef double(x):\n    return helper(x)\n",
        test_double=failed("raised", "tiny.py, line 2, in helper"),
    )
    words = Reader(results.pages()["ada"]).words
    assert "Your lines there, tiny.py 1def helper(x):2 return x.y" in words
    assert "As you wrote it, tiny.py 5def double(x):6 return helper(x)" in words


def test_what_is_not_written_comes_in_short(results: Any) -> None:
    """A stub's page lists its parts, and a mistake comes before what is not written yet."""
    results.add(**{check.id: MISSING for check in results.assignment.checks})
    words = Reader(results.pages()["ada"]).words
    assert "Mend this first double 10 points wait here." in words
    assert "Not written yet double 0 of 10 tiny.py, line 12 Return x twice." in words
    assert "No check has passed yet." in words
    results.add(test_double=MISSING, test_run=failed())
    assert "Mend this first run 30 points wait here." in Reader(results.pages()["ada"]).words


def test_a_module_with_other_parameters_is_written(results: Any) -> None:
    """One without the parameters that the handout names is no gap, whether or not a known mistake answers so."""
    finding = Finding("missing", "Doubler(): no parameter is called weight", "tiny.py, line 12")
    known = Diagnosis(("tiny.triples",), (), 4, 2, 0.0, "double", {"en": "Count again."})
    for diagnosis in (None, known):
        results.add(test_double={"outcome": FAILED, "finding": finding, "diagnosis": diagnosis})
        words = Reader(results.pages()["ada"]).words
        assert "Not written yet" not in words
        assert ("Count again." in words) is (diagnosis is not None)


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_could_not_be_read_has_no_score_on_its_page(results: Any, language: str, *, published: bool) -> None:
    """Neither a zero nor a sum; the reason, and that it is no zero, in every form."""
    finding = Finding("loading", "there is more than one hand-in: a.py, a.zip; keep one and grade again")
    broken = {"outcome": FAILED, "finding": finding}
    unread = {"needs_human": (f"not graded: {finding.message}",)}
    results.add(source=None, **{check.id: broken for check in results.assignment.checks}, **unread)
    words = Reader(results.pages(published=published, language=language)["ada"]).words
    assert ("That is no zero" if language == "en" else "0점이라는 뜻이 아닙니다") in words
    assert "a.py, a.zip" in words
    assert ("keep one" in words) is (language == "en")
    assert "autograder submit t1_tiny" in words
    for wrong in ("of 100 points", "points so far", "100점", "Mend this first", "먼저 고칠 것"):
        assert wrong not in words


def test_what_a_person_settled_is_no_longer_open_on_its_page(results: Any) -> None:
    """Points by hand stand there, with their reason, and nobody is told to wait."""
    broken = {"outcome": FAILED, "finding": Finding("loading", "two hand-ins")}
    unread = {"needs_human": ("not graded: two hand-ins",)}
    results.add(source=None, **{check.id: broken for check in results.assignment.checks}, **unread)
    author = Author("lee", datetime(2027, 4, 1, tzinfo=UTC))
    decide(open_book(results.root), "t1_tiny", "ada", Decision("", "0", None, None, "both are empty"), author)
    words = Reader(results.pages()["ada"]).words
    assert "set by lee (both are empty): 0" in words
    assert "That is no zero" not in words


def test_a_file_that_cannot_be_imported_has_one_reason(results: Any) -> None:
    """Where every check failed for the same, it is said once, with the lines."""
    finding = Finding("loading", "tiny.py cannot be imported: SyntaxError", "tiny.py, line 2", detail="DETAIL")
    broken = {"outcome": FAILED, "finding": finding}
    results.add(source="a = 1\nb = (\n", **{check.id: broken for check in results.assignment.checks})
    words = Reader(results.pages()["ada"]).words
    assert words.count("tiny.py cannot be imported") == 1
    assert "Mend this first: nothing could be run" in words
    assert "1a = 12b = (3" in words
    assert "How the score came about" not in words
    assert "DETAIL" not in words
    assert "DETAIL" in Reader(results.pages("ta")["ada"]).words


def test_a_fault_of_the_grader_is_no_fault_of_the_student(results: Any) -> None:
    """Where nothing could be graded, the page says whose fault it is."""
    ours = {"outcome": Outcome.GRADER_ERROR, "finding": Finding("grader", "The grader failed; a human will look.")}
    results.add(**{check.id: ours for check in results.assignment.checks})
    words = Reader(results.pages()["ada"]).words
    assert "Nothing could be graded yet That is a fault of the grader, not yours." in words
    assert "Mend this first" not in words


def test_lines_are_shown_only_of_what_was_graded(results: Any) -> None:
    """Another digest, or nothing kept: the page says so and shows no lines."""
    results.add(test_double=failed("m", "tiny.py, line 12"))
    results.add(source=None, student="bo", test_double=failed("m", "tiny.py, line 12"))
    kept = results.folder / "handed_in" / "ada.json"
    assert "As you wrote it" in results.pages()["ada"]
    kept.write_text(kept.read_text(encoding="utf-8").replace("return 2", "return 3"), encoding="utf-8")
    pages = results.pages()
    assert "not kept with this result" in pages["ada"]
    assert "return 3" not in pages["ada"]
    assert "not kept with this result" in pages["bo"]


def test_the_environment_and_the_notes_stand_below(results: Any) -> None:
    """Sandbox, torch, device, precision and what intake remarked are on the page."""
    results.add(
        notes=("notes.txt was ignored: not asked for",),
        run=RunInfo(Confinement.BEST_EFFORT, ("seccomp",), ("Landlock",), "cpu", "2.9.1", "0.1.0", "x"),
        test_run={"precision": "float32"},
    )
    words = Reader(results.pages()["ada"]).words
    assert "notes.txt was ignored: not asked for" in words
    assert "seccomp (best-effort); missing: Landlock" in words
    assert "torch 2.9.1, cpu, float64 (1 check in float32)" in words
    assert "1 check passed in float32 only" in words


def test_those_who_grade_see_what_there_is(results: Any) -> None:
    """Details, output, figures, refused calls, why a human must look, and the command that measures it again."""
    evidence = Evidence(("torch.lstm",), "printed", "warned", {"margin": 0.25})
    results.add(
        student="ada b",
        test_run=failed(evidence=evidence),
        needs_human=("test_fit",),
    )
    words = Reader(results.pages("ta")["ada b"]).words
    for part in (
        "printed",
        "warned",
        "margin 0.25",
        "Refused calls torch.lstm",
        "A human must look test_fit",
        "0.50 s CPU",
    ):
        assert part in words
    assert "autograder grade t1_tiny SUBMISSIONS --only 'ada b' --again" in words
    assert "once the marks are out" in words
    assert "not on their page now" in Reader(results.pages("ta", published=False)["ada b"]).words


def test_a_mistake_that_is_known_for_certain_is_named(results: Any) -> None:
    """A student reads its hint, the evidence and where it lies; a guess and the id are for those who grade."""
    hints = {"en": "Count `x` again.", "ko": "다시 세어 보세요."}
    certain = Diagnosis(("tiny.triples",), (), 4, 2, 0.0, "double", hints)
    guess = replace(certain, distance=0.25, hints={"en": "A wrong lead."}, explained=1, spoiled=1)
    results.add(test_double=failed(diagnosis=certain), test_run=failed(diagnosis=guess))
    page = results.pages()["ada"]
    assert "A known mistake in double gives exactly your answers: Count x again." in Reader(page).words
    assert (
        "equal those of a version with it on 4 of 4 calls, 2 of them wrong. In your file: tiny.py, "
        in Reader(page).words
    )
    assert "A wrong lead" not in page
    assert "tiny.triples" not in page
    words = Reader(results.pages("ta")["ada"]).words
    assert "tiny.triples, in double: equal to the student's answers on 4 of 4 calls, 2 of them wrong" in words
    assert (
        "tiny.triples, in double: only the closest: gives 1 of 2 wrong answers, but not 1 of 2 right ones;"
        " 0.25 away at most" in words
    )
    assert "- return 2 * x" in words
    assert "+ return 3 * x" in words
    assert "return 3 * x" not in page


EARLY = "2027-01-01T00:00+09:00"
KNOWN = Diagnosis(("tiny.triples",), (), 4, 2, 0.0, "double", {"en": "Count `x` again.", "ko": "다시 세어 보세요."})


def test_before_the_due_date_a_mistake_is_pointed_at(results: Any) -> None:
    """A nudge first: where it lies and what differs; what it is comes with the due date, or when it is released."""
    results.add(test_double=failed(diagnosis=KNOWN))
    words = Reader(results.pages(now=EARLY, published=False)["ada"]).words
    assert "A known mistake in double gives exactly your answers." in words
    assert "Right answers differ from yours in their values. What the mistake is will stand here after 2027-" in words
    assert "Count x" not in words
    assert "tiny.triples" not in words
    for told in ({"published": False}, {"now": EARLY, "published": False, "explained": True}):
        words = Reader(results.pages(**told)["ada"]).words
        assert "gives exactly your answers: Count x again." in words
        assert "will stand here" not in words
    korean = results.pages(now=EARLY, published=False, language="ko")["ada"]
    assert "double에 이 실수가 있으면 정확히 여러분의 답이 나옵니다" in korean
    assert "다시 세어" not in korean


def test_two_together_and_several_alike_are_said_to_be_so(results: Any) -> None:
    """Of a pair both are explained; where several would do, the page says so and names none as the one."""
    pair = replace(KNOWN, mistakes=("tiny.triples", "tiny.other"), more_hints=({"en": "And the other."},))
    alike = replace(KNOWN, also=("tiny.other",), more_hints=({"en": "Or the other."},), more_parts=("run",))
    results.add(test_double=failed(diagnosis=pair), test_run=failed(diagnosis=alike))
    words = Reader(results.pages()["ada"]).words
    assert "Two known mistakes together in double give exactly your answers. Count x again. And the other." in words
    assert "Several known mistakes in double, run give exactly your answers." in words
    assert "cannot be told apart: yours may be any of them. Count x again. Or the other." in words
    assert "tiny." not in words.replace("tiny.py", "")
    for_staff = Reader(results.pages("ta")["ada"]).words
    assert "they answer alike, so it may be any of them" in for_staff


def test_an_extension_is_the_students_own_due_date(results: Any) -> None:
    """Who may still hand in reads what others read before the due date."""
    results.add(test_double=failed(diagnosis=KNOWN))
    (results.root / "extensions.yml").write_text(
        "extensions:\n  - {student: ada, assignment: t1_tiny, until: 2027-04-20T12:00, why: ill}\n", encoding="utf-8"
    )
    words = Reader(results.pages(published=False)["ada"]).words
    assert "gives exactly your answers." in words
    assert "Count x" not in words


def test_lines_of_a_notebook_stand_in_their_cells(results: Any) -> None:
    """A place in a cell finds its line, and numbers are those of the cell."""
    source = f"{FIRST}\n{CELL} 2\nimport torch\n\n{CELL} 5\ndef double(x):\n    y = x\n    return y.z\n"
    results.add(source=source, test_double=failed("raised", "cell 5, line 3, in double"))
    words = Reader(results.pages()["ada"]).words
    assert "As you wrote it, tiny.py, cell 5 1def double(x):2 y = x3 return y.z" in words


def test_notes_on_earlier_work_name_no_check(results: Any) -> None:
    """What became of an earlier assignment's hidden check is for its own page to say."""
    results.add(notes=("rnn_cell: a stand-in, since test_rnn_cell_sizes did not pass",))
    assert "since a check of it did not pass" in Reader(results.pages()["ada"]).words
    assert "since test_rnn_cell_sizes did not pass" in Reader(results.pages("ta")["ada"]).words


# --- curves ----------------------------------------------------------------------------------------------------------


def test_a_training_is_drawn_with_its_bound(results: Any) -> None:
    """The losses as a line, the bound and the score as marks, in words, too."""
    curve = tuple(3.0 / (step + 1) for step in range(300))
    evidence = Evidence(figures={"held-out loss": 0.02, "held-out loss, at most": 0.05}, curve=curve)
    results.add(test_fit={"evidence": evidence})
    page = results.pages()["ada"]
    assert 'class="curve"' in page
    assert 'class="bound"' in page
    words = Reader(page).words
    assert "over 300 steps" in words
    assert "The scale is logarithmic. Your trained weights were then scored on data that you do not have: " in words
    assert "held-out loss 0.02; 0.05 or less was asked for." in words


def test_a_curve_is_too_coarse_to_carry_numbers() -> None:
    """What a submission returns as losses may be hidden inputs: few points, each the mean of many steps."""
    secret = [float(n * 7919 % 1009) for n in range(3000)]
    chart = chart_of(secret, {})
    assert chart is not None
    assert len(chart.points.split()) == MOST_POINTS
    assert not [point for point in chart.points.split() if point.partition(",")[2] in {f"{n:g}" for n in secret[:9]}]


@pytest.mark.parametrize(
    "curve",
    [
        [1.0] * 20,
        [0.0] * 20,
        [-3.0, 3.0] * 10,
        [float("inf")] * 5 + [1.0] * 400,
        [float("nan")] * 5 + [1.0] * 400,
        [1e308] * 10 + [1.0] * 400,
        [5e-324] * 40,
        [5e-324] * 20 + [1.0] * 20,
        [1e-29] * 20 + [1e29] * 20,
        [-1e29] * 20 + [1e29] * 20,
        [1.0, 1.0 + 1e-16] * 20,
    ],
)
def test_every_curve_stays_in_its_box(curve: list[float]) -> None:
    """Constant, infinite, tiny, huge: a chart has finite places inside the box, or there is none."""
    chart = chart_of(curve, {"loss": 0.1, "loss, at most": 0.3})
    assert chart is not None
    for point in chart.points.split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= chart.width
        assert 0 <= y <= chart.height
    assert 2 <= len(chart.y_ticks) <= 8


def test_no_curve_is_drawn_of_nothing() -> None:
    """A few steps, or no finite loss, make no picture; a score that is no loss draws no bound."""
    assert chart_of([], {}) is None
    assert chart_of([1.0] * 3, {}) is None
    assert chart_of([float("nan")] * 300, {}) is None
    chart = chart_of([1.0] * 20, {"error rate": 0.1, "error rate, at most": 0.3})
    assert chart is not None
    assert chart.bound is None
    assert [score.reached for score in scores_of({"a": 1.0, "a, at most": 0.5, "b": 1.0})] == [False]


# --- what strangers wrote --------------------------------------------------------------------------------------------

INJECTIONS = (
    "<script>alert(1)</script>",
    "</script><script src=//evil.example/x.js></script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<svg onload=alert(1)><animate/></svg>",
    "</style><style>*{display:none}</style>",
    "<style>@import url(//evil.example/x.css)</style>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<a href='javascript:alert(1)'>x</a>",
    "<base href=//evil.example/>",
    "<form action=//evil.example><input name=x></form>",
    "{{ 7 * 7 }}{% raw %}{{ ''.__class__ }}",
    "${7*7} <%= 7*7 %>",
    "`<b>code</b>`",
    "-->]]><!--",
    "&lt;b&gt; &amp;#60;",
    '=HYPERLINK("//evil.example")',
    "+cmd|' /C calc'!A0",
    "\x1b[2J\x1b]0;title\x07",
    "\u202eevil\u202c\u2066x\u2069",
    "\x00\x08\x7f",
    "\ud800lone",
    "a" * 1_000_000,
    "<" * 1_000_000,
    "\U000e0041" * 100_000,
)  # fmt: skip

ALLOWED = {
    "a", "abbr", "article", "b", "bdi", "body", "caption", "circle", "code", "dd", "details", "div", "dl", "dt",
    "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "head", "header", "html",
    "li", "line", "main", "meta", "nav", "ol", "p", "polyline", "pre", "rect", "script", "section", "span", "strong",
    "style", "summary", "svg", "table", "tbody", "td", "text", "th", "thead", "title", "tr", "ul", "wbr",
}  # fmt: skip


def checked(page: str, script: bool = False) -> Reader:
    """The page, after a look at everything that could act: elements, attributes, links, policy."""
    read = Reader(page)
    assert {tag for tag, _ in read.elements} <= ALLOWED
    assert [tag for tag, _ in read.elements].count("script") == script
    assert [tag for tag, _ in read.elements].count("style") == 1
    for tag, attributes in read.elements:
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "src", "action"}]
        target = attributes.get("href")
        assert target is None or re.fullmatch(r"#[\w-]+|ta/[\w%.~-]+\.html", target), (tag, target)
    (policy,) = [a["content"] for tag, a in read.elements if tag == "meta" and "Policy" in str(a.get("http-equiv"))]
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert str(policy).startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert "unsafe" not in str(policy)
    return read


@pytest.mark.parametrize("evil", INJECTIONS, ids=range(len(INJECTIONS)))
def test_injections_are_text(results: Any, evil: str) -> None:
    """In names, code, messages, places, output and notes: on every page what a student wrote is only read."""
    changes = {
        "outcome": FAILED,
        "finding": Finding("exception", f"raised {evil}", f"{evil}.py, line 3, in {evil}", "a hint", evil),
        "evidence": Evidence((evil,), evil, evil, {evil: 1.0}),
    }
    results.add(
        source=f"def double(x):\n    {evil}\n",
        test_double=changes,
        test_run=changes,
        notes=(evil,),
        needs_human=(evil,),
    )
    named = {"student": evil} if len(evil) < 200 else {}
    grade = results.add("bo", source=f"# {evil}\n", test_double=changes)
    write_grade(results.folder / "bo.json", replace(grade, **named))
    for audience in ("student", "ta"):
        for page in results.pages(audience).values():
            read = checked(page)
            assert len(page) < 400_000
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
            if evil.isprintable() and len(evil) < 200:
                assert f"raised {evil}" in read.text
    (page,) = results.pages("class").values()
    read = checked(page, script=True)
    if evil.isprintable() and len(evil) < 200:
        assert read.text.count(evil) >= 3
    assert html.escape("<script") not in page or "script" in evil


def test_a_page_of_many_failures_stays_small(results: Any) -> None:
    """With long functions, long messages and long output everywhere, a page keeps below 400 KB."""
    body = "\n".join(f"    x{n} = [y for y in range({n})]  # {'word ' * 20}" for n in range(400))
    source = "\n\n".join(f"def {name}(x):\n{body}" for name in ("double", "rnn_cell", "run", "fit"))
    finding = Finding("values", "m" * 20_000, "tiny.py, line 40", "h" * 5_000, "d" * 20_000)
    evidence = Evidence((), "o" * 65_536, "e" * 65_536, {}, tuple(float(n) for n in range(10_000)))
    changes = {"outcome": FAILED, "finding": finding, "evidence": evidence}
    results.add(source=source, **{check.id: changes for check in results.assignment.checks if check.id != "test_fit"})
    for audience in ("student", "ta"):
        assert len(results.pages(audience)["ada"].encode()) < 400_000
