"""What `release` reads from a handout: its sections, and the pictures that it shows."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from autograder.errors import ReleaseError

PICTURES = (".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp")

_HEADING = re.compile(r"(#{2,6})\s+(.*?)\s*#*$")
_FENCE = re.compile(r"\s*(```|~~~)")
_SHOWN = (
    re.compile(r"!\[[^\]]*\]\(\s*<?([^)\s>]+)"),  # ![text](path "title")
    re.compile(r"<img\b[^>]*?\bsrc\s*=\s*[\"']([^\"']+)", re.IGNORECASE),
    re.compile(r"^\s{0,3}\[[^\]]+\]:\s*<?(\S+\.(?:gif|jpe?g|png|svg|webp))\b", re.IGNORECASE | re.MULTILINE),
)


def section(handout: str, name: str) -> str:
    """Return the heading of the section about `name` (`rnn_cell`, `RNN.forward`), as plain text; empty if none is.

    A heading that holds the name wins, then the section that mentions it most; a method without a mention of its own
    belongs where its class is.
    """
    parts = name.split(".")
    sections = list(_sections(handout))
    for end in range(len(parts), 0, -1):
        word = re.compile(rf"(?<![\w.]){re.escape('.'.join(parts[:end]))}(?!\w)")
        best = max(sections, key=lambda one: _weight(word, *one), default=("", ""))
        if _weight(word, *best):
            return re.sub(r"[`*$]", "", best[0])
    return ""


def formulas(handout: str, name: str) -> str:
    """The indented blocks of the section about `name`, which hold its formulas and shapes; empty where it has none."""
    heading = section(handout, name)
    body = next((body for words, body in _sections(handout) if re.sub(r"[`*$]", "", words) == heading), "")
    blocks = list[str]()
    for paragraph in re.split(r"\n\s*\n", body if heading else ""):
        lines = paragraph.strip("\n").split("\n")
        if all(line.startswith("    ") for line in lines) and any(line.strip() for line in lines):
            blocks.append(textwrap.dedent("\n".join(lines)).rstrip())
    return "\n\n".join(blocks)


def _weight(word: re.Pattern[str], heading: str, body: str) -> int:
    return 1000 * bool(word.search(heading)) + len(word.findall(body))


def headings(handout: str) -> Iterator[tuple[int, str]]:
    """Yield level and text of every heading from level 2 on."""
    for level, heading, _ in _sections_by_level(handout):
        yield level, heading


def _sections(handout: str) -> Iterator[tuple[str, str]]:
    for _, heading, body in _sections_by_level(handout):
        yield heading, body


def _sections_by_level(handout: str) -> Iterator[tuple[int, str, str]]:
    """Headings from level 2 on, each with the text up to the next one; `##` in a code block is none."""
    level, heading, body, fenced = 0, "", list[str](), False
    for line in handout.split("\n"):
        fenced ^= bool(_FENCE.match(line))
        found = None if fenced else _HEADING.match(line)
        if found is None:
            body.append(line)
            continue
        if heading:
            yield level, heading, "\n".join(body)
        level, heading, body = len(found.group(1)), found.group(2), []
    if heading:
        yield level, heading, "\n".join(body)


def pictures(handout: Path, text: str) -> Iterator[str]:
    """Yield the pictures that a handout shows from its own folder, as paths relative to it.

    Raises ReleaseError for one that is not there, lies elsewhere, or is no picture.
    """
    folder = handout.parent.resolve()
    for target in sorted({found for pattern in _SHOWN for found in pattern.findall(text)}):
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", target):  # another site's, or data:
            continue
        picture = (folder / unquote(target.partition("#")[0])).resolve()
        if not picture.is_relative_to(folder) or not picture.is_file():
            raise ReleaseError(f"{handout}: shows the picture {target}, which is not a file in this folder")
        if picture.suffix.lower() not in PICTURES:
            raise ReleaseError(f"{handout}: shows {target}, which is no picture ({', '.join(PICTURES)})")
        yield picture.relative_to(folder).as_posix()
