"""The verb `review`: one thing after the other that waits for a human, decided by keys, written to marks.jsonl."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.errors import UsageError
from autograder.gradebook.book import Book, open_book
from autograder.gradebook.decided import NOTHING_DECIDED
from autograder.gradebook.deciding import Author, Decision, decide, look
from autograder.gradebook.deciding import answer as reply
from autograder.gradebook.queue import Item, Why, alike, comments_so_far, queue
from autograder.names import shown
from autograder.records import CheckResult

KEYS = {
    "p": "points, with a reason",
    "c": "comment",
    "r": "reuse a comment",
    "a": "decide for everyone with the same mistake, or for this one again",
    "w": "answer the request",
    "l": "looked at, leave as it is",
    "o": "open the page",
    "n": "next",
    "b": "back",
    "q": "quit",
}
MOST_COMMENTS = 9
WORDS = {
    Why.REQUEST: "a request",
    Why.GRADER: "a fault of the grader",
    Why.FLAG: "flagged",
    Why.CHANGED: "decided on other grounds",
    Why.CLOSE: "failed by little",
    Why.WRITTEN: "a written answer",
}


def listed(items: Sequence[Item]) -> None:
    """Print what waits, one line each."""
    console = Console(highlight=False)
    if not items:
        console.print("nothing waits for a human")
        return
    table = Table("", "student", "assignment", "check", "what")
    for item in items:
        cells = (WORDS[item.why], item.student, item.assignment, item.check, item.words)
        table.add_row(*(escape(shown(each, 200)) for each in cells))
    console.print(table)


@dataclass
class Review:
    """One sitting; every decision is in marks.jsonl as soon as it is made."""

    root: Path
    assignments: tuple[str, ...]
    author: Author
    now: Callable[[], datetime]
    page: Callable[[str, str], Path]
    """Makes the page of an assignment and a student for those who grade, and says where it lies."""
    formgrader: str = ""
    """Address of a running formgrader; empty: there is none."""
    console: Console = field(default_factory=lambda: Console(highlight=False))
    everyone: bool = False
    decisions: int = 0

    def run(self) -> int:
        """Go through the queue until it is empty or somebody quits; return how many decisions were made."""
        at = 0
        while items := queue(book := self._book(), self.assignments):
            at %= len(items)
            self._show(book, items[at], at + 1, len(items))
            key = self._key(items[at])
            if key == "q":
                break
            if key in "nb":
                at, self.everyone = at + (1 if key == "n" else -1), False
            else:
                self._act(key, items[at])
        else:
            self.console.print("nothing waits for a human")
        return self.decisions

    def _book(self) -> Book:
        return open_book(self.root)

    def _say(self, words: str, most: int = 600) -> None:
        self.console.print(escape(shown(words, most)), soft_wrap=not self.console.is_terminal)  # there: by whole words

    def _list(self, things: Sequence[str]) -> None:
        """Print things on as many lines as they need, none of them on two."""
        whole = "  ".join(each.replace(" ", "\0") for each in things)
        for line in textwrap.wrap(whole, self.console.width, break_long_words=False, break_on_hyphens=False):
            self._say(line.replace("\0", " "))

    def _show(self, book: Book, item: Item, number: int, count: int) -> None:
        self.console.rule(escape(shown(f"{number} of {count}: {WORDS[item.why]}", 80)))
        self._say(", ".join(filter(None, (item.student, item.assignment, item.check))))
        self._say(item.words)
        result = _result(book, item)
        if result:
            self._say(f"points: {result.earned} of {result.points}, {result.outcome}")
            if result.finding and result.finding.message != item.words:
                self._say(result.finding.message)
            if result.diagnosis and result.diagnosis.mistakes:
                known = " and ".join(result.diagnosis.mistakes)
                self._say(f"known mistake: {known}{'' if result.diagnosis.certain else ' (the closest)'}")
        force = book.decided.get((item.assignment, item.student), NOTHING_DECIDED)
        if said := force.comments.get(item.check):
            self._say(f"comment so far: {said.value}")
        if others := alike(book, item):
            self._say(f"the same mistake: {len(others)} more ({', '.join(others[:8])}{', ...' if others[8:] else ''})")
        if self.formgrader:
            place = f"manage_students/{quote(item.student, safe='')}/{quote(item.assignment, safe='')}"
            self._say(f"formgrader: {self.formgrader.rstrip('/')}/{place}")
        if self.everyone:
            self._say(f"-> what you decide now is for all {len(others) + 1} of them")

    def _key(self, item: Item) -> str:
        offered = [key for key in KEYS if key != "w" or item.request]
        self._list([f"[{key}] {KEYS[key].partition(',')[0]}" for key in offered])
        while True:
            key = click.getchar().lower()
            if key in {"\x03", "\x04"}:
                raise click.Abort
            if key in offered:
                return key
            self._list([f"{key}: {KEYS[key]}" for key in offered])

    def _act(self, key: str, item: Item) -> None:
        try:
            {
                "p": self._points, "c": self._comment, "r": self._reuse, "a": self._toggle, "w": self._answer,
                "l": self._looked, "o": self._open,
            }[key](item)  # fmt: skip
        except UsageError as error:
            self._say(f"not written: {error}")

    def _points(self, item: Item) -> None:
        if item.why is Why.WRITTEN:
            self._written(item)
            return
        result = _result(self._book(), item)
        points = self._ask(f"points, at most {result.points}" if result else "points of the whole assignment")
        why = self._ask("reason (the student reads it)") if points else ""
        if why:
            comment = self._ask("comment, or nothing")
            self._decide(item, Decision(item.check, points, None, comment or None, why))

    def _written(self, item: Item) -> None:
        """Points for a written answer come on top of those of the checks."""
        term = next(each for each in self._book().course.terms if each.id == item.assignment)
        points = self._ask(f"points of the written answer, at most {term.written}")
        if points and points.replace(".", "", 1).isdecimal() and float(points) > term.written:
            raise UsageError(f"{points} points are more than the {term.written} that the written answer can have")
        why = self._ask("reason (the student reads it)") if points else ""
        if why:
            comment = self._ask("comment, or nothing")
            self._decide(item, Decision("", None, points, comment or None, why))

    def _comment(self, item: Item) -> None:
        if text := self._ask("comment"):
            self._decide(item, Decision(item.check, None, None, text, ""))

    def _reuse(self, item: Item) -> None:
        known = comments_so_far(self._book().entries, item.assignment)[:MOST_COMMENTS]
        if not known:
            self._say("no comment was made on this assignment yet")
            return
        for number, text in enumerate(known, 1):
            self._say(f"  {number}: {text}", 200)
        self._say("which one? any other key: none")
        key = click.getchar()
        if key.isdecimal() and 1 <= int(key) <= len(known):
            self._decide(item, Decision(item.check, None, None, known[int(key) - 1], ""))

    def _toggle(self, item: Item) -> None:
        if alike(self._book(), item):
            self.everyone = not self.everyone
        else:
            self._say("nobody else made this mistake")

    def _answer(self, item: Item) -> None:
        if text := self._ask("answer"):
            reply(self._book(), item.request, text, self._by())
            self._done(1)

    def _looked(self, item: Item) -> None:
        if item.request:
            self._say("a request is answered with [w]")
            return
        look(self._book(), item.assignment, item.student, item.check, item.words, self._by())
        self._done(1)

    def _open(self, item: Item) -> None:
        page = self.page(item.assignment, item.student)
        self._say(str(page))
        click.launch(str(page))

    def _decide(self, item: Item, decision: Decision) -> None:
        """Write it for this student, and for everyone with the same mistake where that was asked for."""
        book = self._book()
        whose = (item.student, *(alike(book, item) if self.everyone else ()))
        for student in whose:
            decide(book, item.assignment, student, decision, self._by())
        self._done(len(whose))

    def _done(self, count: int) -> None:
        self.decisions += count
        self.everyone = False
        self._say(f"written: {count} decision{'' if count == 1 else 's'}")

    def _ask(self, what: str) -> str:
        """What somebody types on one line; nothing: they changed their mind."""
        answer: str = click.prompt(f"  {what}", default="", show_default=False)
        return answer.strip()

    def _by(self) -> Author:
        return Author(self.author.who, self.now())


def _result(book: Book, item: Item) -> CheckResult | None:
    grade = book.grades.get(item.assignment, {}).get(item.student)
    return next((each for each in grade.results if each.id == item.check), None) if grade else None
