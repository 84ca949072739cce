"""A headless Chromium, the system's own, and pages of every kind to look at with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

from autograder.gradebook import open_book
from autograder.gradebook.deciding import Author, Decision, decide
from autograder.records import (
    Confinement,
    Diagnosis,
    Evidence,
    Finding,
    Outcome,
    Panel,
    Picture,
    PictureKind,
    RunInfo,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

QUIET = (
    "--no-sandbox",  # needed by root, who runs continuous integration; the pages are our own files
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS = (360, 1280)
SCHEMES = ("light", "dark")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The running Chromium; the test fails with what to do where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    assert found, "no Chromium on this machine: `make test-pages` installs it where it is run as root"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield running
        running.close()


Open = Callable[..., "Page"]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """A function that opens a file; `page.asked` lists every request beyond it, `page.said` what the console said."""
    contexts: list[BrowserContext] = []

    def open_(path: Path, *, width: int = 1280, scheme: Any = "light", script: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=script
        )
        contexts.append(context)
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path.as_uri())
        page.asked = [url for url in asked if url != path.as_uri()]  # type: ignore[attr-defined] # for the test
        page.said = said  # type: ignore[attr-defined] # for the test
        return page

    yield open_
    for context in contexts:
        context.close()


WRONG = Finding("values", "wrong values in 3 of 12 places, first at [0, 2]; the largest error, about 0.3, is at [2, 1]",
                "tiny.py, line 12, in double", "Twice is `two` times.", "got 1.0; expected 2.0")  # fmt: skip


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, results_in: Callable[[Path], Any]) -> Path:
    """A folder with pages of every kind and state: right, wrong, unwritten, broken, ours, not published, hostile."""
    results = results_in(tmp_path_factory.mktemp("shelf") / "course")
    curve = tuple(3.0 / (step + 1) for step in range(300))
    trained = Evidence(figures={"held-out loss": 0.02, "held-out loss, at most": 0.05}, curve=curve)
    failed = {"outcome": Outcome.FAILED, "finding": WRONG}
    ours = {"outcome": Outcome.GRADER_ERROR, "finding": Finding("grader", "could not be graded: a human will look")}
    skipped = {"outcome": Outcome.SKIPPED, "finding": Finding("needs", "Not run: it builds on test_rnn_cell.")}
    missing = {
        "outcome": Outcome.FAILED,
        "finding": Finding("missing", "This part is not written yet.", "tiny.py, line 12"),
    }
    loading = {
        "outcome": Outcome.FAILED,
        "finding": Finding("loading", "tiny.py cannot be imported", "tiny.py, line 12"),
    }
    every = [check.id for check in results.assignment.checks]
    heat = Picture(
        PictureKind.HEAT,
        "attention",
        (Panel("yours", ((0.1, -0.9), (0.5, 0.2))), Panel("expected", ((0.9, 0.1), (0.5, 0.5)))),
        rows=("le", "고양이"),
        columns=("the", "<cat>"),
    )
    curves = (Panel("yours", ((1.0, 0.1),)), Panel("expected", ((1.0, 0.9),)))
    norms = Picture(PictureKind.LINES, "gradient of x", curves, x="step", y="norm of the gradient")
    grey = Picture(PictureKind.IMAGE, "patches", (Panel("yours", ((0.1, 0.9), (0.5, 0.2))),))
    shown = {"evidence": Evidence(pictures=(heat, norms))}
    known = Diagnosis(("tiny.triples",), (), 4, 2, 0.0, "double", {"en": "Count again."})
    weak = RunInfo(Confinement.BEST_EFFORT, (), ("Landlock",), "cpu", "2.10.0", "0.1.0", "x" * 64)
    results.add("right", test_fit={"evidence": trained}, test_double={"evidence": Evidence(pictures=(heat, grey))})
    for n in range(5):  # whose trainings make the band
        results.add(f"band{n}", test_fit={"evidence": replace(trained, curve=tuple(2.0 / (s + 1) for s in range(300)))})
    results.add("float32", test_run={"precision": "float32"}, notes=("notes.txt was ignored: not asked for",))
    results.add(
        "wrong",
        test_double={**failed, **shown, "diagnosis": known},
        test_rnn_cell=failed,
        test_rnn_cell_repeats=skipped,
        test_run={"stand_ins": ("rnn_cell",)},
        test_fit={**failed, "evidence": trained},
    )
    results.add("ours", test_fit=ours, needs_human=("test_fit",), run=weak)
    results.add("all ours", **dict.fromkeys(every, ours))
    results.add("stub", **{id_: skipped if "repeats" in id_ else missing for id_ in every})
    results.add("broken", **dict.fromkeys(every, loading))
    evil = "<img src=//evil.example onerror=alert(1)>" + "W" * 3000 + "\u202e\x1b[31m" + "박" * 500
    hostile = {
        "outcome": Outcome.FAILED,
        "finding": Finding("exception", evil, f"{evil}, line 3", evil, evil),
        "evidence": Evidence((evil,), evil, evil, {evil: 1.0}, curve),
    }
    results.add("hostile", source=f"def double(x):\n    {evil}\n", **dict.fromkeys(every, hostile), notes=(evil,))
    (results.folder / "hostile.json").rename(results.folder / "h.json")
    results.add("x" * 64)
    author = Author("lee", datetime(2027, 3, 24, tzinfo=UTC))
    for check, text in (("", "Well begun. <b>"), ("test_rnn_cell", "박" * 40)):
        decide(open_book(results.root), "t1_tiny", "wrong", Decision(check, "3", None, text, "an idea"), author)
    out = results.folder / "pages"
    results.pages("student", out=out)
    results.pages("student", out=out / "unpublished", published=False)
    results.pages("ta", out=out)
    results.pages("class", out=out)
    for audience in ("student", "ta", "class"):
        results.pages(audience, out=out / "ko", language="ko", only=() if audience == "class" else ("right", "wrong"))
    return out
