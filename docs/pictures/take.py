"""Takes the pictures in this folder: pages of a small class, in the system's Chromium. `make pictures` runs it.

The class is made of the solution of one assignment, of right programs in other styles and of known mistakes, and
graded by the kit; what was graded before is measured no more. Pictures show the upper part of a page.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from autograder.course import load_assignment
from autograder.variants import fair_play, mistakes, solution, stub

ROOT = Path(__file__).parents[2]
ASSIGNMENT = "a4_attention"
CLASS = {
    "ada": "solution",
    "bo": "bmm_and_infinity",
    "chae": "attn.mask_rows",
    "dmitri": "attn.context_missing",
    "eun": "attn.hard",
    "farah": "attn.context_missing",
    "goran": "attn.context_detached",
    "hana": "attn.mask_inv",
    "ines": "loop.eval_mode",
    "jun": "stub",
}
FOLDER = ROOT / ".autograder" / "pictures"
HEIGHT = {360: 2400, 1280: 1500}
SECRET = {"AUTOGRADER_SECRET": hashlib.sha256(b"the class of the pictures").hexdigest()}
"""Its class is nobody's: the secret is known, so that the pictures come out alike wherever they are taken."""
COLOURS = 256
"""Of a picture: half of them the commonest as they are, half so that rare ones are near (orange became red)."""
SUBJECTS = {
    "mistake": ("student/eun", ""),
    "mend": ("student/eun", "#mend"),
    "right": ("student/ada", ""),
    "trained": ("student/ada", "#training"),
    "ta": ("ta/eun", "#mend"),
    "class": ("class", ""),
}
"""Page, and where the picture begins."""
LOOKS = (
    *((name, "en", width, "light") for name in SUBJECTS for width in HEIGHT),
    *((name, "ko", width, "light") for name in ("mistake", "mend", "trained", "class") for width in HEIGHT),
    *((name, language, 360, "dark") for name, language in (("mistake", "en"), ("class", "en"), ("mistake", "ko"))),
    ("ta", "en", 1280, "dark"),
)
"""What is taken: a page in a language, at a phone's or a laptop's width, light or dark."""


def main() -> None:
    """Grade the class, write its pages in both languages, and take every look."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if chromium is None:
        sys.exit("no Chromium on this machine; `make pictures` installs it where it is run as root")
    hand_in()
    results = FOLDER / "results"
    autograder(
        "grade", ASSIGNMENT, str(FOLDER / "class"), "--out", str(results), "--sandbox", "best-effort", "--jobs", "1"
    )
    for language in ("en", "ko"):
        where = ("--results", str(results), "--out", str(FOLDER / language), "--lang", language, "--published")
        for audience in ("student", "ta", "class"):
            autograder("report", ASSIGNMENT, "--for", audience, *where)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, language, width, scheme in LOOKS:
            ends = "".join(f"-{end}" for end in (language, str(width), scheme) if end not in {"en", "light"})
            page, start = SUBJECTS[name]
            take(browser, FOLDER / language / f"{page}.html", start, width, scheme, f"{name}{ends}")
        browser.close()


def hand_in() -> None:
    """Write what the class hands in."""
    assignment = load_assignment(ROOT / "solutions" / ASSIGNMENT)
    known = {each.id: each for each in (solution(assignment), stub(assignment), *fair_play(assignment))}
    known |= {each.id: each for each in mistakes(assignment)}
    for student, program in CLASS.items():
        folder = FOLDER / "class" / student
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in known[program].files.items():
            (folder / name).write_bytes(content)


def autograder(*words: str) -> None:
    """Run a verb in the course's folder. Exit code 1 says that somebody's checks failed."""
    command = [sys.executable, "-m", "autograder.cli", *words]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | SECRET, check=False)
    if done.returncode > 1:
        sys.exit(done.returncode)


def take(browser: Browser, page: Path, start: str, width: int, scheme: str, name: str) -> None:
    """Save the part of a page from `start` on (a selector; empty: its top) as a small PNG."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    tab = context.new_page()
    tab.goto(page.as_uri())
    top = tab.evaluate("at => at ? Math.max(0, document.querySelector(at).getBoundingClientRect().top - 24) : 0", start)
    tall = min(HEIGHT[width], tab.evaluate("document.documentElement.scrollHeight") - top)
    path = Path(__file__).with_name(f"{name}.png")
    tab.screenshot(path=path, full_page=True, clip={"x": 0, "y": top, "width": width, "height": tall})
    context.close()
    with Image.open(path) as picture:
        small = few_colours(picture.convert("RGB"))
    small.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")


def few_colours(picture: Image.Image) -> Image.Image:
    """Return a picture with a palette."""
    seen = sorted(picture.getcolors(picture.width * picture.height) or [], reverse=True)
    common = [part for _, colour in seen[: COLOURS // 2] if isinstance(colour, tuple) for part in colour]
    rare = picture.quantize(COLOURS // 2, Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(common + rare)
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


if __name__ == "__main__":
    main()
