"""The page of a submission as Markdown, as plain text, and as data: for comment fields of an LMS, and for programs.

It is made of the same records as the page, so an audience reads no more here than there. Whatever a student wrote is
text: in Markdown every mark that could mean something is escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

from autograder.feedback.view import PartShown, Shown, Standing, SubmissionPage
from autograder.records import Outcome
from autograder.wording import Wording, wording_in


class Format(StrEnum):
    """How a submission's feedback is written."""

    HTML = "html"
    MD = "md"
    TXT = "txt"
    JSON = "json"


Piece = tuple[str, str]
"""What it is (title, head, item, text, code), and the words."""

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>$&<:@^=])")
_BROKEN = (Standing.PARTLY, Standing.WRONG, Standing.OPEN)


def plain(page: SubmissionPage, form: Format) -> str:
    """The page in another form than HTML."""
    if form is Format.JSON:
        return json.dumps(as_data(page), ensure_ascii=True, indent=1) + "\n"
    lay = _markdown if form is Format.MD else _text
    return "\n".join(lay(kind, words) for kind, words in _pieces(page)).strip() + "\n"


def _markdown(kind: str, words: str) -> str:
    if kind == "code":
        return "\n" + "\n".join(f"    {line}" for line in words.split("\n")) + "\n"
    marks = {"title": "# ", "head": "\n## ", "item": "- "}
    return marks.get(kind, "\n") + _MARKS.sub(r"\\\1", " ".join(words.split()))


def _text(kind: str, words: str) -> str:
    if kind in {"title", "head"}:
        return f"\n{words}\n{'=' * min(72, len(words))}"
    if kind == "code":
        return "\n".join(f"    {line}" for line in words.split("\n"))
    return f"* {words}" if kind == "item" else words


def _pieces(page: SubmissionPage) -> Iterator[Piece]:
    _ = wording_in(page.language)
    yield "title", f"{page.title}: {page.student}"
    yield from _score(page, _)
    yield from _first(page, _)
    yield from _listed(_("What is right"), [_counted(part, _) for part in page.standing(Standing.RIGHT)])
    if broken := page.standing(*_BROKEN):
        yield "head", _("What to mend")
        for part in broken:
            yield "text", _counted(part, _)
            for check in part.others:
                if check.outcome is not Outcome.SKIPPED:
                    yield from _check(check, _)
    rest = page.standing(Standing.UNWRITTEN, Standing.WAITING, Standing.NOT_RUN)
    yield from _listed(_("Not run"), [_counted(part, _) for part in rest])
    yield from _listed(_("Notes on what you handed in"), page.notes)


def _score(page: SubmissionPage, _: Wording) -> Iterator[Piece]:
    if not (page.whole and page.whole.unread):
        total = page.sum
        if page.total is not None:
            yield "text", f"{page.total} " + _("of %(of)s points") % {"of": total.out_of}
        else:
            yield "text", f"{total.earned} " + _("of %(of)s points so far") % {"of": total.shown}
        yield "text", _("%(passed)s of %(checks)s checks passed.") % {"passed": total.passed, "checks": total.checks}
    if page.mark:
        yield from (("item", step) for step in page.mark.steps)
        for about, said in page.mark.comments:
            yield "text", f"{about or _('About your work')}: {said}"


def _first(page: SubmissionPage, _: Wording) -> Iterator[Piece]:
    if page.whole:
        whole = page.whole
        ours = _("Nothing could be graded yet") if whole.ours else _("Mend this first: nothing could be run")
        yield "head", _("Not graded: what was handed in could not be read") if whole.unread else ours
        yield from (("text", words) for words in (whole.message, whole.where) if words)
    elif page.first:
        yield "head", _("Mend this first")
        yield "text", page.first.part or _("All of it together")
        yield from _check(page.first.check, _)


def _listed(head: str, items: Sequence[str]) -> Iterator[Piece]:
    if items:
        yield "head", head
        yield from (("item", words) for words in items)


def _counted(part: PartShown, _: Wording) -> str:
    points = _("%(earned)s of %(of)s") % {"earned": part.earned, "of": part.points} if part.points else _("bonus")
    return f"{part.heading or part.name or _('All of it together')}: {points}"


def _check(check: Shown, _: Wording) -> Iterator[Piece]:
    yield "item", check.title
    yield from (("text", words) for words in (check.message, check.where) if words)
    for hint in (*(check.known.hints if check.known else ()), check.hint):
        if hint:
            yield "text", f"{_('Hint')}: {hint}"
    if check.command:
        yield "text", _("At home:")
        yield "code", check.command


def as_data(page: SubmissionPage) -> dict[str, Any]:
    """What the page says, in JSON's own types."""
    return {
        "assignment": page.assignment,
        "student": page.student,
        "language": page.language,
        "made": page.made,
        "score": page.total,
        "so_far": page.sum.earned,
        "out_of": page.sum.out_of,
        "shown": page.sum.shown,
        "counts": page.mark
        and {"points": page.mark.points, "out_of": page.mark.out_of, "steps": list(page.mark.steps)},
        "comments": [{"about": about, "text": said} for about, said in page.mark.comments] if page.mark else [],
        "graded": not (page.whole and page.whole.unread),
        "whole": page.whole and {"message": page.whole.message, "where": page.whole.where},
        "first": page.first and {"part": page.first.part, "check": page.first.check.id, "stake": page.first.stake},
        "parts": [
            {
                "name": part.name,
                "heading": part.heading,
                "state": part.standing.value,
                "earned": part.earned,
                "points": part.points,
                "checks": [_check_as_data(check) for check in part.checks],
            }
            for part in page.parts
        ],
        "notes": list(page.notes),
    }


def _check_as_data(check: Shown) -> dict[str, Any]:
    names = ("id", "title", "public", "earned", "points", "kind", "message", "where", "hint", "command")
    known = list(check.known.hints) if check.known else []
    return {name: getattr(check, name) for name in names} | {"outcome": check.outcome.value, "known": known}
