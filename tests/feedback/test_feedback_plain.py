"""Feedback as Markdown, text and data: what the page says, no more, and as text whatever a student wrote."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from markdown_it import MarkdownIt

from autograder.errors import UsageError
from autograder.feedback import Audience, Format, setting_for, write_report
from autograder.records import Evidence, Finding, Outcome

EVIL = (
    "<script>alert(1)</script> [x](javascript:alert(1)) ![y](//evil.example/z.png) `a` **b** # c\n> d\n\n"
    "https://evil.example =cmd|' /C calc'!A0 \x1b[31m \u202e &lt; <svg onload=x> " + "W" * 5000
)
FORMS = (Format.MD, Format.TXT, Format.JSON)


def written(results: Any, form: Format, *, published: bool = True, language: str = "en") -> str:
    """The feedback of ada."""
    now = datetime(2027, 4, 1, tzinfo=UTC)
    setting = setting_for(
        results.root, results.assignment, Audience.STUDENT, now, published=published, language=language
    )
    out = results.folder / "pages"
    pages = write_report(setting, results.folder, out, frozenset({"ada"}), lambda _: None, form).pages
    assert [page.name for page in pages] == [f"ada.{form}"]
    return pages[0].read_text(encoding="utf-8")


def test_each_form_says_what_the_page_says(results: Any) -> None:
    """Score, the first thing to mend, message, hint, command and what is right."""
    wrong = Finding("values", "wrong values in 3 of 12 places", "tiny.py, line 12, in double", "Look twice.")
    results.add(test_double={"outcome": Outcome.FAILED, "finding": wrong})
    text = written(results, Format.TXT)
    for words in (
        "90 of 100 points",
        "Mend this first",
        "wrong values in 3 of 12",
        "Hint: Look twice.",
        "What is right",
    ):
        assert words in text
    assert "autograder check t1_tiny -k test_double" in text
    html = MarkdownIt().render(written(results, Format.MD))
    assert "<h2>Mend this first</h2>" in html
    assert "<code>autograder check t1_tiny -k test_double\n</code>" in html
    data = json.loads(written(results, Format.JSON))
    assert (data["score"], data["first"]["check"]) == (90, "test_double")
    assert "고칠 것" in written(results, Format.TXT, language="ko")


@pytest.mark.parametrize("form", FORMS)
def test_what_a_student_wrote_is_text(results: Any, form: Format) -> None:
    """No markup, no link, no control character, no turn of direction, nothing endless."""
    hostile = {"outcome": Outcome.FAILED, "finding": Finding("exception", EVIL, f"{EVIL}, line 3", EVIL, EVIL)}
    results.add(test_double=hostile, test_run=hostile, notes=(EVIL,))
    text = written(results, form)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", text)
    assert len(text) < 40_000
    if form is Format.MD:
        html = MarkdownIt("commonmark", {"html": True}).render(text)
        assert set(re.findall(r"<(\w+)", html)) <= {"h1", "h2", "p", "ul", "li", "pre", "code"}
        assert "&lt;script&gt;alert(1)" in html


@pytest.mark.parametrize("form", FORMS)
def test_nothing_hidden_is_told_in_another_form(results: Any, form: Format) -> None:
    """Details, output, figures of hidden checks and what is not published are in no form."""
    finding = Finding("values", "seen", "", "", "HIDDEN-1.25")
    secret = {"outcome": Outcome.FAILED, "finding": finding, "evidence": Evidence(stdout="HIDDEN-2")}
    results.add(test_run=secret)
    assert "HIDDEN" not in written(results, form)
    early = written(results, form, published=False)
    assert "test_run" not in early
    assert "70" not in early


def test_the_class_has_one_page(results: Any) -> None:
    """Its page sorts and filters; other forms have no class."""
    results.add()
    setting = setting_for(
        results.root, results.assignment, Audience.CLASS, datetime(2027, 4, 1, tzinfo=UTC), published=True
    )
    with pytest.raises(UsageError, match="the class has one page"):
        write_report(setting, results.folder, results.folder, frozenset(), lambda _: None, Format.MD)
