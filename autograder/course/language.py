"""Which language is spoken here, where nobody says it on the command line."""

from __future__ import annotations

from pathlib import Path

from autograder.course.load import COURSE_FILE, RELEASED, load_course
from autograder.errors import ConfigurationError
from autograder.wording import LANGUAGES, SOURCE

LANGUAGE_FILE = "language.txt"
"""Beside a kit's assignments, where its course speaks another language than English (`release/kit.py` writes it)."""


def language_at(here: Path) -> str:
    """Return the language of the course or the kit in which `here` lies; English where nothing says another one."""
    here = here.absolute()
    for folder in (here, *here.parents):
        if (folder / COURSE_FILE).is_file():
            try:
                return load_course(folder).language
            except ConfigurationError:  # whoever teaches is told by their own verbs; a student's check goes on
                return SOURCE
        if (folder / LANGUAGE_FILE).is_file() and (folder / RELEASED).is_dir():
            said = (folder / LANGUAGE_FILE).read_text(encoding="utf-8", errors="replace").strip()
            return said if said in LANGUAGES else SOURCE
    return SOURCE
