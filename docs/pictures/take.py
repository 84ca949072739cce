"""Takes the pictures in this folder: pages of the demo's class, in the system's Chromium. `make pictures` runs it.

The class is graded first if it has not been. Pictures show the upper part of a page, as it is seen on opening.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[2]
PAGES = ROOT / ".autograder" / "demo" / "a1_rnn" / "pages"
HEIGHT = {360: 2400, 1280: 1500}
COLOURS = 256
"""Of a picture: pages have few."""
SUBJECTS = {"mistake": "student/farah.html", "right": "student/ada.html", "class": "class.html"}
"""farah forgot a bias (see class.txt of the demo)."""


def main() -> None:
    """Take every subject at phone and laptop width; the first in the dark, too."""
    if not all((PAGES / page).exists() for page in SUBJECTS.values()):
        subprocess.run([sys.executable, "-m", "autograder.cli", "demo"], cwd=ROOT, check=True)
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if chromium is None:
        sys.exit("no Chromium on this machine; `make pictures` installs it where it is run as root")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, page in SUBJECTS.items():
            for width in HEIGHT:
                take(browser, PAGES / page, width, "light", f"{name}-{width}")
        take(browser, PAGES / SUBJECTS["mistake"], 360, "dark", "mistake-360-dark")
        browser.close()


def take(browser: Browser, page: Path, width: int, scheme: str, name: str) -> None:
    """Save the upper part of a page as a small PNG."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    tab = context.new_page()
    tab.goto(page.as_uri())
    tall = min(HEIGHT[width], tab.evaluate("document.documentElement.scrollHeight"))
    path = Path(__file__).with_name(f"{name}.png")
    tab.screenshot(path=path, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": tall})
    context.close()
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
