"""Every kind of page in a real browser: nothing overflows, nothing is asked for, nothing stands in anybody's way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

STATES = ("right", "float32", "wrong", "ours", "all ours", "stub", "broken", "h", "x" * 64)
KINDS = (
    *(f"student/{name}" for name in STATES),
    *(f"ta/{name}" for name in ("right", "wrong", "broken", "h")),
    *(f"unpublished/student/{name}" for name in ("right", "wrong")),
    "class",
    *(f"ko/{name}" for name in ("student/right", "student/wrong", "ta/wrong", "class")),
)
BAND = 5
"""Students whose trainings make the band, beside those in STATES."""
LOOKS = ((360, "dark"), (1280, "light"))
"""A phone and a laptop; contrast does not depend on the width."""

Open = Callable[..., Any]


def short(value: object) -> str:
    """An id that fits a line."""
    return str(value)[:24]


@pytest.mark.parametrize("kind", KINDS, ids=short)
def test_a_page_is_good_at_every_width_and_in_every_light(shelf: Path, opened: Open, kind: str) -> None:
    """Phone and laptop, light and dark: no sideways scrolling, no request, no complaint of axe (contrast included)."""
    for width, scheme in LOOKS:
        page = opened(shelf / f"{kind}.html", width=width, scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.asked == []
        assert page.said == []
        page.evaluate("document.querySelectorAll('details').forEach(it => it.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []


@pytest.mark.parametrize("kind", KINDS, ids=short)
def test_nothing_is_cut_or_overlaps(shelf: Path, opened: Open, kind: str) -> None:
    """No box of text is wider than where it stands unless it scrolls, and no section lies over another."""
    for width in (360, 1280):
        page = opened(shelf / f"{kind}.html", width=width)
        assert page.evaluate(CUT) == []
        assert page.evaluate(OVERLAP) == []


CUT = """() => [...document.querySelectorAll('p, li, h1, h2, h3, h4, td, th, dd, dt, summary, figcaption')]
  .filter(it => !it.closest('.scroll') && it.scrollWidth > it.clientWidth + 1)
  .filter(it => getComputedStyle(it).display !== 'inline')
  .map(it => it.outerHTML.slice(0, 120))"""
OVERLAP = """() => {
  const blocks = [...document.querySelectorAll('header.top, main > section, footer')];
  const boxes = blocks.map(it => it.getBoundingClientRect());
  return boxes.slice(1).map((box, n) => box.top - boxes[n].bottom).filter(gap => gap < 0);
}"""


def test_no_word_of_the_table_breaks_on_a_phone(shelf: Path, opened: Open) -> None:
    """Beside long names of parts, too, `right` and `state` stand on one line: names give way, at their joints."""
    page = opened(shelf / "student/right.html", width=360)
    name = "AdditiveAttention.<wbr>forward_<wbr>of_<wbr>all_<wbr>heads"
    page.evaluate(f"document.querySelectorAll('.parts tbody th[scope=row]').forEach(it => it.innerHTML = '{name}')")
    more_lines_than_words = page.evaluate(LINES)
    assert more_lines_than_words
    assert max(more_lines_than_words) <= 0


LINES = """() => [...document.querySelectorAll('.parts .word, .parts thead th:not(.only-wide)')].map(it => {
  const range = document.createRange();
  range.selectNodeContents(it);
  const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
  return lines.size - it.textContent.trim().split(/\\s+/).length;
})"""


def test_a_page_says_the_same_without_script(shelf: Path, opened: Open) -> None:
    """Where scripts are off, the words of the pages are all there; only what filters is missing."""
    for kind in ("student/wrong", "class"):
        pages = [opened(shelf / f"{kind}.html", script=script) for script in (True, False)]
        pages[0].evaluate("document.querySelectorAll('.filter').forEach(it => it.remove())")
        with_script, without = (page.locator("body").inner_text() for page in pages)
        assert "".join(with_script.split()) == "".join(without.split())


def test_the_style_is_in_force(shelf: Path, opened: Open) -> None:
    """The policy lets our own style through: light and dark differ, the marked line has its colour."""
    colours = {
        scheme: opened(shelf / "student/wrong.html", scheme=scheme).evaluate(
            "[document.body, document.querySelector('.line.marked')].map(it => getComputedStyle(it).backgroundColor)"
        )
        for scheme in ("light", "dark")
    }
    assert colours["light"][0] != colours["dark"][0]
    assert colours["light"][0] != colours["light"][1]


def test_nothing_hostile_comes_alive(shelf: Path, opened: Open) -> None:
    """What a student wrote makes no element, and a script put into the page by force is refused by its policy."""
    page = opened(shelf / "ta" / "h.html")
    assert page.locator("img").count() == 0
    assert "<img src=//evil.example onerror=alert(1)>" in page.locator("body").inner_text()
    page.evaluate(
        """() => {
          const script = document.createElement('script');
          script.textContent = 'window.alive = 1';
          const image = document.createElement('img');
          image.src = 'https://evil.example/x.png';
          document.body.append(script, image);
        }"""
    )
    assert page.evaluate("window.alive") is None
    assert len([said for said in page.said if "Content Security Policy" in said]) >= 2


def test_columns_sort_and_say_so(shelf: Path, opened: Open) -> None:
    """A click on a heading sorts up, another one down, by number or by name; it works by keyboard, too."""
    page = opened(shelf / "class.html")
    table = page.locator("table.students")
    score = table.get_by_role("button", name="score")
    numbers = "[...document.querySelectorAll('table.students tbody tr')].map(it => parseInt(it.cells[1].textContent))"
    score.click()
    assert page.evaluate(numbers) == sorted(page.evaluate(numbers))
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("score")
    score.press("Enter")
    assert page.evaluate(numbers) == sorted(page.evaluate(numbers), reverse=True)
    table.get_by_role("button", name="student").click()
    names = table.locator("tbody th bdi").all_inner_texts()
    assert names == sorted(names, key=str.lower)
    table.get_by_role("button", name="1", exact=True).click()
    assert table.locator("tbody tr").first.locator("td").nth(1).inner_text() == "!"
    assert len(names) == table.locator("tbody tr").count() == len(STATES) + BAND


def test_students_are_filtered_by_name_and_by_check(shelf: Path, opened: Open) -> None:
    """Both work together, by keyboard, and what is empty shows everyone again."""
    page = opened(shelf / "class.html")
    rows = page.locator("table.students tbody tr:visible")
    page.get_by_label("Only students whose name holds").fill("BAND")
    assert rows.count() == BAND
    page.get_by_label("Only with this check not passed").select_option(index=1)
    assert rows.count() == 0
    page.get_by_label("Only students whose name holds").fill("")
    assert any(text.startswith("wrong") for text in rows.all_inner_texts())
    assert 0 < rows.count() < len(STATES)
    page.get_by_label("Only with this check not passed").select_option(index=0)
    assert rows.count() == len(STATES) + BAND


def test_a_page_prints(shelf: Path, opened: Open, tmp_path: Path) -> None:
    """As PDF, with what is folded away on the screen, in ink that can be read on white."""
    page = opened(shelf / "student/wrong.html", scheme="dark")
    pdf = tmp_path / "page.pdf"
    page.pdf(path=pdf, format="A4")
    assert pdf.read_bytes().startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()") == "#000"
    folded = page.locator("details:not([open]) li").first
    assert folded.is_visible()


def test_links_lead_to_their_places(shelf: Path, opened: Open) -> None:
    """Every link in a page has its target, and those of the class page have their files."""
    for kind in KINDS:
        page = opened(shelf / f"{kind}.html")
        missing = """() => [...document.querySelectorAll('a[href^="#"]')].map(it => it.getAttribute('href').slice(1))
          .filter(id => !document.getElementById(id))"""
        assert page.evaluate(missing) == []
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(it => it.id)")
        assert len(ids) == len(set(ids))
    targets = opened(shelf / "class.html").locator("table.students a")
    for target in range(targets.count()):
        href = targets.nth(target).evaluate("it => it.href")
        assert opened(shelf / "class.html").goto(href) is not None


def test_a_large_class_opens_quickly_enough(opened: Open, results_in: Any, tmp_path: Path) -> None:
    """Five hundred students in one page of less than two megabytes."""
    results = results_in(tmp_path / "course")
    for number in range(500):
        results.add(f"student {number:03}", source=None)
    results.pages("class")
    path = results.folder / "pages" / "class.html"
    assert path.stat().st_size < 2_000_000
    assert opened(path, width=360).locator("table.students tbody tr").count() == 500
