"""A real formgrader in a real browser: what it shows of a submission that we graded, and what comes back of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect

from autograder.cli import main
from autograder.records import Finding, Outcome

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
EVIL = "<img src=x onerror=alert(1)>"
SLOW = 90_000
"""Milliseconds that a page may take on a loaded machine."""


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory, results_in: Callable[[Path], Any]) -> Path:
    """A course that nbgrader knows, with one wrong submission in its gradebook."""
    results = results_in(tmp_path_factory.mktemp("formgrader") / "course")
    finding = Finding("values", f"wrong values, first at [0, 2]: {EVIL}", "tiny.py, line 12, in double", "Count again.")
    source = f"def double(x):\n    return 3 * x  # {EVIL}\n"
    results.add("kim", source=source, test_double={"outcome": Outcome.FAILED, "finding": finding})
    typed(results.root, "release", "--nbgrader")
    typed(results.root, "sync", "t1_tiny")
    return Path(results.root)


def typed(root: Path, *args: str) -> str:
    """What the command says in the course's folder."""
    secret = {"AUTOGRADER_SECRET": "a secret of the tests, thirty-two bytes and more"}
    done = CliRunner().invoke(main, [*args, "--course", str(root)], env=secret)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="session")
def server(course: Path) -> Iterator[str]:
    """The address of a Jupyter server with formgrader, in the course's folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = course.parent / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_DATA_DIR": str(home)}
    settings = (
        f"--ServerApp.port={port}",
        "--ServerApp.token=",
        "--ServerApp.password=",
        "--ServerApp.open_browser=False",
    )
    command = [sys.executable, "-m", "jupyter_server", "--allow-root", *settings]
    extension = "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}"
    with (course.parent / "server.log").open("w") as log:
        running = subprocess.Popen([*command, extension], cwd=course, env=environment, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(f"{address}/formgrader", course.parent / "server.log", running)
        yield address
    finally:
        running.terminate()
        running.wait(30)


def _wait(address: str, log: Path, running: subprocess.Popen[bytes]) -> None:
    for _ in range(SLOW // 250):
        if running.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=60).close()
        except urllib.error.HTTPError as error:
            pytest.fail(f"formgrader answers {error.code}: {log.read_text()[-2000:]}")
        except OSError:
            time.sleep(0.25)
        else:
            return
    pytest.fail(f"the Jupyter server did not come up: {log.read_text()[-2000:]}")


def test_formgrader_shows_and_takes_what_people_do(browser: Any, server: str, course: Path) -> None:
    """A TA sees score and report, writes a comment and a mark; after `sync` the export has both. Nothing of a student's
    is markup there.
    """
    page = browser.new_context().new_page()
    page.set_default_timeout(SLOW)
    said: list[str] = []
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(f"{server}/formgrader/gradebook/t1_tiny/t1_tiny")
    page.get_by_text("Submission #1").click()
    score = page.locator("#test_double")
    score.wait_for()
    expect(score).to_have_attribute("placeholder", "0", timeout=SLOW)  # formgrader asks for scores once the page stands
    shown = page.locator("#notebook").first.inner_text()
    for words in ("90 of 100", "wrong values, first at [0, 2]: <img src=x", "tiny.py, line 12", "Count again."):
        assert words in shown
    assert page.locator("#notebook img").count() == 0
    assert "<div>" not in shown  # our own markup passes nbconvert's sanitizer
    with page.expect_response(lambda answer: "/api/grade/" in answer.url and answer.request.method == "PUT"):
        score.fill("4")
        score.blur()
    comment = page.locator("#test_double-comment")
    with page.expect_response(lambda answer: "/api/comment/" in answer.url and answer.request.method == "PUT"):
        comment.fill("The idea is right.")
        comment.blur()
    if pictures := os.environ.get("PICTURES"):
        page.screenshot(path=f"{pictures}/formgrader.png", full_page=True)
    with page.expect_navigation():
        page.get_by_role("link", name="The whole page").click()
    assert page.locator("h1").count() == 1
    assert page.locator("img").count() == 0
    if pictures:
        page.screenshot(path=f"{pictures}/report.png", full_page=True)
    assert said == []
    assert "from formgrader: kim, test_double, points" in typed(course, "sync", "t1_tiny")
    typed(course, "export", "json", "--out", str(course / "marks.json"))
    (kim,) = json.loads((course / "marks.json").read_text())
    assert kim["marks"][0]["points"] == 94
    assert kim["marks"][0]["comments"] == [{"check": "test_double", "text": "The idea is right."}]
